// DeleteRecords: the start of logs moves forward (KIP-107).
#include "server/kafka/changes.h"
#include "server/kafka/handlers.h"
#include "wire/kafka/delete_records.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::DeleteRecordsRequest;
using wire::kafka::DeleteRecordsResponse;

constexpr std::size_t partition_bytes = 16;
constexpr std::size_t topic_bytes = 12;  // without the name

struct Source {
    Exchange& exchange;
    const DeleteRecordsRequest& request;
    Changes& changes;
    std::optional<Array<DeleteRecordsRequest::Topic>::Iterator> topic{};
    std::optional<Array<DeleteRecordsRequest::Partition>::Iterator> partition{};
    const broker::Topic* found = nullptr;

    void operator()(std::size_t index, DeleteRecordsResponse::Topic& item) {
        if (index == 0) topic.emplace(request.topics.begin());
        else ++*topic;
        found = exchange.broker().find_topic((*topic)->name);
        item.name = (*topic)->name;
        item.partitions = Array<DeleteRecordsResponse::Partition>::of((*topic)->partitions.size(), *this);
    }
    void operator()(std::size_t index, DeleteRecordsResponse::Partition& item) {
        if (index == 0) partition.emplace((*topic)->partitions.begin());
        else ++*partition;
        const DeleteRecordsRequest::Partition& wanted = **partition;
        store::Log* const log = found && wanted.partition_index >= 0 ? exchange.broker().partition(*found, static_cast<std::uint64_t>(wanted.partition_index)) : nullptr;
        item.partition_index = wanted.partition_index;
        const Error error = remove(log, wanted.offset);
        item.error_code = code_of(error);
        item.low_watermark = error == Error::none ? log->start : Offset(-1);
    }
    Error remove(store::Log* log, Offset before) {
        if (broker::Coordinator::is_internal((*topic)->name)) return Error::invalid_topic;
        if (!log) return Error::unknown_topic_or_partition;
        if (!changes.may(0)) return Error::timed_out;
        return changes.note(exchange.broker().delete_records(*log, before));
    }
};

}  // namespace

Progress handle_delete_records(Exchange& exchange) {
    const auto request = exchange.request<DeleteRecordsRequest>();
    if (!request) return exchange.fail(request.failure());
    Changes changes;
    for (const DeleteRecordsRequest::Topic& topic : request->topics) changes.expect(topic_bytes + topic.name.size() + partition_bytes * topic.partitions.size(), 0);
    if (const Progress progress = changes.begin(exchange); progress != Progress::done) return progress;
    Source source{exchange, *request, changes};
    DeleteRecordsResponse response;
    response.topics = Array<DeleteRecordsResponse::Topic>::of(request->topics.size(), source);
    return changes.answer(exchange, response);
}

}  // namespace rivulet::server::kafka
