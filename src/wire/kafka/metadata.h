// The brokers, the topics, their partitions and who leads them.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, Metadata, key 3, versions 0 to 12; KIP-4, KIP-430, KIP-516.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct MetadataRequest {
    struct Topic {
        Uuid topic_id;                         // from 10
        std::optional<std::string_view> name;  // null from 10
        void describe(Codec& codec);
    };
    Array<Topic> topics;                                 // null from 1
    bool allow_auto_topic_creation = true;               // from 4
    bool include_cluster_authorized_operations = false;  // 8 to 10
    bool include_topic_authorized_operations = false;    // from 8
    void describe(Codec& codec);
};

struct MetadataResponse {
    struct Broker {
        std::int32_t node_id = 0;
        std::string_view host;
        std::int32_t port = 0;
        std::optional<std::string_view> rack;  // from 1
        void describe(Codec& codec);
    };
    struct Partition {
        std::int16_t error_code = 0;
        std::int32_t partition_index = 0;
        std::int32_t leader_id = 0;
        Epoch leader_epoch{-1};                // from 7
        Array<std::int32_t> replica_nodes;
        Array<std::int32_t> isr_nodes;
        Array<std::int32_t> offline_replicas;  // from 5
        void describe(Codec& codec);
    };
    struct Topic {
        std::int16_t error_code = 0;
        std::optional<std::string_view> name;                  // null from 12
        Uuid topic_id;                                         // from 10
        bool is_internal = false;                              // from 1
        Array<Partition> partitions;
        std::int32_t topic_authorized_operations = INT32_MIN;  // from 8
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;                       // from 3
    Array<Broker> brokers;
    std::optional<std::string_view> cluster_id;              // from 2
    std::int32_t controller_id = -1;                         // from 1
    Array<Topic> topics;
    std::int32_t cluster_authorized_operations = INT32_MIN;  // 8 to 10
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
