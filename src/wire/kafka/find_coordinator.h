// The broker that coordinates groups or transactions.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, FindCoordinator, key 10, versions 0 to 5; KIP-699 (several keys).
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct FindCoordinatorRequest {
    std::string_view key;                      // until 3
    std::int8_t key_type = 0;                  // from 1
    Array<std::string_view> coordinator_keys;  // from 4
    void describe(Codec& codec);
};

struct FindCoordinatorResponse {
    struct Coordinator {
        std::string_view key;
        std::int32_t node_id = 0;
        std::string_view host;
        std::int32_t port = 0;
        std::int16_t error_code = 0;
        std::optional<std::string_view> error_message;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;              // from 1
    std::int16_t error_code = 0;                    // until 3
    std::optional<std::string_view> error_message;  // 1 to 3
    std::int32_t node_id = 0;                       // until 3
    std::string_view host;                          // until 3
    std::int32_t port = 0;                          // until 3
    Array<Coordinator> coordinators;                // from 4
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
