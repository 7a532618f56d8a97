// Compacted topics: of each key the latest record stays, with its offset, however often the ring goes round; tombstones, memory for few keys, refusals.
#include "unit/broker/compacted.h"
#include "unit/record/packed.h"

namespace rivulet::test {

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

TEST_CASE("compaction: when a topic goes that is being cleaned, the others near the ring's tail are cleaned at once") {
    Compacted c;
    REQUIRE(c.create("state", "compact") == Error::none);
    REQUIRE(c.create("a", "compact") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    for (int i = 0; i < 16; ++i) REQUIRE(c.append("a", pack({reading(1, "key-" + std::to_string(i), std::string(3000, 'x'))})) == Error::none);
    c.update(10, 20);
    const LogId cleaned = c.log("a").id;
    bool found = false;
    for (int i = 0; i < 4000 && !found; ++i) {
        REQUIRE(c.append("other", pack({reading(1, "k", std::string(4000, 'o'))})) == Error::none);
        c.run(ns_per_ms);
        found = c.made() && c.made()->clean_of == cleaned && c.broker().store().parts_of(c.log("state")).segments_left < 10;
    }
    REQUIRE(found);
    REQUIRE(c.act([&] { return c.broker().delete_topic("a").error(); }) == Error::none);
    const std::int64_t before = c.world.now();
    for (int i = 0; i < 400; ++i) REQUIRE(c.append("other", pack({reading(1, "k", std::string(4000, 'o'))})) == Error::none);
    CHECK(c.world.now() - before < 10 * ns_per_s);
    c.run(ns_per_s);
    CHECK(c.check() == "");
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

TEST_CASE("compaction: a reload makes as many topics compacted ones as limits.partitions has room for") {
    broker::BrokerOptions options = small_broker(64);
    options.topics_max = 8;
    Compacted c(64, options);
    const char* const names[] = {"a", "b", "d", "e"};
    for (const char* const name : names) {
        REQUIRE(c.create(name, "delete") == Error::none);
        c.broker().find_topic(name)->config.overrides = 0;
    }
    config::TopicSection defaults = c.options.defaults;
    defaults.config.cleanup_policy = config::CleanupPolicy::compact;
    c.act([&] { return c.broker().reload(defaults, ns_per_s, config::ClockTrust::always), 0; });
    int compacted = 0;
    for (const char* const name : names) {
        const bool compact = c.broker().find_topic(name)->config.cleanup_policy == config::CleanupPolicy::compact;
        CHECK(c.log(name).keys_required == compact);
        compacted += compact;
    }
    // Four, a second one for each of three, and one to clean with.
    CHECK(compacted == 3);
    CHECK(c.create("f", "delete") == Error::limit_reached);
    CHECK(c.why.find("takes a second") != std::string::npos);
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

TEST_CASE("compaction: what lies in memory is not gone through in one turn either") {
    broker::BrokerOptions options = small_broker(64);
    options.store.segment_bytes = 256 * 1024;
    options.store.size = 16 * options.store.segment_bytes;
    options.store.blocks = 128;
    Compacted c(64, options);
    REQUIRE(c.create("state", "compact") == Error::none);
    for (int i = 0; i < 30; ++i) c.update(1, 10, 2500);
    REQUIRE(c.statistics().passes > 0);
    CHECK(c.node.env()->turn_work_seen() < 8 * broker::Cleaner::turn_bytes);
    CHECK(c.check() == "");
}

TEST_CASE("compaction: before the ring has gone round once, nothing is near its tail") {
    Compacted c;
    REQUIRE(c.create("state", "compact") == Error::none);
    c.update(5, 10);
    c.run(10 * ns_per_s);
    CHECK(c.statistics().passes == 0);
    c.update(60, 10);
    c.run(10 * ns_per_s);
    CHECK(c.statistics().passes > 0);
    CHECK(c.statistics().passes < 8);
    CHECK(c.check() == "");
}

TEST_CASE("compaction: after a start nothing is cleaned that was, and what comes then is cleaned once") {
    Compacted c;
    REQUIRE(c.create("state", "compact") == Error::none);
    c.update(100, 10);
    c.run(2 * ns_per_s);
    REQUIRE(c.statistics().passes > 0);
    REQUIRE(c.log("state").clean_end > Offset(0));
    c.node.power_cut();
    c.node.boot();
    REQUIRE(c.program().opened == Error::none);
    c.run(10 * ns_per_s);
    // One at most, of what the last pass had left.
    CHECK(c.statistics().passes <= 1);
    const std::uint64_t before = c.statistics().passes;
    // A trickle: nothing of it is worth a pass, though some comes while one is on its way.
    for (int i = 0; i < 20; ++i) c.update(1, 10, 10);
    CHECK(c.statistics().passes <= before + 2);
    CHECK(c.check() == "");
}

TEST_CASE("compaction: a batch of thousands of records is gone through turn by turn") {
    broker::BrokerOptions options = small_broker(64);
    options.store.batch_bytes_max = 64 * 1024;
    options.store.commit_bytes = 96 * 1024;
    options.store.segment_bytes = 256 * 1024;
    options.store.size = 16 * options.store.segment_bytes;
    options.store.blocks = 128;
    options.defaults.config.max_message_bytes = 64 * 1024;
    Compacted c(64, options);
    REQUIRE(c.create("state", "compact") == Error::none);
    constexpr int records = 5000;
    for (int round = 0; round < 2; ++round) {
        std::vector<record::Reading> readings;
        std::vector<std::string> keys;
        for (int i = 0; i < records; ++i) keys.push_back(std::to_string(i % 50));
        for (const std::string& key : keys) readings.push_back(reading(1, key, ""));
        const std::int64_t base = c.log("state").end.value;
        REQUIRE(c.append("state", pack(readings)) == Error::none);
        for (int i = 0; i < records; ++i) c.latest[keys[i]] = {base + i, keys[i], "", false, 0};
    }
    c.run(5 * ns_per_s);
    REQUIRE(c.statistics().passes == 1);
    CHECK(c.statistics().records_dropped == 2 * records - 50);
    // A turn's records, each with 256, and what lies between them.
    CHECK(c.node.env()->turn_work_seen() < 2 * broker::Cleaner::turn_records * 256);
    CHECK(c.check() == "");
    // The power goes, or the topic, while it is within a batch.
    for (int round = 0; round < 3; ++round) {
        std::vector<record::Reading> readings;
        for (int i = 0; i < records; ++i) readings.push_back(reading(1, "one", ""));
        const std::int64_t base = c.log("state").end.value;
        for (int i = 0; i < 2; ++i) REQUIRE(c.append("state", pack(readings)) == Error::none);
        c.run(100 * ns_per_ms);
        c.latest["one"] = {base + 2 * records - 1, "one", "", false, 0};
        const std::uint64_t read = c.statistics().read_bytes;
        REQUIRE(c.world.run_until([&] { return c.statistics().read_bytes > read + (round == 1 ? 100'000U : 0U); }, c.world.now() + 10 * ns_per_s));
        if (round == 2) break;
        c.node.power_cut();
        c.node.boot();
        REQUIRE(c.program().opened == Error::none);
        c.run(5 * ns_per_s);
        CHECK(c.check() == "");
    }
    REQUIRE(c.act([&] { return c.broker().delete_topic("state").error(); }) == Error::none);
    c.run(ns_per_s);
    CHECK(c.broker().store().state().staged_blocks == 0);
    REQUIRE(c.create("state", "compact") == Error::none);
    c.latest.clear();
    c.run(20 * ns_per_s);
    for (int round = 0; round < 12; ++round) c.update(300, 20);
    CHECK(c.statistics().passes > 0);
    CHECK(c.check() == "");
}

TEST_CASE("compaction: what was deleted does not come back, though a pass with few keys has kept older values of it") {
    for (const std::size_t bytes : {60U, 300U}) {
        CAPTURE(bytes);
        Compacted c(8);
        REQUIRE(c.create("state", "compact", "delete.retention.ms", "0") == Error::none);
        REQUIRE(c.create("other", "delete") == Error::none);
        for (int round = 0; round < 4; ++round) {
            c.update(20, 30, bytes);
            c.others(1200);
            while (c.latest.size() > 10) c.remove(c.latest.rbegin()->first);
            for (int i = 0; i < 4; ++i) {
                c.others(1200);
                CHECK(c.check() == "");
            }
        }
        // And the tombstones go, if slowly.
        std::size_t tombstones = 0;
        for (int i = 0; i < 20; ++i) c.others(1200);
        for (const Seen& one : c.read("state")) tombstones += one.tombstone;
        CHECK(tombstones < 10);
        CHECK(c.check() == "");
    }
}

TEST_CASE("compaction: a deletion stays told as long as a batch that cannot be opened has an older value") {
    Compacted c;
    REQUIRE(c.create("state", "delete") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    const Buffer closed = packed(pack({reading(1, "gone", "value")}));
    REQUIRE(c.append("state", closed) == Error::none);
    broker::Topic& topic = *c.broker().find_topic("state");
    config::TopicConfig config = topic.config;
    config.cleanup_policy = config::CleanupPolicy::compact;
    config.delete_retention_ms = 0;
    char buffer[200];
    Text why(buffer);
    REQUIRE(c.act([&] { return c.broker().alter_topic(topic, config, topic.partitions, why).error(); }) == Error::none);
    c.remove("gone");
    for (int i = 0; i < 6; ++i) {
        c.others(1200);
        CHECK(c.check() == "");
    }
    CHECK(c.statistics().batches_closed >= 2);
}

TEST_CASE("compaction: the clean log of a topic that was compacted counts, and its place is free once the ring has taken it") {
    broker::BrokerOptions options = small_broker(64);
    options.topics_max = 8;
    Compacted c(64, options);
    REQUIRE(c.create("state", "compact") == Error::none);
    c.update(60, 20);
    c.run(2 * ns_per_s);
    REQUIRE(c.log("state").clean.value != 0);
    REQUIRE(c.broker().store().log_count() == 2);
    broker::Topic& topic = *c.broker().find_topic("state");
    config::TopicConfig config = topic.config;
    config.cleanup_policy = config::CleanupPolicy::remove;
    char buffer[200];
    Text why(buffer);
    REQUIRE(c.act([&] { return c.broker().alter_topic(topic, config, topic.partitions, why).error(); }) == Error::none);
    // Of eight: itself, its clean log, two compacted topics with a second log each, and one to clean with.
    CHECK(c.create("a", "compact") == Error::none);
    CHECK(c.create("b", "compact") == Error::none);
    CHECK(c.create("other", "delete") == Error::none);
    CHECK(c.create("more", "delete") == Error::limit_reached);
    CHECK(c.why.find("limits.partitions") != std::string::npos);
    c.others(3000);
    c.run(100 * ns_per_s);
    CHECK(c.log("state").clean.value == 0);
    CHECK(c.broker().store().log_count() == 4);
    CHECK(c.create("more", "delete") == Error::none);
    c.run(ns_per_s);
    c.node.power_cut();
    c.node.boot();
    REQUIRE(c.program().opened == Error::none);
    c.run(2 * ns_per_s);
    CHECK(c.broker().store().log_count() == 5);
    CHECK(c.read("state").empty());
}

namespace {

// With the time of now.
void put_now(Compacted& c, const std::string& key, std::size_t value_bytes = 100) {
    const std::string value = std::to_string(++c.values) + std::string(value_bytes, 'v');
    c.latest[key] = {c.log("state").end.value, key, value, false, 0};
    REQUIRE(c.append("state", pack({reading(c.node.wall().value, key, value)})) == Error::none);
}

}  // namespace

TEST_CASE("compaction: compact,delete keeps the latest of each key, and of these what is not too old") {
    Compacted c;
    REQUIRE(c.create("state", "compact,delete", "retention.ms", "600000") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    CHECK(c.log("state").keys_required);
    for (int i = 0; i < 20; ++i) put_now(c, "old-" + std::to_string(i));
    for (int i = 0; i < 100; ++i) put_now(c, "busy-" + std::to_string(i % 5));
    c.run(2 * ns_per_s);
    CHECK(c.statistics().passes > 0);
    CHECK(c.check() == "");
    CHECK(c.read("state").size() < 60);
    // While others are written, what is old goes with a pass.
    for (int minute = 0; minute < 15; ++minute) {
        for (int i = 0; i < 20; ++i) put_now(c, "busy-" + std::to_string(i % 5));
        c.run(60 * ns_per_s);
        if (minute < 8) CHECK(c.check() == "");
    }
    for (int i = 0; i < 20; ++i) c.latest.erase("old-" + std::to_string(i));
    for (int i = 0; i < 200; ++i) put_now(c, "busy-" + std::to_string(i % 5));
    c.run(2 * ns_per_s);
    CHECK(c.check() == "");
    // When nothing more comes, all goes, with the clean log.
    REQUIRE(c.log("state").clean.value != 0);
    c.run(900 * ns_per_s);
    CHECK(c.read("state").empty());
    CHECK(c.log("state").start == c.log("state").end);
    CHECK(c.log("state").clean.value == 0);
    c.node.power_cut();
    c.node.boot();
    REQUIRE(c.program().opened == Error::none);
    c.run(2 * ns_per_s);
    CHECK(c.read("state").empty());
    c.latest.clear();
    for (int i = 0; i < 100; ++i) put_now(c, "again-" + std::to_string(i % 5));
    c.run(5 * ns_per_s);
    CHECK(c.check() == "");
}

TEST_CASE("compaction: compact,delete by bytes takes the oldest, of what is alive") {
    Compacted c;
    REQUIRE(c.create("state", "compact,delete", "retention.bytes", "100000") == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    for (int round = 0; round < 6; ++round) {
        for (int i = 0; i < 60; ++i) put_now(c, "key-" + std::to_string(round * 60 + i), 1000);
        c.others(100);
        c.run(40 * ns_per_s);
    }
    const std::vector<Seen> seen = c.read("state");
    REQUIRE_FALSE(seen.empty());
    CHECK(seen.back().key == "key-359");
    CHECK(seen.size() > 60);
    // A segment at most beyond it.
    CHECK(seen.size() < 180);
    CHECK(c.log("state").start > Offset(100));
}

TEST_CASE("compaction: at the limit the deletion of a part of a batch begins one pass at most, and not one after the other") {
    Compacted c(4096);
    REQUIRE(c.create("state", "compact") == Error::none);
    Error error = Error::none;
    for (int sent = 0; sent < 2000 && error == Error::none; ++sent) {
        std::vector<record::Reading> readings;
        std::vector<std::string> keys;
        for (int k = 0; k < 3; ++k) keys.push_back("unlike-" + std::to_string(sent) + "-" + std::to_string(k));
        const std::string value(300, 'u');
        for (const std::string& key : keys) readings.push_back(reading(1, key, value));
        error = c.append("state", pack(readings));
        if (sent % 20 == 0) c.run(150 * ns_per_ms);
    }
    REQUIRE(error == Error::limit_reached);
    c.run(10 * ns_per_s);
    const std::uint64_t passes = c.statistics().passes;
    REQUIRE(c.act([&] { return c.broker().delete_records(c.log("state"), Offset(1)).error(); }) == Error::none);
    c.run(60 * ns_per_s);
    CHECK(c.statistics().passes <= passes + 1);
}

}  // namespace rivulet::test
