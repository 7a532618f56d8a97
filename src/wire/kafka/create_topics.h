// Creates topics.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, CreateTopics, key 19, versions 0 to 7; KIP-4, KIP-464 (defaults), KIP-525 (their settings come back), KIP-516.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct CreateTopicsRequest {
    struct Assignment {
        std::int32_t partition_index = 0;
        Array<std::int32_t> broker_ids;
        void describe(Codec& codec);
    };
    struct Config {
        std::string_view name;
        std::optional<std::string_view> value;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        std::int32_t num_partitions = 0;
        std::int16_t replication_factor = 0;
        Array<Assignment> assignments;
        Array<Config> configs;
        void describe(Codec& codec);
    };
    Array<Topic> topics;
    std::int32_t timeout_ms = 60000;
    bool validate_only = false;  // from 1
    void describe(Codec& codec);
};

struct CreateTopicsResponse {
    struct Config {
        std::string_view name;
        std::optional<std::string_view> value;
        bool read_only = false;
        std::int8_t config_source = -1;
        bool is_sensitive = false;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Uuid topic_id;                                  // from 7
        std::int16_t error_code = 0;
        std::optional<std::string_view> error_message;  // from 1
        std::int32_t num_partitions = -1;               // from 5
        std::int16_t replication_factor = -1;           // from 5
        Array<Config> configs;                          // from 5; may be null
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;  // from 2
    Array<Topic> topics;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
