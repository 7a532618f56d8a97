// Record batches of partitions, from an offset on; waits for min_bytes until max_wait_ms.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, Fetch, key 1, versions 4 to 17; KIP-227 (sessions), KIP-320 (epochs), KIP-516 (topic ids), KIP-903 (replica state).
//           Left out of the response: where else to go (KIP-951), diverging epochs (KIP-595).
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct FetchRequest {
    struct ReplicaState {
        std::int32_t replica_id = -1;
        std::int64_t replica_epoch = -1;
        void describe(Codec& codec);
    };
    struct Partition {
        std::int32_t partition = 0;
        Epoch current_leader_epoch{-1};  // from 9
        Offset fetch_offset;
        Epoch last_fetched_epoch{-1};    // from 12
        Offset log_start_offset{-1};     // from 5
        std::int32_t partition_max_bytes = 0;
        Uuid replica_directory_id;       // from 17
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view topic;  // until 12
        Uuid topic_id;           // from 13
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    struct ForgottenTopic {
        std::string_view topic;  // until 12
        Uuid topic_id;           // from 13
        Array<std::int32_t> partitions;
        void describe(Codec& codec);
    };
    std::optional<std::string_view> cluster_id;   // from 12
    std::int32_t replica_id = -1;                 // until 14
    ReplicaState replica_state;                   // from 15
    std::int32_t max_wait_ms = 0;
    std::int32_t min_bytes = 0;
    std::int32_t max_bytes = INT32_MAX;
    std::int8_t isolation_level = 0;
    std::int32_t session_id = 0;                  // from 7
    std::int32_t session_epoch = -1;              // from 7
    Array<Topic> topics;
    Array<ForgottenTopic> forgotten_topics_data;  // from 7
    std::string_view rack_id;                     // from 11
    void describe(Codec& codec);
};

struct FetchResponse {
    struct AbortedTransaction {
        std::int64_t producer_id = 0;
        Offset first_offset;
        void describe(Codec& codec);
    };
    struct Partition {
        std::int32_t partition_index = 0;
        std::int16_t error_code = 0;
        Offset high_watermark;
        Offset last_stable_offset{-1};
        Offset log_start_offset{-1};                     // from 5
        Array<AbortedTransaction> aborted_transactions;  // may be null
        std::int32_t preferred_read_replica = -1;        // from 11
        Records records;
        void describe(Codec& codec);
    };
    struct Topic {
        std::string_view topic;  // until 12
        Uuid topic_id;           // from 13
        Array<Partition> partitions;
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;
    std::int16_t error_code = 0;  // from 7
    std::int32_t session_id = 0;  // from 7
    Array<Topic> responses;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
