// Compact groups by calls: generations, releases, static members, limits, restarts, and Kafka's members at the door.
#include <doctest/doctest.h>

#include <set>

#include "unit/broker/groups_harness.h"

using namespace rivulet;
using namespace rivulet::test;
using broker::GroupState;

namespace {

// As a session would do: takes up what is new once a generation begins, gives up what is taken when it is told to, unless it holds on.
struct TestAssigned final : broker::AssignedMember {
    explicit TestAssigned(Groups& world) : world_(world) {}
    ~TestAssigned() {
        // A coordinator of an earlier run is gone, with all that it knew.
        if (world_.program && boot_ == world_.boots) world_.act([&] { world_.groups().part(*this); return 0; });
    }
    void on_assignment() override {
        const sim::AllocationGuard::SimCode scope;
        if (!is_member()) {
            has.clear();
            why = error();
            return;
        }
        broker::Coordinator& groups = world_.groups();
        std::set<std::string> assigned;
        for (broker::AssignmentReader in = groups.assignment(*this); in.next();) assigned.insert(std::string(in.topic()) + "/" + std::to_string(in.partition()));
        std::set<std::string> lost;
        for (const std::string& one : has)
            if (assigned.count(one) == 0) lost.insert(one);
        if (lost.empty() || !holds_on) {
            for (const std::string& one : lost) has.erase(one);
            groups.release(*this);
        }
        if (!groups.settled(*this)) return;
        has = assigned;
        generation = groups.generation(*this);
        id = groups.member_id(*this);
    }
    Instant heard() const override { return heard_at; }

    Error join(const std::vector<std::string>& topics, std::string_view group = "g", std::string_view instance = {}, std::string_view assignor = "range", std::int64_t session_ms = 10'000) {
        std::uint8_t buffer[2048];
        Writer out(buffer);
        subscription(topics, out);
        const broker::JoinProtocol protocol{assignor, out.written()};
        broker::JoinRequest request;
        request.group = group;
        request.instance = instance;
        request.client_id = "c";
        request.client_host = "/10.0.0.1";
        request.protocol_type = broker::compact_protocol_type;
        request.protocols = {&protocol, 1};
        request.session_timeout_ms = session_ms;
        request.rebalance_timeout_ms = 5'000;
        heard_at = world_.broker().env().now();
        boot_ = world_.boots;
        return world_.act([&] { return world_.groups().join(request, *this).error(); });
    }
    void enter(const std::vector<std::string>& topics, std::string_view group = "g", std::string_view instance = {}, std::string_view assignor = "range") {
        REQUIRE(join(topics, group, instance, assignor) == Error::none);
        REQUIRE(world_.until([&] { return generation > 0; }));
    }
    static void subscription(const std::vector<std::string>& topics, Writer& out) {
        broker::encode_subscription_head(out, topics.size());
        for (const std::string& topic : topics) broker::encode_subscription_topic(out, topic);
        broker::encode_subscription_end(out);
        REQUIRE(out.ok());
    }
    void release() {
        holds_on = false;
        world_.act([&] { on_assignment(); return 0; });
    }
    void leave() { world_.act([&] { world_.groups().leave(*this); return 0; }); }
    void part() { world_.act([&] { world_.groups().part(*this); return 0; }); }

    bool holds_on = false;
    std::set<std::string> has;
    std::int32_t generation = 0;
    std::string id;
    Error why = Error::none;
    Instant heard_at{INT64_MAX / 4};

private:
    Groups& world_;
    int boot_ = 0;
};

using Names = std::set<std::string>;

}  // namespace

TEST_CASE("compact groups: members of the two protocols are not in one group") {
    Groups world;
    world.create("t", 2);
    TestMember kafka;
    world.settle(kafka);
    TestAssigned compact(world);
    CHECK(compact.join({"t"}) == Error::inconsistent_group_protocol);
    CHECK(!compact.is_member());
    compact.enter({"t"}, "h");
    TestMember other;
    other.group = "h";
    TestJoin waiter;
    CHECK(world.join(other, waiter) == Error::inconsistent_group_protocol);
    // Once the others are gone, either may have it.
    compact.leave();
    world.run();
    other.protocols = {{"range", "m"}};
    world.settle(other);
    CHECK(world.leave(kafka) == Error::none);
    world.run();
    compact.generation = 0;
    compact.enter({"t"});
    CHECK(compact.generation > 1);
}

TEST_CASE("compact groups: a partition is with one member at a time, and who loses nothing goes on") {
    Groups world;
    world.create("t", 4);
    world.create("u", 1);
    TestAssigned first(world);
    TestAssigned second(world);
    TestAssigned third(world);
    first.enter({"t"});
    third.enter({"u"});
    CHECK(first.has == Names{"t/0", "t/1", "t/2", "t/3"});
    first.holds_on = true;
    const std::int32_t before = third.generation;
    REQUIRE(second.join({"t"}) == Error::none);
    world.run();
    CHECK(world.state() == GroupState::preparing_rebalance);
    CHECK(second.generation == 0);
    CHECK(third.has == Names{"u/0"});
    // Its commits are taken meanwhile.
    CHECK(world.act([&] {
        auto scope = world.groups().begin_commit(first);
        return world.groups().commit(scope, "t", 3, {Offset(5), Epoch(0), Timestamp(-1), ""}).error();
    }) == Error::none);
    first.release();
    REQUIRE(world.until([&] { return second.generation > 0; }));
    CHECK(second.generation == before + 1);
    CHECK(third.generation == before + 1);
    Names all = first.has;
    all.insert(second.has.begin(), second.has.end());
    CHECK(first.has.size() == 2);
    CHECK(second.has.size() == 2);
    CHECK(all.size() == 4);
}

TEST_CASE("compact groups: many groups are planned one after the other, and each takes up what has changed") {
    Groups world;
    world.create("t", 2);
    std::vector<std::unique_ptr<TestAssigned>> members;
    for (int i = 0; i < 3; ++i) members.push_back(std::make_unique<TestAssigned>(world));
    for (int i = 0; i < 3; ++i) REQUIRE(members[static_cast<std::size_t>(i)]->join({"t", "later"}, "g" + std::to_string(i)) == Error::none);
    REQUIRE(world.until([&] { return std::all_of(members.begin(), members.end(), [](const auto& one) { return one->has == Names{"t/0", "t/1"}; }); }));
    world.create("later", 1);
    REQUIRE(world.until([&] { return std::all_of(members.begin(), members.end(), [](const auto& one) { return one->has == Names{"t/0", "t/1", "later/0"} && one->generation == 2; }); }));
    // One that changes all the time holds up nobody.
    for (int i = 0; i < 20; ++i) {
        TestAssigned other(world);
        REQUIRE(other.join({"t"}, "g0") == Error::none);
        if (i == 0) members[2]->leave();
        if (i == 1) REQUIRE(members[2]->join({"t"}, "g2") == Error::none);
        world.run(ns_per_ms);
    }
    REQUIRE(world.until([&] { return members[2]->has == Names{"t/0", "t/1"}; }));
}

TEST_CASE("compact groups: who does not release in time, or is not heard, is a member no more") {
    Groups world;
    world.create("t", 2);
    TestAssigned first(world);
    TestAssigned second(world);
    first.enter({"t"});
    first.holds_on = true;
    REQUIRE(second.join({"t"}) == Error::none);
    const std::int64_t begun = world.harness.world.now();
    REQUIRE(world.until([&] { return first.why != Error::none; }));
    CHECK(first.why == Error::timed_out);
    CHECK(world.harness.world.now() - begun >= 4 * ns_per_s);
    CHECK(world.harness.world.now() - begun <= 7 * ns_per_s);
    REQUIRE(world.until([&] { return second.has.size() == 2; }));
    // It is heard for a while, then not any more.
    for (int i = 0; i < 10; ++i) {
        world.run(3 * ns_per_s);
        second.heard_at = world.broker().env().now();
    }
    CHECK(second.is_member());
    REQUIRE(world.until([&] { return second.why == Error::timed_out; }));
    CHECK(world.broker().env().now() - second.heard_at >= 9 * ns_per_s);
    REQUIRE(world.until([&] { return world.state() == GroupState::empty; }));
}

TEST_CASE("compact groups: a static member keeps its place over its connection, and over a power cut; a dynamic one does not") {
    Groups world;
    world.create("t", 4);
    std::int32_t generation = 0;
    std::string id;
    {
        TestAssigned one(world);
        TestAssigned two(world);
        one.enter({"t"}, "g", "one");
        two.enter({"t"});
        REQUIRE(world.until([&] { return one.has.size() == 2; }));
        const Names had = one.has;
        one.part();
        world.run(3 * ns_per_s);
        CHECK(two.has.size() == 2);
        TestAssigned again(world);
        again.enter({"t"}, "g", "one");
        CHECK(again.has == had);
        CHECK(again.id != one.id);
        generation = again.generation;
        id = again.id;
        world.cut();
        world.program = nullptr;
    }
    world.boot();
    // What was the dynamic one's is with the static one now; no generation comes again.
    REQUIRE(world.until([&] { return world.state() == GroupState::stable; }));
    CHECK(world.generation() > generation);
    TestAssigned again(world);
    again.enter({"t"}, "g", "one");
    CHECK(again.has.size() == 4);
    TestAssigned usurper(world);
    usurper.enter({"t"}, "g", "one");
    REQUIRE(world.until([&] { return again.why == Error::fenced_instance; }));
    CHECK(usurper.has.size() == 4);
}

TEST_CASE("compact groups: limits") {
    SUBCASE("members of a group") {
        Groups world;
        world.create("t", 2);
        std::vector<std::unique_ptr<TestAssigned>> members;
        for (int i = 0; i < 6; ++i) {
            members.push_back(std::make_unique<TestAssigned>(world));
            members.back()->enter({"t"});
        }
        TestAssigned one_more(world);
        CHECK(one_more.join({"t"}) == Error::group_full);
    }
    SUBCASE("topics of a group") {
        Groups world;
        std::vector<std::string> topics;
        for (int i = 0; i < 40; ++i) topics.push_back("a" + std::to_string(i));
        TestAssigned first(world);
        first.enter(topics);
        for (std::string& topic : topics) topic[0] = 'b';
        TestAssigned second(world);
        CHECK(second.join(topics) == Error::limit_reached);
        topics.resize(24);
        second.enter(topics);
        // The same names take no room, whoever gives them.
        TestAssigned third(world);
        third.enter(topics);
    }
    SUBCASE("bytes of assignments: the last to come is sent away, the others go on") {
        broker::GroupOptions options = groups_options();
        options.blob_bytes = 2048;
        Groups world(options);
        world.create("t", 6);
        const std::string filler(200, 'f');
        std::vector<std::unique_ptr<TestAssigned>> members;
        bool full = false;
        for (int i = 0; i < 6 && !full; ++i) {
            members.push_back(std::make_unique<TestAssigned>(world));
            full = members.back()->join({"t", filler}) != Error::none;
            world.run();
            full |= members.back()->why == Error::group_full;
        }
        CHECK(full);
        members.pop_back();
        REQUIRE(world.until([&] { return world.state() == GroupState::stable; }));
        std::size_t had = 0;
        for (const auto& member : members) had += member->has.size();
        CHECK(had == 6);
    }
}

TEST_CASE("compact groups: a start with fewer members allowed keeps as many static ones, and they have all") {
    Groups world;
    world.create("t", 6);
    {
        std::vector<std::unique_ptr<TestAssigned>> members;
        for (int i = 0; i < 6; ++i) {
            members.push_back(std::make_unique<TestAssigned>(world));
            members.back()->enter({"t"}, "g", "place-" + std::to_string(i));
        }
        REQUIRE(world.until([&] { return std::ranges::all_of(members, [](const auto& member) { return member->has.size() == 1; }); }));
        world.run();
        world.cut();
        world.program = nullptr;
    }
    world.options.group_members_max = 2;
    world.boot();
    REQUIRE(world.until([&] { return world.state() == GroupState::stable; }));
    CHECK(world.act([&] { return (*world.groups().look("g").value()).member_count; }) == 2);
    TestAssigned newcomer(world);
    CHECK(newcomer.join({"t"}) == Error::group_full);
    // The last two have stayed.
    TestAssigned one(world);
    TestAssigned two(world);
    one.enter({"t"}, "g", "place-4");
    two.enter({"t"}, "g", "place-5");
    REQUIRE(world.until([&] { return one.has.size() == 3 && two.has.size() == 3; }));
}

TEST_CASE("compact groups: a commit that moves what the broker knows of its group is the group's in the log, too") {
    broker::GroupOptions options = groups_options();
    options.blob_bytes = 4096;
    Groups world(options);
    world.create("t", 4);
    // A gap in front of the group's name, once this one is gone.
    TestMember before;
    before.group = std::string(200, 'b');
    REQUIRE(world.commit(before, "t", 0, 1) == Error::none);
    TestAssigned one(world);
    one.enter({"t"}, "g", "one");
    REQUIRE(world.act([&] { return world.groups().delete_group(before.group).error(); }) == Error::none);
    const std::string metadata(200, 'm');
    std::uint64_t ticket = 0;
    REQUIRE(world.act([&] {
        auto scope = world.groups().begin_commit(one);
        for (int i = 0; i < 32; ++i) {
            const auto done = world.groups().commit(scope, "t", i % 4, {Offset(100 + i), Epoch(-1), Timestamp(-1), metadata});
            if (!done) return done.error();
            ticket = *done;
        }
        return Error::none;
    }) == Error::none);
    REQUIRE(world.until([&] { return world.broker().durable_ticket() >= ticket; }));
    world.cut();
    world.boot();
    for (int p = 0; p < 4; ++p) CHECK(world.committed("t", p) == 100 + 28 + p);
}

TEST_CASE("compact groups: an administrator sees members in Kafka's formats, and may send one away") {
    Groups world;
    world.create("t", 2);
    TestAssigned member(world);
    member.enter({"t"});
    world.act([&] {
        broker::Group& group = *world.groups().look("g").value();
        CHECK(world.groups().list(group).protocol_type == "consumer");
        CHECK(world.groups().protocol(group) == "range");
        const broker::MemberDescription description = world.groups().describe(*world.groups().next_member(group, nullptr));
        CHECK(description.id == member.id);
        CHECK(broker::subscribes(description.metadata, "t").value());
        CHECK(!broker::subscribes(description.metadata, "u").value());
        // version 0, one topic "t", partitions 0 and 1, no user data
        const std::uint8_t assignment[] = {0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff};
        CHECK(equal(description.assignment, assignment));
        CHECK(world.groups().subscribed(**world.groups().look("g"), "t"));
        CHECK(!world.groups().subscribed(**world.groups().look("g"), "u"));
        return 0;
    });
    TestMember named;
    named.id = member.id;
    TestSync sync;
    named.generation = member.generation;
    CHECK(world.sync(named, sync) == Error::inconsistent_group_protocol);
    CHECK(world.leave(named) == Error::none);
    REQUIRE(world.until([&] { return member.why == Error::unknown_member; }));
    CHECK(!member.is_member());
}

TEST_CASE("compact groups: members come, go, change and are cut at random: never is a partition with two, and all settles") {
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        Groups world(groups_options(), seed);
        world.create("t", 3);
        world.create("u", 2);
        std::uint64_t state = seed * 0x9e3779b97f4a7c15;
        const auto below = [&](std::uint64_t n) {
            state = state * 6364136223846793005 + 1442695040888963407;
            return (state >> 33) % n;
        };
        const std::vector<std::vector<std::string>> choices = {{"t"}, {"u"}, {"t", "u"}, {}};
        std::vector<std::unique_ptr<TestAssigned>> members;
        std::int32_t newest = 0;
        for (int step = 0; step < 60; ++step) {
            const std::uint64_t what = below(10);
            if (what < 4 && members.size() < 5) {
                members.push_back(std::make_unique<TestAssigned>(world));
                REQUIRE(members.back()->join(choices[below(3)], "g", {}, "sticky") == Error::none);
                members.back()->heard_at = Instant(INT64_MAX / 4);
                members.back()->holds_on = below(3) == 0;
            } else if (what < 6 && !members.empty()) {
                const std::size_t at = below(members.size());
                if (below(2) == 0) members[at]->leave();
                members.erase(members.begin() + static_cast<std::ptrdiff_t>(at));
            } else if (what < 8 && !members.empty()) {
                TestAssigned& member = *members[below(members.size())];
                std::uint8_t buffer[256];
                Writer out(buffer);
                TestAssigned::subscription(choices[below(4)], out);
                if (member.is_member()) CHECK(world.act([&] { return world.groups().change(out.written(), member).error(); }) == Error::none);
            } else if (what < 9) {
                for (const auto& member : members)
                    if (member->is_member() && member->holds_on) member->release();
            }
            world.run(static_cast<std::int64_t>(below(1500)) * ns_per_ms);
            std::set<std::string> held;
            for (const auto& member : members) {
                for (const std::string& one : member->has) CHECK(held.insert(one).second);
                if (member->generation > newest) newest = member->generation;
            }
        }
        for (const auto& member : members)
            if (member->is_member() && member->holds_on) member->release();
        for (std::size_t i = members.size(); i-- > 0;)
            if (!members[i]->is_member()) members.erase(members.begin() + static_cast<std::ptrdiff_t>(i));
        world.run(10 * ns_per_s);
        const std::int32_t generation = members.empty() ? 0 : members.front()->generation;
        for (const auto& member : members) CHECK(member->generation == generation);
        CHECK(generation <= world.generation());
    }
}
