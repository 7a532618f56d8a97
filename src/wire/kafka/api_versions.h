// The APIs and versions of this broker.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, ApiVersions, key 18, versions 0 to 4; KIP-35, KIP-511. The features of a cluster (KIP-584) are left out.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct ApiVersionsRequest {
    std::string_view client_software_name;     // from 3
    std::string_view client_software_version;  // from 3
    void describe(Codec& codec);
};

struct ApiVersionsResponse {
    struct ApiVersion {
        std::int16_t api_key = 0;
        std::int16_t min_version = 0;
        std::int16_t max_version = 0;
        void describe(Codec& codec);
    };
    std::int16_t error_code = 0;
    Array<ApiVersion> api_keys;
    std::int32_t throttle_time_ms = 0;  // from 1
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
