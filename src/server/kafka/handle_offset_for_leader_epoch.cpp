// OffsetForLeaderEpoch (KIP-101, KIP-320): where an epoch of a log ends.
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/offset_for_leader_epoch.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::OffsetForLeaderEpochRequest;
using wire::kafka::OffsetForLeaderEpochResponse;

// The largest epoch that is not above the one that was asked for, and where the next one begins.
void answer_epoch(const store::Log& log, Epoch asked, OffsetForLeaderEpochResponse::Partition& partition) {
    if (asked > log.epoch || asked.value < 0) return;
    if (asked == log.epoch) {
        partition.leader_epoch = log.epoch;
        partition.end_offset = log.high_watermark();
        return;
    }
    for (std::uint32_t i = log.epoch_count; i-- > 0;) {
        if (log.epochs[i] > asked) continue;
        partition.leader_epoch = log.epochs[i];
        partition.end_offset = i + 1 < log.epoch_count ? log.epoch_starts[i + 1] : log.high_watermark();
        return;
    }
    // Older than those that are kept: it ended where the first of them begins, at the latest.
    partition.leader_epoch = asked;
    partition.end_offset = log.epoch_count != 0 ? log.epoch_starts[0] : log.high_watermark();
}

struct Source {
    broker::Broker& broker;
    const OffsetForLeaderEpochRequest& request;
    std::optional<Array<OffsetForLeaderEpochRequest::Topic>::Iterator> topic{};
    std::optional<Array<OffsetForLeaderEpochRequest::Partition>::Iterator> partition{};
    const broker::Topic* known = nullptr;

    void operator()(std::size_t index, OffsetForLeaderEpochResponse::Topic& item) {
        if (index == 0) topic.emplace(request.topics.begin());
        else ++*topic;
        item.topic = (*topic)->topic;
        known = broker.find_topic(item.topic);
        item.partitions = Array<OffsetForLeaderEpochResponse::Partition>::of((*topic)->partitions.size(), *this);
    }
    void operator()(std::size_t index, OffsetForLeaderEpochResponse::Partition& item) {
        if (index == 0) partition.emplace((*topic)->partitions.begin());
        else ++*partition;
        const OffsetForLeaderEpochRequest::Partition& wanted = **partition;
        item.partition = wanted.partition;
        const store::Log* const log = known && wanted.partition >= 0 ? broker.partition(*known, static_cast<std::uint64_t>(wanted.partition)) : nullptr;
        const Error error = !log ? Error::unknown_topic_or_partition : check_epoch(*log, wanted.current_leader_epoch);
        item.error_code = code_of(error);
        if (error == Error::none) answer_epoch(*log, wanted.leader_epoch, item);
    }
};

}  // namespace

Progress handle_offset_for_leader_epoch(Exchange& exchange) {
    const auto request = exchange.request<OffsetForLeaderEpochRequest>();
    if (!request) return exchange.fail(request.failure());
    Source source{exchange.broker(), *request};
    OffsetForLeaderEpochResponse response;
    response.topics = Array<OffsetForLeaderEpochResponse::Topic>::of(request->topics.size(), source);
    return exchange.answer(response);
}

}  // namespace rivulet::server::kafka
