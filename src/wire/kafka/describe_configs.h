// Settings of topics and brokers, with where they come from.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, DescribeConfigs, key 32, versions 0 to 4; KIP-133, KIP-226 (synonyms), KIP-569 (types, documentation).
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct DescribeConfigsRequest {
    struct Resource {
        std::int8_t resource_type = 0;
        std::string_view resource_name;
        Array<std::string_view> configuration_keys;  // may be null
        void describe(Codec& codec);
    };
    Array<Resource> resources;
    bool include_synonyms = false;       // from 1
    bool include_documentation = false;  // from 3
    void describe(Codec& codec);
};

struct DescribeConfigsResponse {
    struct Synonym {
        std::string_view name;
        std::optional<std::string_view> value;
        std::int8_t source = 0;
        void describe(Codec& codec);
    };
    struct Config {
        std::string_view name;
        std::optional<std::string_view> value;
        bool read_only = false;
        bool is_default = false;                        // until 0
        std::int8_t config_source = -1;                 // from 1
        bool is_sensitive = false;
        Array<Synonym> synonyms;                        // from 1
        std::int8_t config_type = 0;                    // from 3
        std::optional<std::string_view> documentation;  // from 3
        void describe(Codec& codec);
    };
    struct Resource {
        std::int16_t error_code = 0;
        std::optional<std::string_view> error_message;
        std::int8_t resource_type = 0;
        std::string_view resource_name;
        Array<Config> configs;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;
    Array<Resource> results;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
