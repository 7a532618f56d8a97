#include "wire/kafka/describe_configs.h"

namespace rivulet::wire::kafka {

void DescribeConfigsRequest::Resource::describe(Codec& codec) {
    codec.fields(resource_type, resource_name);
    codec.field(configuration_keys, true);
    codec.tags();
}

void DescribeConfigsRequest::describe(Codec& codec) {
    codec.field(resources);
    if (codec.from(1)) codec.field(include_synonyms);
    if (codec.from(3)) codec.field(include_documentation);
    codec.tags();
}

void DescribeConfigsResponse::Synonym::describe(Codec& codec) {
    codec.fields(name, value, source);
    codec.tags();
}

void DescribeConfigsResponse::Config::describe(Codec& codec) {
    codec.fields(name, value, read_only);
    if (codec.until(0)) codec.field(is_default);
    if (codec.from(1)) codec.field(config_source);
    codec.field(is_sensitive);
    if (codec.from(1)) codec.field(synonyms);
    if (codec.from(3)) codec.fields(config_type, documentation);
    codec.tags();
}

void DescribeConfigsResponse::Resource::describe(Codec& codec) {
    codec.fields(error_code, error_message, resource_type, resource_name, configs);
    codec.tags();
}

void DescribeConfigsResponse::describe(Codec& codec) {
    codec.fields(throttle_time_ms, results);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
