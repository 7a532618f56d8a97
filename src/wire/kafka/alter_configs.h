// Sets all settings of topics and brokers at once.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, AlterConfigs, key 33, versions 0 to 2; KIP-133.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct AlterConfigsRequest {
    struct Config {
        std::string_view name;
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

struct AlterConfigsResponse {
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
