#include "wire/kafka/leave_group.h"

namespace rivulet::wire::kafka {

void LeaveGroupRequest::Member::describe(Codec& codec) {
    codec.fields(member_id, group_instance_id);
    if (codec.from(5)) codec.field(reason);
    codec.tags();
}

void LeaveGroupRequest::describe(Codec& codec) {
    codec.field(group_id);
    if (codec.until(2)) codec.field(member_id);
    if (codec.from(3)) codec.field(members);
    codec.tags();
}

void LeaveGroupResponse::Member::describe(Codec& codec) {
    codec.fields(member_id, group_instance_id, error_code);
    codec.tags();
}

void LeaveGroupResponse::describe(Codec& codec) {
    if (codec.from(1)) codec.field(throttle_time_ms);
    codec.field(error_code);
    if (codec.from(3)) codec.field(members);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
