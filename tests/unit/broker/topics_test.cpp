// Topics by Kafka's admin calls: more partitions, records deleted up to an offset, created on first use, and what is refused in which order.
#include <doctest/doctest.h>

#include "unit/broker/broker_harness.h"

namespace rivulet::test {
namespace {

using broker::Broker;
using broker::Topic;

struct Grown : ServedBroker {
    explicit Grown(const std::string& text = small_config) : ServedBroker(text) { run(ns_per_s); }
    Topic& topic(std::string_view name) { return *broker().find_topic(name); }
    Error grow(std::string_view name, std::int64_t partitions, std::uint64_t* ticket = nullptr) {
        char buffer[300];
        Text text(buffer);
        const auto changed = act([&] { return broker().grow_topic(topic(name), partitions, text); });
        why = text.view();
        if (changed && ticket) *ticket = changed->ticket;
        return changed.error();
    }
    Error check_create(Broker::TopicRequest request, Topic* planned = nullptr) {
        char buffer[300];
        Text text(buffer);
        Topic made;
        const Error error = act([&] { return broker().check_create(request, made, text).error(); });
        why = text.view();
        if (planned) *planned = made;
        return error;
    }
    Broker::TopicRequest request(std::string_view name) {
        Broker::TopicRequest wanted;
        wanted.name = name;
        wanted.config = broker().default_config();
        return wanted;
    }
    store::Log& log(std::string_view name, std::uint64_t partition) { return *broker().partition(topic(name), partition); }
    void restart(bool power_cut) {
        if (power_cut) server_node->power_cut();
        else server_node->kill();
        server_node->boot();
        REQUIRE(program != nullptr);
    }
    std::string why;
};

TEST_CASE("grow: partitions behind those there are, which keep their records; durable with the ticket") {
    Grown served;
    REQUIRE(served.create("a", 2) == Error::none);
    REQUIRE(served.create("b", 1) == Error::none);
    REQUIRE(served.put(served.log("a", 1), "old") == Error::none);
    served.run(ns_per_s);
    const Uuid id = served.topic("a").id;
    const LogId old = served.log("a", 1).id;
    std::uint64_t ticket = 0;
    REQUIRE(served.grow("a", 5, &ticket) == Error::none);
    CHECK(served.broker().durable_ticket() < ticket);
    served.run(ns_per_s);
    CHECK(served.broker().durable_ticket() >= ticket);
    CHECK(served.topic("a").range_count == 2);
    REQUIRE(served.put(served.log("a", 4), "new") == Error::none);
    served.run(ns_per_s);
    served.restart(true);
    REQUIRE(served.topic("a").partitions == 5);
    CHECK(served.topic("a").id == id);
    CHECK(served.log("a", 1).id == old);
    CHECK(served.log("a", 1).end == Offset(1));
    CHECK(served.log("a", 4).end == Offset(1));
    for (std::uint64_t p = 0; p < 5; ++p) {
        CHECK(served.broker().topics().find_log(served.log("a", p).id) == &served.topic("a"));
        CHECK(served.broker().partition(served.topic("a").first_log(), p) == &served.log("a", p));
    }
    CHECK(served.broker().partition(served.topic("a"), 5) == nullptr);
}

TEST_CASE("grow: a power cut before the commit takes all of it back") {
    Grown served;
    REQUIRE(served.create("a", 2) == Error::none);
    REQUIRE(served.create("b", 1) == Error::none);
    served.run(ns_per_s);
    const std::uint32_t logs = served.broker().store().log_count();
    REQUIRE(served.grow("a", 4) == Error::none);
    served.restart(true);
    CHECK(served.topic("a").partitions == 2);
    CHECK(served.broker().store().log_count() == logs);
    CHECK(served.grow("a", 4) == Error::none);
}

TEST_CASE("grow: steps without another topic between them are one range, of others there are eight") {
    std::string text = small_config;
    text.replace(text.find("partitions = 16"), 15, "partitions = 40");
    Grown served(text);
    REQUIRE(served.create("a", 1) == Error::none);
    for (int n = 2; n <= 5; ++n) REQUIRE(served.grow("a", n) == Error::none);
    CHECK(served.topic("a").range_count == 1);
    for (int n = 6; n <= 12; ++n) {
        REQUIRE(served.create("b") == Error::none);
        REQUIRE(served.remove("b") == Error::none);
        REQUIRE(served.grow("a", n) == Error::none);
        served.run(ns_per_s);
    }
    CHECK(served.topic("a").range_count == broker::topic_ranges_max);
    REQUIRE(served.create("b") == Error::none);
    CHECK(served.grow("a", 13) == Error::limit_reached);
    CHECK(served.why.find("7 times") != std::string::npos);
    served.run(ns_per_s);
    served.restart(true);
    CHECK(served.topic("a").partitions == 12);
    CHECK(served.topic("a").range_count == broker::topic_ranges_max);
    // All of its logs go with it.
    const std::uint32_t logs = served.broker().store().log_count();
    REQUIRE(served.remove("a") == Error::none);
    CHECK(served.broker().store().log_count() == logs - 12);
    served.run(ns_per_s);
    served.restart(true);
    CHECK(served.broker().find_topic("a") == nullptr);
    CHECK(served.broker().store().log_count() == logs - 12);
    CHECK_FALSE(served.broker().has_recovered_topics());
}

TEST_CASE("grow: refused, and nothing has changed") {
    Grown served;
    REQUIRE(served.create("a", 3) == Error::none);
    char buffer[300];
    Text why(buffer);
    for (const std::int64_t n : {-1, 0, 2, 3}) CHECK(served.grow("a", n) == Error::invalid_partitions);
    CHECK(served.why == "the topic has 3 partitions: 3 would not be an increase");
    CHECK(served.grow("a", std::int64_t{1} << 40) == Error::invalid_partitions);
    CHECK(served.grow("a", 100) == Error::limit_reached);
    CHECK(served.why.find("limits.partitions = 16") != std::string::npos);
    CHECK(served.broker().check_grow(served.topic("a"), 4, why).error() == Error::none);
    CHECK(served.topic("a").partitions == 3);
    // With a setting that is wrong neither is applied.
    config::TopicConfig config = served.topic("a").config;
    config.max_message_bytes = 1 << 30;
    CHECK(served.act([&] { return served.broker().alter_topic(served.topic("a"), config, 4, why).error(); }) == Error::invalid_config);
    CHECK(served.topic("a").partitions == 3);
}

TEST_CASE("grow: with a setting, both by one record, and of a topic in memory") {
    Grown served;
    REQUIRE(served.create("b") == Error::none);
    Broker::TopicRequest request = served.request("m");
    request.partitions = 1;
    char buffer[300];
    Text why(buffer);
    REQUIRE(config::set(request.config, "durability", "memory", why).ok());
    REQUIRE(served.act([&] { return served.broker().create_topic(request, why).error(); }) == Error::none);
    REQUIRE(served.create("c") == Error::none);
    config::TopicConfig config = served.topic("m").config;
    REQUIRE(config::set(config, "retention.bytes", "5000", why).ok());
    REQUIRE(served.act([&] { return served.broker().alter_topic(served.topic("m"), config, 3, why).error(); }) == Error::none);
    CHECK(served.log("m", 2).memory);
    CHECK(served.log("m", 2).retention_bytes == 5000);
    served.run(ns_per_s);
    served.restart(true);
    REQUIRE(served.topic("m").partitions == 3);
    CHECK(served.log("m", 2).memory);
    CHECK(served.log("m", 2).retention_bytes == 5000);
}

TEST_CASE("grow: while a checkpoint is captured, and after it") {
    Grown served;
    REQUIRE(served.create("a", 2) == Error::none);
    REQUIRE(served.create("b", 1) == Error::none);
    served.run(ns_per_s);
    for (std::int64_t n = 3; n < 8; ++n) {
        const std::uint64_t before = served.broker().store().state().checkpoint_sequence;
        const std::string value(3000, 'v');
        bool grown = false;
        bool capturing = false;
        served.server_node->disk().observer = [&](const sim::DiskCall& call, std::uint64_t) {
            capturing |= call.op == sim::DiskOp::write && call.path.find("checkpoint") != std::string_view::npos && call.position != 0;
        };
        for (int i = 0; i < 20'000 && served.broker().store().state().checkpoint_sequence == before; ++i) {
            static_cast<void>(served.put(served.partition("temps"), value));
            served.run(n % 2 == 0 ? ns_per_ms : 200'000);
            if (!capturing || grown) continue;
            REQUIRE(served.grow("a", n) == Error::none);
            grown = true;
        }
        served.server_node->disk().observer = nullptr;
        REQUIRE(served.broker().store().state().checkpoint_sequence != before);
        if (!grown) REQUIRE(served.grow("a", n) == Error::none);
        served.run(2 * ns_per_s);
        served.restart(n % 2 == 1);
        REQUIRE(served.topic("a").partitions == n);
        for (std::uint64_t p = 0; p < static_cast<std::uint64_t>(n); ++p) CHECK(served.broker().partition(served.topic("a"), p) != nullptr);
        CHECK(served.broker().store().state().damage.corrupt_groups == 0);
        CHECK_FALSE(served.broker().has_recovered_topics());
    }
}

TEST_CASE("create: the first mistake counts, in Kafka's order, and a check makes nothing") {
    Grown served;
    const std::uint32_t topics = served.broker().topics().count();
    const LogId next = served.broker().store().next_log_id();
    Broker::TopicRequest wrong = served.request("no/name");
    wrong.partitions = 0;
    wrong.replication_factor = 3;
    wrong.config.max_message_bytes = 1 << 30;
    wrong.config.overrides |= 1U << (static_cast<unsigned>(config::TopicKey::max_message_bytes) - 1);
    CHECK(served.check_create(wrong) == Error::invalid_topic);
    wrong.name = "temps";
    CHECK(served.check_create(wrong) == Error::topic_exists);
    wrong.name = "a";
    CHECK(served.check_create(wrong) == Error::invalid_partitions);
    wrong.partitions = -2;
    CHECK(served.check_create(wrong) == Error::invalid_partitions);
    wrong.partitions = 17;
    CHECK(served.check_create(wrong) == Error::invalid_replication_factor);
    wrong.replication_factor = 0;
    CHECK(served.check_create(wrong) == Error::invalid_replication_factor);
    wrong.replication_factor = 1;
    CHECK(served.check_create(wrong) == Error::invalid_config);
    wrong.config = served.broker().default_config();
    CHECK(served.check_create(wrong) == Error::limit_reached);
    CHECK(served.why.find("limits.partitions = 16") != std::string::npos);
    Topic planned;
    CHECK(served.check_create(served.request("a"), &planned) == Error::none);
    CHECK(planned.partitions == 2);
    CHECK(planned.config.max_message_bytes == 65536);
    CHECK(served.broker().topics().count() == topics);
    CHECK(served.broker().store().next_log_id() == next);
}

TEST_CASE("auto create: off, on, and never for internal names") {
    Grown served;
    char buffer[300];
    Text why(buffer);
    const auto first_use = [&](std::string_view name) { return served.act([&] { return served.broker().auto_create(name, why).error(); }); };
    config::TopicSection defaults;
    defaults.auto_create = false;
    served.act([&] { return served.broker().reload(defaults, ns_per_s, config::ClockTrust::never), 0; });
    CHECK(first_use("a") == Error::unknown_topic_or_partition);
    defaults.partitions = 3;
    defaults.replication_factor = 1;
    defaults.auto_create = true;
    defaults.config.max_message_bytes = 64 << 10;
    defaults.config.retention_bytes = 7000;
    served.act([&] { return served.broker().reload(defaults, ns_per_s, config::ClockTrust::never), 0; });
    CHECK(first_use("a") == Error::none);
    CHECK(served.topic("a").partitions == 3);
    CHECK(served.topic("a").config.retention_bytes == 7000);
    CHECK_FALSE(served.topic("a").config.is_set(config::TopicKey::retention_bytes));
    CHECK(first_use("a") == Error::topic_exists);
    CHECK(first_use("no/name") == Error::invalid_topic);
    CHECK(first_use("__consumer_offsets") == Error::unknown_topic_or_partition);
    CHECK(served.broker().find_topic("__consumer_offsets") == nullptr);
}

TEST_CASE("delete records: up to an offset, up to all, not beyond; durable with its ticket, also when it is asked again") {
    Grown served;
    for (int i = 0; i < 10; ++i) REQUIRE(served.put(served.partition("temps"), "v") == Error::none);
    served.run(ns_per_s);
    const auto remove = [&](std::int64_t before) { return served.act([&] { return served.broker().delete_records(served.partition("temps"), Offset(before)); }); };
    const auto beyond = remove(11);
    CHECK(beyond.error() == Error::offset_out_of_range);
    CHECK(beyond.failure().detail == 10);
    CHECK(remove(-2).error() == Error::offset_out_of_range);
    CHECK(served.partition("temps").start == Offset(0));
    const auto first = remove(4);
    const auto again = remove(4);
    REQUIRE(first.ok());
    REQUIRE(again.ok());
    CHECK(*first > served.broker().durable_ticket());
    CHECK(*again == *first);
    const auto lower = remove(2);
    REQUIRE(lower.ok());
    CHECK(served.partition("temps").start == Offset(4));
    REQUIRE(served.until([&] { return served.broker().durable_ticket() >= *first; }));
    served.restart(true);
    CHECK(served.partition("temps").start == Offset(4));
    const auto nothing = remove(4);
    REQUIRE(nothing.ok());
    CHECK(*nothing <= served.broker().durable_ticket());
    const auto all = remove(-1);
    REQUIRE(all.ok());
    REQUIRE(served.until([&] { return served.broker().durable_ticket() >= *all; }));
    served.restart(true);
    CHECK(served.partition("temps").start == Offset(10));
    CHECK(served.partition("temps").end == Offset(10));
    REQUIRE(served.put(served.partition("temps"), "v") == Error::none);
    CHECK(served.partition("temps").end == Offset(11));
}

TEST_CASE("delete records: of a topic in memory, also what no commit has taken yet") {
    Grown served;
    REQUIRE(served.broker().find_topic("fast") != nullptr);
    for (int i = 0; i < 10; ++i) REQUIRE(served.put(served.partition("fast"), "v") == Error::none);
    served.run(100 * ns_per_ms);
    store::Log& log = served.partition("fast");
    REQUIRE(log.high_watermark() == Offset(10));
    REQUIRE(log.durable_end < Offset(10));
    const auto all = served.act([&] { return served.broker().delete_records(log, Offset(-1)); });
    REQUIRE(all.ok());
    REQUIRE(served.until([&] { return served.broker().durable_ticket() >= *all; }));
    served.restart(true);
    CHECK(served.partition("fast").start >= Offset(10));
    CHECK(served.partition("fast").end >= served.partition("fast").start);
    CHECK(served.put(served.partition("fast"), "v") == Error::none);
}

}  // namespace
}  // namespace rivulet::test
