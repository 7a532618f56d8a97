#include "wire/kafka/offset_commit.h"

namespace rivulet::wire::kafka {

void OffsetCommitRequest::Partition::describe(Codec& codec) {
    codec.fields(partition_index, committed_offset);
    if (codec.from(6)) codec.field(committed_leader_epoch);
    codec.field(committed_metadata);
    codec.tags();
}

void OffsetCommitRequest::Topic::describe(Codec& codec) {
    codec.fields(name, partitions);
    codec.tags();
}

void OffsetCommitRequest::describe(Codec& codec) {
    codec.fields(group_id, generation_id_or_member_epoch, member_id);
    if (codec.from(7)) codec.field(group_instance_id);
    if (codec.until(4)) codec.field(retention_time_ms);
    codec.field(topics);
    codec.tags();
}

void OffsetCommitResponse::Partition::describe(Codec& codec) {
    codec.fields(partition_index, error_code);
    codec.tags();
}

void OffsetCommitResponse::Topic::describe(Codec& codec) {
    codec.fields(name, partitions);
    codec.tags();
}

void OffsetCommitResponse::describe(Codec& codec) {
    if (codec.from(3)) codec.field(throttle_time_ms);
    codec.field(topics);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
