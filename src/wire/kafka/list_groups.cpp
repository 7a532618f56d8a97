#include "wire/kafka/list_groups.h"

namespace rivulet::wire::kafka {

void ListGroupsRequest::describe(Codec& codec) {
    if (codec.from(4)) codec.field(states_filter);
    if (codec.from(5)) codec.field(types_filter);
    codec.tags();
}

void ListGroupsResponse::Group::describe(Codec& codec) {
    codec.fields(group_id, protocol_type);
    if (codec.from(4)) codec.field(group_state);
    if (codec.from(5)) codec.field(group_type);
    codec.tags();
}

void ListGroupsResponse::describe(Codec& codec) {
    if (codec.from(1)) codec.field(throttle_time_ms);
    codec.fields(error_code, groups);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
