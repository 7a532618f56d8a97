// Join, sync, heartbeat, leave: each rule and each error.
#include "unit/broker/groups_harness.h"

namespace rivulet::test {
namespace {

using broker::GroupState;

TEST_CASE("groups: a member joins, syncs, is told its assignment, heartbeats and leaves") {
    Groups world;
    TestMember member;
    CHECK(world.state() == GroupState::dead);
    const TestJoin& join = world.joined(member);
    CHECK(join.generation == 1);
    CHECK(join.leader == join.member);
    CHECK(join.member.starts_with("c-"));
    CHECK(join.member.size() == 2 + 36);
    CHECK(join.protocol == "range");
    CHECK(join.type == "consumer");
    REQUIRE(join.members.size() == 1);
    CHECK(join.members[0].metadata == "m");
    CHECK(world.state() == GroupState::completing_rebalance);
    CHECK(world.heartbeat(member) == Error::none);
    TestSync sync;
    REQUIRE(world.sync(member, sync, {{member.id, "a"}}) == Error::none);
    REQUIRE(world.until([&] { return sync.answers == 1; }));
    CHECK(sync.error == Error::none);
    CHECK(sync.assignment == "a");
    CHECK(sync.protocol == "range");
    CHECK(world.state() == GroupState::stable);
    CHECK(world.heartbeat(member) == Error::none);
    CHECK(world.leave(member) == Error::none);
    world.run();
    CHECK(world.state() == GroupState::empty);
    CHECK(world.generation() == 2);
    CHECK(world.heartbeat(member) == Error::unknown_member);
}

TEST_CASE("groups: an assignment is told only when it is on flash") {
    Groups world;
    TestMember member;
    world.joined(member);
    TestSync sync;
    REQUIRE(world.sync(member, sync, {{member.id, "a"}}) == Error::none);
    REQUIRE(world.until([&] { return sync.answers == 1; }));
    const std::uint64_t ticket = world.act([&] { return (*world.groups().look("g"))->written; });
    CHECK(world.broker().durable_ticket() >= ticket);
    CHECK(ticket != 0);
}

TEST_CASE("groups: a newcomer is told its id first, and joins with it") {
    Groups world;
    TestMember member;
    member.id_required = true;
    TestJoin first;
    REQUIRE(world.join(member, first) == Error::none);
    REQUIRE(world.until([&] { return first.answers == 1; }));
    CHECK(first.error == Error::member_id_required);
    CHECK(first.member.starts_with("c-"));
    CHECK(first.generation == -1);
    CHECK(world.state() == GroupState::empty);
    member.id = first.member;
    const TestJoin& second = world.joined(member);
    CHECK(second.member == first.member);
    CHECK(second.generation == 1);
}

TEST_CASE("groups: an id that nobody joins with is forgotten after the session timeout, and so is its group") {
    Groups world;
    TestMember member;
    member.id_required = true;
    TestJoin first;
    REQUIRE(world.join(member, first) == Error::none);
    world.run(9 * ns_per_s);
    CHECK(world.groups().groups().member_count() == 1);
    world.run(2 * ns_per_s);
    CHECK(world.groups().groups().member_count() == 0);
    CHECK(world.state() == GroupState::dead);
    member.id = first.member;
    TestJoin second;
    CHECK(world.join(member, second) == Error::unknown_member);
    CHECK(world.groups().blobs().used() == 0);
}

TEST_CASE("groups: joining refuses") {
    Groups world;
    TestMember there;
    there.protocols = {{"range", "m"}, {"sticky", "n"}};
    world.settle(there);
    struct Case {
        const char* name;
        void (*change)(TestMember&);
        Error error;
    };
    const Case cases[] = {
        {"no group", [](TestMember& m) { m.group.clear(); }, Error::invalid_group_id},
        {"a group id beyond the limit", [](TestMember& m) { m.group.assign(broker::group_id_bytes_max + 1, 'g'); }, Error::invalid_group_id},
        {"a session too short", [](TestMember& m) { m.session_ms = 5'999; }, Error::invalid_session_timeout},
        {"a session too long", [](TestMember& m) { m.session_ms = 30 * 60'000 + 1; }, Error::invalid_session_timeout},
        {"an id of another group", [](TestMember& m) { m.group = "h"; m.id = "x"; }, Error::unknown_member},
        {"an id that is not known", [](TestMember& m) { m.id = "x"; }, Error::unknown_member},
        {"an instance that is not known", [](TestMember& m) { m.id = "x"; m.instance = "i"; }, Error::unknown_member},
        {"no protocols", [](TestMember& m) { m.protocols.clear(); }, Error::inconsistent_group_protocol},
        {"no protocol type", [](TestMember& m) { m.type.clear(); }, Error::inconsistent_group_protocol},
        {"another protocol type", [](TestMember& m) { m.type = "connect"; }, Error::inconsistent_group_protocol},
        {"no protocol in common", [](TestMember& m) { m.protocols = {{"mine", ""}}; }, Error::inconsistent_group_protocol},
        {"the compact protocol's type from Kafka", [](TestMember& m) { m.group = "h"; m.type = "rivulet"; }, Error::inconsistent_group_protocol},
        {"too many protocols", [](TestMember& m) { m.protocols.assign(broker::join_protocols_max + 1, {"range", ""}); }, Error::invalid_argument},
        {"a protocol's name too long", [](TestMember& m) { m.protocols = {{std::string(broker::protocol_name_bytes_max + 1, 'p'), ""}}; }, Error::invalid_argument},
        {"metadata beyond the room for it", [](TestMember& m) { m.protocols = {{"range", std::string(40'000, 'm')}}; }, Error::group_full},
    };
    const std::uint64_t used = world.groups().blobs().used();
    for (const Case& c : cases) {
        CAPTURE(c.name);
        TestMember member;
        c.change(member);
        TestJoin waiter;
        CHECK(world.join(member, waiter) == c.error);
        CHECK(!waiter.waiting());
        CHECK(world.state() == GroupState::stable);
        CHECK(world.groups().blobs().used() == used);
        CHECK(world.groups().groups().group_count() == 1);
    }
}

TEST_CASE("groups: sync, heartbeat and commit refuse") {
    Groups world;
    world.create("t");
    TestMember there;
    world.settle(there);
    TestMember fixed;
    fixed.group = "s";
    fixed.instance = "i";
    world.settle(fixed);
    struct Case {
        const char* name;
        void (*change)(TestMember&);
        Error error;
        Error commit;
        bool of_static = false;
    };
    const Case cases[] = {
        {"no group", [](TestMember& m) { m.group.clear(); }, Error::invalid_group_id, Error::invalid_group_id},
        {"an unknown group", [](TestMember& m) { m.group = "h"; }, Error::unknown_member, Error::illegal_generation},
        {"an unknown member", [](TestMember& m) { m.id = "x"; }, Error::unknown_member, Error::unknown_member},
        {"an older generation", [](TestMember& m) { --m.generation; }, Error::illegal_generation, Error::illegal_generation},
        {"a later generation", [](TestMember& m) { ++m.generation; }, Error::illegal_generation, Error::illegal_generation},
        {"an instance that is not known", [](TestMember& m) { m.instance = "j"; }, Error::unknown_member, Error::unknown_member},
        {"an instance that another has", [](TestMember& m) { m.id = "x"; }, Error::fenced_instance, Error::fenced_instance, true},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        TestMember member = c.of_static ? fixed : there;
        c.change(member);
        TestSync waiter;
        CHECK(world.sync(member, waiter) == c.error);
        CHECK(!waiter.waiting());
        CHECK(world.heartbeat(member) == c.error);
        CHECK(world.commit(member, "t", 0, 5) == c.commit);
    }
    broker::SyncRequest request;
    request.member = world.ref(there);
    request.protocol_type = "connect";
    TestSync waiter;
    CHECK(world.act([&] { return world.groups().sync(request, waiter).error(); }) == Error::inconsistent_group_protocol);
    request.protocol_type = "consumer";
    request.protocol = "sticky";
    CHECK(world.act([&] { return world.groups().sync(request, waiter).error(); }) == Error::inconsistent_group_protocol);
    request.protocol = "range";
    CHECK(world.act([&] { return world.groups().sync(request, waiter).error(); }) == Error::none);
    world.run();
    CHECK(waiter.error == Error::none);
    CHECK(waiter.assignment == "c");
}

TEST_CASE("groups: leaving refuses, and takes members by instance") {
    Groups world;
    std::vector<TestMember> members(3);
    members[1].instance = "i";
    members[2].instance = "j";
    world.settle(members);
    TestMember member = members[0];
    member.group.clear();
    CHECK(world.leave(member) == Error::invalid_group_id);
    member = members[0];
    member.group = "h";
    CHECK(world.leave(member) == Error::unknown_member);
    member = members[0];
    member.id = "x";
    CHECK(world.leave(member) == Error::unknown_member);
    member = members[1];
    member.id = "x";
    CHECK(world.leave(member) == Error::fenced_instance);
    member.id.clear();
    member.instance = "k";
    CHECK(world.leave(member) == Error::unknown_member);
    CHECK(world.state() == GroupState::stable);
    member.instance = "i";
    CHECK(world.leave(member) == Error::none);
    CHECK(world.leave(members[2]) == Error::none);
    CHECK(world.state() == GroupState::preparing_rebalance);
    CHECK(world.heartbeat(members[0]) == Error::rebalance_in_progress);
    CHECK(world.groups().groups().member_count() == 1);
    TestSync sync;
    CHECK(world.sync(members[0], sync) == Error::rebalance_in_progress);
    const TestJoin& again = world.joined(members[0]);
    CHECK(again.generation == 2);
    CHECK(again.members.size() == 1);
}

TEST_CASE("groups: the protocol that all support and most prefer is chosen") {
    struct Case {
        const char* name;
        std::vector<std::vector<std::string>> preferences;
        std::string chosen;
    };
    const Case cases[] = {
        {"one", {{"a", "b"}}, "a"},
        {"only one in common", {{"a", "b"}, {"b", "c"}}, "b"},
        {"most votes", {{"a", "b"}, {"b", "a"}, {"b", "a"}}, "b"},
        {"a tie goes to the first member's", {{"b", "a"}, {"a", "b"}}, "b"},
        {"a vote for what another lacks counts for the next", {{"a", "b", "c"}, {"c", "b"}, {"x", "b", "c"}}, "b"},
    };
    for (const Case& c : cases) {
        CAPTURE(c.name);
        Groups world;
        std::vector<TestMember> members(c.preferences.size());
        std::vector<TestJoin> waiters(members.size());
        for (std::size_t i = 0; i < members.size(); ++i) {
            members[i].protocols.clear();
            for (const std::string& name : c.preferences[i]) members[i].protocols.emplace_back(name, name + std::to_string(i));
            REQUIRE(world.join(members[i], waiters[i]) == Error::none);
        }
        world.run();
        for (const TestJoin& waiter : waiters) {
            REQUIRE(waiter.answers == 1);
            CHECK(waiter.protocol == c.chosen);
            CHECK(waiter.leader == waiters[0].member);
            CHECK(waiter.members.size() == (&waiter == &waiters[0] ? members.size() : 0));
        }
        for (std::size_t i = 0; i < members.size(); ++i) CHECK(waiters[0].members[i].metadata == c.chosen + std::to_string(i));
    }
}

TEST_CASE("groups: a second member makes the first one join again, and each is told its part") {
    Groups world;
    std::vector<TestMember> members(2);
    members[0].client = "one";
    world.settle(members[0]);
    members[1].client = "two";
    TestJoin second;
    REQUIRE(world.join(members[1], second) == Error::none);
    world.run();
    CHECK(second.answers == 0);
    CHECK(world.heartbeat(members[0]) == Error::rebalance_in_progress);
    TestJoin first;
    REQUIRE(world.join(members[0], first) == Error::none);
    REQUIRE(world.until([&] { return first.answers == 1 && second.answers == 1; }));
    CHECK(first.generation == 2);
    CHECK(second.generation == 2);
    CHECK(first.members.size() == 2);
    CHECK(second.members.empty());
    members[0].generation = members[1].generation = 2;
    members[1].id = second.member;
    TestSync follower;
    TestSync leader;
    REQUIRE(world.sync(members[1], follower) == Error::none);
    world.run();
    CHECK(follower.answers == 0);
    REQUIRE(world.sync(members[0], leader, {{members[0].id, "x"}, {"nobody", "z"}, {members[1].id, "y"}}) == Error::none);
    REQUIRE(world.until([&] { return follower.answers == 1 && leader.answers == 1; }));
    CHECK(leader.assignment == "x");
    CHECK(follower.assignment == "y");
}

TEST_CASE("groups: who is left out by the leader gets an empty assignment") {
    Groups world;
    TestMember member;
    world.joined(member);
    TestSync sync;
    REQUIRE(world.sync(member, sync, {{"nobody", "z"}}) == Error::none);
    REQUIRE(world.until([&] { return sync.answers == 1; }));
    CHECK(sync.error == Error::none);
    CHECK(sync.assignment.empty());
}

TEST_CASE("groups: a follower that joins again unchanged is told of the generation as it is; the leader, or a change, begins another") {
    Groups world;
    std::vector<TestMember> members(2);
    world.settle(members);
    TestJoin same;
    REQUIRE(world.join(members[1], same) == Error::none);
    REQUIRE(world.until([&] { return same.answers == 1; }));
    CHECK(same.generation == 1);
    CHECK(same.members.empty());
    CHECK(world.state() == GroupState::stable);
    SUBCASE("the leader") {
        TestJoin again;
        REQUIRE(world.join(members[0], again) == Error::none);
        CHECK(world.state() == GroupState::preparing_rebalance);
    }
    SUBCASE("another subscription") {
        members[1].protocols[0].second = "n";
        TestJoin again;
        REQUIRE(world.join(members[1], again) == Error::none);
        CHECK(world.state() == GroupState::preparing_rebalance);
    }
}

TEST_CASE("groups: a change while the leader assigns sends those who wait to join again") {
    Groups world;
    std::vector<TestMember> members(2);
    std::vector<TestJoin> waiters(2);
    for (std::size_t i = 0; i < 2; ++i) REQUIRE(world.join(members[i], waiters[i]) == Error::none);
    world.run();
    for (std::size_t i = 0; i < 2; ++i) {
        members[i].id = waiters[i].member;
        members[i].generation = 1;
    }
    // The leader did not hear the answer: it is told the members again.
    TestJoin again;
    REQUIRE(world.join(members[0], again) == Error::none);
    world.run();
    CHECK(again.generation == 1);
    CHECK(again.members.size() == 2);
    TestSync sync;
    REQUIRE(world.sync(members[1], sync) == Error::none);
    TestMember third;
    TestJoin joining;
    REQUIRE(world.join(third, joining) == Error::none);
    world.run(ns_per_ms);
    CHECK(sync.answers == 1);
    CHECK(sync.error == Error::rebalance_in_progress);
    CHECK(world.state() == GroupState::preparing_rebalance);
}

TEST_CASE("groups: a request that is sent again answers the one before") {
    Groups world;
    std::vector<TestMember> members(2);
    world.settle(members);
    members[1].protocols[0].second = "n";
    TestJoin first;
    TestJoin second;
    REQUIRE(world.join(members[1], first) == Error::none);
    REQUIRE(world.join(members[1], second) == Error::none);
    world.run(ns_per_ms);
    CHECK(first.answers == 1);
    CHECK(first.error == Error::rebalance_in_progress);
    CHECK(second.answers == 0);
    CHECK(second.waiting());
}

}  // namespace
}  // namespace rivulet::test
