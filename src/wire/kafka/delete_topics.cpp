#include "wire/kafka/delete_topics.h"

namespace rivulet::wire::kafka {

void DeleteTopicsRequest::Topic::describe(Codec& codec) {
    codec.fields(name, topic_id);
    codec.tags();
}

void DeleteTopicsRequest::describe(Codec& codec) {
    if (codec.from(6)) codec.field(topics);
    if (codec.until(5)) codec.field(topic_names);
    codec.field(timeout_ms);
    codec.tags();
}

void DeleteTopicsResponse::Topic::describe(Codec& codec) {
    codec.field(name, codec.from(6));
    if (codec.from(6)) codec.field(topic_id);
    codec.field(error_code);
    if (codec.from(5)) codec.field(error_message);
    codec.tags();
}

void DeleteTopicsResponse::describe(Codec& codec) {
    if (codec.from(1)) codec.field(throttle_time_ms);
    codec.field(responses);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
