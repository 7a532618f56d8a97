// Passes that a start goes on with, of compacted and of pinned topics: what they know of what they had written, and what waits until the ring's end is far again.
#include "unit/broker/compacted.h"

namespace rivulet::test {

TEST_CASE("compaction: a pass goes on after power cuts, and what was deleted stays so") {
    Compacted c(512);
    REQUIRE(c.create("state", "compact", "delete.retention.ms", "1000") == Error::none);
    c.update(60, 120, 700);
    std::uint64_t resumed = 0;
    for (int round = 0; round < 30; ++round) {
        CAPTURE(round);
        if (round % 3 == 1) c.remove("key-" + std::to_string(round));
        // Until one has begun and is not at its end.
        for (int i = 0; i < 20 && !c.written(); ++i) {
            c.update(12, 120, 700);
            (void)c.world.run_until([&] { return c.written(); }, c.world.now() + 800 * ns_per_ms);
        }
        c.node.power_cut();
        c.node.boot();
        REQUIRE(c.program().opened == Error::none);
        c.run(5 * ns_per_s);
        resumed += c.statistics().passes_resumed;
        CHECK(c.check() == "");
    }
    CHECK(resumed > 3);
}

TEST_CASE("compaction: a pass that goes on drops nothing for what it had kept before, and the next one leaves one record of each key") {
    for (const std::string_view policy : {"compact", "compact,delete"}) {
        CAPTURE(policy);
        Compacted c(512);
        REQUIRE(c.create("state", policy, "retention.ms", "60000") == Error::none);
        const auto put = [&](std::string_view name, int keys) {
            for (int k = 0; k < keys; ++k) REQUIRE(c.append("state", pack({reading(c.broker().wall().value, std::string(name) + std::to_string(k), std::string(700, 'v'))})) == Error::none);
        };
        put("key-", 120);
        REQUIRE(c.world.run_until([&] { return c.written(); }, c.world.now() + 5 * ns_per_s));
        // All keys again, behind what the pass goes through.
        put("key-", 120);
        REQUIRE(c.world.run_until([&] { return c.log("state").durable_end == Offset(240); }, c.world.now() + ns_per_s));
        REQUIRE(c.made());
        c.node.power_cut();
        // By the time that it goes on all of it is older than is retained.
        c.node.boot();
        c.node.shift_wall(200'000);
        REQUIRE(c.program().opened == Error::none);
        c.run(5 * ns_per_s);
        REQUIRE(c.statistics().passes_resumed == 1);
        std::map<std::string, std::int64_t> latest;
        for (const Seen& one : c.read("state")) latest[one.key] = one.offset;
        CHECK(latest.size() == 120);
        for (const auto& [key, offset] : latest) CHECK(offset >= 120);
        CHECK(c.read("state").size() > 120);
        for (int k = 0; k < 8 && c.statistics().passes == 1; ++k) {
            put("late-", 60);
            c.run(2 * ns_per_s);
        }
        REQUIRE(c.statistics().passes > 1);
        std::map<std::string, int> times;
        for (const Seen& one : c.read("state"))
            if (Offset(one.offset) < c.log("state").clean_end) CHECK(++times[one.key] == 1);
        // By then the latest are too old as well.
        CHECK(times.count("key-7") == (policy == "compact" ? 1 : 0));
        CHECK(times.count("late-7") == 1);
    }
}

TEST_CASE("pinned: the power goes in the passes of many starts in a row, and nothing is lost") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}, {"overflow", "reject"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    REQUIRE(c.add("kept", 150) == Error::none);
    const auto under_way = [&] { return c.broker().store().clean_begun(c.log("kept")); };
    for (int i = 0; i < 4000 && !under_way(); ++i) {
        REQUIRE(c.append("other", pack({reading(1, "k", std::string(4000, 'o'))})) == Error::none);
        c.run(ns_per_ms / 2);
    }
    REQUIRE(under_way());
    std::uint64_t resumed = 0;
    const Buffer other = pack({reading(1, "k", std::string(4000, 'o'))});
    for (int cut = 0; cut < 40; ++cut) {
        CAPTURE(cut);
        if (cut % 2 == 0) (void)c.world.run_until([&] { return c.written(); }, c.world.now() + 200 * ns_per_ms);
        c.node.power_cut();
        c.node.boot();
        REQUIRE(c.program().opened == Error::none);
        // Another moment each time; others append whenever they may.
        for (int i = 0; i < 3 + cut % 5; ++i) {
            (void)c.act([&] { return c.broker().append(c.log("other"), other).error(); });
            c.run((1 + cut % 7) * 8 * ns_per_ms);
        }
        resumed += c.statistics().passes_resumed;
        CHECK(c.log("kept").start == Offset(0));
    }
    c.run(2 * ns_per_s);
    CHECK(c.world.failure() == "");
    CHECK(resumed + c.statistics().passes_resumed > 0);
    c.others(1500);
    CHECK(c.log("kept").start == Offset(0));
    CHECK(c.check_all("kept") == "");
}

TEST_CASE("pinned: when hardly more of the ring is left than has to be moved not even offsets are committed, until it is") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    REQUIRE(c.add("kept", 150) == Error::none);
    for (int i = 0; i < 4000 && !c.broker().store().clean_begun(c.log("kept")); ++i) {
        REQUIRE(c.append("other", pack({reading(1, "k", std::string(4000, 'o'))})) == Error::none);
        c.run(ns_per_ms / 2);
    }
    // Starts that get nowhere cost a page or two each.
    bool held = false;
    for (int cut = 0; cut < 300 && !held; ++cut) {
        c.node.power_cut();
        c.node.boot();
        REQUIRE(c.program().opened == Error::none);
        CHECK_FALSE(c.broker().offsets_held());
        REQUIRE(c.world.run_until([&] { return c.broker().store().clean_begun(c.log("kept")) || c.statistics().passes != 0; }, c.world.now() + ns_per_s));
        held = c.broker().offsets_held();
    }
    CHECK(held);
    c.run(5 * ns_per_s);
    CHECK_FALSE(c.broker().offsets_held());
    CHECK(c.log("kept").start == Offset(0));
    CHECK(c.check_all("kept") == "");
}

TEST_CASE("pinned: after a start nobody appends until it is known how near the ring's tail is, unless nothing outlives it") {
    for (const bool pinned : {true, false}) {
        CAPTURE(pinned);
        Compacted c(0);
        REQUIRE(c.create_with("kept", {{"pinned", pinned ? "true" : "false"}}) == Error::none);
        REQUIRE(c.create("other", "delete") == Error::none);
        REQUIRE(c.add("kept", 20) == Error::none);
        c.others(800);
        c.node.power_cut();
        c.node.boot();
        REQUIRE(c.program().opened == Error::none);
        const store::State& state = c.broker().store().state();
        REQUIRE(state.index_loaded_from > state.head.first_live);
        CHECK(c.broker().store().appends_held() == pinned);
        REQUIRE(c.world.run_until([&] { return state.index_loaded_from <= state.head.first_live; }, c.world.now() + ns_per_s));
        c.run(20 * ns_per_ms);
        CHECK_FALSE(c.broker().store().appends_held());
        CHECK(c.append("other", pack({reading(1, "k", "v")})) == Error::none);
    }
}

}  // namespace rivulet::test
