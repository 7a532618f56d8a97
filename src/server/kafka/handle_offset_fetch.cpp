// OffsetFetch: how far groups have come, in what is asked for or in all (KIP-88); several groups from version 8 on (KIP-709). There are no transactions to be waited for (require_stable).
// What is told is durable: the answer waits for the last commit of its groups.
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/offset_fetch.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::OffsetFetchRequest;
using wire::kafka::OffsetFetchResponse;
using Topics = Array<OffsetFetchRequest::Topic>;

constexpr std::int16_t several_from = 8;
constexpr std::int16_t group_error_from = 2;     // before that each partition has it
constexpr std::size_t group_bytes = 16;          // of an answer, beside its names and metadata
constexpr std::size_t topic_bytes = 16;
constexpr std::size_t partition_bytes = 32;

// The offsets of one group.
class GroupOffsets {
public:
    GroupOffsets(broker::Coordinator& groups, broker::Broker& broker) : groups_(groups), broker_(broker) {}

    void begin(std::string_view group, const Topics& asked, Error error) {
        name_ = group;
        asked_ = &asked;
        error_ = error;
        group_ = nullptr;
        if (error_ != Error::none) return;
        const auto found = groups_.look(group);
        error_ = found.error();
        if (found) group_ = *found;
    }
    Error error() const { return error_; }
    std::size_t bytes() {
        std::size_t bytes = group_bytes + name_.size();
        if (asked_->null()) {
            std::string_view last;
            for (broker::FetchedOffset at; next_of_all(at); last = at.topic) bytes += partition_bytes + at.metadata.size() + (at.topic == last ? 0 : topic_bytes + at.topic.size());
            return bytes;
        }
        for (const OffsetFetchRequest::Topic& topic : *asked_) {
            bytes += topic_bytes + topic.name.size();
            known_ = broker_.find_topic(topic.name);
            for (const std::int32_t partition : topic.partition_indexes) bytes += partition_bytes + find(partition).metadata.size();
        }
        return bytes;
    }
    // With an error of the group there are none, but in versions that have no place for it.
    Array<OffsetFetchResponse::Topic> topics(bool with_error) {
        if (error_ != Error::none && !with_error) return {};
        if (!asked_->null()) return Array<OffsetFetchResponse::Topic>::of(asked_->size(), *this);
        std::size_t count = 0;
        std::string_view last;
        for (broker::FetchedOffset at; next_of_all(at); last = at.topic) count += at.topic != last;
        return Array<OffsetFetchResponse::Topic>::of(count, *this);
    }

    void operator()(std::size_t index, OffsetFetchResponse::Topic& item) {
        std::size_t count = 0;
        if (asked_->null()) {
            if (index == 0) {
                at_ = {};
                next_of_all(at_);
            }
            item.name = at_.topic;
            broker::FetchedOffset ahead = at_;
            do ++count;
            while (next_of_all(ahead) && ahead.topic == item.name);
        } else {
            if (index == 0) topic_.emplace(asked_->begin());
            else ++*topic_;
            item.name = (*topic_)->name;
            known_ = broker_.find_topic(item.name);
            count = (*topic_)->partition_indexes.size();
        }
        item.partitions = Array<OffsetFetchResponse::Partition>::of(count, *this);
    }
    void operator()(std::size_t index, OffsetFetchResponse::Partition& item) {
        broker::FetchedOffset found = at_;
        if (asked_->null()) {
            item.partition_index = static_cast<std::int32_t>(at_.partition);
            next_of_all(at_);
        } else {
            if (index == 0) partition_.emplace((*topic_)->partition_indexes.begin());
            else ++*partition_;
            item.partition_index = **partition_;
            found = find(item.partition_index);
        }
        item.committed_offset = found.offset;
        item.committed_leader_epoch = found.epoch;
        item.metadata = found.metadata;
        item.error_code = code_of(error_);
    }

private:
    bool next_of_all(broker::FetchedOffset& at) { return error_ == Error::none && groups_.next_offset(group_, at); }
    broker::FetchedOffset find(std::int32_t partition) { return groups_.fetch_offset(group_, known_, partition); }

    broker::Coordinator& groups_;
    broker::Broker& broker_;
    std::string_view name_;
    const broker::Group* group_ = nullptr;   // nullptr: nobody has committed anything, or there is an error
    const broker::Topic* known_ = nullptr;   // that is asked for
    const Topics* asked_ = nullptr;  // null: all
    Error error_ = Error::none;
    broker::FetchedOffset at_;       // of all, the next
    std::optional<Topics::Iterator> topic_;
    std::optional<Array<std::int32_t>::Iterator> partition_;
};

struct Source {
    GroupOffsets offsets;
    const OffsetFetchRequest& request;
    Error error = Error::none;  // of all groups
    std::optional<Array<OffsetFetchRequest::Group>::Iterator> next{};

    void operator()(std::size_t index, OffsetFetchResponse::Group& item) {
        if (index == 0) next.emplace(request.groups.begin());
        else ++*next;
        offsets.begin((*next)->group_id, (*next)->topics, error);
        item.group_id = (*next)->group_id;
        item.error_code = code_of(offsets.error());
        item.topics = offsets.topics(false);
    }
};

}  // namespace

Progress handle_offset_fetch(Exchange& exchange) {
    const auto request = exchange.request<OffsetFetchRequest>();
    if (!request) return exchange.fail(request.failure());
    broker::Coordinator& groups = exchange.hub().groups();
    Source source{GroupOffsets(groups, exchange.broker()), *request};
    std::size_t bytes = Session::answer_room;
    std::uint64_t ticket = 0;
    const auto add = [&](std::string_view group, const Topics& topics) {
        source.offsets.begin(group, topics, Error::none);
        bytes += source.offsets.bytes();
        if (const std::uint64_t last = groups.offsets_ticket(group); last > ticket) ticket = last;
    };
    for (const OffsetFetchRequest::Group& group : request->groups) add(group.group_id, group.topics);
    if (exchange.version() < several_from) add(request->group_id, request->topics);
    // All that a group has may be more than fits: the client asks for less then.
    if (bytes > exchange.hub().options().response_bytes) source.error = Error::frame_too_large;
    OffsetFetchResponse response;
    if (exchange.version() < several_from) {
        source.offsets.begin(request->group_id, request->topics, source.error);
        response.error_code = code_of(source.offsets.error());
        response.topics = source.offsets.topics(exchange.version() < group_error_from);
    } else {
        response.groups = Array<OffsetFetchResponse::Group>::of(request->groups.size(), source);
    }
    return exchange.answer(response, ticket);
}

}  // namespace rivulet::server::kafka
