#include "wire/kafka/offset_fetch.h"

namespace rivulet::wire::kafka {

void OffsetFetchRequest::Topic::describe(Codec& codec) {
    codec.fields(name, partition_indexes);
    codec.tags();
}

void OffsetFetchRequest::Group::describe(Codec& codec) {
    codec.field(group_id);
    if (codec.from(9)) codec.fields(member_id, member_epoch);
    codec.field(topics, true);
    codec.tags();
}

void OffsetFetchRequest::describe(Codec& codec) {
    if (codec.until(7)) codec.field(group_id);
    if (codec.until(7)) codec.field(topics, codec.from(2));
    if (codec.from(8)) codec.field(groups);
    if (codec.from(7)) codec.field(require_stable);
    codec.tags();
}

void OffsetFetchResponse::Partition::describe(Codec& codec) {
    codec.fields(partition_index, committed_offset);
    if (codec.from(5)) codec.field(committed_leader_epoch);
    codec.fields(metadata, error_code);
    codec.tags();
}

void OffsetFetchResponse::Topic::describe(Codec& codec) {
    codec.fields(name, partitions);
    codec.tags();
}

void OffsetFetchResponse::Group::describe(Codec& codec) {
    codec.fields(group_id, topics, error_code);
    codec.tags();
}

void OffsetFetchResponse::describe(Codec& codec) {
    if (codec.from(3)) codec.field(throttle_time_ms);
    if (codec.until(7)) codec.field(topics);
    if (codec.from(2) && codec.until(7)) codec.field(error_code);
    if (codec.from(8)) codec.field(groups);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
