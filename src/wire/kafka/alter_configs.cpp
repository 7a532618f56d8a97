#include "wire/kafka/alter_configs.h"

namespace rivulet::wire::kafka {

void AlterConfigsRequest::Config::describe(Codec& codec) {
    codec.fields(name, value);
    codec.tags();
}

void AlterConfigsRequest::Resource::describe(Codec& codec) {
    codec.fields(resource_type, resource_name, configs);
    codec.tags();
}

void AlterConfigsRequest::describe(Codec& codec) {
    codec.fields(resources, validate_only);
    codec.tags();
}

void AlterConfigsResponse::Resource::describe(Codec& codec) {
    codec.fields(error_code, error_message, resource_type, resource_name);
    codec.tags();
}

void AlterConfigsResponse::describe(Codec& codec) {
    codec.fields(throttle_time_ms, responses);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
