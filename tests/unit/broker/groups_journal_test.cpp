// Groups and offsets over restarts and power cuts, and the log that keeps them.
#include "broker/groups/records.h"
#include "unit/broker/groups_harness.h"

namespace rivulet::test {
namespace {

using broker::GroupState;

TEST_CASE("journal: a stable group goes on after a power cut, with its members, their assignments and the offsets") {
    for (const bool power : {true, false}) {
        CAPTURE(power);
        Groups world;
        world.create("t");
        std::vector<TestMember> members(3);
        members[1].instance = "i";
        members[1].client = "two";
        world.settle(members);
        CHECK(world.commit(members[0], "t", 1, 42, "note") == Error::none);
        if (power) world.cut();
        else world.kill();
        world.boot();
        CHECK(world.state() == GroupState::stable);
        CHECK(world.generation() == 1);
        for (const TestMember& member : members) {
            CHECK(world.heartbeat(member) == Error::none);
            TestSync sync;
            REQUIRE(world.sync(member, sync) == Error::none);
            REQUIRE(world.until([&] { return sync.answers == 1; }));
            CHECK(sync.assignment == member.client);
            CHECK(sync.protocol == "range");
        }
        const auto fetched = world.act([&] { return world.groups().fetch_offset("g", "t", 1).value(); });
        CHECK(fetched.offset == Offset(42));
        CHECK(fetched.epoch == Epoch(3));
        CHECK(fetched.metadata == "note");
        // A follower that joins again unchanged stays in the generation; the sessions began anew.
        world.run(9 * ns_per_s);
        TestJoin same;
        REQUIRE(world.join(members[1], same) == Error::none);
        REQUIRE(world.until([&] { return same.answers == 1; }));
        CHECK(same.generation == 1);
        CHECK(same.leader == members[0].id);
        world.run(11 * ns_per_s);
        CHECK(world.heartbeat(members[0]) == Error::unknown_member);
    }
}

TEST_CASE("journal: a power cut in a rebalance leaves the generation before it") {
    Groups world;
    std::vector<TestMember> members(2);
    world.settle(members);
    std::vector<TestJoin> joins(2);
    for (std::size_t i = 0; i < 2; ++i) REQUIRE(world.join(members[i], joins[i]) == Error::none);
    REQUIRE(world.until([&] { return joins[0].answers == 1 && joins[1].answers == 1; }));
    REQUIRE(joins[0].generation == 2);
    TestSync sync;
    SUBCASE("before anything is assigned") {}
    SUBCASE("before what is assigned is on flash") {
        TestMember leader = members[0];
        leader.generation = 2;
        REQUIRE(world.sync(leader, sync, {{leader.id, "new"}}) == Error::none);
    }
    world.cut();
    CHECK(sync.answers == 0);
    world.boot();
    CHECK(world.state() == GroupState::stable);
    CHECK(world.generation() == 1);
    TestSync after;
    REQUIRE(world.sync(members[0], after) == Error::none);
    world.run(ns_per_s);
    CHECK(after.assignment == "c");
}

TEST_CASE("journal: an offset whose ticket is not durable may be gone after a power cut, one whose is may not") {
    Groups world;
    world.create("t");
    TestMember alone;
    REQUIRE(world.commit(alone, "t", 0, 1) == Error::none);
    REQUIRE(world.commit(alone, "t", 0, 2, {}, false) == Error::none);
    REQUIRE(world.commit(alone, "t", 1, 3, {}, false) == Error::none);
    CHECK(world.act([&] { return world.groups().offsets_ticket("g"); }) > world.broker().durable_ticket());
    world.cut();
    world.boot();
    CHECK(world.committed("t", 0) == 1);
    CHECK(world.committed("t", 1) == -1);
}

TEST_CASE("journal: a static member's new id holds after a power cut, once it was told") {
    Groups world;
    TestMember member;
    member.instance = "i";
    world.settle(member);
    TestMember again = member;
    again.id.clear();
    world.joined(again);
    world.cut();
    world.boot();
    CHECK(world.heartbeat(again) == Error::none);
    CHECK(world.heartbeat(member) == Error::fenced_instance);
}

TEST_CASE("journal: what was deleted stays deleted, and a group that became empty stays empty") {
    Groups world;
    world.create("t");
    for (const char* id : {"g", "deleted", "left"}) {
        TestMember member;
        member.group = id;
        world.settle(member);
        REQUIRE(world.commit(member, "t", 0, 5) == Error::none);
        REQUIRE(world.commit(member, "t", 1, 6) == Error::none);
        if (id != std::string("g")) REQUIRE(world.leave(member) == Error::none);
        world.run(ns_per_s);
    }
    REQUIRE(world.act([&] { return world.groups().delete_group("deleted").ok(); }));
    REQUIRE(world.act([&] { return world.groups().delete_offset(*world.groups().begin_delete("left", "t").value(), "t", 1).ok(); }));
    world.run();
    world.cut();
    world.boot();
    CHECK(world.state("deleted") == GroupState::dead);
    CHECK(world.committed("t", 0, "deleted") == -1);
    CHECK(world.state("left") == GroupState::empty);
    CHECK(world.generation("left") == 2);
    CHECK(world.committed("t", 0, "left") == 5);
    CHECK(world.committed("t", 1, "left") == -1);
    CHECK(world.state("g") == GroupState::stable);
    CHECK(world.groups().journal().loader().skipped() == 0);
}

TEST_CASE("journal: offsets of a topic that was deleted and created again are not those of the new one") {
    Groups world;
    world.create("t");
    TestMember alone;
    REQUIRE(world.commit(alone, "t", 0, 5) == Error::none);
    world.remove("t");
    world.create("t");
    world.cut();
    world.boot();
    CHECK(world.committed("t", 0) == -1);
    CHECK(world.groups().offsets().count() == 0);
}

TEST_CASE("journal: while it loads, calls are told so, and heartbeats are not") {
    Groups world;
    world.create("t");
    TestMember member;
    world.settle(member);
    world.kill();
    world.harness.node.boot();
    REQUIRE(world.groups().loading());
    CHECK(world.heartbeat(member) == Error::none);
    TestJoin join;
    CHECK(world.join(member, join) == Error::coordinator_loading);
    TestSync sync;
    CHECK(world.sync(member, sync) == Error::coordinator_loading);
    CHECK(world.leave(member) == Error::coordinator_loading);
    CHECK(world.commit(member, "t", 0, 5) == Error::coordinator_loading);
    CHECK(world.act([&] { return world.groups().fetch_offset("g", "t", 0).error(); }) == Error::coordinator_loading);
    CHECK(world.act([&] { return world.groups().delete_group("g").error(); }) == Error::coordinator_loading);
    CHECK(world.act([&] { return world.groups().look("g").error(); }) == Error::coordinator_loading);
    REQUIRE(world.until([&] { return !world.groups().loading(); }));
    CHECK(world.heartbeat(member) == Error::none);
}

TEST_CASE("journal: the largest record that a group may have is read again; one byte more is refused") {
    Groups world;
    TestMember member;
    member.protocols = {{"range", std::string(4000, 'm')}};
    world.joined(member);
    std::size_t bytes = world.options.record_bytes() - 4000;
    TestSync sync;
    Error error = Error::group_full;
    for (; error == Error::group_full; --bytes) error = world.sync(member, sync, {{member.id, std::string(bytes, 'a')}});
    ++bytes;
    REQUIRE(error == Error::none);
    CHECK(bytes < world.options.record_bytes() - 4000);
    CHECK(bytes > world.options.record_bytes() - 4300);
    REQUIRE(world.until([&] { return sync.answers == 1; }));
    CHECK(sync.assignment.size() == bytes);
    world.cut();
    world.boot();
    CHECK_FALSE(world.groups().journal().loader().incomplete());
    CHECK(world.state() == GroupState::stable);
    TestSync again;
    REQUIRE(world.sync(member, again) == Error::none);
    REQUIRE(world.until([&] { return again.answers == 1; }));
    CHECK(again.assignment == std::string(bytes, 'a'));
}

TEST_CASE("journal: records that cannot be read are skipped, those around them are not") {
    Groups world;
    world.create("t");
    TestMember alone;
    REQUIRE(world.commit(alone, "t", 0, 5) == Error::none);
    store::Log& log = *world.broker().partition(*world.broker().find_topic(broker::offsets_topic), broker::offsets_partition("g", 4));
    std::uint8_t key_bytes[64];
    Writer key(key_bytes);
    broker::encode_record_key({true, "g", "t", 1}, key);
    std::uint8_t group_bytes[64];
    Writer group(group_bytes);
    broker::encode_record_key({false, "h", {}, 0}, group);
    struct Case {
        Bytes key;
        bool has_key;
        std::string_view value;
    };
    const std::string large(12'000, 'x');
    const Case cases[] = {{{}, false, "no key"}, {as_bytes("??"), true, "no key of ours"}, {key.written(), true, "no offset"}, {group.written(), true, "no group"}, {as_bytes("\0\2\0\0"), true, "no id"},
                          {key.written(), true, large}};
    for (const Case& c : cases) {
        record::Reading reading;
        reading.has_key = c.has_key;
        reading.key = c.key;
        reading.value = as_bytes(c.value);
        REQUIRE(world.act([&] { return world.broker().append(log, reading, {}).error(); }) == Error::none);
    }
    REQUIRE(world.commit(alone, "t", 1, 6) == Error::none);
    world.cut();
    world.boot();
    CHECK(world.committed("t", 0) == 5);
    CHECK(world.committed("t", 1) == 6);
    CHECK(world.state("h") == GroupState::dead);
    // The large one was written under larger limits, as far as can be told: it stays in the log.
    CHECK(world.groups().journal().loader().skipped() == std::size(cases) - 1);
    CHECK(world.groups().journal().loader().incomplete());
}

TEST_CASE("journal: with lower limits a start takes what finds room, says so, and the rest stays in the log") {
    broker::GroupOptions options = groups_options();
    Groups world(options);
    world.create("t", 8);
    TestMember member;
    member.group = "members";
    std::vector<TestMember> members(4, member);
    world.settle(members);
    TestMember alone;
    for (int i = 0; i < 8; ++i) REQUIRE(world.commit(alone, "t", i, i) == Error::none);
    world.options.offsets_max = 4;
    world.options.members_max = 2;
    world.kill();
    world.boot();
    CHECK(world.groups().offsets().count() == 4);
    CHECK(world.state("members") == GroupState::empty);
    CHECK(world.groups().journal().loader().incomplete());
    world.options = options;
    world.kill();
    world.boot();
    CHECK(world.groups().offsets().count() == 8);
    CHECK(world.committed("t", 7) == 7);
    CHECK(world.state("members") == GroupState::stable);
}

// ---- what is over ----

TEST_CASE("journal: offsets of a group that has been empty for long enough are forgotten, for good") {
    broker::GroupOptions options = groups_options();
    options.offsets_retention_ns = 3600 * ns_per_s;
    Groups world(options);
    world.create("t");
    TestMember member;
    member.session_ms = 30 * 60'000;
    world.settle(member);
    TestMember alone;
    alone.group = "alone";
    REQUIRE(world.commit(member, "t", 0, 5) == Error::none);
    REQUIRE(world.commit(alone, "t", 0, 6) == Error::none);
    world.run(1500 * ns_per_s);
    REQUIRE(world.heartbeat(member) == Error::none);
    world.run(1500 * ns_per_s);
    REQUIRE(world.leave(member) == Error::none);
    REQUIRE(world.commit(alone, "t", 1, 7) == Error::none);
    world.run(3500 * ns_per_s);
    CHECK(world.committed("t", 0) == 5);
    CHECK(world.committed("t", 0, "alone") == 6);
    world.run(200 * ns_per_s);
    CHECK(world.state() == GroupState::dead);
    CHECK(world.state("alone") == GroupState::dead);
    CHECK(world.groups().offsets().count() == 0);
    world.run();
    world.cut();
    world.boot();
    CHECK(world.state() == GroupState::dead);
    CHECK(world.groups().offsets().count() == 0);
}

TEST_CASE("journal: the time that a group has been empty counts over a restart only by a trusted clock") {
    for (const bool trusted : {true, false}) {
        CAPTURE(trusted);
        broker::GroupOptions options = groups_options();
        options.offsets_retention_ns = 24 * 3600 * ns_per_s;
        Groups world(options);
        world.kill();
        world.broker_options.clock_trust = trusted ? config::ClockTrust::always : config::ClockTrust::never;
        world.harness.node.set_wall(Timestamp(1'700'000'000'000));
        world.boot();
        world.create("t");
        TestMember alone;
        REQUIRE(world.commit(alone, "t", 0, 6) == Error::none);
        TestMember member;
        member.group = "m";
        world.settle(member);
        REQUIRE(world.commit(member, "t", 0, 5) == Error::none);
        REQUIRE(world.leave(member) == Error::none);
        world.run();
        world.kill();
        world.harness.node.shift_wall(25 * 3600'000);
        world.boot();
        CHECK(world.committed("t", 0) == 6);
        world.run(61 * ns_per_s);
        CHECK(world.committed("t", 0) == (trusted ? -1 : 6));
        CHECK(world.committed("t", 0, "m") == (trusted ? -1 : 5));
        CHECK((world.state("m") == GroupState::dead) == trusted);
    }
}

// ---- the log stays short, and alive ----

store::Log& log_of(Groups& world, std::string_view group) {
    return *world.broker().partition(*world.broker().find_topic(broker::offsets_topic), broker::offsets_partition(group, 4));
}

struct Filler {
    Groups& world;
    std::string value = std::string(4000, 'f');
    std::uint64_t put = 0;
    void operator()(std::uint64_t bytes) {
        store::Log& log = *world.broker().partition(*world.broker().find_topic("t"), 0);
        for (const std::uint64_t end = put + bytes; put < end;) {
            record::Reading reading;
            reading.value = as_bytes(value);
            if (world.act([&] { return world.broker().append(log, reading, {}).ok(); })) put += value.size();
            else world.run(50 * ns_per_ms);
            world.run(ns_per_ms);
        }
    }
};

TEST_CASE("journal: a partition that has grown is written anew, and loses nothing at a power cut in between") {
    for (const int cut_after_ms : {-1, 0, 1, 3, 5, 10, 20, 60, 120, 250}) {
        CAPTURE(cut_after_ms);
        broker::GroupOptions options = groups_options();
        options.rewrite_bytes_min = 20'000;
        Groups world(options);
        world.create("t");
        TestMember member;
        member.session_ms = 30 * 60'000;
        world.settle(member);
        TestMember alone;
        alone.group = "a";
        REQUIRE(broker::offsets_partition("a", 4) != broker::offsets_partition("g", 4));
        REQUIRE(world.commit(alone, "t", 1, 99) == Error::none);
        std::int64_t offset = 0;
        const auto& rewriter = world.groups().journal().rewriter();
        const std::uint32_t partition = broker::offsets_partition("g", 4);
        // Until it is due, then the cut comes at its time.
        while (rewriter.bytes(partition) < 20'000) {
            ++offset;
            REQUIRE(world.commit(member, "t", 0, offset, "0123456789", offset % 16 == 0) == Error::none);
        }
        REQUIRE(world.commit(member, "t", 1, 7) == Error::none);
        if (cut_after_ms >= 0) {
            world.run(cut_after_ms * ns_per_ms);
        } else {
            REQUIRE(world.until([&] { return rewriter.rewrites() == 1; }));
            CHECK(rewriter.bytes(partition) < 2'000);
            CHECK(log_of(world, "g").start > Offset(offset / 2));
            world.run(ns_per_s);
        }
        world.cut();
        world.boot();
        CHECK(world.committed("t", 0) == offset);
        CHECK(world.committed("t", 1) == 7);
        CHECK(world.committed("t", 1, "a") == 99);
        CHECK(world.state() == GroupState::stable);
        CHECK(world.heartbeat(member) == Error::none);
        if (cut_after_ms < 0) CHECK(world.groups().journal().loader().records() < 20);
    }
}

TEST_CASE("journal: a disk error in the middle of a rewrite ends it, and loses nothing") {
    broker::GroupOptions options = groups_options();
    options.rewrite_bytes_min = 20'000;
    Groups world(options);
    world.create("t");
    TestMember member;
    member.session_ms = 30 * 60'000;
    world.settle(member);
    REQUIRE(world.commit(member, "t", 1, 7) == Error::none);
    std::int64_t offset = 0;
    std::int64_t durable = 0;
    while (!world.groups().journal().rewriter().busy()) {
        ++offset;
        const bool wait = offset % 16 == 0;
        REQUIRE(world.commit(member, "t", 0, offset, "0123456789", wait) == Error::none);
        if (wait) durable = offset;
        REQUIRE(offset < 2000);
    }
    world.harness.disk().fail_nth(sim::DiskOp::sync, 1);
    REQUIRE(world.until([&] { return world.broker().offline(); }));
    world.run();
    CHECK(world.groups().journal().rewriter().rewrites() == 0);
    CHECK_FALSE(world.groups().journal().rewriter().busy());
    const Offset start = log_of(world, "g").start;
    world.cut();
    world.boot();
    CHECK(log_of(world, "g").start == start);
    CHECK(world.committed("t", 0) >= durable);
    CHECK(world.committed("t", 1) == 7);
    CHECK(world.heartbeat(member) == Error::none);
    // It is done by the process that follows.
    const std::int64_t lost = offset;
    while (world.groups().journal().rewriter().rewrites() == 0) {
        REQUIRE(world.commit(member, "t", 0, ++offset, "0123456789") == Error::none);
        REQUIRE(offset < lost + 200);
    }
    CHECK(log_of(world, "g").start > start);
    CHECK(world.committed("t", 0) == offset);
    CHECK(world.committed("t", 1) == 7);
}

TEST_CASE("journal: what is alive is not reached by the ring's end, however old it is") {
    Groups world;
    world.create("t");
    TestMember member;
    member.session_ms = 30 * 60'000;
    world.settle(member);
    REQUIRE(world.commit(member, "t", 0, 5, "note") == Error::none);
    TestMember alone;
    alone.group = "a";
    REQUIRE(world.commit(alone, "t", 1, 99) == Error::none);
    Filler fill{world};
    for (int lap = 0; lap < 3; ++lap) {
        fill(world.harness.options().size);
        if (lap == 0) CHECK(world.groups().journal().rewriter().rewrites() >= 2);
        REQUIRE(world.heartbeat(member) == Error::none);
        world.cut();
        world.boot();
        CHECK(world.committed("t", 0) == 5);
        CHECK(world.committed("t", 1, "a") == 99);
        CHECK(world.state() == GroupState::stable);
        CHECK(world.heartbeat(member) == Error::none);
    }
}

TEST_CASE("journal: while it is read or written anew near the ring's end, others wait, however many starts are cut short") {
    Groups world;
    world.create("t");
    TestMember member;
    member.session_ms = 30 * 60'000;
    world.settle(member);
    REQUIRE(world.commit(member, "t", 0, 5, "note") == Error::none);
    const std::string value(4000, 'f');
    record::Reading reading;
    reading.value = as_bytes(value);
    std::uint64_t put = 0;
    std::size_t held = 0;
    for (int start = 0; start < 40; ++start) {
        world.cut();
        world.harness.node.boot();
        const auto& rewriter = world.groups().journal().rewriter();
        // Cut before what was written anew can take the place of what was there.
        for (int turn = 0; turn < 200 && !rewriter.busy() && put < 2 * world.harness.options().size; ++turn) {
            store::Log& log = *world.broker().partition(*world.broker().find_topic("t"), 0);
            while (world.act([&] { return world.broker().append(log, reading, {}).ok(); })) put += value.size();
            held += world.broker().store().appends_held();
            world.run(ns_per_ms / 10);
        }
    }
    CHECK(put > world.harness.options().size);
    CHECK(held > 0);
    world.cut();
    world.boot();
    CHECK(world.committed("t", 0) == 5);
    CHECK(world.state() == GroupState::stable);
    CHECK(world.heartbeat(member) == Error::none);
}

TEST_CASE("journal: a group that is in a rebalance while its partition is written anew keeps generation and offsets") {
    broker::GroupOptions options = groups_options();
    options.rewrite_bytes_min = 20'000;
    Groups world(options);
    world.create("t");
    TestMember member;
    world.settle(member);
    std::int64_t offset = 0;
    const auto& rewriter = world.groups().journal().rewriter();
    while (rewriter.bytes(broker::offsets_partition("g", 4)) < 19'000) {
        ++offset;
        REQUIRE(world.commit(member, "t", 0, offset, "0123456789", offset % 16 == 0) == Error::none);
    }
    TestMember other;
    TestJoin joining;
    REQUIRE(world.join(other, joining) == Error::none);
    while (rewriter.rewrites() == 0) {
        ++offset;
        REQUIRE(world.commit(member, "t", 0, offset) == Error::none);
        REQUIRE(offset < 1000);
    }
    REQUIRE(world.state() == GroupState::preparing_rebalance);
    world.run();
    world.cut();
    world.boot();
    CHECK(world.state() == GroupState::empty);
    CHECK(world.generation() == 1);
    CHECK(world.committed("t", 0) == offset);
    CHECK(world.joined(other).generation == 2);
}

}  // namespace
}  // namespace rivulet::test
