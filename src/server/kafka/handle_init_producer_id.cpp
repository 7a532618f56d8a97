// InitProducerId (KIP-98): an id for an idempotent producer, always a fresh one.
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/init_producer_id.h"

namespace rivulet::server::kafka {

Progress handle_init_producer_id(Exchange& exchange) {
    const auto request = exchange.request<wire::kafka::InitProducerIdRequest>();
    if (!request) return exchange.fail(request.failure());
    if (!exchange.reserve(Session::answer_room)) return Progress::blocked;
    wire::kafka::InitProducerIdResponse response;
    if (request->transactional_id) {
        response.error_code = code_of(Error::transactions_unsupported);
        response.producer_epoch = -1;
        return exchange.answer(response);
    }
    const auto id = exchange.broker().new_producer_id();
    if (id) response.producer_id = *id;
    else response.error_code = code_of(id.error());
    return exchange.answer(response);
}

}  // namespace rivulet::server::kafka
