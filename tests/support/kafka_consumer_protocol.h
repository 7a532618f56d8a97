// What consumers tell each other in the metadata of their group: the topics that a member wants, and the partitions that it gets.
// Bounds, errors, thread: codec.h, kafka_versioned.h.
// Format:   Kafka's ConsumerProtocolSubscription and ConsumerProtocolAssignment, versions 0 to 3, each behind its version; never flexible. A later version is read as version 3.
//           KIP-429 (owned partitions), KIP-792 (generation), KIP-881 (rack).
#pragma once

#include "support/kafka_versioned.h"

namespace rivulet::wire::kafka {

// The protocol type of groups of consumers.
constexpr std::string_view consumer_protocol_type = "consumer";

struct ConsumerProtocolPartitions {
    std::string_view topic;
    Array<std::int32_t> partitions;
    void describe(Codec& codec);
};

struct ConsumerProtocolSubscription {
    static constexpr StructureVersions versions{.lowest = 0, .highest = 3, .written = 3, .open = true};
    Array<std::string_view> topics;
    std::optional<Bytes> user_data;
    Array<ConsumerProtocolPartitions> owned_partitions;  // from 1
    std::int32_t generation_id = -1;                     // from 2
    std::optional<std::string_view> rack_id;             // from 3
    void describe(Codec& codec);
};

struct ConsumerProtocolAssignment {
    static constexpr StructureVersions versions{.lowest = 0, .highest = 3, .written = 3, .open = true};
    Array<ConsumerProtocolPartitions> assigned_partitions;
    std::optional<Bytes> user_data;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
