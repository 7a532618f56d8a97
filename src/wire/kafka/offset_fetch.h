// How far groups have come in partitions.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, OffsetFetch, key 9, versions 1 to 9; KIP-88 (all), KIP-709 (several groups), KIP-848.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct OffsetFetchRequest {
    struct Topic {
        std::string_view name;
        Array<std::int32_t> partition_indexes;
        void describe(Codec& codec);
    };
    struct Group {
        std::string_view group_id;
        std::optional<std::string_view> member_id;  // from 9
        std::int32_t member_epoch = -1;             // from 9
        Array<Topic> topics;                        // may be null
        void describe(Codec& codec);
    };
    std::string_view group_id;    // until 7
    Array<Topic> topics;          // until 7; null from 2
    Array<Group> groups;          // from 8
    bool require_stable = false;  // from 7
    void describe(Codec& codec);
};

struct OffsetFetchResponse {
    struct Partition {
        std::int32_t partition_index = 0;
        Offset committed_offset;
        Epoch committed_leader_epoch{-1};  // from 5
        std::optional<std::string_view> metadata;
        std::int16_t error_code = 0;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    struct Group {
        std::string_view group_id;
        Array<Topic> topics;
        std::int16_t error_code = 0;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;  // from 3
    Array<Topic> topics;                // until 7
    std::int16_t error_code = 0;        // 2 to 7
    Array<Group> groups;                // from 8
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
