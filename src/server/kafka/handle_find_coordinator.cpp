// FindCoordinator: this board coordinates all groups. The first one to look makes the topic that keeps them.
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/find_coordinator.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::FindCoordinatorRequest;
using wire::kafka::FindCoordinatorResponse;

constexpr std::int8_t key_group = 0;
constexpr std::int8_t key_transaction = 1;

struct Source {
    const FindCoordinatorRequest& request;
    env::Endpoint here;
    std::int32_t node = 0;
    Error of_groups = Error::none;
    std::optional<wire::kafka::Array<std::string_view>::Iterator> next{};

    Error error() const {
        if (request.key_type == key_group) return of_groups;
        return request.key_type == key_transaction ? Error::transactions_unsupported : Error::malformed;
    }
    template <class Coordinator>
    void fill(Coordinator& coordinator) {
        coordinator.error_code = code_of(error());
        if (error() != Error::none) {
            coordinator.node_id = -1;
            coordinator.port = -1;
            coordinator.error_message = error_info(error()).text;
            return;
        }
        coordinator.node_id = node;
        coordinator.host = here.host;
        coordinator.port = here.port;
    }
    void operator()(std::size_t index, FindCoordinatorResponse::Coordinator& coordinator) {
        if (index == 0) next.emplace(request.coordinator_keys.begin());
        else ++*next;
        coordinator.key = **next;
        fill(coordinator);
    }
};

}  // namespace

Progress handle_find_coordinator(Exchange& exchange) {
    const auto request = exchange.request<FindCoordinatorRequest>();
    if (!request) return exchange.fail(request.failure());
    char buffer[64];
    Text scratch(buffer);
    Source source{*request, exchange.session().advertised(scratch), static_cast<std::int32_t>(exchange.hub().options().node)};
    if (request->key_type == key_group) source.of_groups = exchange.hub().groups().prepare().error();
    FindCoordinatorResponse response;
    if (exchange.version() < 4) source.fill(response);
    else response.coordinators = wire::kafka::Array<FindCoordinatorResponse::Coordinator>::of(request->coordinator_keys.size(), source);
    return exchange.answer(response);
}

}  // namespace rivulet::server::kafka
