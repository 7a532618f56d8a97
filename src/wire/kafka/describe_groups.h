// The state of groups, and their members.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, DescribeGroups, key 15, versions 0 to 6; KIP-345, KIP-430, KIP-1043.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct DescribeGroupsRequest {
    Array<std::string_view> groups;
    bool include_authorized_operations = false;  // from 3
    void describe(Codec& codec);
};

struct DescribeGroupsResponse {
    struct Member {
        std::string_view member_id;
        std::optional<std::string_view> group_instance_id;  // from 4
        std::string_view client_id;
        std::string_view client_host;
        Bytes member_metadata;
        Bytes member_assignment;
        void describe(Codec& codec);
    };
    struct Group {
        std::int16_t error_code = 0;
        std::optional<std::string_view> error_message;   // from 6
        std::string_view group_id;
        std::string_view group_state;
        std::string_view protocol_type;
        std::string_view protocol_data;
        Array<Member> members;
        std::int32_t authorized_operations = INT32_MIN;  // from 3
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;  // from 1
    Array<Group> groups;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
