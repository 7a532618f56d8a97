// Record batches to partitions; the broker says at which offsets they are.
// A request is decoded as a stream: its heads one by one, then what they count, each followed by codec.tags().
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, Produce, key 0, versions 0 to 12; KIP-467 (errors of records). Left out of the response: where else to go (KIP-951).
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

// Each ends with the count or length of what follows it. A decoder holds that against its own limits; encoded with the whole message, it is set there.
struct ProduceRequestHead {
    std::optional<std::string_view> transactional_id;  // from 3
    std::int16_t acks = 0;
    std::int32_t timeout_ms = 0;
    std::int32_t topic_count = 0;
    void describe(Codec& codec);
};
struct ProduceTopicHead {
    std::string_view name;
    std::int32_t partition_count = 0;
    void describe(Codec& codec);
};
struct ProducePartitionHead {
    std::int32_t index = 0;
    std::int32_t records_length = -1;  // -1: null
    void describe(Codec& codec);
};

struct ProduceRequest : ProduceRequestHead {
    struct Partition : ProducePartitionHead {
        Records records;
        void describe(Codec& codec);
    };
    struct Topic : ProduceTopicHead {
        Array<Partition> partition_data;
        void describe(Codec& codec);
    };
    Array<Topic> topic_data;
    void describe(Codec& codec);
};

struct ProduceResponse {
    struct RecordError {
        std::int32_t batch_index = 0;
        std::optional<std::string_view> batch_index_error_message;
        void describe(Codec& codec);
    };
    struct Partition {
        std::int32_t index = 0;
        std::int16_t error_code = 0;
        Offset base_offset;
        Timestamp log_append_time_ms{-1};               // from 2
        Offset log_start_offset{-1};                    // from 5
        Array<RecordError> record_errors;               // from 8
        std::optional<std::string_view> error_message;  // from 8
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view name;
        Array<Partition> partition_responses;
        void describe(Codec& codec);
    };
    Array<Topic> responses;
    std::int32_t throttle_time_ms = 0;  // from 1
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
