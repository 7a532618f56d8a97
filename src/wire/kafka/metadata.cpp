#include "wire/kafka/metadata.h"

namespace rivulet::wire::kafka {

void MetadataRequest::Topic::describe(Codec& codec) {
    if (codec.from(10)) codec.field(topic_id);
    codec.field(name, codec.from(10));
    codec.tags();
}

void MetadataRequest::describe(Codec& codec) {
    codec.field(topics, codec.from(1));
    if (codec.from(4)) codec.field(allow_auto_topic_creation);
    if (codec.from(8) && codec.until(10)) codec.field(include_cluster_authorized_operations);
    if (codec.from(8)) codec.field(include_topic_authorized_operations);
    codec.tags();
}

void MetadataResponse::Broker::describe(Codec& codec) {
    codec.fields(node_id, host, port);
    if (codec.from(1)) codec.field(rack);
    codec.tags();
}

void MetadataResponse::Partition::describe(Codec& codec) {
    codec.fields(error_code, partition_index, leader_id);
    if (codec.from(7)) codec.field(leader_epoch);
    codec.fields(replica_nodes, isr_nodes);
    if (codec.from(5)) codec.field(offline_replicas);
    codec.tags();
}

void MetadataResponse::Topic::describe(Codec& codec) {
    codec.field(error_code);
    codec.field(name, codec.from(12));
    if (codec.from(10)) codec.field(topic_id);
    if (codec.from(1)) codec.field(is_internal);
    codec.field(partitions);
    if (codec.from(8)) codec.field(topic_authorized_operations);
    codec.tags();
}

void MetadataResponse::describe(Codec& codec) {
    if (codec.from(3)) codec.field(throttle_time_ms);
    codec.field(brokers);
    if (codec.from(2)) codec.field(cluster_id);
    if (codec.from(1)) codec.field(controller_id);
    codec.field(topics);
    if (codec.from(8) && codec.until(10)) codec.field(cluster_authorized_operations);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
