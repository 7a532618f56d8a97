#include "wire/kafka/produce.h"

namespace rivulet::wire::kafka {

void ProduceRequestHead::describe(Codec& codec) {
    if (codec.from(3)) codec.field(transactional_id);
    codec.fields(acks, timeout_ms);
    codec.length(topic_count);
}

void ProduceTopicHead::describe(Codec& codec) {
    codec.field(name);
    codec.length(partition_count);
}

void ProducePartitionHead::describe(Codec& codec) {
    codec.field(index);
    codec.length(records_length, true);
}

void ProduceRequest::Partition::describe(Codec& codec) {
    if (!codec.decoding()) records_length = records.encoded_length();
    ProducePartitionHead::describe(codec);
    codec.content(records, records_length);
    codec.tags();
}

void ProduceRequest::Topic::describe(Codec& codec) {
    if (!codec.decoding()) partition_count = static_cast<std::int32_t>(partition_data.size());
    ProduceTopicHead::describe(codec);
    codec.items(partition_data, partition_count);
    codec.tags();
}

void ProduceRequest::describe(Codec& codec) {
    if (!codec.decoding()) topic_count = static_cast<std::int32_t>(topic_data.size());
    ProduceRequestHead::describe(codec);
    codec.items(topic_data, topic_count);
    codec.tags();
}

void ProduceResponse::RecordError::describe(Codec& codec) {
    codec.fields(batch_index, batch_index_error_message);
    codec.tags();
}

void ProduceResponse::Partition::describe(Codec& codec) {
    codec.fields(index, error_code, base_offset);
    if (codec.from(2)) codec.field(log_append_time_ms);
    if (codec.from(5)) codec.field(log_start_offset);
    if (codec.from(8)) codec.fields(record_errors, error_message);
    codec.tags();
}

void ProduceResponse::Topic::describe(Codec& codec) {
    codec.fields(name, partition_responses);
    codec.tags();
}

void ProduceResponse::describe(Codec& codec) {
    codec.field(responses);
    if (codec.from(1)) codec.field(throttle_time_ms);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
