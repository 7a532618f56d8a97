// Bytes of partitions on flash.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, DescribeLogDirs, key 35, versions 1 to 4; KIP-113, KIP-827.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct DescribeLogDirsRequest {
    struct Topic {
        std::string_view topic;
        Array<std::int32_t> partitions;
        void describe(Codec& codec);
    };
    Array<Topic> topics;  // may be null
    void describe(Codec& codec);
};

struct DescribeLogDirsResponse {
    struct Partition {
        std::int32_t partition_index = 0;
        std::int64_t partition_size = 0;
        std::int64_t offset_lag = 0;
        bool is_future_key = false;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    struct LogDir {
        std::int16_t error_code = 0;
        std::string_view log_dir;
        Array<Topic> topics;
        std::int64_t total_bytes = -1;   // from 4
        std::int64_t usable_bytes = -1;  // from 4
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;
    std::int16_t error_code = 0;  // from 3
    Array<LogDir> results;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
