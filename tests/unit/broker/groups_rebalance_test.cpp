// Timers of groups, static members, connections that go: by the simulator's clock.
#include "unit/broker/groups_harness.h"

namespace rivulet::test {
namespace {

using broker::GroupState;

TEST_CASE("groups: the first rebalance waits for more members, and longer while they come") {
    broker::GroupOptions options = groups_options();
    options.initial_rebalance_delay_ns = 3 * ns_per_s;
    Groups world(options);
    std::vector<TestMember> members(3);
    std::vector<TestJoin> waiters(3);
    REQUIRE(world.join(members[0], waiters[0]) == Error::none);
    world.run(2 * ns_per_s);
    REQUIRE(world.join(members[1], waiters[1]) == Error::none);
    world.run(3 * ns_per_s);
    CHECK(waiters[0].answers == 0);
    REQUIRE(world.join(members[2], waiters[2]) == Error::none);
    world.run(3 * ns_per_s + 900 * ns_per_ms);
    CHECK(waiters[0].answers == 0);
    world.run(200 * ns_per_ms);
    for (const TestJoin& waiter : waiters) {
        CHECK(waiter.answers == 1);
        CHECK(waiter.generation == 1);
    }
    CHECK(waiters[0].members.size() == 3);
}

TEST_CASE("groups: the first rebalance waits no longer than the members allow") {
    broker::GroupOptions options = groups_options();
    options.initial_rebalance_delay_ns = 3 * ns_per_s;
    Groups world(options);
    TestMember member;
    member.rebalance_ms = 5'000;
    std::vector<TestJoin> waiters(5);
    for (std::size_t i = 0; i < waiters.size(); ++i) {
        REQUIRE(world.join(member, waiters[i]) == Error::none);
        world.run(ns_per_s);
    }
    world.run(100 * ns_per_ms);
    for (const TestJoin& waiter : waiters) CHECK(waiter.answers == 1);
}

TEST_CASE("groups: a member that is silent for its session timeout is one no more") {
    Groups world;
    std::vector<TestMember> members(2);
    world.settle(members);
    for (int i = 0; i < 8; ++i) {
        world.run(ns_per_s);
        REQUIRE(world.heartbeat(members[0]) == Error::none);
    }
    world.run(3 * ns_per_s);
    CHECK(world.state() == GroupState::preparing_rebalance);
    CHECK(world.heartbeat(members[1]) == Error::unknown_member);
    CHECK(world.heartbeat(members[0]) == Error::rebalance_in_progress);
    CHECK(world.joined(members[0]).generation == 2);
}

TEST_CASE("groups: sessions do not end by the wall clock") {
    Groups world;
    TestMember member;
    world.settle(member);
    world.harness.node.shift_wall(3600'000);
    world.run(ns_per_s);
    CHECK(world.heartbeat(member) == Error::none);
    world.harness.node.shift_wall(-7200'000);
    world.run(9 * ns_per_s);
    CHECK(world.heartbeat(member) == Error::none);
    world.run(11 * ns_per_s);
    CHECK(world.heartbeat(member) == Error::unknown_member);
}

TEST_CASE("groups: commits keep a session") {
    Groups world;
    world.create("t");
    TestMember member;
    world.settle(member);
    for (int i = 0; i < 4; ++i) {
        world.run(6 * ns_per_s);
        CHECK(world.commit(member, "t", 0, i) == Error::none);
    }
    CHECK(world.state() == GroupState::stable);
}

TEST_CASE("groups: a rebalance goes on without those who do not join in time") {
    Groups world;
    std::vector<TestMember> members(3);
    for (TestMember& member : members) {
        member.rebalance_ms = 20'000;
        member.session_ms = 60'000;
    }
    world.settle(members);
    TestJoin again;
    REQUIRE(world.join(members[0], again) == Error::none);
    TestJoin other;
    REQUIRE(world.join(members[1], other) == Error::none);
    world.run(19 * ns_per_s);
    CHECK(again.answers == 0);
    world.run(2 * ns_per_s);
    CHECK(again.answers == 1);
    CHECK(again.generation == 2);
    CHECK(again.members.size() == 2);
    CHECK(world.heartbeat(members[2]) == Error::unknown_member);
}

TEST_CASE("groups: a leader that does not join again is replaced by one that does") {
    Groups world;
    std::vector<TestMember> members(2);
    for (TestMember& member : members) member.rebalance_ms = 8'000;
    world.settle(members);
    members[1].protocols[0].second = "n";
    const TestJoin& again = world.joined(members[1]);
    CHECK(again.leader == members[1].id);
    CHECK(again.members.size() == 1);
}

TEST_CASE("groups: those who do not sync in time are members no more") {
    Groups world;
    std::vector<TestMember> members(2);
    std::vector<TestJoin> waiters(2);
    for (std::size_t i = 0; i < 2; ++i) {
        members[i].rebalance_ms = 20'000;
        members[i].session_ms = 600'000;
        REQUIRE(world.join(members[i], waiters[i]) == Error::none);
    }
    world.run(ns_per_s);
    for (std::size_t i = 0; i < 2; ++i) {
        members[i].id = waiters[i].member;
        members[i].generation = 1;
    }
    TestSync sync;
    SUBCASE("a follower") {
        REQUIRE(world.sync(members[0], sync, {{members[0].id, "a"}, {members[1].id, "b"}}) == Error::none);
        world.run(21 * ns_per_s);
        CHECK(sync.error == Error::none);
        CHECK(world.heartbeat(members[0]) == Error::rebalance_in_progress);
        CHECK(world.heartbeat(members[1]) == Error::unknown_member);
    }
    SUBCASE("the leader") {
        REQUIRE(world.sync(members[1], sync) == Error::none);
        world.run(21 * ns_per_s);
        CHECK(sync.error == Error::rebalance_in_progress);
        CHECK(world.heartbeat(members[0]) == Error::unknown_member);
        CHECK(world.joined(members[1]).leader == members[1].id);
    }
}

TEST_CASE("groups: a newcomer without an answer goes after five minutes, though it waits") {
    Groups world;
    TestMember there;
    there.rebalance_ms = 20 * 60'000;
    there.session_ms = 20 * 60'000;
    world.settle(there);
    TestMember member;
    member.rebalance_ms = 20 * 60'000;
    TestJoin waiter;
    REQUIRE(world.join(member, waiter) == Error::none);
    world.run(299 * ns_per_s);
    CHECK(waiter.answers == 0);
    world.run(2 * ns_per_s);
    CHECK(waiter.answers == 1);
    CHECK(waiter.error == Error::unknown_member);
}

TEST_CASE("groups: a member that waits for the others needs no heartbeat") {
    Groups world;
    std::vector<TestMember> members(2);
    members[1].session_ms = 60'000;
    world.settle(members);
    TestJoin again;
    REQUIRE(world.join(members[0], again) == Error::none);
    world.run(40 * ns_per_s);
    CHECK(again.answers == 0);
    TestJoin other;
    REQUIRE(world.join(members[1], other) == Error::none);
    world.run(ns_per_s);
    CHECK(again.error == Error::none);
    CHECK(other.error == Error::none);
}

TEST_CASE("groups: connections that go take their requests with them") {
    Groups world;
    TestMember there;
    there.session_ms = 60'000;
    world.settle(there);
    TestMember member;
    SUBCASE("a newcomer whose id nobody knows is no member any more") {
        TestJoin waiter;
        REQUIRE(world.join(member, waiter) == Error::none);
        world.act([&] { return broker::Coordinator::cancel(waiter), 0; });
        CHECK(!waiter.waiting());
        CHECK(world.groups().groups().member_count() == 1);
        CHECK(world.joined(there).members.size() == 1);
        CHECK(waiter.answers == 0);
    }
    SUBCASE("an id that was made and not told is forgotten") {
        member.id_required = true;
        TestJoin waiter;
        // The call and the end of its connection come in one turn.
        broker::JoinRequest request;
        const broker::JoinProtocol protocol{"range", {}};
        request.group = "g";
        request.protocol_type = "consumer";
        request.protocols = {&protocol, 1};
        request.session_timeout_ms = 10'000;
        request.member_id_required = true;
        const Error error = world.act([&] {
            const Error joined = world.groups().join(request, waiter).error();
            broker::Coordinator::cancel(waiter);
            return joined;
        });
        CHECK(error == Error::none);
        CHECK(world.groups().groups().member_count() == 1);
        CHECK(world.heartbeat(there) == Error::none);
    }
    SUBCASE("a member that is known has its session to come back") {
        TestJoin waiter;
        REQUIRE(world.join(there, waiter) == Error::none);
        TestJoin newcomer;
        REQUIRE(world.join(member, newcomer) == Error::none);
        world.act([&] { return broker::Coordinator::cancel(waiter), 0; });
        world.run(ns_per_s);
        CHECK(world.groups().groups().member_count() == 2);
    }
    SUBCASE("one that waits for its assignment") {
        world.joined(there);
        TestSync sync;
        REQUIRE(world.sync(there, sync, {{there.id, "a"}}) == Error::none);
        world.act([&] { return broker::Coordinator::cancel(sync), 0; });
        world.run();
        CHECK(sync.answers == 0);
        CHECK(world.state() == GroupState::stable);
    }
    SUBCASE("none waits") {
        TestJoin waiter;
        broker::Coordinator::cancel(waiter);
        TestSync sync;
        broker::Coordinator::cancel(sync);
        CHECK(!waiter.waiting());
    }
}

TEST_CASE("groups: a static member that starts again has its place, and the one before is fenced") {
    Groups world;
    std::vector<TestMember> members(2);
    members[0].instance = "i";
    members[1].instance = "j";
    world.settle(members);
    CHECK(members[0].id.starts_with("i-"));
    SUBCASE("a follower") {
        TestMember again = members[1];
        again.id.clear();
        const TestJoin& answer = world.joined(again);
        CHECK(answer.generation == 1);
        CHECK(answer.leader == members[0].id);
        CHECK(answer.member != members[1].id);
        CHECK(world.state() == GroupState::stable);
        CHECK(world.heartbeat(members[1]) == Error::fenced_instance);
        CHECK(world.heartbeat(again) == Error::none);
        TestSync sync;
        REQUIRE(world.sync(again, sync) == Error::none);
        world.run();
        CHECK(sync.assignment == "c");
    }
    SUBCASE("the leader, told not to assign") {
        TestMember again = members[0];
        again.id.clear();
        again.skip_assignment = true;
        const TestJoin& answer = world.joined(again);
        CHECK(answer.generation == 1);
        CHECK(answer.leader == answer.member);
        CHECK(answer.skip_assignment);
        CHECK(answer.members.size() == 2);
    }
    SUBCASE("the leader of an older client takes itself for a follower") {
        TestMember again = members[0];
        again.id.clear();
        const TestJoin& answer = world.joined(again);
        CHECK(answer.generation == 1);
        CHECK(answer.leader != answer.member);
        CHECK(!answer.skip_assignment);
        CHECK(answer.members.empty());
    }
    SUBCASE("with protocols that change the choice") {
        TestMember again = members[1];
        again.id.clear();
        again.protocols = {{"sticky", "s"}, {"range", "m"}};
        members[0].protocols = {{"sticky", "s"}, {"range", "m"}};
        TestJoin first;
        REQUIRE(world.join(members[0], first) == Error::none);
        TestJoin second;
        REQUIRE(world.join(again, second) == Error::none);
        world.run();
        CHECK(first.generation == 2);
        CHECK(second.generation == 2);
        CHECK(second.protocol == "sticky");
    }
    SUBCASE("while it waits on another connection") {
        TestJoin waiting;
        REQUIRE(world.join(members[0], waiting) == Error::none);
        TestMember again = members[0];
        again.id.clear();
        TestJoin second;
        REQUIRE(world.join(again, second) == Error::none);
        world.run(ns_per_ms);
        CHECK(waiting.error == Error::fenced_instance);
        CHECK(second.answers == 0);
    }
}

TEST_CASE("groups: a static leader that starts again just before a rebalance leads the new generation") {
    Groups world;
    TestMember leader;
    leader.instance = "i";
    world.settle(leader);
    TestMember again = leader;
    again.id.clear();
    TestJoin first;
    REQUIRE(world.join(again, first) == Error::none);
    TestMember other;
    TestJoin second;
    REQUIRE(world.join(other, second) == Error::none);
    world.run();
    CHECK(first.generation == 2);
    CHECK(first.leader == first.member);
    CHECK(first.members.size() == 2);
    CHECK(second.leader == first.member);
}

TEST_CASE("groups: static members that do not join again keep their places until their sessions end") {
    Groups world;
    std::vector<TestMember> members(2);
    for (TestMember& member : members) {
        member.rebalance_ms = 8'000;
        member.session_ms = 30'000;
    }
    members[0].instance = "i";
    world.settle(members);
    members[1].protocols[0].second = "n";
    TestJoin again;
    REQUIRE(world.join(members[1], again) == Error::none);
    world.run(9 * ns_per_s);
    CHECK(again.generation == 2);
    CHECK(again.leader == again.member);
    CHECK(again.members.size() == 2);
}

TEST_CASE("groups: all who wait are answered at a stop, and nothing is taken any more") {
    Groups world;
    TestMember there;
    world.settle(there);
    TestMember member;
    TestJoin waiter;
    REQUIRE(world.join(member, waiter) == Error::none);
    world.act([&] { return world.groups().stop(), 0; });
    world.run(ns_per_s);
    CHECK(waiter.answers == 1);
    CHECK(waiter.error == Error::coordinator_not_available);
    CHECK(world.heartbeat(there) == Error::coordinator_not_available);
    TestJoin other;
    CHECK(world.join(member, other) == Error::coordinator_not_available);
    CHECK(world.act([&] { return world.groups().prepare().error(); }) == Error::coordinator_not_available);
}

TEST_CASE("rebalance: an answer that nobody had room for yet stands, and of a generation that is over a member hears as a follower") {
    Groups world;
    TestMember member;
    TestJoin join;
    join.late = true;
    REQUIRE(world.join(member, join) == Error::none);
    REQUIRE(world.until([&] { return join.answers == 1; }));
    SUBCASE("of the generation that goes on") {
        world.run();
        world.act([&] { join.take(); });
        CHECK(join.error == Error::none);
        CHECK(join.leader == join.member);
        CHECK(join.members.size() == 1);
        CHECK(join.generation == world.generation());
    }
    SUBCASE("while the next one is prepared") {
        TestMember other;
        TestJoin others;
        REQUIRE(world.join(other, others) == Error::none);
        world.run();
        CHECK(world.state() == broker::GroupState::preparing_rebalance);  // it waits for whoever was not told yet
        world.act([&] { join.take(); });
        CHECK(join.error == Error::none);
        CHECK(join.generation == 1);
        CHECK(join.leader.empty());
        CHECK(join.members.empty());
        member.id = join.member;
        member.generation = join.generation;
        TestSync sync;
        CHECK(world.sync(member, sync) == Error::rebalance_in_progress);
        world.joined(member);
        CHECK(world.until([&] { return others.answers == 1; }));
        CHECK(others.generation == 2);
        CHECK(member.generation == 2);
    }
    SUBCASE("and whose connection goes before it could be told") {
        world.act([&] { broker::Coordinator::cancel(join); });
        CHECK_FALSE(join.waiting());
        world.run(12 * ns_per_s);
        CHECK(world.groups().groups().member_count() == 0);
    }
    broker::Coordinator::cancel(join);
}

TEST_CASE("rebalance: an assignment that could not be told while its generation went on is not told afterwards") {
    Groups world;
    std::vector<TestMember> members(2);
    world.settle(members);
    TestSync late;
    late.late = true;
    REQUIRE(world.sync(members[1], late) == Error::none);
    REQUIRE(world.until([&] { return late.answers == 1; }));
    SUBCASE("in time") {
        world.act([&] { late.take(); });
        CHECK(late.error == Error::none);
        CHECK(late.assignment == members[1].client);
    }
    SUBCASE("too late") {
        CHECK(world.leave(members[0]) == Error::none);
        world.joined(members[1]);
        CHECK(members[1].generation == 2);
        world.act([&] { late.take(); });
        CHECK(late.error == Error::rebalance_in_progress);
        CHECK(late.assignment.empty());
    }
    CHECK_FALSE(late.waiting());
}

}  // namespace
}  // namespace rivulet::test
