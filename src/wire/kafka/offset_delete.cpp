#include "wire/kafka/offset_delete.h"

namespace rivulet::wire::kafka {

void OffsetDeleteRequest::Partition::describe(Codec& codec) {
    codec.field(partition_index);
    codec.tags();
}

void OffsetDeleteRequest::Topic::describe(Codec& codec) {
    codec.fields(name, partitions);
    codec.tags();
}

void OffsetDeleteRequest::describe(Codec& codec) {
    codec.fields(group_id, topics);
    codec.tags();
}

void OffsetDeleteResponse::Partition::describe(Codec& codec) {
    codec.fields(partition_index, error_code);
    codec.tags();
}

void OffsetDeleteResponse::Topic::describe(Codec& codec) {
    codec.fields(name, partitions);
    codec.tags();
}

void OffsetDeleteResponse::describe(Codec& codec) {
    codec.fields(error_code, throttle_time_ms, topics);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
