// Compacted topics: of each key the latest record stays, with its offset, however often the ring goes round; tombstones, memory for few keys, refusals.
#include <doctest/doctest.h>

#include <map>
#include <set>
#include <string>

#include "broker/broker.h"
#include "broker/view_cursor.h"
#include "sim/node_env.h"
#include "sim/world.h"
#include "unit/record/batches.h"

namespace rivulet::test {

namespace {

broker::BrokerOptions small_broker(std::uint32_t keys) {
    broker::BrokerOptions options;
    options.store.dir = "store";
    options.store.segment_bytes = 64 * 1024;
    options.store.size = 16 * options.store.segment_bytes;
    options.store.checkpoint_area_bytes = 64 * 1024;
    options.store.commit_bytes = 12 * 1024;
    options.store.batch_bytes_max = 8 * 1024;
    options.store.logs_max = 8;
    options.store.sessions_max = 64;
    options.store.producers_max = 16;
    options.store.index_samples_max = 160;
    options.store.blocks = 32;
    options.store.windows = 2;
    options.topics_max = 4;
    options.compact_keys = keys;
    options.defaults.config.max_message_bytes = 8 * 1024;
    options.clock_trust = config::ClockTrust::always;
    return options;
}

class BrokerProgram final : public sim::Program, private broker::BrokerListener {
public:
    BrokerProgram(sim::NodeEnv& env, const broker::BrokerOptions& options) : memory_(broker::Broker::memory_bytes(options) + 4096), arena_(MutableBytes(memory_)) {
        broker = &arena_.make<broker::Broker>(env, arena_, options);
        arena_.seal();
        opened = broker->open().error();
        if (opened != Error::none) return;
        env.serving();
        broker->serve(*this);
    }
    void on_offline(Failure) override {}
    void on_stopped(Status) override { stopped = true; }

    broker::Broker* broker = nullptr;
    Error opened = Error::unknown;
    bool stopped = false;

private:
    std::vector<std::uint8_t> memory_;
    Arena arena_;
};

struct Seen {
    std::int64_t offset = 0;
    std::string key;
    std::string value;
    bool tombstone = false;
    std::int64_t time = 0;
};

struct Compacted {
    explicit Compacted(std::uint32_t keys = 64, broker::BrokerOptions given = small_broker(64)) : options(given), world(world_options()), node(world.add_node("a", node_options())) {
        options.compact_keys = keys;
        node.program = [this](sim::NodeEnv& env) { return std::make_unique<BrokerProgram>(env, options); };
        node.boot();
        REQUIRE(program().opened == Error::none);
        run(2 * ns_per_s);
    }
    static sim::WorldOptions world_options() {
        sim::WorldOptions o;
        o.seed = 1;
        o.latency.fixed_ns = {2 * ns_per_ms, 2 * ns_per_ms, 2 * ns_per_ms};
        return o;
    }
    static sim::NodeOptions node_options() {
        sim::NodeOptions o;
        o.timers_max = 64;
        o.connections_max = 1;
        o.listeners_max = 1;
        return o;
    }
    BrokerProgram& program() { return static_cast<BrokerProgram&>(*node.running_program()); }
    broker::Broker& broker() { return *program().broker; }
    template <class Call>
    auto act(Call call) {
        std::optional<decltype(call())> value;
        sim::NodeEnv& env = *node.env();
        env.turn(sim::EventKind::harness, [&] { env.call([&] { value.emplace(call()); }); });
        return std::move(*value);
    }
    void run(std::int64_t ns) { world.run_for(ns); }
    Error create(std::string_view name, std::string_view policy, std::string_view more = {}, std::string_view value = {}) {
        char buffer[300];
        Text text(buffer);
        broker::Broker::TopicRequest request;
        request.name = name;
        request.partitions = 1;
        request.config = broker().default_config();
        REQUIRE(config::set(request.config, "cleanup.policy", policy, text));
        if (!more.empty()) REQUIRE(config::set(request.config, more, value, text));
        const Error error = act([&] { return broker().create_topic(request, text).error(); });
        why = text.view();
        return error;
    }
    store::Log& log(std::string_view name) { return *broker().partition(*broker().find_topic(name), 0); }
    Error append(std::string_view name, const Buffer& batch) {
        for (int tries = 0; tries < 2000; ++tries) {
            const Error error = act([&] { return broker().append(log(name), batch).error(); });
            if (error != Error::busy) return error;
            run(5 * ns_per_ms);
        }
        return Error::busy;
    }
    std::int64_t now_ms() { return world.now() / ns_per_ms; }
    // Some keys of so many with new values; the model knows the latest.
    void update(int n, int key_count, std::size_t value_bytes = 100) {
        for (int i = 0; i < n; ++i) {
            std::vector<record::Reading> readings;
            std::vector<std::pair<std::string, std::string>> kept;
            for (int k = 0; k < 3; ++k) {
                kept.emplace_back("key-" + std::to_string(random.below(static_cast<std::size_t>(key_count))), std::to_string(++values) + std::string(value_bytes, 'v'));
            }
            for (const auto& [key, value] : kept) readings.push_back(reading(1'700'000'000'000 + values, key, value));
            const std::int64_t base = log("state").end.value;
            REQUIRE(append("state", pack(readings)) == Error::none);
            for (std::size_t k = 0; k < kept.size(); ++k) latest[kept[k].first] = {base + static_cast<std::int64_t>(k), kept[k].first, kept[k].second, false, 0};
        }
        run(300 * ns_per_ms);
    }
    void remove(const std::string& key) {
        record::Reading gone = reading(1'700'000'000'000, key, "");
        gone.has_value = false;
        REQUIRE(append("state", pack({gone})) == Error::none);
        latest.erase(key);
        run(300 * ns_per_ms);
    }
    // Bytes of another topic, so that the ring goes on.
    void others(int kib) {
        for (int i = 0; i < kib; i += 4) REQUIRE(append("other", pack({reading(1, "k", std::string(4000, 'o'))})) == Error::none);
        run(300 * ns_per_ms);
    }
    std::vector<Seen> read(std::string_view name) {
        struct Reading final : broker::Fetch {
            void on_fetched(Failure failure) override { outcome = failure; done = true; }
            Failure outcome{};
            bool done = false;
        } fetch;
        std::vector<Seen> seen;
        store::Log& from = log(name);
        std::int64_t last = -1;
        for (Offset next = from.start; next < from.high_watermark();) {
            fetch.log = from.id;
            fetch.offset = next;
            fetch.bytes_max = 16 * 1024;
            fetch.done = false;
            act([&] { return broker().fetch(fetch), 0; });
            REQUIRE(world.run_until([&] { return fetch.done; }, world.now() + 30 * ns_per_s));
            REQUIRE(fetch.outcome.error == Error::none);
            if (fetch.view.empty()) break;
            broker::ViewCursor in(broker(), fetch.view);
            for (std::size_t i = 0; i < fetch.view.batches; ++i) {
                std::uint8_t bytes[record::batch_header_bytes];
                REQUIRE(in.read(bytes));
                const record::BatchHeader header = record::decode_header(bytes);
                Buffer body(header.body_bytes());
                REQUIRE(in.read(body));
                CHECK(record::batch_crc(header, crc32c(body), body.size()) == header.crc);
                CHECK(record::check_header(header, header.total_bytes(), 1 << 20).ok());
                record::RecordReader records(body, header.record_count);
                while (const auto record = records.next()) {
                    Seen one;
                    one.offset = header.base_offset.value + record->offset_delta;
                    one.key = as_text(record->key);
                    one.value = as_text(record->value);
                    one.tombstone = !record->has_value;
                    one.time = header.timestamp_of(record->timestamp_delta).value;
                    CHECK(one.offset > last);
                    last = one.offset;
                    if (one.offset >= next.value) seen.push_back(one);
                }
                CHECK(records.error() == Error::none);
            }
            next = fetch.view.next;
            act([&] { return broker().release(fetch.view), 0; });
        }
        return seen;
    }
    // The last value of each key, where it was written.
    std::string check() {
        std::map<std::string, Seen> found;
        for (const Seen& one : read("state")) {
            if (one.tombstone) found.erase(one.key);
            else found[one.key] = one;
        }
        if (found.size() != latest.size()) return std::to_string(found.size()) + " keys instead of " + std::to_string(latest.size());
        for (const auto& [key, value] : latest) {
            if (!found.contains(key)) return key + " is gone";
            if (found[key].offset != value.offset || found[key].value != value.value) return key + " has not its latest value";
        }
        return {};
    }
    const broker::Cleaner::Statistics& statistics() { return broker().cleaner().statistics(); }

    broker::BrokerOptions options;
    sim::World world;
    sim::Node& node;
    Random random{3};
    int values = 0;
    std::map<std::string, Seen> latest;
    std::string why;
};

}  // namespace

TEST_CASE("compaction: each key has its latest value after many revolutions of the ring, and after power cuts") {
    Compacted c;
    REQUIRE(c.create("state", "compact") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    std::uint64_t passes = 0;
    for (int round = 0; round < 12; ++round) {
        c.update(round % 3 == 0 ? 30 : 3, 40);
        c.others(300);
        CHECK(c.check() == "");
        passes += c.statistics().passes;
        if (round % 4 != 3) continue;
        if (round == 7) c.node.kill();
        else c.node.power_cut();
        c.node.boot();
        REQUIRE(c.program().opened == Error::none);
        c.run(2 * ns_per_s);
        CHECK(c.check() == "");
    }
    CHECK(c.broker().store().state().head.first_live > 30);
    CHECK(c.log("state").start == Offset(0));
    CHECK(c.log("other").start > Offset(0));
    CHECK(passes > 0);
}

TEST_CASE("compaction: old values go, and what is written anew stays within its bound") {
    Compacted c;
    REQUIRE(c.create("state", "compact") == Error::none);
    for (int round = 0; round < 12; ++round) c.update(100, 20);
    CHECK(c.check() == "");
    CHECK(c.statistics().passes > 2);
    CHECK(c.statistics().records_dropped > 1500);
    const std::size_t left = c.read("state").size();
    CHECK(left < 1500);
    CHECK(c.statistics().written_bytes < c.log("state").end.value * 130 / 2);
}

TEST_CASE("compaction: with room for few keys it takes more passes, and loses none") {
    Compacted c(8);
    REQUIRE(c.create("state", "compact") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    for (int round = 0; round < 6; ++round) {
        c.update(40, 30);
        c.others(300);
    }
    CHECK(c.check() == "");
    CHECK(c.statistics().passes > 6);
}

TEST_CASE("compaction: what a pass with few keys has left near the ring's tail moves ahead of it too") {
    for (const int batches : {10, 20, 30, 60}) {
        for (const std::size_t bytes : {100U, 400U}) {
            CAPTURE(batches);
            CAPTURE(bytes);
            Compacted c(8);
            REQUIRE(c.create("state", "compact") == Error::none);
            REQUIRE(c.create("other", "delete") == Error::none);
            c.update(batches, 40, bytes);
            c.others(2400);
            CHECK(c.check() == "");
        }
    }
}

TEST_CASE("compaction: several partitions near the ring's tail are written one after the other before it moves") {
    Compacted c;
    REQUIRE(c.create("state", "compact") == Error::none);
    REQUIRE(c.create("a", "compact") == Error::none);
    REQUIRE(c.create("b", "compact") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    for (int i = 0; i < 16; ++i) {
        c.update(1, 60, 800);
        for (const char* const name : {"a", "b"}) REQUIRE(c.append(name, pack({reading(1, "key-" + std::to_string(i), std::string(3000, 'x'))})) == Error::none);
    }
    for (int i = 0; i < 3; ++i) {
        c.others(2400);
        CHECK(c.check() == "");
        CHECK(c.read("a").size() == 16);
        CHECK(c.read("b").size() == 16);
    }
}

TEST_CASE("compaction: a pass goes on though held producers have all stages") {
    Compacted c;
    REQUIRE(c.create("state", "compact") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    c.update(20, 30);
    store::Stage stages[16];
    std::size_t taken = 0;
    while (taken < 16 && c.act([&] { return c.broker().begin_stage(stages[taken], 8 * 1024).ok(); })) ++taken;
    REQUIRE(taken > 0);
    REQUIRE(taken < 16);
    c.others(2400);
    CHECK(c.statistics().passes > 0);
    for (std::size_t i = 0; i < taken; ++i) c.act([&] { return c.broker().drop(stages[i]), 0; });
    CHECK(c.check() == "");
}

TEST_CASE("compaction: the end stays within reach when the last batch has nothing that is kept") {
    Compacted c;
    REQUIRE(c.create("state", "compact", "delete.retention.ms", "0") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    c.update(5, 10);
    c.remove("nobody");
    for (int i = 0; i < 24; ++i) c.others(150);
    CHECK(c.statistics().passes >= 2);
    CHECK(c.check() == "");
    const store::Log& log = c.log("state");
    const store::Log* const clean = c.broker().store().clean_of(log);
    REQUIRE(clean);
    CHECK(clean->durable_end == log.high_watermark());
}

TEST_CASE("compaction: a topic that is not compacted any more starts where the ring has left it") {
    Compacted c;
    REQUIRE(c.create("state", "compact") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    c.update(30, 20);
    for (int i = 0; i < 20 && c.statistics().passes == 0; ++i) c.others(150);
    REQUIRE(c.log("state").clean_end > Offset(0));
    broker::Topic& topic = *c.broker().find_topic("state");
    config::TopicConfig config = topic.config;
    config.cleanup_policy = config::CleanupPolicy::remove;
    char buffer[200];
    Text why(buffer);
    REQUIRE(c.act([&] { return c.broker().alter_topic(topic, config, topic.partitions, why).error(); }) == Error::none);
    const Offset end = c.log("state").clean_end;
    c.others(3000);
    c.run(400 * ns_per_s);
    CHECK(c.log("state").start >= end);
    CHECK(c.read("state").empty());
}

TEST_CASE("compaction: a reload that cannot have it leaves topics their policy") {
    Compacted c(0);
    REQUIRE(c.create("other", "delete") == Error::none);
    config::TopicSection defaults = c.options.defaults;
    defaults.config.cleanup_policy = config::CleanupPolicy::compact;
    broker::Topic& topic = *c.broker().find_topic("other");
    topic.config.overrides = 0;
    c.act([&] { return c.broker().reload(defaults, ns_per_s, config::ClockTrust::always), 0; });
    CHECK(topic.config.cleanup_policy == config::CleanupPolicy::remove);
    CHECK_FALSE(c.log("other").keys_required);
}

TEST_CASE("compaction: a tombstone is told for delete.retention.ms, and then goes") {
    Compacted c;
    REQUIRE(c.create("state", "compact", "delete.retention.ms", "60000") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    c.update(5, 10);
    const std::string gone = c.latest.begin()->first;
    const auto tombstones = [&] {
        std::size_t n = 0;
        for (const Seen& one : c.read("state")) n += one.tombstone;
        return n;
    };
    const auto revolve = [&] {
        const std::uint64_t passes = c.statistics().passes;
        for (int i = 0; i < 20 && c.statistics().passes == passes; ++i) c.others(150);
        c.run(ns_per_s);
        REQUIRE(c.statistics().passes > passes);
    };
    c.remove(gone);
    CHECK(tombstones() == 1);
    revolve();
    CHECK(tombstones() == 1);
    for (const Seen& one : c.read("state")) CHECK(one.key.empty() == false);
    CHECK(c.check() == "");
    // Times are what they were, though the batch has its horizon now.
    for (const Seen& one : c.read("state"))
        if (one.tombstone) CHECK(one.time == 1'700'000'000'000);
    c.run(100 * ns_per_s);
    revolve();
    CHECK(tombstones() == 0);
    CHECK(c.check() == "");
    for (const Seen& one : c.read("state")) CHECK(one.key != gone);
}

TEST_CASE("compaction: when all is deleted, an empty batch holds the place") {
    Compacted c;
    REQUIRE(c.create("state", "compact", "delete.retention.ms", "0") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    c.remove("a");
    c.remove("b");
    const Offset end = c.log("state").end;
    for (int i = 0; i < 24; ++i) c.others(150);
    CHECK(c.statistics().passes >= 2);
    CHECK(c.read("state").empty());
    CHECK(c.log("state").end == end);
    CHECK(c.log("state").start == Offset(0));
    c.update(2, 3);
    CHECK(c.check() == "");
}

TEST_CASE("compaction: what is refused") {
    Compacted c;
    REQUIRE(c.create("state", "compact") == Error::none);
    record::Reading nameless = reading(1, "", "x");
    nameless.has_key = false;
    CHECK(c.act([&] { return c.broker().append(c.log("state"), nameless, {}).error(); }) == Error::invalid_record);
    CHECK(c.act([&] { return c.broker().append(c.log("state"), reading(1, "k", "x"), {}).error(); }) == Error::none);
    // Each partition takes a second log, and one more is needed to clean: 8 there are.
    CHECK(c.create("b", "compact") == Error::none);
    CHECK(c.create("c", "compact") == Error::none);
    CHECK(c.create("d", "compact") == Error::limit_reached);
    CHECK(c.why.find("takes a second") != std::string::npos);
    CHECK(c.create("d", "delete") == Error::none);
    Compacted without(0);
    CHECK(without.create("state", "compact") == Error::invalid_config);
    CHECK(without.why == "cleanup.policy = compact: limits.compact_keys is 0");
}

TEST_CASE("compaction: more latest values than the ring can keep are refused, and nothing is lost; deletion makes room") {
    Compacted c(4096);
    REQUIRE(c.create("state", "compact") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    Error error = Error::none;
    int sent = 0;
    for (; sent < 4000 && error == Error::none; ++sent) {
        const std::string key = "unlike-" + std::to_string(sent);
        const std::int64_t base = c.log("state").end.value;
        const std::string value(400, 'u');
        error = c.append("state", pack({reading(1, key, value)}));
        if (error == Error::none) c.latest[key] = {base, key, value, false, 0};
        if (sent % 20 == 0) c.run(150 * ns_per_ms);
    }
    CHECK(error == Error::limit_reached);
    CHECK(sent > 200);
    c.others(3000);
    CHECK(c.check() == "");
    const store::Log& log = c.log("state");
    REQUIRE(c.act([&] { return c.broker().delete_records(c.log("state"), log.end - 10).error(); }) == Error::none);
    c.run(5 * ns_per_s);
    c.others(1500);
    c.run(2 * ns_per_s);
    CHECK(c.append("state", pack({reading(1, "again", "x")})) == Error::none);
}

}  // namespace rivulet::test
