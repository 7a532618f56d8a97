// Cleaning where something stands in its way: defaults that contradict a topic, passes that fail, no room to write, a start that moves meanwhile; and what passes then cost.
#include "unit/broker/compacted.h"

namespace rivulet::test {

namespace {

LogId cleaning(Compacted& c) { return c.made() ? c.made()->clean_of : LogId(0); }

config::TopicConfig& config_of(Compacted& c, std::string_view name) { return c.broker().find_topic(name)->config; }

void boot_with(Compacted& c, const config::TopicConfig& defaults) {
    c.run(ns_per_s);
    c.options.defaults.config = defaults;
    c.node.power_cut();
    c.node.boot();
    REQUIRE(c.program().opened == Error::none);
    c.run(2 * ns_per_s);
}

// So many records with keys of their own, a batch for each.
Error put(Compacted& c, std::string_view name, int batches, int& key) {
    for (int i = 0; i < batches; ++i)
        if (const Error error = c.append(name, pack({reading(c.now_ms(), "key-" + std::to_string(key++), std::string(1000, 'x'))})); error != Error::none) return error;
    return Error::none;
}

}  // namespace

TEST_CASE("compaction: a start with defaults that contradict a topic leaves it what it has set itself, as a reload does") {
    Compacted c(64);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create_with("fast", {{"durability", "memory"}}) == Error::none);
    REQUIRE(c.create_with("other", {{"cleanup.policy", "delete"}}) == Error::none);
    REQUIRE(c.add("kept", 20) == Error::none);
    config::TopicConfig compact = c.options.defaults.config;
    compact.cleanup_policy = config::CleanupPolicy::compact;
    boot_with(c, compact);
    CHECK(config_of(c, "kept").pinned);
    CHECK(config_of(c, "kept").cleanup_policy == config::CleanupPolicy::remove);
    CHECK(config_of(c, "fast").cleanup_policy == config::CleanupPolicy::remove);
    CHECK_FALSE(c.log("fast").keys_required);
    config::TopicSection defaults = c.options.defaults;
    c.act([&] { return c.broker().reload(defaults, ns_per_s, config::ClockTrust::always), 0; });
    CHECK(config_of(c, "kept").cleanup_policy == config::CleanupPolicy::remove);
    CHECK(config_of(c, "fast").cleanup_policy == config::CleanupPolicy::remove);
    c.others(2000);
    CHECK(c.check_all("kept") == "");
    CHECK(c.log("kept").start == Offset(0));
    config::TopicConfig pinned = compact;
    pinned.cleanup_policy = config::CleanupPolicy::remove;
    pinned.pinned = true;
    boot_with(c, pinned);
    CHECK_FALSE(config_of(c, "fast").pinned);
    CHECK(config_of(c, "other").pinned);
    CHECK(c.check_all("kept") == "");
}

TEST_CASE("compaction: a memory topic that follows defaults of compact does not stand before those that are compacted") {
    Compacted c(64);
    REQUIRE(c.create_with("fast", {{"durability", "memory"}}) == Error::none);
    REQUIRE(c.create_with("state", {{"cleanup.policy", "compact"}}) == Error::none);
    REQUIRE(c.create_with("other", {{"cleanup.policy", "delete"}}) == Error::none);
    config::TopicConfig compact = c.options.defaults.config;
    compact.cleanup_policy = config::CleanupPolicy::compact;
    boot_with(c, compact);
    int key = 0;
    REQUIRE(put(c, "fast", 40, key) == Error::none);
    c.update(30, 40);
    c.others(2000);
    CHECK(c.check() == "");
    CHECK(c.log("state").start == Offset(0));
    CHECK(c.statistics().passes > 0);
}

TEST_CASE("compaction: retention that makes room at the limit costs no pass by itself") {
    broker::BrokerOptions options = small_broker(0);
    options.retention_check_ns = ns_per_s;
    Compacted c(4096, options);
    REQUIRE(c.create("state", "compact,delete", "retention.ms", "120000") == Error::none);
    int key = 0;
    int refused = 0;
    for (int second = 0; second < 900; ++second) {
        const Error error = put(c, "state", 3, key);
        REQUIRE((error == Error::none || error == Error::limit_reached));
        refused += error != Error::none;
        c.run(ns_per_s);
    }
    CHECK(refused > 0);
    CHECK(c.statistics().written_bytes < static_cast<std::uint64_t>(key) * 2000);
}

TEST_CASE("compaction: partitions whose passes fail wait, each of them, and those whose passes do not are cleaned") {
    Compacted c(64);
    REQUIRE(c.create("a", "compact") == Error::none);
    REQUIRE(c.create("b", "compact") == Error::none);
    REQUIRE(c.create("last", "compact") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    // The most comes first.
    for (const auto& [name, batches] : {std::pair("a", 20), std::pair("b", 15), std::pair("last", 10)})
        for (int i = 0; i < batches; ++i) REQUIRE(c.append(name, pack({reading(1, "k", std::string(1000, 'x'))})) == Error::none);
    int failures = 0;
    for (int step = 0; step < 20'000; ++step) {
        c.run(ns_per_ms / 4);
        const LogId now = cleaning(c);
        if (now.value == 0 || now == c.log("last").id || now == c.log("other").id) continue;
        ++failures;
        // Gives up what it has written.
        REQUIRE(c.act([&] { return c.broker().store().begin_clean(c.log("other")).error(); }) == Error::none);
    }
    CHECK(failures == 2);
    CHECK(c.log("last").clean.value != 0);
    c.run(20 * ns_per_s);
    CHECK(c.log("a").clean.value != 0);
    CHECK(c.log("b").clean.value != 0);
}

TEST_CASE("compaction: a start that moves beyond what a pass has gone through leaves no clean part") {
    for (int wait = 0; wait < 60; ++wait) {
        CAPTURE(wait);
        Compacted c(64);
        REQUIRE(c.create("state", "compact") == Error::none);
        c.update(20, 20);
        REQUIRE(c.world.run_until([&] { return cleaning(c).value != 0; }, c.world.now() + 10 * ns_per_s));
        const std::uint32_t logs = c.broker().store().log_count() - 1;
        c.run(wait * ns_per_ms / 4);
        REQUIRE(c.act([&] { return c.broker().delete_records(c.log("state"), Offset(-1)).error(); }) == Error::none);
        c.run(ns_per_s);
        CHECK(c.log("state").start == c.log("state").end);
        CHECK(c.log("state").clean.value == 0);
        CHECK(c.broker().store().log_count() == logs);
    }
}

TEST_CASE("compaction: records of a batch that waits for room count once") {
    Compacted c(64);
    REQUIRE(c.create("state", "compact") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    // More than may wait to be written.
    c.update(80, 40, 2000);
    c.run(5 * ns_per_s);
    std::uint64_t passes = c.statistics().passes;
    std::uint64_t kept = c.statistics().records_kept;
    const Buffer block = pack({reading(1, "k", std::string(2000, 'o'))});
    for (int i = 0; i < 6000; ++i) {
        while (c.act([&] { return c.broker().append(c.log("other"), block).error(); }) == Error::none) {}
        c.run(ns_per_ms / 2);
        if (c.statistics().passes == passes) continue;
        REQUIRE(c.statistics().passes == passes + 1);
        passes = c.statistics().passes;
        CHECK(c.statistics().records_kept - kept == c.latest.size());
        kept = c.statistics().records_kept;
    }
    CHECK(c.check() == "");
}

TEST_CASE("compaction: a pass over a log that has all blocks of RAM makes room for what it writes, though its own view has the oldest of them") {
    broker::BrokerOptions options = small_broker(64);
    options.store.size = 32 * options.store.segment_bytes;
    options.store.logs_max = 24;
    options.store.index_samples_max = 400;
    Compacted c(64, options);
    REQUIRE(c.create_with("state", {{"cleanup.policy", "compact"}, {"min.cleanable.dirty.ratio", "1"}}) == Error::none);
    for (int i = 0; i < 36; ++i) REQUIRE(c.append("state", pack({reading(c.now_ms(), "key-" + std::to_string(i), std::string(4000, 'x'))})) == Error::none);
    c.run(ns_per_s);
    const std::uint64_t passes = c.statistics().passes;
    REQUIRE(c.alter("state", {{"min.cleanable.dirty.ratio", "0.01"}}) == Error::none);
    c.run(5 * ns_per_s);
    CHECK(c.statistics().passes > passes);
    CHECK(cleaning(c).value == 0);
    CHECK(c.statistics().read_bytes < 2'000'000);
}

}  // namespace rivulet::test
