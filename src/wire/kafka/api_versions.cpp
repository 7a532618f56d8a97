#include "wire/kafka/api_versions.h"

namespace rivulet::wire::kafka {

void ApiVersionsRequest::describe(Codec& codec) {
    if (codec.from(3)) codec.fields(client_software_name, client_software_version);
    codec.tags();
}

void ApiVersionsResponse::ApiVersion::describe(Codec& codec) {
    codec.fields(api_key, min_version, max_version);
    codec.tags();
}

void ApiVersionsResponse::describe(Codec& codec) {
    codec.fields(error_code, api_keys);
    if (codec.from(1)) codec.field(throttle_time_ms);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
