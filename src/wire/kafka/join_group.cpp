#include "wire/kafka/join_group.h"

namespace rivulet::wire::kafka {

void JoinGroupRequest::Protocol::describe(Codec& codec) {
    codec.fields(name, metadata);
    codec.tags();
}

void JoinGroupRequest::describe(Codec& codec) {
    codec.fields(group_id, session_timeout_ms);
    if (codec.from(1)) codec.field(rebalance_timeout_ms);
    codec.field(member_id);
    if (codec.from(5)) codec.field(group_instance_id);
    codec.fields(protocol_type, protocols);
    if (codec.from(8)) codec.field(reason);
    codec.tags();
}

void JoinGroupResponse::Member::describe(Codec& codec) {
    codec.field(member_id);
    if (codec.from(5)) codec.field(group_instance_id);
    codec.field(metadata);
    codec.tags();
}

void JoinGroupResponse::describe(Codec& codec) {
    if (codec.from(2)) codec.field(throttle_time_ms);
    codec.fields(error_code, generation_id);
    if (codec.from(7)) codec.field(protocol_type);
    codec.field(protocol_name, codec.from(7));
    codec.field(leader);
    if (codec.from(9)) codec.field(skip_assignment);
    codec.fields(member_id, members);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
