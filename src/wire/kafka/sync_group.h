// The leader of a group hands in who reads what; each member hears its part.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, SyncGroup, key 14, versions 0 to 5; KIP-345, KIP-559.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct SyncGroupRequest {
    struct Assignment {
        std::string_view member_id;
        Bytes assignment;
        void describe(Codec& codec);
    };
    std::string_view group_id;
    std::int32_t generation_id = 0;
    std::string_view member_id;
    std::optional<std::string_view> group_instance_id;  // from 3
    std::optional<std::string_view> protocol_type;      // from 5
    std::optional<std::string_view> protocol_name;      // from 5
    Array<Assignment> assignments;
    void describe(Codec& codec);
};

struct SyncGroupResponse {
    std::int32_t throttle_time_ms = 0;              // from 1
    std::int16_t error_code = 0;
    std::optional<std::string_view> protocol_type;  // from 5
    std::optional<std::string_view> protocol_name;  // from 5
    Bytes assignment;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
