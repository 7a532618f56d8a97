#include "wire/kafka/find_coordinator.h"

namespace rivulet::wire::kafka {

void FindCoordinatorRequest::describe(Codec& codec) {
    if (codec.until(3)) codec.field(key);
    if (codec.from(1)) codec.field(key_type);
    if (codec.from(4)) codec.field(coordinator_keys);
    codec.tags();
}

void FindCoordinatorResponse::Coordinator::describe(Codec& codec) {
    codec.fields(key, node_id, host, port, error_code, error_message);
    codec.tags();
}

void FindCoordinatorResponse::describe(Codec& codec) {
    if (codec.from(1)) codec.field(throttle_time_ms);
    if (codec.until(3)) codec.field(error_code);
    if (codec.from(1) && codec.until(3)) codec.field(error_message);
    if (codec.until(3)) codec.fields(node_id, host, port);
    if (codec.from(4)) codec.field(coordinators);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
