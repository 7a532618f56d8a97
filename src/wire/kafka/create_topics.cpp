#include "wire/kafka/create_topics.h"

namespace rivulet::wire::kafka {

void CreateTopicsRequest::Assignment::describe(Codec& codec) {
    codec.fields(partition_index, broker_ids);
    codec.tags();
}

void CreateTopicsRequest::Config::describe(Codec& codec) {
    codec.fields(name, value);
    codec.tags();
}

void CreateTopicsRequest::Topic::describe(Codec& codec) {
    codec.fields(name, num_partitions, replication_factor, assignments, configs);
    codec.tags();
}

void CreateTopicsRequest::describe(Codec& codec) {
    codec.fields(topics, timeout_ms);
    if (codec.from(1)) codec.field(validate_only);
    codec.tags();
}

void CreateTopicsResponse::Config::describe(Codec& codec) {
    codec.fields(name, value, read_only, config_source, is_sensitive);
    codec.tags();
}

void CreateTopicsResponse::Topic::describe(Codec& codec) {
    codec.field(name);
    if (codec.from(7)) codec.field(topic_id);
    codec.field(error_code);
    if (codec.from(1)) codec.field(error_message);
    if (codec.from(5)) codec.fields(num_partitions, replication_factor);
    if (codec.from(5)) codec.field(configs, true);
    codec.tags();
}

void CreateTopicsResponse::describe(Codec& codec) {
    if (codec.from(2)) codec.field(throttle_time_ms);
    codec.field(topics);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
