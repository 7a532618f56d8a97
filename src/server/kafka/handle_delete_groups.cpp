// DeleteGroups (KIP-229): groups without members, and all that they have committed.
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/delete_groups.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::DeleteGroupsRequest;
using wire::kafka::DeleteGroupsResponse;

// Each group is deleted while its answer is encoded.
struct Source {
    broker::Coordinator& groups;
    const DeleteGroupsRequest& request;
    Done done{};
    std::optional<Array<std::string_view>::Iterator> next{};

    void operator()(std::size_t index, DeleteGroupsResponse::Group& item) {
        if (index == 0) next.emplace(request.groups_names.begin());
        else ++*next;
        item.group_id = **next;
        const auto deleted = groups.delete_group(item.group_id);
        if (deleted && *deleted > done.ticket) done.ticket = *deleted;
        item.error_code = code_of(deleted.error());
    }
};

}  // namespace

Progress handle_delete_groups(Exchange& exchange) {
    const auto request = exchange.request<DeleteGroupsRequest>();
    if (!request) return exchange.fail(request.failure());
    if (const Progress room = exchange.reserve_whole(Session::answer_room + 4 * exchange.request_bytes()); room != Progress::done) return room;
    Source source{exchange.hub().groups(), *request};
    DeleteGroupsResponse response;
    response.results = Array<DeleteGroupsResponse::Group>::of(request->groups_names.size(), source);
    return exchange.answer(response, source.done);
}

}  // namespace rivulet::server::kafka
