// Forgets how far a group has come in partitions.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, OffsetDelete, key 47, versions 0 to 0; KIP-496, never flexible.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct OffsetDeleteRequest {
    struct Partition {
        std::int32_t partition_index = 0;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    std::string_view group_id;
    Array<Topic> topics;
    void describe(Codec& codec);
};

struct OffsetDeleteResponse {
    struct Partition {
        std::int32_t partition_index = 0;
        std::int16_t error_code = 0;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    std::int16_t error_code = 0;
    std::int32_t throttle_time_ms = 0;
    Array<Topic> topics;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
