// How far a group has come in partitions.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, OffsetCommit, key 8, versions 2 to 9; KIP-98, KIP-211, KIP-345, KIP-848.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct OffsetCommitRequest {
    struct Partition {
        std::int32_t partition_index = 0;
        Offset committed_offset;
        Epoch committed_leader_epoch{-1};  // from 6
        std::optional<std::string_view> committed_metadata;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    std::string_view group_id;
    std::int32_t generation_id_or_member_epoch = -1;
    std::string_view member_id;
    std::optional<std::string_view> group_instance_id;  // from 7
    std::int64_t retention_time_ms = -1;                // until 4
    Array<Topic> topics;
    void describe(Codec& codec);
};

struct OffsetCommitResponse {
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
    std::int32_t throttle_time_ms = 0;  // from 3
    Array<Topic> topics;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
