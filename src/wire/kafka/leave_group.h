// Members leave their group.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, LeaveGroup, key 13, versions 0 to 5; KIP-345 (several), KIP-800.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct LeaveGroupRequest {
    struct Member {
        std::string_view member_id;
        std::optional<std::string_view> group_instance_id;
        std::optional<std::string_view> reason;  // from 5
        void describe(Codec& codec);
    };
    std::string_view group_id;
    std::string_view member_id;  // until 2
    Array<Member> members;       // from 3
    void describe(Codec& codec);
};

struct LeaveGroupResponse {
    struct Member {
        std::string_view member_id;
        std::optional<std::string_view> group_instance_id;
        std::int16_t error_code = 0;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;  // from 1
    std::int16_t error_code = 0;
    Array<Member> members;              // from 3
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
