// Which boards a client wants replicas of partitions on: this one alone can be.
// Owns:     nothing. Bounds: one pass over the assignments for each 1024 of them.
// Thread:   loop only.
#pragma once

#include "base/text.h"
#include "wire/kafka/codec.h"

namespace rivulet::server::kafka {

// Of one partition.
inline Error check_replicas(const wire::kafka::Array<std::int32_t>& boards, std::int32_t here, Text& why) {
    if (boards.size() == 1 && *boards.begin() == here) return Error::none;
    why << "each partition has one replica, on board " << here;
    return Error::invalid_replica_assignment;
}

// Of a topic that is to be created: partitions from 0 on, each once.
template <class Assignment>
Error check_assignments(const wire::kafka::Array<Assignment>& assignments, std::int32_t here, Text& why) {
    constexpr std::size_t chunk = 1024;
    for (std::size_t first = 0; first < assignments.size(); first += chunk) {
        std::uint64_t seen[chunk / 64] = {};
        for (const Assignment& assignment : assignments) {
            const auto index = static_cast<std::uint32_t>(assignment.partition_index);
            if (index >= assignments.size() || (index >= first && index < first + chunk && (seen[(index - first) / 64] >> (index - first) % 64 & 1) != 0)) {
                why << "partitions are numbered from 0 on, each once";
                return Error::invalid_replica_assignment;
            }
            if (index >= first && index < first + chunk) seen[(index - first) / 64] |= std::uint64_t{1} << (index - first) % 64;
            if (first != 0) continue;
            if (const Error error = check_replicas(assignment.broker_ids, here, why); error != Error::none) return error;
        }
    }
    return Error::none;
}

}  // namespace rivulet::server::kafka
