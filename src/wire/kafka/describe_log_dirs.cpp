#include "wire/kafka/describe_log_dirs.h"

namespace rivulet::wire::kafka {

void DescribeLogDirsRequest::Topic::describe(Codec& codec) {
    codec.fields(topic, partitions);
    codec.tags();
}

void DescribeLogDirsRequest::describe(Codec& codec) {
    codec.field(topics, true);
    codec.tags();
}

void DescribeLogDirsResponse::Partition::describe(Codec& codec) {
    codec.fields(partition_index, partition_size, offset_lag, is_future_key);
    codec.tags();
}

void DescribeLogDirsResponse::Topic::describe(Codec& codec) {
    codec.fields(name, partitions);
    codec.tags();
}

void DescribeLogDirsResponse::LogDir::describe(Codec& codec) {
    codec.fields(error_code, log_dir, topics);
    if (codec.from(4)) codec.fields(total_bytes, usable_bytes);
    codec.tags();
}

void DescribeLogDirsResponse::describe(Codec& codec) {
    codec.field(throttle_time_ms);
    if (codec.from(3)) codec.field(error_code);
    codec.field(results);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
