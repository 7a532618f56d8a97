// Adds partitions to topics.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, CreatePartitions, key 37, versions 0 to 3; KIP-195, KIP-599.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct CreatePartitionsRequest {
    struct Assignment {
        Array<std::int32_t> broker_ids;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        std::int32_t count = 0;
        Array<Assignment> assignments;  // may be null
        void describe(Codec& codec);
    };
    Array<Topic> topics;
    std::int32_t timeout_ms = 0;
    bool validate_only = false;
    void describe(Codec& codec);
};

struct CreatePartitionsResponse {
    struct Topic {
        std::string_view name;
        std::int16_t error_code = 0;
        std::optional<std::string_view> error_message;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;
    Array<Topic> results;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
