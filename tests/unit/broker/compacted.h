// A broker with small limits in the simulated world, a compacted topic `state` or pinned ones, and a model of what has to be in them.
#pragma once

#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "broker/view_cursor.h"
#include "record/batch_decoder.h"
#include "sim/node_env.h"
#include "sim/world.h"
#include "unit/record/batches.h"

namespace rivulet::test {

inline broker::BrokerOptions small_broker(std::uint32_t keys) {
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
    void on_stopped(Status) override {}

    broker::Broker* broker = nullptr;
    Error opened = Error::unknown;

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
    using Settings = std::vector<std::pair<std::string_view, std::string_view>>;
    Error create(std::string_view name, std::string_view policy, std::string_view more = {}, std::string_view value = {}) {
        Settings settings{{"cleanup.policy", policy}};
        if (!more.empty()) settings.emplace_back(more, value);
        return create_with(name, settings);
    }
    Error create_with(std::string_view name, const Settings& settings, std::int64_t partitions = 1) {
        char buffer[300];
        Text text(buffer);
        broker::Broker::TopicRequest request;
        request.name = name;
        request.partitions = partitions;
        request.config = broker().default_config();
        for (const auto& [key, value] : settings) REQUIRE(config::set(request.config, key, value, text));
        const Error error = act([&] { return broker().create_topic(request, text).error(); });
        why = text.view();
        return error;
    }
    Error alter(std::string_view name, const Settings& settings) {
        char buffer[300];
        Text text(buffer);
        broker::Topic& topic = *broker().find_topic(name);
        config::TopicConfig config = topic.config;
        for (const auto& [key, value] : settings) REQUIRE(config::set(config, key, value, text));
        const Error error = act([&] { return broker().alter_topic(topic, config, topic.partitions, text).error(); });
        why = text.view();
        return error;
    }
    // So many batches of two records, without waiting for the last; the model knows them all.
    Error add(std::string_view name, int batches, std::size_t value_bytes = 400) {
        for (int i = 0; i < batches; ++i) {
            std::vector<std::string> sent;
            std::vector<record::Reading> readings;
            for (int k = 0; k < 2; ++k) sent.push_back(std::to_string(++values) + std::string(value_bytes, 'p'));
            for (const std::string& value : sent) readings.push_back(reading(now_ms(), "k", value));
            readings[1].has_key = false;
            const std::int64_t base = log(name).end.value;
            if (const Error error = append(name, pack(readings)); error != Error::none) return error;
            for (std::size_t k = 0; k < 2; ++k) all[std::string(name)][base + static_cast<std::int64_t>(k)] = sent[k];
        }
        return Error::none;
    }
    // All that was added from the log's start on, and nothing else.
    std::string check_all(std::string_view name) {
        const std::map<std::int64_t, std::string>& sent = all[std::string(name)];
        auto expected = sent.lower_bound(log(name).start.value);
        for (const Seen& one : read(name)) {
            if (expected == sent.end()) return "offset " + std::to_string(one.offset) + " was never sent";
            if (one.offset != expected->first) return "offset " + std::to_string(expected->first) + " is gone, there is " + std::to_string(one.offset);
            if (one.value != expected->second) return "offset " + std::to_string(one.offset) + " has another value";
            ++expected;
        }
        return expected == sent.end() ? "" : "offset " + std::to_string(expected->first) + " is gone";
    }
    // What the pass at hand writes, if there is one, and whether some of it is durable.
    const store::Log* made() { return broker().store().find(broker().store().state().making); }
    bool written() {
        const store::Log* const clean = made();
        return clean && clean->durable_end > clean->start;
    }
    std::uint64_t share() { return options.store.size / broker::Cleaner::live_share; }
    std::uint64_t head() {
        const store::State& state = broker().store().state();
        return state.geometry.sequence(state.head.previous_end - 1);
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
                std::vector<std::uint8_t> memory(256 * 1024);
                record::BatchDecoder records{MutableBytes(memory)};
                records.begin(header);
                records.feed(body);
                while (const auto record = records.next()) {
                    Seen one;
                    one.offset = record->offset.value;
                    one.key = as_text(record->record.key);
                    one.value = as_text(record->record.value);
                    one.tombstone = !record->record.has_value;
                    one.time = record->time.value;
                    CHECK(one.offset > last);
                    last = one.offset;
                    if (one.offset >= next.value) seen.push_back(one);
                }
                CHECK(records.ended());
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
    std::map<std::string, std::map<std::int64_t, std::string>> all;  // by topic, of those that keep all
    std::string why;
};

}  // namespace rivulet::test
