#include "wire/kafka/offset_for_leader_epoch.h"

namespace rivulet::wire::kafka {

void OffsetForLeaderEpochRequest::Partition::describe(Codec& codec) {
    codec.fields(partition, current_leader_epoch, leader_epoch);
    codec.tags();
}

void OffsetForLeaderEpochRequest::Topic::describe(Codec& codec) {
    codec.fields(topic, partitions);
    codec.tags();
}

void OffsetForLeaderEpochRequest::describe(Codec& codec) {
    if (codec.from(3)) codec.field(replica_id);
    codec.field(topics);
    codec.tags();
}

void OffsetForLeaderEpochResponse::Partition::describe(Codec& codec) {
    codec.fields(error_code, partition, leader_epoch, end_offset);
    codec.tags();
}

void OffsetForLeaderEpochResponse::Topic::describe(Codec& codec) {
    codec.fields(topic, partitions);
    codec.tags();
}

void OffsetForLeaderEpochResponse::describe(Codec& codec) {
    codec.fields(throttle_time_ms, topics);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
