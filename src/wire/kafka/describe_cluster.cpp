#include "wire/kafka/describe_cluster.h"

namespace rivulet::wire::kafka {

void DescribeClusterRequest::describe(Codec& codec) {
    codec.field(include_cluster_authorized_operations);
    if (codec.from(1)) codec.field(endpoint_type);
    if (codec.from(2)) codec.field(include_fenced_brokers);
    codec.tags();
}

void DescribeClusterResponse::Broker::describe(Codec& codec) {
    codec.fields(broker_id, host, port, rack);
    if (codec.from(2)) codec.field(is_fenced);
    codec.tags();
}

void DescribeClusterResponse::describe(Codec& codec) {
    codec.fields(throttle_time_ms, error_code, error_message);
    if (codec.from(1)) codec.field(endpoint_type);
    codec.fields(cluster_id, controller_id, brokers, cluster_authorized_operations);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
