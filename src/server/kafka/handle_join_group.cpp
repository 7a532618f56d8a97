// JoinGroup: a member joins, and is answered when the generation begins.
#include "server/kafka/group_wait.h"
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/join_group.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::JoinGroupRequest;
using wire::kafka::JoinGroupResponse;

constexpr std::int16_t member_id_required_from = 4;  // KIP-394
constexpr std::int16_t skip_assignment_from = 9;     // KIP-814

struct Source {
    broker::JoinedMembers members;

    void operator()(std::size_t index, JoinGroupResponse::Member& item) {
        if (index == 0) members.rewind();
        broker::JoinedMember member;
        RIVULET_CHECK(members.next(member));
        item.member_id = member.id;
        if (!member.instance.empty()) item.group_instance_id = member.instance;
        item.metadata = member.metadata;
    }
};

}  // namespace

Progress answer_join(Exchange& exchange, const broker::JoinAnswer& answer) {
    Source source{answer.members};
    JoinGroupResponse response;
    response.error_code = code_of(answer.error);
    response.member_id = answer.member;
    if (answer.error == Error::none) {
        response.generation_id = answer.generation;
        response.protocol_type = answer.protocol_type;
        response.protocol_name = answer.protocol;
        response.leader = answer.leader;
        response.skip_assignment = answer.skip_assignment;
        response.members = Array<JoinGroupResponse::Member>::of(answer.members.count(), source);
    }
    return exchange.answer(response);
}

Progress handle_join_group(Exchange& exchange) {
    const auto request = exchange.request<JoinGroupRequest>();
    if (!request) return exchange.fail(request.failure());
    if (!exchange.reserve(Session::answer_room + request->member_id.size())) return Progress::blocked;
    std::array<broker::JoinProtocol, broker::join_protocols_max> protocols;
    std::size_t count = 0;
    if (request->protocols.size() > protocols.size()) {
        broker::JoinAnswer answer;
        answer.error = Error::invalid_argument;
        answer.member = request->member_id;
        return answer_join(exchange, answer);
    }
    for (const JoinGroupRequest::Protocol& protocol : request->protocols) protocols[count++] = {protocol.name, protocol.metadata};
    char host[64];
    Text host_text(host);
    broker::JoinRequest join;
    join.group = request->group_id;
    join.member = request->member_id;
    join.instance = request->group_instance_id.value_or(std::string_view());
    join.client_id = exchange.header().client.value_or(std::string_view());
    join.client_host = exchange.session().print_host(host_text).view();
    join.protocol_type = request->protocol_type;
    join.protocols = std::span(protocols).first(count);
    join.session_timeout_ms = request->session_timeout_ms;
    join.rebalance_timeout_ms = request->rebalance_timeout_ms;
    join.member_id_required = exchange.version() >= member_id_required_from;
    join.skip_assignment = exchange.version() >= skip_assignment_from;
    return exchange.hub().take_group_wait()->join(exchange, join);
}

}  // namespace rivulet::server::kafka
