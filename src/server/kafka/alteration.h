// AlterConfigs and IncrementalAlterConfigs: settings of topics, of several resources in one request. They differ in what a resource's pairs do: apply(), of each handler.
// Owns:     nothing. Bounds: changes.h.
// Thread:   loop only.
#pragma once

#include "server/kafka/changes.h"
#include "server/kafka/config_items.h"
#include "server/kafka/repeated.h"

namespace rivulet::server::kafka {

template <class Request, class Response>
struct Alteration {
    using Resource = typename Request::Resource;
    using Pair = typename Request::Config;
    // Onto the topic's settings as they are; malformed for what is no setting, and not about a value.
    using Apply = Status (*)(const Resource& resource, const config::TopicConfig& defaults, config::TopicConfig& config, Text& why);

    static constexpr std::size_t resource_bytes = 16;  // of an answer, without the name

    Exchange& exchange;
    const Request& request;
    Changes& changes;
    Apply apply;
    std::optional<typename wire::kafka::Array<Resource>::Iterator> next{};
    char why_buffer[message_bytes_max] = {};
    Text why{why_buffer};

    static std::string_view name_of_pair(const Pair& pair) { return pair.name; }
    static std::string_view name_of(const Resource& resource) { return resource.resource_type == resource_topic ? resource.resource_name : std::string_view(); }

    Repeated<Resource, decltype(&name_of)> repeated{request.resources, name_of};

    void operator()(std::size_t index, typename Response::Resource& item) {
        if (index == 0) next.emplace(request.resources.begin());
        else ++*next;
        const Resource& resource = **next;
        why.clear();
        item.resource_type = resource.resource_type;
        item.resource_name = resource.resource_name;
        const bool room = changes.may(message_room);
        const Error error = alter(resource, room);
        item.error_code = code_of(error);
        if (room) item.error_message = message_of(error, why);
    }
    Error alter(const Resource& resource, bool room) {
        broker::Topic* topic = nullptr;
        if (const Error error = find_resource(exchange, resource.resource_type, resource.resource_name, topic, why); error != Error::none) return error;
        if (!topic) {
            why << "the broker's settings are altered in its configuration file, which SIGHUP reloads";
            return Error::malformed;
        }
        if (broker::Coordinator::is_internal(resource.resource_name)) {
            // What it holds is no matter of age or size: the coordinator moves its start (broker/groups/journal.h).
            why << "the coordinator of consumer groups keeps this topic";
            return Error::invalid_topic;
        }
        if (repeated(resource.resource_name)) {
            why << "this topic comes more than once";
            return Error::malformed;
        }
        if (const Error error = check_pairs(resource); error != Error::none) return error;
        broker::Broker& broker = exchange.broker();
        config::TopicConfig config = topic->config;
        if (const Status status = apply(resource, broker.default_config(), config, why); !status) return config_error(status.failure());
        broker::Topic planned;
        if (const Status status = broker.check_alter(*topic, config, topic->partitions, planned, why); !status) return config_error(status.failure());
        if (!room) return Error::timed_out;
        if (request.validate_only || config == topic->config) return Error::none;
        return changes.note(broker.alter_topic(*topic, config, topic->partitions, why));
    }
    Error check_pairs(const Resource& resource) {
        const Repeated<Pair, decltype(&name_of_pair)> twice{resource.configs, name_of_pair};
        for (const Pair& pair : resource.configs) {
            if (!twice(pair.name)) continue;
            why << pair.name.substr(0, 64) << ": given twice";
            return Error::malformed;
        }
        return Error::none;
    }

    static Progress handle(Exchange& exchange, Apply apply) {
        const auto request = exchange.request<Request>();
        if (!request) return exchange.fail(request.failure());
        Changes changes;
        for (const Resource& resource : request->resources) changes.expect(resource_bytes + resource.resource_name.size(), message_room);
        if (const Progress progress = changes.begin(exchange); progress != Progress::done) return progress;
        Alteration source{exchange, *request, changes, apply};
        Response response;
        response.responses = wire::kafka::Array<typename Response::Resource>::of(request->resources.size(), source);
        return changes.answer(exchange, response);
    }
};

}  // namespace rivulet::server::kafka
