// An identity for an idempotent producer.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, InitProducerId, key 22, versions 0 to 5; KIP-98, KIP-360.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct InitProducerIdRequest {
    std::optional<std::string_view> transactional_id;
    std::int32_t transaction_timeout_ms = 0;
    std::int64_t producer_id = -1;     // from 3
    std::int16_t producer_epoch = -1;  // from 3
    void describe(Codec& codec);
};

struct InitProducerIdResponse {
    std::int32_t throttle_time_ms = 0;
    std::int16_t error_code = 0;
    std::int64_t producer_id = -1;
    std::int16_t producer_epoch = 0;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
