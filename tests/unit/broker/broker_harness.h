// A served broker, called from outside as one turn of its loop.
#pragma once

#include "unit/server/served.h"

namespace rivulet::test {

struct ServedBroker : Served {
    using Served::Served;
    broker::Broker& broker() { return program->server->broker(); }
    template <class Call>
    auto act(Call call) {
        std::optional<decltype(call())> value;
        server_node->env()->turn(sim::EventKind::harness, [&] { server_node->env()->call([&] { value.emplace(call()); }); });
        return std::move(*value);
    }
    Error create(std::string_view name, std::uint32_t partitions = 1) {
        char buffer[300];
        Text why(buffer);
        broker::Broker::TopicRequest request;
        request.name = name;
        request.partitions = partitions;
        request.config = broker().default_config();
        return act([&] { return broker().create_topic(request, why).error(); });
    }
    Error remove(std::string_view name) {
        char buffer[300];
        Text why(buffer);
        return act([&] { return broker().delete_topic(name).error(); });
    }
    Error put(store::Log& log, std::string_view value) {
        record::Reading reading;
        reading.timestamp = Timestamp(1000);
        reading.value = as_bytes(value);
        return act([&] { return broker().append(log, reading, {}).error(); });
    }
    store::Log& partition(std::string_view name) { return *broker().partition(*broker().find_topic(name), 0); }
};

}  // namespace rivulet::test
