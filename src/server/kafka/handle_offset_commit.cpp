// OffsetCommit: how far a group has come, answered when that is durable. A retention time of its own (versions 2 to 4) is not kept: groups are forgotten as a whole (KIP-211).
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/offset_commit.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::OffsetCommitRequest;
using wire::kafka::OffsetCommitResponse;

// Each offset is committed while its answer is encoded.
struct Source {
    broker::Coordinator& groups;
    const OffsetCommitRequest& request;
    Result<broker::Coordinator::CommitScope> scope;
    Done done{};
    std::optional<Array<OffsetCommitRequest::Topic>::Iterator> topic{};
    std::optional<Array<OffsetCommitRequest::Partition>::Iterator> partition{};

    void operator()(std::size_t index, OffsetCommitResponse::Topic& item) {
        if (index == 0) topic.emplace(request.topics.begin());
        else ++*topic;
        item.name = (*topic)->name;
        item.partitions = Array<OffsetCommitResponse::Partition>::of((*topic)->partitions.size(), *this);
    }
    void operator()(std::size_t index, OffsetCommitResponse::Partition& item) {
        if (index == 0) partition.emplace((*topic)->partitions.begin());
        else ++*partition;
        item.partition_index = (*partition)->partition_index;
        item.error_code = code_of(scope ? commit(**partition) : scope.error());
    }
    Error commit(const OffsetCommitRequest::Partition& wanted) {
        const broker::OffsetCommit offset{wanted.committed_offset, wanted.committed_leader_epoch, Timestamp(-1), wanted.committed_metadata.value_or(std::string_view())};
        const auto committed = groups.commit(*scope, (*topic)->name, wanted.partition_index, offset);
        if (committed && *committed > done.ticket) done.ticket = *committed;
        return committed.error();
    }
};

}  // namespace

Progress handle_offset_commit(Exchange& exchange) {
    const auto request = exchange.request<OffsetCommitRequest>();
    if (!request) return exchange.fail(request.failure());
    // Each part of an answer is smaller than that of the request.
    if (const Progress room = exchange.reserve_whole(Session::answer_room + exchange.request_bytes()); room != Progress::done) return room;
    broker::Coordinator& groups = exchange.hub().groups();
    const std::string_view instance = request->group_instance_id.value_or(std::string_view());
    Source source{groups, *request, groups.begin_commit({request->group_id, request->member_id, instance, request->generation_id_or_member_epoch})};
    OffsetCommitResponse response;
    response.topics = Array<OffsetCommitResponse::Topic>::of(request->topics.size(), source);
    return exchange.answer(response, source.done);
}

}  // namespace rivulet::server::kafka
