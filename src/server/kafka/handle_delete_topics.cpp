// DeleteTopics, by name or id.
#include "server/kafka/changes.h"
#include "server/kafka/handlers.h"
#include "server/kafka/repeated.h"
#include "wire/kafka/delete_topics.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::DeleteTopicsRequest;
using wire::kafka::DeleteTopicsResponse;

constexpr std::int16_t by_id = 6;          // from this version on
constexpr std::size_t topic_bytes = 32;    // without the name

// What is asked for by its id is answered with its name, too.
std::size_t answer_bytes(std::optional<std::string_view> name) { return topic_bytes + (name ? name->size() : config::topic_name_bytes_max); }

std::string_view name_of(const DeleteTopicsRequest::Topic& topic) { return topic.name.value_or(std::string_view()); }
std::string_view name_itself(std::string_view name) { return name; }

struct Source {
    Exchange& exchange;
    const DeleteTopicsRequest& request;
    Changes& changes;
    Repeated<DeleteTopicsRequest::Topic, decltype(&name_of)> repeated{request.topics, name_of};
    Repeated<std::string_view, decltype(&name_itself)> repeated_names{request.topic_names, name_itself};
    std::optional<Array<DeleteTopicsRequest::Topic>::Iterator> topic{};
    std::optional<Array<std::string_view>::Iterator> name{};
    char name_buffer[config::topic_name_bytes_max] = {};  // of what is deleted
    char why_buffer[message_bytes_max] = {};
    Text why{why_buffer};

    void operator()(std::size_t index, DeleteTopicsResponse::Topic& item) {
        DeleteTopicsRequest::Topic wanted;
        if (exchange.version() < by_id) {
            if (index == 0) name.emplace(request.topic_names.begin());
            else ++*name;
            wanted.name = **name;
        } else {
            if (index == 0) topic.emplace(request.topics.begin());
            else ++*topic;
            wanted = **topic;
        }
        why.clear();
        item.name = wanted.name;
        item.topic_id = wanted.topic_id;
        const bool room = changes.may(message_room);
        const Error error = remove(wanted, item, room);
        item.error_code = code_of(error);
        if (room) item.error_message = message_of(error, why);
    }
    Error remove(const DeleteTopicsRequest::Topic& wanted, DeleteTopicsResponse::Topic& item, bool room) {
        if (wanted.name.has_value() == (!wanted.topic_id.is_nil())) {
            why << (wanted.name ? "both name and id are given" : "neither name nor id is given");
            return Error::malformed;
        }
        if (wanted.name && (repeated(*wanted.name) || repeated_names(*wanted.name))) {
            why << "this topic comes more than once";
            return Error::malformed;
        }
        broker::Topic* const found = wanted.name ? exchange.broker().find_topic(*wanted.name) : exchange.broker().topics().find(wanted.topic_id);
        if (!found) return wanted.name ? Error::unknown_topic_or_partition : Error::unknown_topic_id;
        Text kept(name_buffer);
        item.name = (kept << found->name.view()).view();
        item.topic_id = found->id;
        if (broker::Coordinator::is_internal(kept.view())) {
            why << "an internal topic";
            return Error::invalid_topic;
        }
        if (!room) return Error::timed_out;
        return changes.note(exchange.broker().delete_topic(kept.view()));
    }
};

}  // namespace

Progress handle_delete_topics(Exchange& exchange) {
    const auto request = exchange.request<DeleteTopicsRequest>();
    if (!request) return exchange.fail(request.failure());
    const std::size_t count = exchange.version() < by_id ? request->topic_names.size() : request->topics.size();
    Changes changes;
    for (const std::string_view name : request->topic_names) changes.expect(answer_bytes(name), message_room);
    for (const DeleteTopicsRequest::Topic& topic : request->topics) changes.expect(answer_bytes(topic.name), message_room);
    if (const Progress progress = changes.begin(exchange); progress != Progress::done) return progress;
    Source source{exchange, *request, changes};
    DeleteTopicsResponse response;
    response.responses = Array<DeleteTopicsResponse::Topic>::of(count, source);
    return changes.answer(exchange, response);
}

}  // namespace rivulet::server::kafka
