// A member joins its group: the leader hears of all members.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, JoinGroup, key 11, versions 0 to 9; KIP-62, KIP-345, KIP-394, KIP-559, KIP-800, KIP-814.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct JoinGroupRequest {
    struct Protocol {
        std::string_view name;
        Bytes metadata;
        void describe(Codec& codec);
    };
    std::string_view group_id;
    std::int32_t session_timeout_ms = 0;
    std::int32_t rebalance_timeout_ms = -1;             // from 1
    std::string_view member_id;
    std::optional<std::string_view> group_instance_id;  // from 5
    std::string_view protocol_type;
    Array<Protocol> protocols;
    std::optional<std::string_view> reason;             // from 8
    void describe(Codec& codec);
};

struct JoinGroupResponse {
    struct Member {
        std::string_view member_id;
        std::optional<std::string_view> group_instance_id;  // from 5
        Bytes metadata;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;              // from 2
    std::int16_t error_code = 0;
    std::int32_t generation_id = -1;
    std::optional<std::string_view> protocol_type;  // from 7
    std::optional<std::string_view> protocol_name;  // null from 7
    std::string_view leader;
    bool skip_assignment = false;                   // from 9
    std::string_view member_id;
    Array<Member> members;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
