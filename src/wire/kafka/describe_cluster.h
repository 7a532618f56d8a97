// The brokers of a cluster and who controls it.
// Bounds, errors, thread: codec.h.
// Format:   Kafka's protocol, DescribeCluster, key 60, versions 0 to 2; KIP-700, KIP-919, KIP-1073.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct DescribeClusterRequest {
    bool include_cluster_authorized_operations = false;
    std::int8_t endpoint_type = 1;        // from 1
    bool include_fenced_brokers = false;  // from 2
    void describe(Codec& codec);
};

struct DescribeClusterResponse {
    struct Broker {
        std::int32_t broker_id = 0;
        std::string_view host;
        std::int32_t port = 0;
        std::optional<std::string_view> rack;
        bool is_fenced = false;  // from 2
        void describe(Codec& codec);
    };
    std::int32_t throttle_time_ms = 0;
    std::int16_t error_code = 0;
    std::optional<std::string_view> error_message;
    std::int8_t endpoint_type = 1;  // from 1
    std::string_view cluster_id;
    std::int32_t controller_id = -1;
    Array<Broker> brokers;
    std::int32_t cluster_authorized_operations = INT32_MIN;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
