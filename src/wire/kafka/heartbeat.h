// A member of a group is alive.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, Heartbeat, key 12, versions 0 to 4; KIP-345.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct HeartbeatRequest {
    std::string_view group_id;
    std::int32_t generation_id = 0;
    std::string_view member_id;
    std::optional<std::string_view> group_instance_id;  // from 3
    void describe(Codec& codec);
};

struct HeartbeatResponse {
    std::int32_t throttle_time_ms = 0;  // from 1
    std::int16_t error_code = 0;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
