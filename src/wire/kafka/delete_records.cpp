#include "wire/kafka/delete_records.h"

namespace rivulet::wire::kafka {

void DeleteRecordsRequest::Partition::describe(Codec& codec) {
    codec.fields(partition_index, offset);
    codec.tags();
}

void DeleteRecordsRequest::Topic::describe(Codec& codec) {
    codec.fields(name, partitions);
    codec.tags();
}

void DeleteRecordsRequest::describe(Codec& codec) {
    codec.fields(topics, timeout_ms);
    codec.tags();
}

void DeleteRecordsResponse::Partition::describe(Codec& codec) {
    codec.fields(partition_index, low_watermark, error_code);
    codec.tags();
}

void DeleteRecordsResponse::Topic::describe(Codec& codec) {
    codec.fields(name, partitions);
    codec.tags();
}

void DeleteRecordsResponse::describe(Codec& codec) {
    codec.fields(throttle_time_ms, topics);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
