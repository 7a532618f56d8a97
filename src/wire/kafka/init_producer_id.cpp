#include "wire/kafka/init_producer_id.h"

namespace rivulet::wire::kafka {

void InitProducerIdRequest::describe(Codec& codec) {
    codec.fields(transactional_id, transaction_timeout_ms);
    if (codec.from(3)) codec.fields(producer_id, producer_epoch);
    codec.tags();
}

void InitProducerIdResponse::describe(Codec& codec) {
    codec.fields(throttle_time_ms, error_code, producer_id, producer_epoch);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
