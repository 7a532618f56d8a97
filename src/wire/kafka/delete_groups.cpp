#include "wire/kafka/delete_groups.h"

namespace rivulet::wire::kafka {

void DeleteGroupsRequest::describe(Codec& codec) {
    codec.field(groups_names);
    codec.tags();
}

void DeleteGroupsResponse::Group::describe(Codec& codec) {
    codec.fields(group_id, error_code);
    codec.tags();
}

void DeleteGroupsResponse::describe(Codec& codec) {
    codec.fields(throttle_time_ms, results);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
