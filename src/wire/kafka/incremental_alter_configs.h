// Sets single settings of topics and brokers.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, IncrementalAlterConfigs, key 44, versions 0 to 1; KIP-339.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct IncrementalAlterConfigsRequest {
    struct Config {
        std::string_view name;
        std::int8_t config_operation = 0;
        std::optional<std::string_view> value;
        void describe(Codec& codec);
    };
    struct Resource {
        std::int8_t resource_type = 0;
        std::string_view resource_name;
        Array<Config> configs;
        void describe(Codec& codec);
    };
    Array<Resource> resources;
    bool validate_only = false;
    void describe(Codec& codec);
};

struct IncrementalAlterConfigsResponse {
    struct Resource {
        std::int16_t error_code = 0;
        std::optional<std::string_view> error_message;
        std::int8_t resource_type = 0;
        std::string_view resource_name;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;
    Array<Resource> responses;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
