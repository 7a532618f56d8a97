// CreateTopics (KIP-4, KIP-464, KIP-525).
#include "server/kafka/assignments.h"
#include "server/kafka/changes.h"
#include "server/kafka/config_items.h"
#include "server/kafka/handlers.h"
#include "server/kafka/repeated.h"
#include "wire/kafka/create_topics.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::CreateTopicsRequest;
using wire::kafka::CreateTopicsResponse;

constexpr std::int16_t with_configs = 5;  // from this version on a topic is answered with all of its settings
constexpr std::size_t topic_bytes = 48;   // of an answer, without the name

// Kafka Streams gives it to each topic that it makes: in how large pieces old records go. Here that is storage.segment_bytes, for all topics.
bool without_effect(const CreateTopicsRequest::Config& pair) {
    const std::string_view value = pair.value.value_or("");
    return pair.name == "segment.bytes" && !value.empty() && value.find_first_not_of("0123456789") == std::string_view::npos;
}

std::string_view name_of(const CreateTopicsRequest::Topic& topic) { return topic.name; }

struct Source {
    Exchange& exchange;
    const CreateTopicsRequest& request;
    Changes& changes;
    Repeated<CreateTopicsRequest::Topic, decltype(&name_of)> repeated{request.topics, name_of};
    std::optional<Array<CreateTopicsRequest::Topic>::Iterator> topic{};
    broker::Topic planned{};
    ConfigItems items{};
    char why_buffer[message_bytes_max] = {};
    Text why{why_buffer};

    void operator()(std::size_t index, CreateTopicsResponse::Topic& item) {
        if (index == 0) topic.emplace(request.topics.begin());
        else ++*topic;
        why.clear();
        item.name = (*topic)->name;
        const bool room = changes.may(message_room);
        const Error error = create(**topic, item, room);
        item.error_code = code_of(error);
        if (room) item.error_message = message_of(error, why);
        if (error != Error::none) return;
        item.num_partitions = static_cast<std::int32_t>(planned.partitions);
        item.replication_factor = 1;
        if (exchange.version() >= with_configs) item.configs = Array<CreateTopicsResponse::Config>::of(items.count(), *this);
    }
    void operator()(std::size_t, CreateTopicsResponse::Config& item) {
        const config::KeyDescription& key = items.next();
        item.name = key.name;
        item.value = key.value;
        item.read_only = key.read_only;
        item.config_source = config_source(key);
    }

    Error create(const CreateTopicsRequest::Topic& wanted, CreateTopicsResponse::Topic& item, bool room) {
        if (repeated(wanted.name)) {
            why << "this topic comes more than once";
            return Error::malformed;
        }
        broker::Broker::TopicRequest creation;
        creation.name = wanted.name;
        if (const Error error = read(wanted, creation); error != Error::none) return error;
        if (const Status status = exchange.broker().check_create(creation, planned, why); !status) return config_error(status.failure());
        items.begin(planned.config, exchange.broker().default_config());
        if (!room || !changes.may(exchange.version() >= with_configs ? items.bytes() : 0)) return Error::timed_out;
        if (request.validate_only) return Error::none;
        const auto created = exchange.broker().create_topic(creation, why);
        if (created) item.topic_id = created->topic->id;
        return changes.note(created);
    }
    // What Kafka finds wrong first, the name and whether the topic is there, is left to the broker where nothing else can be wrong.
    Error read(const CreateTopicsRequest::Topic& wanted, broker::Broker::TopicRequest& creation) {
        if (!config::valid_topic_name(wanted.name)) return Error::none;
        if (exchange.broker().find_topic(wanted.name)) return Error::none;
        if (broker::Coordinator::is_internal(wanted.name)) {
            why << "an internal topic";
            return Error::invalid_topic;
        }
        creation.partitions = wanted.num_partitions;
        creation.replication_factor = wanted.replication_factor;
        if (!wanted.assignments.empty()) {
            if (wanted.num_partitions != -1 || wanted.replication_factor != -1) {
                why << "with an assignment of partitions their number and the replication factor are -1";
                return Error::malformed;
            }
            if (const Error error = check_assignments(wanted.assignments, static_cast<std::int32_t>(exchange.hub().options().node), why); error != Error::none) return error;
            creation.partitions = static_cast<std::int64_t>(wanted.assignments.size());
        }
        creation.config = exchange.broker().default_config();
        // Numbers come before settings: the first mistake counts.
        if (const Status status = exchange.broker().check_create(creation, planned, why); !status) return status.error();
        for (const CreateTopicsRequest::Config& pair : wanted.configs) {
            if (without_effect(pair)) continue;
            if (const Status status = set_config(creation.config, pair.name, pair.value, why); !status) return config_error(status.failure());
        }
        return Error::none;
    }
};

}  // namespace

Progress handle_create_topics(Exchange& exchange) {
    const auto request = exchange.request<CreateTopicsRequest>();
    if (!request) return exchange.fail(request.failure());
    Changes changes;
    const std::size_t more = message_room + (exchange.version() >= with_configs ? topic_configs_bytes_max : 0);
    for (const CreateTopicsRequest::Topic& topic : request->topics) changes.expect(topic_bytes + topic.name.size(), more);
    if (const Progress progress = changes.begin(exchange); progress != Progress::done) return progress;
    Source source{exchange, *request, changes};
    CreateTopicsResponse response;
    response.topics = Array<CreateTopicsResponse::Topic>::of(request->topics.size(), source);
    return changes.answer(exchange, response);
}

}  // namespace rivulet::server::kafka
