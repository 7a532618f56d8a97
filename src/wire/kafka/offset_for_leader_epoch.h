// Where leader epochs end, for clients that look for truncation.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, OffsetForLeaderEpoch, key 23, versions 2 to 4; KIP-101, KIP-320.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct OffsetForLeaderEpochRequest {
    struct Partition {
        std::int32_t partition = 0;
        Epoch current_leader_epoch{-1};
        Epoch leader_epoch;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view topic;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    std::int32_t replica_id = -2;  // from 3
    Array<Topic> topics;
    void describe(Codec& codec);
};

struct OffsetForLeaderEpochResponse {
    struct Partition {
        std::int16_t error_code = 0;
        std::int32_t partition = 0;
        Epoch leader_epoch{-1};
        Offset end_offset{-1};
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view topic;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;
    Array<Topic> topics;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
