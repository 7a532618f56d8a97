// ListOffsets: the earliest and latest offsets of partitions, and offsets by time, for which flash is searched while the connection waits.
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "server/kafka/offset_search.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::ListOffsetsRequest;
using wire::kafka::ListOffsetsResponse;

// Times below 0 came one by one. In version 0 a time meant the segments that Kafka had finished by then, and there are none here.
bool known_time(Timestamp time, std::int16_t version) {
    if (time == latest_time || time == earliest_time) return true;
    if (time.value >= 0) return version >= 1;
    if (time == newest_time) return version >= 7;
    if (time == earliest_local_time) return version >= 8;
    return time == latest_tiered_time && version >= 9;
}

bool needs_search(Timestamp time) { return time.value >= 0 || time == newest_time; }

struct Judged {
    Error error = Error::none;
    store::Log* log = nullptr;
};

Judged judge(broker::Broker& broker, const broker::Topic* topic, const ListOffsetsRequest::Partition& wanted, std::int16_t version) {
    if (!known_time(wanted.timestamp, version)) return {Error::unsupported_version};
    store::Log* const log = topic && wanted.partition_index >= 0 ? broker.partition(*topic, static_cast<std::uint64_t>(wanted.partition_index)) : nullptr;
    if (!log) return {Error::unknown_topic_or_partition};
    return {check_epoch(*log, wanted.current_leader_epoch), log};
}

struct Source {
    Exchange& exchange;
    const ListOffsetsRequest& request;
    OffsetSearch* search = nullptr;
    std::optional<Array<ListOffsetsRequest::Topic>::Iterator> topic{};
    std::optional<Array<ListOffsetsRequest::Partition>::Iterator> partition{};
    const broker::Topic* found = nullptr;
    std::size_t place = 0;
    Offset offset{};  // of the item, for version 0

    void operator()(std::size_t index, ListOffsetsResponse::Topic& item) {
        if (index == 0) {
            topic.emplace(request.topics.begin());
            place = 0;
        } else {
            ++*topic;
        }
        found = exchange.broker().find_topic((*topic)->name);
        item.name = (*topic)->name;
        item.partitions = Array<ListOffsetsResponse::Partition>::of((*topic)->partitions.size(), *this);
    }
    void operator()(std::size_t index, ListOffsetsResponse::Partition& item) {
        if (index == 0) partition.emplace((*topic)->partitions.begin());
        else ++*partition;
        const ListOffsetsRequest::Partition& wanted = **partition;
        const FetchCell* const searched = search ? search->result(place) : nullptr;
        ++place;
        item.partition_index = wanted.partition_index;
        const Judged judged = judge(exchange.broker(), found, wanted, exchange.version());
        const Error error = searched && searched->error != Error::none ? searched->error : judged.error;
        item.error_code = code_of(error);
        if (error != Error::none) return;
        if (searched) {
            item.offset = searched->offset;
            item.timestamp = searched->time;
        } else if (wanted.timestamp == latest_time) {
            item.offset = judged.log->high_watermark();
            item.leader_epoch = judged.log->epoch;
        } else if (wanted.timestamp == earliest_time || wanted.timestamp == earliest_local_time) {
            item.offset = judged.log->start;
        }
        if (item.offset.value >= 0 && wanted.timestamp != latest_time) item.leader_epoch = judged.log->epoch_at(item.offset);
        offset = item.offset;
        item.old_style_offsets = Array<Offset>::of(wanted.max_num_offsets > 0, *this);
    }
    void operator()(std::size_t, Offset& item) { item = offset; }
};

bool any_search(Exchange& exchange, const ListOffsetsRequest& request) {
    for (const ListOffsetsRequest::Topic& topic : request.topics) {
        const broker::Topic* const found = exchange.broker().find_topic(topic.name);
        for (const ListOffsetsRequest::Partition& partition : topic.partitions)
            if (needs_search(partition.timestamp) && judge(exchange.broker(), found, partition, exchange.version()).error == Error::none) return true;
    }
    return false;
}

// False: no cell is free.
bool add_all(Exchange& exchange, const ListOffsetsRequest& request, OffsetSearch& search) {
    std::size_t place = 0;
    for (const ListOffsetsRequest::Topic& topic : request.topics) {
        const broker::Topic* const found = exchange.broker().find_topic(topic.name);
        for (const ListOffsetsRequest::Partition& partition : topic.partitions) {
            const Judged judged = judge(exchange.broker(), found, partition, exchange.version());
            const bool searched = needs_search(partition.timestamp) && judged.error == Error::none;
            if (searched && !search.add(place, *judged.log, partition.timestamp)) return false;
            ++place;
        }
    }
    return true;
}

Progress begin_search(Exchange& exchange, const ListOffsetsRequest& request) {
    Hub& hub = exchange.hub();
    OffsetSearch* const search = hub.take_search();
    if (!search) {
        exchange.session().wait_for_search();
        return Progress::blocked;
    }
    exchange.session().attach(*search);
    search->begin(exchange.session());
    if (add_all(exchange, request, *search)) {
        search->start();
        return Progress::blocked;
    }
    const bool ever = search->cells() < hub.options().fetch_partitions;
    exchange.session().detach()->drop();
    if (!ever) return exchange.fail(fail(Error::limit_reached), "more partitions in a ListOffsets by time than limits.fetch_partitions");
    exchange.session().wait_for_fetch_room();
    return Progress::blocked;
}

}  // namespace

Progress handle_list_offsets(Exchange& exchange) {
    const auto request = exchange.request<ListOffsetsRequest>();
    if (!request) return exchange.fail(request.failure());
    OffsetSearch* const search = exchange.session().search();
    if (search && !search->finished()) {
        search->go_on();
        return Progress::blocked;
    }
    if (!search && any_search(exchange, *request)) return begin_search(exchange, *request);
    Source source{exchange, *request, search};
    ListOffsetsResponse response;
    response.topics = Array<ListOffsetsResponse::Topic>::of(request->topics.size(), source);
    const Progress progress = exchange.answer(response);
    // What the request was is gone once the connection is: it has dropped its search then.
    if (progress == Progress::done && search) exchange.session().detach()->drop();
    return progress;
}

}  // namespace rivulet::server::kafka
