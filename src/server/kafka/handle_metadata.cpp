// Metadata: the brokers, topics, partitions; creates topics that a client names, where that is allowed.
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/metadata.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::MetadataRequest;
using wire::kafka::MetadataResponse;

constexpr std::int32_t no_authorizer = INT32_MIN;

// What is answered, item by item.
struct Source {
    Hub& hub;
    env::Endpoint here;
    const MetadataRequest* asked = nullptr;  // nullptr: all topics
    std::optional<Array<MetadataRequest::Topic>::Iterator> next;
    const broker::Topic* topic = nullptr;
    std::int32_t node;

    explicit Source(Hub& of) : hub(of), node(static_cast<std::int32_t>(of.options().node)) {}

    void operator()(std::size_t, MetadataResponse::Broker& broker) {
        broker.node_id = node;
        broker.host = here.host;
        broker.port = here.port;
    }
    void operator()(std::size_t index, MetadataResponse::Topic& item) {
        broker::TopicTable& topics = hub.broker().topics();
        Error error = Error::none;
        if (!asked) {
            topic = &topics.at(static_cast<std::uint32_t>(index));
        } else {
            if (index == 0) next.emplace(asked->topics.begin());
            else ++*next;
            const MetadataRequest::Topic& wanted = **next;
            topic = wanted.name ? topics.find(*wanted.name) : topics.find(wanted.topic_id);
            error = topic ? Error::none : wanted.name ? missing(*wanted.name) : Error::unknown_topic_id;
            item.name = wanted.name;
            item.topic_id = wanted.topic_id;
        }
        item.error_code = code_of(error);
        item.topic_authorized_operations = no_authorizer;
        if (!topic) return;
        item.name = topic->name.view();
        item.topic_id = topic->id;
        item.is_internal = broker::Coordinator::is_internal(topic->name.view());
        item.partitions = Array<MetadataResponse::Partition>::of(topic->partitions, *this);
    }
    void operator()(std::size_t index, MetadataResponse::Partition& partition) {
        partition.partition_index = static_cast<std::int32_t>(index);
        partition.leader_id = node;
        if (const store::Log* const log = hub.broker().partition(*topic, index)) partition.leader_epoch = log->epoch;
        partition.replica_nodes = partition.isr_nodes = Array<std::int32_t>::of(1, *this);
    }
    void operator()(std::size_t, std::int32_t& replica) { replica = node; }

    static Error missing(std::string_view name) { return config::valid_topic_name(name) ? Error::unknown_topic_or_partition : Error::invalid_topic; }
};

// Those that are named and not there. False: the store is busy, some have to wait.
bool create_missing(Hub& hub, const MetadataRequest& request) {
    broker::Broker& broker = hub.broker();
    for (const MetadataRequest::Topic& topic : request.topics) {
        if (!topic.name || broker.find_topic(*topic.name) || !config::valid_topic_name(*topic.name)) continue;
        // Which has settings of its own; that it is not there is the answer then.
        if (broker::Coordinator::is_internal(*topic.name)) {
            static_cast<void>(hub.groups().prepare());
            continue;
        }
        char buffer[160];
        Text why(buffer);
        if (broker.auto_create(*topic.name, why).error() == Error::busy) return false;
    }
    return true;
}

}  // namespace

Progress handle_metadata(Exchange& exchange) {
    const auto request = exchange.request<MetadataRequest>();
    if (!request) return exchange.fail(request.failure());
    Hub& hub = exchange.hub();
    if (!request->topics.empty()) {
        if (!exchange.reserve(Session::answer_room)) return Progress::blocked;
        if (request->allow_auto_topic_creation && !create_missing(hub, *request)) {
            exchange.session().wait_for_room();
            return Progress::blocked;
        }
    }
    char buffer[64];
    Text scratch(buffer);
    Source source(hub);
    source.here = exchange.session().advertised(scratch);
    // Version 0 has no null: none asks for all.
    const bool all = request->topics.null() || (exchange.version() == 0 && request->topics.empty());
    if (!all) source.asked = &*request;
    char cluster[40];
    Text cluster_id(cluster);
    cluster_id << hub.broker().store().state().geometry.store_id;
    MetadataResponse response;
    response.brokers = Array<MetadataResponse::Broker>::of(1, source);
    response.cluster_id = cluster_id.view();
    response.controller_id = source.node;
    response.topics = Array<MetadataResponse::Topic>::of(all ? hub.broker().topics().count() : request->topics.size(), source);
    // What is told of by name is there to stay, also where this is not the call that created it.
    return exchange.answer(response, request->topics.empty() ? 0 : hub.broker().created_ticket());
}

}  // namespace rivulet::server::kafka
