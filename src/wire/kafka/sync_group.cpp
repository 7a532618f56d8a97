#include "wire/kafka/sync_group.h"

namespace rivulet::wire::kafka {

void SyncGroupRequest::Assignment::describe(Codec& codec) {
    codec.fields(member_id, assignment);
    codec.tags();
}

void SyncGroupRequest::describe(Codec& codec) {
    codec.fields(group_id, generation_id, member_id);
    if (codec.from(3)) codec.field(group_instance_id);
    if (codec.from(5)) codec.fields(protocol_type, protocol_name);
    codec.field(assignments);
    codec.tags();
}

void SyncGroupResponse::describe(Codec& codec) {
    if (codec.from(1)) codec.field(throttle_time_ms);
    codec.field(error_code);
    if (codec.from(5)) codec.fields(protocol_type, protocol_name);
    codec.field(assignment);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
