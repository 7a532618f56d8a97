// CreatePartitions (KIP-195).
#include "server/kafka/assignments.h"
#include "server/kafka/changes.h"
#include "server/kafka/handlers.h"
#include "server/kafka/repeated.h"
#include "wire/kafka/create_partitions.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::CreatePartitionsRequest;
using wire::kafka::CreatePartitionsResponse;

constexpr std::size_t topic_bytes = 16;  // of an answer, without the name

std::string_view name_of(const CreatePartitionsRequest::Topic& topic) { return topic.name; }

struct Source {
    Exchange& exchange;
    const CreatePartitionsRequest& request;
    Changes& changes;
    Repeated<CreatePartitionsRequest::Topic, decltype(&name_of)> repeated{request.topics, name_of};
    std::optional<Array<CreatePartitionsRequest::Topic>::Iterator> topic{};
    char why_buffer[message_bytes_max] = {};
    Text why{why_buffer};

    void operator()(std::size_t index, CreatePartitionsResponse::Topic& item) {
        if (index == 0) topic.emplace(request.topics.begin());
        else ++*topic;
        why.clear();
        item.name = (*topic)->name;
        const bool room = changes.may(message_room);
        const Error error = grow(**topic, room);
        item.error_code = code_of(error);
        if (room) item.error_message = message_of(error, why);
    }
    Error grow(const CreatePartitionsRequest::Topic& wanted, bool room) {
        if (repeated(wanted.name)) {
            why << "this topic comes more than once";
            return Error::malformed;
        }
        if (broker::Coordinator::is_internal(wanted.name)) {
            why << "an internal topic";
            return Error::invalid_topic;
        }
        broker::Topic* const found = exchange.broker().find_topic(wanted.name);
        if (!found) return Error::unknown_topic_or_partition;
        const Status status = exchange.broker().check_grow(*found, wanted.count, why);
        if (!status && status.error() == Error::invalid_partitions) return status.error();
        if (const Error error = check_new(wanted, *found); error != Error::none) return error;
        if (!status) return status.error();
        if (!room) return Error::timed_out;
        if (request.validate_only) return Error::none;
        return changes.note(exchange.broker().grow_topic(*found, wanted.count, why));
    }
    Error check_new(const CreatePartitionsRequest::Topic& wanted, const broker::Topic& found) {
        if (wanted.assignments.null()) return Error::none;
        const auto more = static_cast<std::size_t>(wanted.count) - found.partitions;
        if (wanted.assignments.size() != more) {
            why.clear();
            why << more << " more partitions, and assignments for " << wanted.assignments.size();
            return Error::invalid_replica_assignment;
        }
        for (const CreatePartitionsRequest::Assignment& assignment : wanted.assignments) {
            why.clear();
            if (const Error error = check_replicas(assignment.broker_ids, static_cast<std::int32_t>(exchange.hub().options().node), why); error != Error::none) return error;
        }
        return Error::none;
    }
};

}  // namespace

Progress handle_create_partitions(Exchange& exchange) {
    const auto request = exchange.request<CreatePartitionsRequest>();
    if (!request) return exchange.fail(request.failure());
    Changes changes;
    for (const CreatePartitionsRequest::Topic& topic : request->topics) changes.expect(topic_bytes + topic.name.size(), message_room);
    if (const Progress progress = changes.begin(exchange); progress != Progress::done) return progress;
    Source source{exchange, *request, changes};
    CreatePartitionsResponse response;
    response.results = Array<CreatePartitionsResponse::Topic>::of(request->topics.size(), source);
    return changes.answer(exchange, response);
}

}  // namespace rivulet::server::kafka
