// LeaveGroup: one member, or from version 3 on several, static ones by their instance id (KIP-345).
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/leave_group.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::LeaveGroupRequest;
using wire::kafka::LeaveGroupResponse;

constexpr std::int16_t several_from = 3;

// Each leaves while its answer is encoded.
struct Source {
    broker::Coordinator& groups;
    const LeaveGroupRequest& request;
    std::optional<Array<LeaveGroupRequest::Member>::Iterator> next{};

    void operator()(std::size_t index, LeaveGroupResponse::Member& item) {
        if (index == 0) next.emplace(request.members.begin());
        else ++*next;
        item.member_id = (*next)->member_id;
        item.group_instance_id = (*next)->group_instance_id;
        item.error_code = code_of(groups.leave(request.group_id, item.member_id, item.group_instance_id.value_or(std::string_view())).error());
    }
};

}  // namespace

Progress handle_leave_group(Exchange& exchange) {
    const auto request = exchange.request<LeaveGroupRequest>();
    if (!request) return exchange.fail(request.failure());
    if (const Progress room = exchange.reserve_whole(Session::answer_room + 2 * exchange.request_bytes()); room != Progress::done) return room;
    broker::Coordinator& groups = exchange.hub().groups();
    Source source{groups, *request};
    LeaveGroupResponse response;
    if (exchange.version() < several_from) {
        response.error_code = code_of(groups.leave(request->group_id, request->member_id, {}).error());
    } else {
        const auto group = groups.look(request->group_id);
        response.error_code = code_of(group.error());
        if (group) response.members = Array<LeaveGroupResponse::Member>::of(request->members.size(), source);
    }
    return exchange.answer(response);
}

}  // namespace rivulet::server::kafka
