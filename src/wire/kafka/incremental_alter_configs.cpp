#include "wire/kafka/incremental_alter_configs.h"

namespace rivulet::wire::kafka {

void IncrementalAlterConfigsRequest::Config::describe(Codec& codec) {
    codec.fields(name, config_operation, value);
    codec.tags();
}

void IncrementalAlterConfigsRequest::Resource::describe(Codec& codec) {
    codec.fields(resource_type, resource_name, configs);
    codec.tags();
}

void IncrementalAlterConfigsRequest::describe(Codec& codec) {
    codec.fields(resources, validate_only);
    codec.tags();
}

void IncrementalAlterConfigsResponse::Resource::describe(Codec& codec) {
    codec.fields(error_code, error_message, resource_type, resource_name);
    codec.tags();
}

void IncrementalAlterConfigsResponse::describe(Codec& codec) {
    codec.fields(throttle_time_ms, responses);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
