#include "wire/kafka/describe_groups.h"

namespace rivulet::wire::kafka {

void DescribeGroupsRequest::describe(Codec& codec) {
    codec.field(groups);
    if (codec.from(3)) codec.field(include_authorized_operations);
    codec.tags();
}

void DescribeGroupsResponse::Member::describe(Codec& codec) {
    codec.field(member_id);
    if (codec.from(4)) codec.field(group_instance_id);
    codec.fields(client_id, client_host, member_metadata, member_assignment);
    codec.tags();
}

void DescribeGroupsResponse::Group::describe(Codec& codec) {
    codec.field(error_code);
    if (codec.from(6)) codec.field(error_message);
    codec.fields(group_id, group_state, protocol_type, protocol_data, members);
    if (codec.from(3)) codec.field(authorized_operations);
    codec.tags();
}

void DescribeGroupsResponse::describe(Codec& codec) {
    if (codec.from(1)) codec.field(throttle_time_ms);
    codec.field(groups);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
