// Deletes groups that have no members.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, DeleteGroups, key 42, versions 0 to 2; KIP-229.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct DeleteGroupsRequest {
    Array<std::string_view> groups_names;
    void describe(Codec& codec);
};

struct DeleteGroupsResponse {
    struct Group {
        std::string_view group_id;
        std::int16_t error_code = 0;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;
    Array<Group> results;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
