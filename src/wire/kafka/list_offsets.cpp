#include "wire/kafka/list_offsets.h"

namespace rivulet::wire::kafka {

void ListOffsetsRequest::Partition::describe(Codec& codec) {
    codec.field(partition_index);
    if (codec.from(4)) codec.field(current_leader_epoch);
    codec.field(timestamp);
    if (codec.until(0)) codec.field(max_num_offsets);
    codec.tags();
}

void ListOffsetsRequest::Topic::describe(Codec& codec) {
    codec.fields(name, partitions);
    codec.tags();
}

void ListOffsetsRequest::describe(Codec& codec) {
    codec.field(replica_id);
    if (codec.from(2)) codec.field(isolation_level);
    codec.field(topics);
    if (codec.from(10)) codec.field(timeout_ms);
    codec.tags();
}

void ListOffsetsResponse::Partition::describe(Codec& codec) {
    codec.fields(partition_index, error_code);
    if (codec.until(0)) codec.field(old_style_offsets);
    else codec.fields(timestamp, offset);
    if (codec.from(4)) codec.field(leader_epoch);
    codec.tags();
}

void ListOffsetsResponse::Topic::describe(Codec& codec) {
    codec.fields(name, partitions);
    codec.tags();
}

void ListOffsetsResponse::describe(Codec& codec) {
    if (codec.from(2)) codec.field(throttle_time_ms);
    codec.field(topics);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
