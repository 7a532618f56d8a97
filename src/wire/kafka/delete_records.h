// Moves the start of partitions' logs forward.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, DeleteRecords, key 21, versions 0 to 2; KIP-107.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct DeleteRecordsRequest {
    struct Partition {
        std::int32_t partition_index = 0;
        Offset offset;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    Array<Topic> topics;
    std::int32_t timeout_ms = 0;
    void describe(Codec& codec);
};

struct DeleteRecordsResponse {
    struct Partition {
        std::int32_t partition_index = 0;
        Offset low_watermark;
        std::int16_t error_code = 0;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;
    Array<Topic> topics;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
