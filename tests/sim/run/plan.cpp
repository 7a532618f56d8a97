#include "sim/run/plan.h"

#include <algorithm>

#include "server/compact/hub.h"

namespace rivulet::sim {

namespace {

constexpr std::uint64_t kib = 1024;

std::uint64_t pick(Random& random, std::initializer_list<std::uint64_t> values) { return *(values.begin() + random.below(values.size())); }

// What a batch has beside one record: the header of the batch and the lengths in the record.
constexpr std::uint32_t reading_overhead = 120;

void plan_world(Plan& plan, Random random) {
    plan.world.seed = plan.seed;
    NetworkOptions& network = plan.world.network;
    network.delay_ns_max = static_cast<std::int64_t>(pick(random, {500'000, 2'000'000, 2'000'000, 20'000'000, 100'000'000}));
    network.split = random.chance(7, 8);
    network.send_buffer_bytes = static_cast<std::uint32_t>(pick(random, {4, 16, 64}) * kib);
    network.receive_buffer_bytes = static_cast<std::uint32_t>(pick(random, {4, 16, 64}) * kib);
    network.resets_per_million = static_cast<std::uint32_t>(pick(random, {0, 0, 50, 500}));
    // Up to the longest tails of a card.
    plan.world.latency.scale_percent = static_cast<unsigned>(pick(random, {0, 0, 0, 400, 1500}));
    plan.broker.timers_max = 8192;
    plan.broker.clock_battery = random.chance(1, 2);
    plan.broker.clock_set_after_ns = random.chance(1, 2) ? static_cast<std::int64_t>(random.below(15 * ns_per_s)) : -1;
    plan.broker.log_level = env::LogLevel::info;
}

void set(Plan& plan, std::string_view key, std::string_view value) { plan.sets.push_back(std::string(key) + '=' + std::string(value)); }
void set(Plan& plan, std::string_view key, std::uint64_t value) { set(plan, key, std::to_string(value)); }
void set_ms(Plan& plan, std::string_view key, std::uint64_t value) { set(plan, key, std::to_string(value) + "ms"); }

void plan_configuration(Plan& plan, Random random) {
    const std::uint64_t segment = pick(random, {64, 64, 128, 256}) * kib;
    const std::uint64_t segments = pick(random, {16, 16, 24, 32, 64});
    plan.batch_bytes = static_cast<std::uint32_t>(std::min<std::uint64_t>(pick(random, {4, 8, 16, 32, 64}) * kib, segment / 2));
    plan.frame_bytes = static_cast<std::uint32_t>(pick(random, {1, 2, 4, 8}) * kib);
    set(plan, "storage.dir", "store");
    set(plan, "storage.segment_bytes", segment);
    set(plan, "storage.size", segment * segments);
    const std::uint64_t commit = pick(random, {4, 8, 16, 32}) * kib;
    set(plan, "storage.commit_bytes", commit);
    set(plan, "memory.ring_min", std::max({64 * kib, 2 * commit, 2 * std::uint64_t{plan.batch_bytes}}));
    plan.ring_bytes = std::min(pick(random, {0, 0, 256, 1024, 4096}) * kib, segment * segments / 8);
    set(plan, "storage.checkpoint_bytes_max", 128 * kib);
    set_ms(plan, "storage.mark_idle", pick(random, {100, 1000, 10'000}));
    set_ms(plan, "retention.check_interval", pick(random, {100, 500, 2000, 10'000}));
    const std::uint64_t connections = pick(random, {16, 24, 48});
    plan.connections = static_cast<std::uint32_t>(connections);
    plan.broker.connections_max = static_cast<std::size_t>(connections) + server::spare_connections(connections) + (random.chance(1, 2) ? 0 : 8);
    set(plan, "limits.connections", connections);
    set(plan, "limits.topics", 16);
    set(plan, "limits.partitions", 64);
    set(plan, "limits.sessions", 1024);
    set(plan, "limits.producers", 64);
    set(plan, "limits.aliases_per_connection", pick(random, {4, 8, 16}));
    set(plan, "limits.batch_bytes", plan.batch_bytes);
    set(plan, "limits.frame_bytes", plan.frame_bytes);
    set(plan, "limits.credit_bytes", plan.frame_bytes * pick(random, {1, 2, 8}));
    set(plan, "limits.inflight_bytes", pick(random, {4, 16, 64}) * kib);
    set(plan, "limits.receive_pool_bytes", pick(random, {16, 32, 128}) * kib);
    set(plan, "limits.index_bytes", 128 * kib);
    set(plan, "limits.read_windows", pick(random, {2, 4}));
    set(plan, "limits.parked_fetches", pick(random, {2, 8, 64}));
    set(plan, "limits.groups", 4);
    set(plan, "limits.members", 16);
    set(plan, "limits.group_members", 8);
    set(plan, "limits.group_bytes", 16 * kib);
    set(plan, "limits.committed_offsets", 64);
    set(plan, "defaults.max.message.bytes", plan.batch_bytes);
    set(plan, "listener.compact.bind", "0.0.0.0:9192");
    set(plan, "listener.compact.send_buffer", pick(random, {4, 16, 64}) * kib);
    set(plan, "listener.compact.receive_buffer", pick(random, {4, 16, 64}) * kib);
    set_ms(plan, "broker.drain_timeout", pick(random, {0, 1000, 10'000}));
    set(plan, "clock.trust", random.chance(1, 4) ? (random.chance(1, 2) ? "always" : "never") : "auto");
}

void plan_topics(Plan& plan, Random random) {
    const std::uint64_t count = random.between(1, 5);
    for (std::uint64_t i = 0; i < count; ++i) {
        TopicPlan topic;
        topic.name = "t" + std::to_string(i);
        topic.partitions = static_cast<std::uint32_t>(random.chance(1, 3) ? 1 : random.between(2, 8));
        topic.memory = random.chance(1, 4);
        topic.append_time = random.chance(1, 8);
        topic.retention = random.chance(1, 5);
        topic.configured = random.chance(1, 4);
        topic.batch_bytes_max = static_cast<std::uint32_t>(std::max<std::uint64_t>(2 * kib, plan.batch_bytes / pick(random, {1, 1, 2, 8})));
        topic.config.emplace_back("durability", topic.memory ? "memory" : "disk");
        topic.config.emplace_back("max.message.bytes", std::to_string(topic.batch_bytes_max));
        if (random.chance(3, 4)) topic.config.emplace_back("commit.interval.ms", std::to_string(pick(random, {0, 0, 5, 20, 100, 1000})));
        if (topic.memory && random.chance(1, 2)) topic.config.emplace_back("pack.ms", std::to_string(pick(random, {0, 1, 200})));
        if (topic.retention) topic.config.emplace_back("retention.bytes", std::to_string(pick(random, {2000, 20'000, 100'000})));
        if (topic.append_time) topic.config.emplace_back("message.timestamp.type", "LogAppendTime");
        if (topic.configured) {
            set(plan, "topic." + topic.name + ".partitions", topic.partitions);
            for (const auto& [key, value] : topic.config) set(plan, "topic." + topic.name + "." + key, value);
        }
        plan.topics.push_back(std::move(topic));
    }
}

ReadingStyle plan_style(const Plan& plan, const TopicPlan& topic, Random& random) {
    ReadingStyle style;
    style.stamped = static_cast<unsigned>(pick(random, {0, 50, 100, 100}));
    style.keyed = static_cast<unsigned>(pick(random, {0, 20, 100}));
    style.keys = static_cast<unsigned>(random.between(1, 20));
    style.headers = static_cast<unsigned>(pick(random, {0, 0, 30}));
    style.tombstones = static_cast<unsigned>(pick(random, {0, 0, 5}));
    style.empty = static_cast<unsigned>(pick(random, {0, 0, 5}));
    style.bad_time = static_cast<unsigned>(pick(random, {0, 0, 0, 3}));
    style.too_large = static_cast<unsigned>(pick(random, {0, 0, 0, 3}));
    style.reading_max = std::min(topic.batch_bytes_max - reading_overhead, plan.frame_bytes - reading_overhead);
    style.batch_max = topic.batch_bytes_max;
    style.frame_max = plan.frame_bytes;
    style.value_min = 8;
    style.value_max = static_cast<std::uint32_t>(pick(random, {8, 20, 50, 50, 200, 200, 1000, 4000}));
    if (random.chance(1, 3)) style.value_min = style.value_max;
    style.period_ms = static_cast<std::int64_t>(pick(random, {1, 1000, 60'000}));
    style.jitter_ms = static_cast<std::int64_t>(pick(random, {0, 50}));
    return style;
}

void plan_producers(Plan& plan, Random random) {
    const std::uint64_t count = random.between(1, 6);
    for (std::uint64_t i = 0; i < count; ++i) {
        ProducerPlan producer;
        producer.session = random.chance(1, 4) ? 0 : random.next() | 1U;
        const std::uint64_t aliases = random.between(1, 4);
        for (std::uint64_t a = 0; a < aliases; ++a) {
            AliasPlan alias;
            alias.topic = static_cast<std::size_t>(random.below(plan.topics.size()));
            const TopicPlan& topic = plan.topics[alias.topic];
            alias.placement = static_cast<wire::compact::Placement>(random.below(3));
            alias.partition = random.below(topic.partitions);
            if (alias.placement == wire::compact::Placement::key) alias.key = "default-key-" + std::to_string(random.below(1000)) + std::string(random.below(60), 'x');
            alias.acks = random.chance(1, 8) ? wire::compact::Acks::none : random.chance(1, 2) ? wire::compact::Acks::leader : wire::compact::Acks::all;
            alias.style = plan_style(plan, topic, random);
            producer.aliases.push_back(std::move(alias));
        }
        producer.tick_ns = static_cast<std::int64_t>(pick(random, {5, 5, 20, 50, 200}) * ns_per_ms);
        producer.burst_max = static_cast<std::uint32_t>(pick(random, {1, 2, 4, 16, 64}));
        producer.window = static_cast<std::uint32_t>(pick(random, {1, 8, 64, 256, 1024}));
        producer.packed = random.chance(1, 2);
        producer.regular = random.chance(1, 4);
        producer.eager = random.chance(1, 3);
        producer.confirm = random.chance(3, 4);
        producer.gives_up = random.chance(1, 6);
        producer.connection_ns = random.chance(1, 3) ? static_cast<std::int64_t>(random.between(1, 10)) * ns_per_s : 0;
        plan.producers.push_back(std::move(producer));
    }
}

void plan_consumers(Plan& plan, Random random) {
    const std::uint64_t count = random.between(1, 4);
    for (std::uint64_t i = 0; i < count; ++i) {
        ConsumerPlan consumer;
        consumer.frame_bytes_max = random.chance(1, 6) ? pick(random, {256, 1024}) : pick(random, {16, 64, 256}) * kib;
        consumer.bytes_max = pick(random, {1, 512, 4096, 16384, 65536});
        consumer.bytes_min = pick(random, {0, 1, 1, 2000, 100'000});
        consumer.wait_ms_max = pick(random, {0, 20, 200, 1000, 5000});
        consumer.tick_ns = static_cast<std::int64_t>(pick(random, {20, 50, 200}) * ns_per_ms);
        consumer.jumps = static_cast<unsigned>(pick(random, {0, 0, 10, 60}));
        consumer.slow = random.chance(1, 5);
        consumer.by_alias = random.chance(1, 3);
        consumer.requests_max = static_cast<std::size_t>(pick(random, {1, 4, 16}));
        consumer.push = random.chance(1, 3);
        plan.consumers.push_back(consumer);
    }
}

void plan_faults(Plan& plan, Random random) {
    plan.duration_ns = static_cast<std::int64_t>(random.chance(1, 8) ? random.between(60, 120) : random.between(8, 40)) * ns_per_s;
    plan.fault_gap_ns = static_cast<std::int64_t>(pick(random, {500, 1500, 4000})) * ns_per_ms;
    plan.deletes = random.chance(1, 3);
    plan.hostile = random.chance(1, 3);
    plan.idlers = random.chance(1, 6);
    plan.full_at_creation = random.chance(1, 20);
    plan.noise_in_memory = random.chance(1, 2);
    if (random.chance(1, 16)) return;  // nothing goes wrong
    for (std::size_t k = 0; k <= static_cast<std::size_t>(FaultKind::client_kill); ++k) {
        const auto kind = static_cast<FaultKind>(k);
        if (random.chance(2, 5)) plan.faults.push_back(kind);
    }
    if (random.chance(1, 2)) plan.faults.push_back(FaultKind::power_cut);
    const std::uint64_t dice = random.below(16);
    if (dice < 2) plan.faults.push_back(FaultKind::damage);
    if (dice == 2) plan.faults.push_back(FaultKind::tail_damage);
    if (dice == 3) plan.faults.push_back(FaultKind::lying_flush);
    if (plan.may_forget()) plan.deletes = false;
    if (plan.faults.empty()) plan.faults.push_back(FaultKind::power_cut);
}

}  // namespace

std::string_view name_of(FaultKind kind) {
    static constexpr std::string_view names[fault_kind_count] = {
        "power cut", "cut in recovery", "kill", "restart", "sync EIO", "write EIO", "ENOSPC", "pause", "clock jump", "reload", "reset", "one-way link", "partition",
        "slow link", "client power cut", "client kill", "class B damage", "class C damage", "lying flush"};
    return names[static_cast<std::size_t>(kind)];
}

bool Plan::may_forget() const {
    return std::any_of(faults.begin(), faults.end(), [](FaultKind kind) { return kind >= FaultKind::damage; });
}

std::string Plan::text() const {
    std::string out = "seed " + std::to_string(seed) + ": " + std::to_string(producers.size()) + " producers, " + std::to_string(consumers.size()) +
                      " consumers, " + std::to_string(duration_ns / ns_per_s) + " s";
    out += deletes ? ", topics come and go" : "";
    out += hostile ? ", hostile" : "";
    out += "\n  faults:";
    for (const FaultKind kind : faults) out += " [" + std::string(name_of(kind)) + "]";
    out += "\n ";
    for (const std::string& s : sets) out += " " + s;
    for (const TopicPlan& topic : topics) {
        out += "\n  topic " + topic.name + ": " + std::to_string(topic.partitions);
        for (const auto& [key, value] : topic.config) out += " " + key + "=" + value;
    }
    for (const ProducerPlan& p : producers) {
        out += "\n  producer, session " + std::to_string(p.session) + (p.packed ? " packed" : "") + (p.regular ? " regular" : "") + (p.eager ? " eager" : "") +
               (p.confirm ? " confirm" : "") + (p.gives_up ? " gives-up" : "") + " window " + std::to_string(p.window) + ":";
        for (const AliasPlan& a : p.aliases)
            out += " " + topics[a.topic].name + "/" + std::to_string(static_cast<int>(a.placement)) + "/" + std::to_string(a.partition) + "/acks" + std::to_string(static_cast<int>(a.acks));
    }
    for (const ConsumerPlan& c : consumers)
        out += "\n  consumer, frames " + std::to_string(c.frame_bytes_max) + " bytes " + std::to_string(c.bytes_min) + "-" + std::to_string(c.bytes_max) + " wait " +
               std::to_string(c.wait_ms_max) + " jumps " + std::to_string(c.jumps) + (c.slow ? " slow" : "") + (c.by_alias ? " by-alias" : "") + (c.push ? " push" : "");
    return out;
}

Plan make_plan(std::uint64_t seed) {
    Plan plan;
    plan.seed = seed;
    const Random random = Random(seed).split("plan");
    plan_world(plan, random.split("world"));
    plan_configuration(plan, random.split("configuration"));
    plan_topics(plan, random.split("topics"));
    plan_producers(plan, random.split("producers"));
    plan_consumers(plan, random.split("consumers"));
    plan_faults(plan, random.split("faults"));
    return plan;
}

}  // namespace rivulet::sim
