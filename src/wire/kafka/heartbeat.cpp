#include "wire/kafka/heartbeat.h"

namespace rivulet::wire::kafka {

void HeartbeatRequest::describe(Codec& codec) {
    codec.fields(group_id, generation_id, member_id);
    if (codec.from(3)) codec.field(group_instance_id);
    codec.tags();
}

void HeartbeatResponse::describe(Codec& codec) {
    if (codec.from(1)) codec.field(throttle_time_ms);
    codec.field(error_code);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
