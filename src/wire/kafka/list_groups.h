// The groups of this broker.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, ListGroups, key 16, versions 0 to 5; KIP-518, KIP-848.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct ListGroupsRequest {
    Array<std::string_view> states_filter;  // from 4
    Array<std::string_view> types_filter;   // from 5
    void describe(Codec& codec);
};

struct ListGroupsResponse {
    struct Group {
        std::string_view group_id;
        std::string_view protocol_type;
        std::string_view group_state;  // from 4
        std::string_view group_type;   // from 5
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;  // from 1
    std::int16_t error_code = 0;
    Array<Group> groups;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
