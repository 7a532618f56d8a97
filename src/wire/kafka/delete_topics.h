// Deletes topics, by name or id.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, DeleteTopics, key 20, versions 0 to 6; KIP-4, KIP-516.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct DeleteTopicsRequest {
    struct Topic {
        std::optional<std::string_view> name;
        Uuid topic_id;
        void describe(Codec& codec);
    };
    Array<Topic> topics;                  // from 6
    Array<std::string_view> topic_names;  // until 5
    std::int32_t timeout_ms = 0;
    void describe(Codec& codec);
};

struct DeleteTopicsResponse {
    struct Topic {
        std::optional<std::string_view> name;           // null from 6
        Uuid topic_id;                                  // from 6
        std::int16_t error_code = 0;
        std::optional<std::string_view> error_message;  // from 5
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;  // from 1
    Array<Topic> responses;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
