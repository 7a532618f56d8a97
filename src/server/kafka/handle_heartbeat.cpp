// Heartbeat: a member is alive, and hears whether its generation still goes on.
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/heartbeat.h"

namespace rivulet::server::kafka {

Progress handle_heartbeat(Exchange& exchange) {
    const auto request = exchange.request<wire::kafka::HeartbeatRequest>();
    if (!request) return exchange.fail(request.failure());
    const broker::MemberRef member{request->group_id, request->member_id, request->group_instance_id.value_or(std::string_view()), request->generation_id};
    wire::kafka::HeartbeatResponse response;
    response.error_code = code_of(exchange.hub().groups().heartbeat(member).error());
    return exchange.answer(response);
}

}  // namespace rivulet::server::kafka
