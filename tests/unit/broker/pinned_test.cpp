// Pinned topics: what was accepted outlives the ring until retention, deletion or the share takes it; overflow = reject; what passes write.
#include "unit/broker/compacted.h"

namespace rivulet::test {

TEST_CASE("pinned: all of it stays, while the ring goes round many times, and after power cuts") {
    Compacted c(0);  // no memory for keys is needed
    REQUIRE(c.create_with("kept", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    for (int round = 0; round < 12; ++round) {
        REQUIRE(c.add("kept", round % 3 == 0 ? 20 : 2) == Error::none);
        c.others(300);
        CHECK(c.check_all("kept") == "");
        if (round % 4 != 3) continue;
        if (round == 7) c.node.kill();
        else c.node.power_cut();
        c.node.boot();
        REQUIRE(c.program().opened == Error::none);
        c.run(2 * ns_per_s);
        CHECK(c.check_all("kept") == "");
    }
    CHECK(c.head() > 50);
    CHECK(c.log("kept").start == Offset(0));
    CHECK(c.log("other").start > Offset(0));
}

TEST_CASE("pinned: power cuts at any moment of a pass lose nothing") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}, {"overflow", "reject"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    REQUIRE(c.add("kept", 120) == Error::none);
    c.others(200);
    for (int cut = 0; cut < 40; ++cut) {
        // While the ring goes on, up to a moment that is another one each time.
        for (int i = 0; i < 8; ++i) (void)c.append("other", pack({reading(1, "k", std::string(4000, 'o'))}));
        if (cut % 4 == 0) REQUIRE(c.add("kept", 1) == Error::none);
        c.run((cut % 4 == 0 ? 300 : cut * 7 % 40) * ns_per_ms);
        if (cut % 3 == 0) c.node.kill();
        else c.node.power_cut();
        c.node.boot();
        REQUIRE(c.program().opened == Error::none);
        c.run(ns_per_s);
        CHECK(c.check_all("kept") == "");
        c.others(100);
    }
    CHECK(c.head() > 80);
    CHECK(c.log("kept").start == Offset(0));
}

TEST_CASE("pinned: what nobody writes to is moved once for each time that the tail comes") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    REQUIRE(c.add("kept", 100) == Error::none);
    c.run(300 * ns_per_ms);
    const std::uint64_t alive = c.broker().store().alive_bytes(c.log("kept"));
    CHECK(alive > 80'000);
    CHECK(alive < c.share());
    const std::uint64_t begin = c.head();
    c.others(8000);
    const std::uint64_t segments = c.head() - begin;
    REQUIRE(segments > 100);
    // It is moved when the tail is within reach: what commits have on their way, all that stays, and 128 KiB for what goes by beside it; at most a half of the ring.
    const std::uint64_t reach = std::min<std::uint64_t>(8, c.options.store.commit_segments_max() + 1 + 2 + (alive + 128 * 1024) / c.options.store.segment_bytes);
    CHECK(c.statistics().passes > 0);
    CHECK(c.statistics().passes <= segments / (16 - reach - 1) + 1);
    CHECK(c.statistics().written_bytes <= c.statistics().passes * alive);
    // Far below what is appended: alive / (ring - reach - alive).
    CHECK(c.statistics().written_bytes * 10 < segments * c.options.store.segment_bytes * 3);
    CHECK(c.statistics().dropped_bytes == 0);
    CHECK(c.check_all("kept") == "");
}

TEST_CASE("pinned: with the fewest index samples nothing is lost, and passes still end") {
    broker::BrokerOptions options = small_broker(0);
    options.store.index_samples_max = 2 * options.store.logs_max;
    Compacted c(0, options);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}, {"overflow", "reject"}}) == Error::none);
    REQUIRE(c.create_with("yields", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    REQUIRE(c.create("more", "delete") == Error::none);
    const std::uint64_t begin = c.head();
    std::uint32_t most = 0;
    for (int round = 0; round < 30; ++round) {
        REQUIRE(c.add("kept", 2) == Error::none);
        REQUIRE(c.add("yields", 5) == Error::none);
        REQUIRE(c.add("more", 5) == Error::none);
        c.others(150);
        REQUIRE(c.check_all("kept") == "");
        REQUIRE(c.check_all("yields") == "");
        most = std::max(most, c.broker().store().state().index.used());
    }
    CHECK(c.log("kept").start == Offset(0));
    CHECK(most == options.store.index_samples_max);
    CHECK(c.statistics().written_bytes * 2 < (c.head() - begin) * options.store.segment_bytes);
}

TEST_CASE("pinned: without a full ring around it nothing is written anew") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.add("kept", 60) == Error::none);
    c.run(60 * ns_per_s);
    CHECK(c.statistics().passes == 0);
}

TEST_CASE("pinned: beyond its share the oldest goes, the newest stays, and appends never stop") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    for (int round = 0; round < 30; ++round) {
        REQUIRE(c.add("kept", 20) == Error::none);
        c.others(150);
        REQUIRE(c.check_all("kept") == "");
        // All that came, or about the share.
        const std::uint64_t alive = c.broker().store().alive_bytes(c.log("kept"));
        if (c.log("kept").start > Offset(0)) CHECK(alive > c.share() / 2);
        CHECK(alive < 3 * c.share());
    }
    CHECK(c.log("kept").start > Offset(0));
    CHECK(c.statistics().dropped_bytes > 0);
    // Nothing more comes: what is left is what may stay.
    c.others(3000);
    const Offset start = c.log("kept").start;
    const std::uint64_t alive = c.broker().store().alive_bytes(c.log("kept"));
    CHECK(alive <= c.share());
    CHECK(alive > c.share() - c.share() / 8);
    c.others(3000);
    CHECK(c.log("kept").start == start);
    CHECK(c.check_all("kept") == "");
    c.node.power_cut();
    c.node.boot();
    c.run(2 * ns_per_s);
    CHECK(c.log("kept").start == start);
    CHECK(c.check_all("kept") == "");
}

TEST_CASE("pinned: what comes faster than others is never written anew, and has more than the share") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}}) == Error::none);
    for (int round = 0; round < 20; ++round) {
        REQUIRE(c.add("kept", 150) == Error::none);
        c.run(300 * ns_per_ms);
    }
    CHECK(c.head() > 32);
    CHECK(c.log("kept").start > Offset(0));
    CHECK(c.broker().store().alive_bytes(c.log("kept")) > c.share() * 3 / 2);
    CHECK(c.statistics().written_bytes == 0);
    CHECK(c.check_all("kept") == "");
}

TEST_CASE("pinned: a topic that has little keeps it beside one that has too much") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create_with("small", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    REQUIRE(c.add("small", 60) == Error::none);
    for (int round = 0; round < 20; ++round) {
        REQUIRE(c.add("kept", 30) == Error::none);
        c.others(150);
    }
    c.others(3000);
    CHECK(c.log("small").start == Offset(0));
    CHECK(c.log("kept").start > Offset(0));
    CHECK(c.check_all("small") == "");
    CHECK(c.check_all("kept") == "");
    const std::uint64_t alive = c.broker().store().alive_bytes(c.log("small")) + c.broker().store().alive_bytes(c.log("kept"));
    CHECK(alive <= c.share());
    CHECK(alive > c.share() - c.share() / 4);
}

TEST_CASE("pinned, overflow = reject: at the share appends are refused, nothing is lost, deletion makes room") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}, {"overflow", "reject"}}) == Error::none);
    REQUIRE(c.create_with("yields", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    const auto fill = [&] {
        Error error = Error::none;
        for (int i = 0; i < 1000 && error == Error::none; ++i) {
            error = c.add("kept", 1);
            if (i % 20 == 0) c.run(150 * ns_per_ms);
        }
        return error;
    };
    REQUIRE(fill() == Error::limit_reached);
    const std::uint64_t alive = c.broker().store().alive_bytes(c.log("kept"));
    CHECK(alive > c.share());
    // What a look may be late by: a segment, and a commit.
    CHECK(alive < c.share() + c.options.store.segment_bytes + c.options.store.waiting_bytes_max());
    // Readings of sensors wait: none is refused for good.
    CHECK(c.act([&] { return c.broker().append(c.log("kept"), reading(1, "k", "x"), {}).error(); }) == Error::busy);
    // Others go on, and yield.
    REQUIRE(c.add("yields", 40) == Error::none);
    c.others(4000);
    CHECK(c.check_all("kept") == "");
    CHECK(c.log("kept").start == Offset(0));
    CHECK(c.log("yields").start > Offset(0));
    CHECK(c.add("kept", 1) == Error::limit_reached);
    c.node.power_cut();
    c.node.boot();
    c.run(2 * ns_per_s);
    CHECK(c.check_all("kept") == "");
    CHECK(c.add("kept", 1) == Error::limit_reached);
    // A half of it goes, and as much comes.
    REQUIRE(c.act([&] { return c.broker().delete_records(c.log("kept"), Offset(c.log("kept").end.value / 2)).error(); }) == Error::none);
    c.run(2 * ns_per_s);
    CHECK(c.add("kept", 20) == Error::none);
    CHECK(fill() == Error::limit_reached);
    c.others(3000);
    CHECK(c.check_all("kept") == "");
    // Another topic that refuses shares the limit, and its deletion makes room.
    REQUIRE(c.create_with("late", {{"pinned", "true"}, {"overflow", "reject"}}) == Error::none);
    c.run(2 * ns_per_s);
    CHECK(c.add("late", 1) == Error::limit_reached);
    REQUIRE(c.act([&] { return c.broker().delete_topic("kept").error(); }) == Error::none);
    c.run(2 * ns_per_s);
    CHECK(c.add("late", 1) == Error::none);
}

TEST_CASE("pinned, overflow = reject: retention by bytes and by time makes room") {
    for (const bool by_time : {false, true}) {
        CAPTURE(by_time);
        broker::BrokerOptions options = small_broker(0);
        options.retention_check_ns = ns_per_s;
        Compacted c(0, options);
        REQUIRE(c.create_with("kept", {{"pinned", "true"}, {"overflow", "reject"}, by_time ? std::pair("retention.ms", "100000") : std::pair("retention.bytes", "100000")}) == Error::none);
        REQUIRE(c.create("other", "delete") == Error::none);
        for (int round = 0; round < 20; ++round) {
            REQUIRE(c.add("kept", 20) == Error::none);
            c.others(150);
            if (by_time) c.run(8 * ns_per_s);
            c.run(2 * ns_per_s);
            REQUIRE(c.check_all("kept") == "");
            const std::uint64_t alive = c.broker().store().alive_bytes(c.log("kept"));
            // Whole segments' worth goes, and never more than what is beyond the limit.
            if (!by_time && c.log("kept").start > Offset(0)) CHECK(alive >= 99'000);
            CHECK(alive < c.share());
        }
        CHECK(c.log("kept").start > Offset(0));
        CHECK(c.statistics().passes > 1);
        if (!by_time) continue;
        c.run(300 * ns_per_s);
        CHECK(c.log("kept").start == c.log("kept").high_watermark());
    }
}

TEST_CASE("pinned: switched off the ring takes it, switched on it stays from then on") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    REQUIRE(c.add("kept", 60) == Error::none);
    c.others(2000);
    REQUIRE(c.log("kept").start == Offset(0));
    REQUIRE(c.alter("kept", {{"pinned", "false"}}) == Error::none);
    for (int i = 0; i < 12; ++i) {
        c.others(200);
        CHECK(c.check_all("kept") == "");
    }
    CHECK(c.log("kept").start == c.log("kept").end);
    REQUIRE(c.add("kept", 60) == Error::none);
    c.others(200);
    REQUIRE(c.alter("kept", {{"pinned", "true"}}) == Error::none);
    const Offset start = c.log("kept").start;
    c.others(2000);
    CHECK(c.log("kept").start == start);
    CHECK(c.check_all("kept") == "");
    // Off, in the middle of a pass.
    const auto making = [&] { return c.broker().store().state().making.value != 0; };
    for (int i = 0; i < 4000 && !making(); ++i) {
        REQUIRE(c.append("other", pack({reading(1, "k", std::string(4000, 'o'))})) == Error::none);
        c.run(ns_per_ms);
    }
    REQUIRE(making());
    REQUIRE(c.alter("kept", {{"pinned", "off"}}) == Error::none);
    REQUIRE(c.alter("kept", {{"pinned", "on"}}) == Error::none);
    c.others(2000);
    CHECK(c.log("kept").start == start);
    CHECK(c.check_all("kept") == "");
}

TEST_CASE("pinned: switched off, the ring takes the oldest first, though its copy lies further ahead than what came later") {
    Compacted c(0);
    REQUIRE(c.create_with("kept", {{"pinned", "true"}}) == Error::none);
    REQUIRE(c.create("other", "delete") == Error::none);
    const auto making = [&] { return c.broker().store().state().making.value != 0; };
    REQUIRE(c.add("kept", 100) == Error::none);
    c.others(100);
    // What comes while it is copied lies before the last of the copy.
    const std::uint64_t passes = c.statistics().passes;
    for (int i = 0; i < 4000 && c.statistics().passes == passes; ++i) {
        REQUIRE(c.append("other", pack({reading(1, "k", std::string(4000, 'o'))})) == Error::none);
        if (making()) REQUIRE(c.add("kept", 1) == Error::none);
        c.run(ns_per_ms);
    }
    REQUIRE(c.statistics().passes > passes);
    REQUIRE(c.alter("kept", {{"pinned", "false"}}) == Error::none);
    while (c.log("kept").start < c.log("kept").end) {
        c.others(5);
        REQUIRE(c.check_all("kept") == "");
    }
}

TEST_CASE("pinned: what is refused") {
    Compacted c(64);
    CHECK(c.create_with("a", {{"overflow", "reject"}}) == Error::invalid_config);
    CHECK(c.why == "overflow = reject: without pinned = true or cleanup.policy = compact the oldest records go all the same");
    CHECK(c.create_with("a", {{"pinned", "true"}, {"cleanup.policy", "compact"}}) == Error::invalid_config);
    CHECK(c.create_with("a", {{"pinned", "true"}, {"durability", "memory"}}) == Error::invalid_config);
    CHECK(c.why == "pinned = true: not done with durability = memory");
    CHECK(c.create_with("a", {{"cleanup.policy", "compact"}, {"durability", "memory"}}) == Error::invalid_config);
    CHECK(c.create_with("a", {{"cleanup.policy", "compact"}, {"overflow", "reject"}}) == Error::none);
    REQUIRE(c.create_with("b", {{"pinned", "true"}, {"overflow", "reject"}}) == Error::none);
    CHECK(c.alter("b", {{"pinned", "false"}}) == Error::invalid_config);
    CHECK(c.alter("b", {{"pinned", "false"}, {"overflow", "drop-oldest"}}) == Error::none);
    // Each partition takes a second log, and one more is needed: 8 there are.
    CHECK(c.create_with("c", {{"pinned", "true"}}, 4) == Error::limit_reached);
    CHECK(c.why.find("takes a second") != std::string::npos);
    // What is there already must fit.
    REQUIRE(c.create("big", "delete") == Error::none);
    REQUIRE(c.add("big", 400) == Error::none);
    c.run(ns_per_s);
    CHECK(c.alter("big", {{"pinned", "true"}, {"overflow", "reject"}}) == Error::limit_reached);
    CHECK(c.why.find("overflow = reject: the topic has ") == 0);
    CHECK(c.alter("big", {{"pinned", "true"}}) == Error::none);
}

}  // namespace rivulet::test
