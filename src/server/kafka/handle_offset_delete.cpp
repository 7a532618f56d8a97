// OffsetDelete (KIP-496): forgets how far a group has come in partitions of topics that none of its members is subscribed to.
#include "broker/groups/subscription.h"
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/offset_delete.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::OffsetDeleteRequest;
using wire::kafka::OffsetDeleteResponse;

// Each offset is deleted while its answer is encoded.
struct Source {
    broker::Coordinator& groups;
    const OffsetDeleteRequest& request;
    Done done{};
    std::optional<Array<OffsetDeleteRequest::Topic>::Iterator> topic{};
    std::optional<Array<OffsetDeleteRequest::Partition>::Iterator> partition{};
    Result<broker::Group*> group{nullptr};  // may lose offsets of the topic at hand, or why not

    void operator()(std::size_t index, OffsetDeleteResponse::Topic& item) {
        if (index == 0) topic.emplace(request.topics.begin());
        else ++*topic;
        item.name = (*topic)->name;
        group = groups.begin_delete(request.group_id, item.name);
        item.partitions = Array<OffsetDeleteResponse::Partition>::of((*topic)->partitions.size(), *this);
    }
    void operator()(std::size_t index, OffsetDeleteResponse::Partition& item) {
        if (index == 0) partition.emplace((*topic)->partitions.begin());
        else ++*partition;
        item.partition_index = (*partition)->partition_index;
        const auto deleted = group ? groups.delete_offset(**group, (*topic)->name, item.partition_index) : Result<std::uint64_t>(group.failure());
        if (deleted && *deleted > done.ticket) done.ticket = *deleted;
        item.error_code = code_of(deleted.error());
    }
};

// What is said once, instead of for each partition.
Error whole_error(broker::Coordinator& groups, std::string_view id) {
    const auto group = groups.look(id);
    if (!group) return group.error();
    if (!*group) return Error::group_not_found;
    const broker::GroupListing listing = groups.list(**group);
    return listing.state != broker::GroupState::empty && listing.protocol_type != broker::consumer_protocol_type ? Error::non_empty_group : Error::none;
}

}  // namespace

Progress handle_offset_delete(Exchange& exchange) {
    const auto request = exchange.request<OffsetDeleteRequest>();
    if (!request) return exchange.fail(request.failure());
    if (const Progress room = exchange.reserve_whole(Session::answer_room + 2 * exchange.request_bytes()); room != Progress::done) return room;
    broker::Coordinator& groups = exchange.hub().groups();
    Source source{groups, *request};
    OffsetDeleteResponse response;
    const Error error = whole_error(groups, request->group_id);
    response.error_code = code_of(error);
    if (error == Error::none) response.topics = Array<OffsetDeleteResponse::Topic>::of(request->topics.size(), source);
    return exchange.answer(response, source.done);
}

}  // namespace rivulet::server::kafka
