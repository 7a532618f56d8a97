// Offsets by time, or the earliest and latest of partitions.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, ListOffsets, key 2, versions 0 to 10; KIP-79, KIP-207, KIP-734, KIP-1075.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct ListOffsetsRequest {
    struct Partition {
        std::int32_t partition_index = 0;
        Epoch current_leader_epoch{-1};  // from 4
        Timestamp timestamp;
        std::int32_t max_num_offsets = 1;  // 0 alone
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    std::int32_t replica_id = 0;
    std::int8_t isolation_level = 0;  // from 2
    Array<Topic> topics;
    std::int32_t timeout_ms = 0;      // from 10
    void describe(Codec& codec);
};

struct ListOffsetsResponse {
    struct Partition {
        std::int32_t partition_index = 0;
        std::int16_t error_code = 0;
        Array<Offset> old_style_offsets;  // 0 alone, in place of the next two
        Timestamp timestamp{-1};
        Offset offset{-1};
        Epoch leader_epoch{-1};  // from 4
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;  // from 2
    Array<Topic> topics;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
