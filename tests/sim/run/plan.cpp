#include "sim/run/plan.h"

#include <algorithm>

#include "server/compact/hub.h"

namespace rivulet::sim {

namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t kafka_each = 4;  // seeds
constexpr std::string_view kafka_limits[] = {"limits.partitions", "limits.producers", "limits.groups", "limits.members", "limits.group_members", "limits.group_bytes", "limits.committed_offsets", "storage.checkpoint_bytes_max"};

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

// Six seeds of sixteen have pinned topics, with and without Kafka clients and compacted topics, in a ring so small that it comes round.
bool has_pinned(std::uint64_t seed) { return seed % 8 == 0 || seed % 8 == 5 || seed % 16 == 6 || seed % 16 == 12; }

// A Kafka client in the place of a sensor.
void make_kafka(ProducerPlan& producer, Random& random) {
    producer.session = 0;
    producer.kafka = true;
    producer.idempotent = random.chance(3, 4);
    producer.compressed = static_cast<unsigned>(pick(random, {0, 30, 100}));
    producer.aliases.front().placement = wire::compact::Placement::by_key;
    producer.aliases.front().acks = wire::compact::Acks::all;
}

void plan_configuration(Plan& plan, Random random) {
    std::uint64_t segment = pick(random, {64, 64, 128, 256}) * kib;
    std::uint64_t segments = pick(random, {16, 16, 24, 32, 64});
    if (has_pinned(plan.seed)) segment = 64 * kib, segments = segments <= 24 ? 16 : 20;
    plan.journal_bytes = segment * segments;
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

// Three seeds of eight have a topic of last known values, and who writes nothing else: sensors, and where there are Kafka clients one of those. Nothing of it comes from the streams of the rest.
bool has_states(std::uint64_t seed) { return seed % 4 == 2 || seed % 8 == 4; }

void plan_states(Plan& plan, Random random) {
    TopicPlan topic;
    topic.name = "states";
    topic.compacted = true;
    topic.of_producers = plan.kafka.on;
    topic.partitions = static_cast<std::uint32_t>(random.between(1, 3));
    topic.batch_bytes_max = static_cast<std::uint32_t>(std::max<std::uint64_t>(2 * kib, plan.batch_bytes / 2));
    topic.config.emplace_back("durability", "disk");
    topic.config.emplace_back("max.message.bytes", std::to_string(topic.batch_bytes_max));
    topic.config.emplace_back("cleanup.policy", "compact");
    topic.config.emplace_back("min.cleanable.dirty.ratio", std::string(random.chance(1, 2) ? "0.75" : "0.2"));
    topic.config.emplace_back("delete.retention.ms", std::to_string(pick(random, {0, 500, 86'400'000})));
    if (random.chance(3, 4)) topic.config.emplace_back("commit.interval.ms", std::to_string(pick(random, {0, 5, 20, 100})));
    plan.topics.push_back(topic);
    // Fewer keys than there are: passes take rounds. What they keep then may be too much for Kafka's producers, which are refused.
    const bool rounds = random.chance(1, 3) && !plan.kafka.on;
    set(plan, "limits.compact_keys", rounds ? pick(random, {4, 16}) : pick(random, {64, 4096}));
    const std::uint64_t count = random.between(1, 2);
    for (std::uint64_t i = 0; i < count; ++i) {
        ProducerPlan producer;
        producer.session = random.chance(1, 5) ? 0 : random.next() | 1U;
        AliasPlan alias;
        alias.topic = plan.topics.size() - 1;
        alias.placement = random.chance(1, 3) ? wire::compact::Placement::partition : wire::compact::Placement::by_key;
        alias.partition = random.below(topic.partitions);
        alias.acks = random.chance(1, 2) ? wire::compact::Acks::leader : wire::compact::Acks::all;
        alias.style.stamped = static_cast<unsigned>(pick(random, {50, 100}));
        alias.style.keyed = 100;
        alias.style.keys = static_cast<unsigned>(random.between(1, 24));
        alias.style.headers = static_cast<unsigned>(pick(random, {0, 30}));
        alias.style.tombstones = alias.style.empty = 0;
        alias.style.deletions = static_cast<unsigned>(pick(random, {0, 5, 30}));
        alias.style.reading_max = std::min(topic.batch_bytes_max, plan.frame_bytes) - reading_overhead;
        alias.style.batch_max = topic.batch_bytes_max;
        alias.style.frame_max = plan.frame_bytes;
        alias.style.value_max = static_cast<std::uint32_t>(pick(random, {20, 100, 400}));
        producer.aliases.push_back(std::move(alias));
        producer.tick_ns = static_cast<std::int64_t>(pick(random, {10, 50, 200}) * ns_per_ms);
        producer.burst_max = static_cast<std::uint32_t>(pick(random, {2, 8, 32}));
        producer.window = static_cast<std::uint32_t>(pick(random, {64, 256, 1024}));
        producer.packed = random.chance(3, 4);
        producer.gives_up = random.chance(1, 6);
        plan.producers.push_back(std::move(producer));
    }
    if (!plan.kafka.on) return;
    ProducerPlan writer = plan.producers.back();
    make_kafka(writer, random);
    writer.aliases.front().style.stamped = 100;
    plan.producers.push_back(std::move(writer));
}

// Who writes a pinned topic writes nothing else.
ProducerPlan plan_pinned_producer(const Plan& plan, std::size_t index, Random& random) {
    const TopicPlan& topic = plan.topics[index];
    ProducerPlan producer;
    producer.session = random.chance(1, 6) ? 0 : random.next() | 1U;
    AliasPlan alias;
    alias.topic = index;
    alias.placement = random.chance(1, 3) ? wire::compact::Placement::partition : wire::compact::Placement::by_key;
    alias.partition = random.below(topic.partitions);
    alias.acks = random.chance(1, 2) ? wire::compact::Acks::leader : wire::compact::Acks::all;
    alias.style.stamped = 100;
    alias.style.keyed = 100;
    alias.style.keys = 16;
    alias.style.tombstones = alias.style.empty = 0;
    alias.style.headers = static_cast<unsigned>(pick(random, {0, 30}));
    alias.style.reading_max = std::min(topic.batch_bytes_max, plan.frame_bytes) - reading_overhead;
    alias.style.batch_max = topic.batch_bytes_max;
    alias.style.frame_max = plan.frame_bytes;
    alias.style.value_max = static_cast<std::uint32_t>(pick(random, {20, 100, 400}));
    alias.style.value_min = alias.style.value_max / 2;
    producer.aliases.push_back(std::move(alias));
    producer.tick_ns = static_cast<std::int64_t>(pick(random, {50, 100, 400}) * ns_per_ms);
    producer.burst_max = static_cast<std::uint32_t>(pick(random, {2, 4, 8}));
    producer.window = static_cast<std::uint32_t>(pick(random, {64, 256}));
    producer.packed = random.chance(3, 4);
    producer.gives_up = random.chance(1, 6);
    return producer;
}

// One that drops its oldest records, one that refuses, or both; and somebody who writes so much beside them that the ring comes round. Nothing of it comes from the streams of the rest.
void plan_pinned(Plan& plan, Random random) {
    const std::uint64_t which = random.below(3);
    for (const bool rejects : {false, true}) {
        if (which == (rejects ? 0U : 1U)) continue;
        TopicPlan topic;
        topic.name = rejects ? "firm" : "yields";
        topic.pinned = true;
        topic.rejects = rejects;
        topic.of_producers = plan.kafka.on;
        topic.partitions = rejects ? 1 : static_cast<std::uint32_t>(random.between(1, 2));
        topic.batch_bytes_max = static_cast<std::uint32_t>(std::max<std::uint64_t>(2 * kib, plan.batch_bytes / 2));
        topic.config = {{"durability", "disk"}, {"max.message.bytes", std::to_string(topic.batch_bytes_max)}, {"pinned", "true"}, {"overflow", rejects ? "reject" : "drop-oldest"}};
        if (random.chance(3, 4)) topic.config.emplace_back("commit.interval.ms", std::to_string(pick(random, {0, 5, 20, 100})));
        plan.topics.push_back(topic);
        plan.producers.push_back(plan_pinned_producer(plan, plan.topics.size() - 1, random));
        if (!plan.kafka.on) continue;
        ProducerPlan writer = plan_pinned_producer(plan, plan.topics.size() - 1, random);
        make_kafka(writer, random);
        plan.producers.push_back(std::move(writer));
    }
    // Each partition takes a second one.
    std::erase(plan.sets, "limits.partitions=64");
    if (!plan.kafka.on) set(plan, "limits.partitions", 80);
    ProducerPlan others;
    others.session = random.next() | 1U;
    AliasPlan alias;
    const TopicPlan& topic = plan.topics.front();
    alias.placement = wire::compact::Placement::partition;
    alias.partition = random.below(topic.partitions);
    alias.style.stamped = 100;
    alias.style.keyed = alias.style.headers = alias.style.tombstones = alias.style.empty = 0;
    alias.style.reading_max = std::min(topic.batch_bytes_max, plan.frame_bytes) - reading_overhead;
    alias.style.batch_max = topic.batch_bytes_max;
    alias.style.frame_max = plan.frame_bytes;
    alias.style.value_max = 2000;
    alias.style.value_min = 500;
    others.aliases.push_back(std::move(alias));
    others.tick_ns = 50 * ns_per_ms;
    others.burst_max = 16;
    others.window = 128;
    others.packed = true;
    plan.producers.push_back(std::move(others));
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

// One seed of four has Kafka clients, and fewer others. Nothing of it comes from the streams of the rest.
void plan_kafka(Plan& plan, Random random) {
    plan.kafka.on = true;
    plan.producers.resize(std::min<std::size_t>(plan.producers.size(), random.between(1, 2)));
    plan.consumers.resize(1);
    // Their rules have no exceptions for lost flash.
    std::erase_if(plan.faults, [](FaultKind kind) { return kind >= FaultKind::damage; });
    std::erase_if(plan.sets, [](const std::string& s) {
        return std::any_of(std::begin(kafka_limits), std::end(kafka_limits), [&](std::string_view key) { return s.starts_with(std::string(key) + '='); });
    });
    for (const auto& [key, value] : std::initializer_list<std::pair<std::string_view, std::uint64_t>>{
             {"storage.checkpoint_bytes_max", 256 * kib}, {"limits.partitions", 128}, {"limits.producers", 512}, {"limits.groups", 8}, {"limits.members", 24}, {"limits.group_members", 12}, {"limits.group_bytes", 64 * kib}, {"limits.committed_offsets", 128},
             {"limits.kafka_connections", 48}, {"limits.kafka_receive_bytes", 64 * kib}, {"limits.kafka_request_bytes", 16 * kib}, {"limits.kafka_response_bytes", 32 * kib}})
        set(plan, key, value);
    set(plan, "limits.fetch_partitions", pick(random, {24, 64, 256}));
    set(plan, "listener.kafka.bind", "0.0.0.0:9092");
    set(plan, "broker.offsets.topic.num.partitions", pick(random, {1, 2, 4}));
    set_ms(plan, "broker.group.initial.rebalance.delay.ms", pick(random, {0, 200, 3000}));
    plan.broker.connections_max += 64 + server::spare_connections(48);
    const std::uint64_t topics = random.between(1, 2);
    for (std::uint64_t i = 0; i < topics; ++i) {
        KafkaTopicPlan topic;
        topic.name = "k" + std::to_string(i);
        topic.partitions = static_cast<std::uint32_t>(random.between(1, 4));
        topic.grows = random.chance(1, 2);
        set(plan, "topic." + topic.name + ".partitions", topic.partitions);
        set(plan, "topic." + topic.name + ".durability", "disk");
        if (random.chance(3, 4)) set(plan, "topic." + topic.name + ".commit.interval.ms", pick(random, {0, 5, 20, 100}));
        plan.kafka.topics.push_back(topic);
    }
    const auto some_topics = [&] {
        std::vector<std::size_t> all;
        for (std::size_t t = 0; t < topics; ++t)
            if (random.chance(2, 3)) all.push_back(t);
        if (all.empty()) all.push_back(static_cast<std::size_t>(random.below(topics)));
        return all;
    };
    const std::uint64_t producers = random.between(1, 3);
    for (std::uint64_t i = 0; i < producers; ++i) {
        KafkaProducerPlan producer;
        producer.topics = some_topics();
        producer.idempotent = i == 0 || random.chance(3, 4);
        producer.wraps = random.chance(1, 4);
        producer.tick_ns = static_cast<std::int64_t>(pick(random, {20, 50, 200})) * ns_per_ms;
        producer.batches_max = static_cast<std::uint32_t>(random.between(1, 3));
        producer.records_max = static_cast<std::uint32_t>(pick(random, {1, 3, 8}));
        producer.value_max = static_cast<std::uint32_t>(std::min<std::uint64_t>(pick(random, {20, 200, 2000}), plan.batch_bytes / 4));
        producer.in_flight = static_cast<std::size_t>(random.between(1, 5));
        producer.window = static_cast<std::size_t>(random.between(1, 12));
        Random compressed = random.split("compressed", i);
        producer.compressed = static_cast<unsigned>(pick(compressed, {0, 0, 30, 100}));
        plan.kafka.producers.push_back(std::move(producer));
    }
    const std::uint64_t groups = random.between(1, 3);
    for (std::uint64_t g = 0; g < groups; ++g) {
        GroupPlan group;
        group.name = "group" + std::to_string(g);
        group.topics = some_topics();
        group.cooperative = random.chance(1, 2);
        group.lone = g != 0 && random.chance(1, 3);
        const std::uint64_t members = group.lone ? 1 : random.between(1, 4);
        for (std::uint64_t m = 0; m < members; ++m) {
            MemberPlan member;
            member.group = static_cast<std::size_t>(g);
            if (!group.lone && random.chance(1, 3)) member.instance = "instance" + std::to_string(m);
            member.tick_ns = static_cast<std::int64_t>(pick(random, {20, 50, 100})) * ns_per_ms;
            member.session_ms = static_cast<std::int32_t>(pick(random, {6000, 6000, 10'000}));
            member.heartbeat_ns = static_cast<std::int64_t>(pick(random, {300, 1000, 2000})) * ns_per_ms;
            member.commit_ns = static_cast<std::int64_t>(pick(random, {50, 300, 1000})) * ns_per_ms;
            member.restless = static_cast<unsigned>(pick(random, {0, 5, 20}));
            plan.kafka.members.push_back(std::move(member));
        }
        plan.kafka.groups.push_back(std::move(group));
    }
    for (const FaultKind kind : {FaultKind::rebalance_cut, FaultKind::commit_cut, FaultKind::rewrite_cut, FaultKind::loading_cut})
        if (random.chance(1, 2)) plan.faults.insert(plan.faults.end(), random.between(1, 2), kind);
    if (plan.faults.empty()) plan.faults.push_back(FaultKind::rebalance_cut);
}

}  // namespace

std::string_view name_of(FaultKind kind) {
    static constexpr std::string_view names[fault_kind_count] = {
        "power cut", "cut in recovery", "kill", "restart", "sync EIO", "write EIO", "ENOSPC", "pause", "clock jump", "reload", "reset", "one-way link", "partition",
        "slow link", "client power cut", "client kill", "cut in a rebalance", "cut in a commit", "cut in a rewrite", "cut in loading", "class B damage", "class C damage", "lying flush"};
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
        out += "\n  producer, session " + std::to_string(p.session) + (p.kafka ? " Kafka's" : "") + (p.idempotent ? " idempotent" : "") + (p.compressed != 0 ? " compressed" : "") + (p.packed ? " packed" : "") + (p.regular ? " regular" : "") + (p.eager ? " eager" : "") +
               (p.confirm ? " confirm" : "") + (p.gives_up ? " gives-up" : "") + " window " + std::to_string(p.window) + ":";
        for (const AliasPlan& a : p.aliases)
            out += " " + topics[a.topic].name + "/" + std::to_string(static_cast<int>(a.placement)) + "/" + std::to_string(a.partition) + "/acks" + std::to_string(static_cast<int>(a.acks));
    }
    for (const ConsumerPlan& c : consumers)
        out += "\n  consumer, frames " + std::to_string(c.frame_bytes_max) + " bytes " + std::to_string(c.bytes_min) + "-" + std::to_string(c.bytes_max) + " wait " +
               std::to_string(c.wait_ms_max) + " jumps " + std::to_string(c.jumps) + (c.slow ? " slow" : "") + (c.by_alias ? " by-alias" : "") + (c.push ? " push" : "");
    for (const KafkaTopicPlan& topic : kafka.topics) out += "\n  Kafka topic " + topic.name + ": " + std::to_string(topic.partitions) + (topic.grows ? ", grows" : "");
    for (const KafkaProducerPlan& p : kafka.producers)
        out += std::string("\n  Kafka producer") + (p.idempotent ? ", idempotent" : "") + (p.wraps ? ", wraps" : "") + (p.compressed != 0 ? ", compressed" : "") + ", " + std::to_string(p.in_flight) + " in flight, window " + std::to_string(p.window) +
               ", records " + std::to_string(p.records_max) + " of " + std::to_string(p.value_max);
    for (const MemberPlan& m : kafka.members)
        out += "\n  member of " + kafka.groups[m.group].name + (kafka.groups[m.group].lone ? ", lone" : kafka.groups[m.group].cooperative ? ", cooperative" : ", eager") + (m.instance.empty() ? "" : ", " + m.instance) +
               ", restless " + std::to_string(m.restless);
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
    if (seed % kafka_each == 0) plan_kafka(plan, random.split("kafka"));
    if (has_states(seed)) plan_states(plan, random.split("states"));
    if (has_pinned(seed)) plan_pinned(plan, random.split("pinned"));
    return plan;
}

}  // namespace rivulet::sim
