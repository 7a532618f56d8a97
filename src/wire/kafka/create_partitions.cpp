#include "wire/kafka/create_partitions.h"

namespace rivulet::wire::kafka {

void CreatePartitionsRequest::Assignment::describe(Codec& codec) {
    codec.field(broker_ids);
    codec.tags();
}

void CreatePartitionsRequest::Topic::describe(Codec& codec) {
    codec.fields(name, count);
    codec.field(assignments, true);
    codec.tags();
}

void CreatePartitionsRequest::describe(Codec& codec) {
    codec.fields(topics, timeout_ms, validate_only);
    codec.tags();
}

void CreatePartitionsResponse::Topic::describe(Codec& codec) {
    codec.fields(name, error_code, error_message);
    codec.tags();
}

void CreatePartitionsResponse::describe(Codec& codec) {
    codec.fields(throttle_time_ms, results);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
