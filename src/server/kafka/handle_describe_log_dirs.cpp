// DescribeLogDirs: bytes of partitions on flash, and of the ring (KIP-113, KIP-827). Partitions that are not there are left out, as Kafka does.
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/describe_log_dirs.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::DescribeLogDirsRequest;
using wire::kafka::DescribeLogDirsResponse;

struct Source {
    Exchange& exchange;
    const DescribeLogDirsRequest& request;
    std::optional<Array<DescribeLogDirsRequest::Topic>::Iterator> topic{};
    std::optional<Array<std::int32_t>::Iterator> partition{};
    const broker::Topic* found = nullptr;

    const store::Log* log_of(const broker::Topic* in, std::int32_t index) const { return in && index >= 0 ? exchange.broker().partition(*in, static_cast<std::uint64_t>(index)) : nullptr; }
    std::size_t count_partitions(const broker::Topic* in, const Array<std::int32_t>& wanted) const {
        std::size_t count = 0;
        for (const std::int32_t index : wanted) count += log_of(in, index) != nullptr;
        return count;
    }
    std::size_t count_topics() const {
        std::size_t count = 0;
        for (const DescribeLogDirsRequest::Topic& wanted : request.topics) count += count_partitions(exchange.broker().find_topic(wanted.topic), wanted.partitions) != 0;
        return count;
    }

    void operator()(std::size_t, DescribeLogDirsResponse::LogDir& item) {
        const store::Store& store = exchange.broker().store();
        const store::StoreOptions& options = store.state().options;
        const std::uint64_t live = store.state().geometry.sequence(store.state().head.next) + 1 - store.state().head.first_live;
        const std::uint64_t used = live * options.segment_bytes;
        item.log_dir = exchange.hub().options().config->storage.dir.view();
        item.error_code = code_of(exchange.broker().offline() ? Error::store_offline : Error::none);
        item.topics = Array<DescribeLogDirsResponse::Topic>::of(request.topics.null() ? exchange.broker().topics().count() : count_topics(), *this);
        item.total_bytes = static_cast<std::int64_t>(options.size);
        item.usable_bytes = static_cast<std::int64_t>(used < options.size ? options.size - used : 0);
    }
    void operator()(std::size_t index, DescribeLogDirsResponse::Topic& item) {
        if (request.topics.null()) {
            found = &exchange.broker().topics().at(static_cast<std::uint32_t>(index));
            item.name = found->name.view();
            item.partitions = Array<DescribeLogDirsResponse::Partition>::of(found->partitions, *this);
            return;
        }
        std::size_t partitions = 0;
        for (bool first = index == 0; partitions == 0; first = false) {
            if (first) topic.emplace(request.topics.begin());
            else ++*topic;
            found = exchange.broker().find_topic((*topic)->topic);
            partitions = count_partitions(found, (*topic)->partitions);
        }
        item.name = (*topic)->topic;
        item.partitions = Array<DescribeLogDirsResponse::Partition>::of(partitions, *this);
    }
    void operator()(std::size_t index, DescribeLogDirsResponse::Partition& item) {
        item.partition_index = static_cast<std::int32_t>(index);
        if (!request.topics.null()) {
            if (index == 0) partition.emplace((*topic)->partitions.begin());
            else ++*partition;
            while (!log_of(found, **partition)) ++*partition;
            item.partition_index = **partition;
        }
        if (const store::Log* const log = log_of(found, item.partition_index)) item.partition_size = static_cast<std::int64_t>(exchange.broker().store().bytes_of(*log));
    }
};

}  // namespace

Progress handle_describe_log_dirs(Exchange& exchange) {
    const auto request = exchange.request<DescribeLogDirsRequest>();
    if (!request) return exchange.fail(request.failure());
    Source source{exchange, *request};
    DescribeLogDirsResponse response;
    response.results = Array<DescribeLogDirsResponse::LogDir>::of(1, source);
    return exchange.answer(response);
}

}  // namespace rivulet::server::kafka
