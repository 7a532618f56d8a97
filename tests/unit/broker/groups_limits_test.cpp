// Every pool of groups, filled and freed again: an error at the limit, and nothing half done.
#include "unit/broker/groups_harness.h"

namespace rivulet::test {
namespace {

using broker::GroupState;

// Log lines about limits.
std::vector<std::string> warnings(Groups& world) {
    std::vector<std::string> lines;
    for (const std::string& line : world.harness.world.recent_log())
        if (line.find("a limit is reached") != std::string::npos) lines.push_back(line);
    return lines;
}
bool names(const std::vector<std::string>& lines, std::string_view key) { return !lines.empty() && lines.back().find(key) != std::string::npos; }

TEST_CASE("limits: members of one group") {
    Groups world;
    std::vector<TestMember> members(world.options.group_members_max);
    world.settle(members);
    TestMember more;
    TestJoin waiter;
    CHECK(world.join(more, waiter) == Error::group_full);
    // Who runs the board is told which limit, but not each time.
    CHECK(warnings(world).size() == 1);
    CHECK(names(warnings(world), "limits.group_members"));
    more.id_required = true;
    CHECK(world.join(more, waiter) == Error::group_full);
    CHECK(warnings(world).size() == 1);
    for (int i = 0; i < 3; ++i) {
        world.run(4 * ns_per_s);
        for (const TestMember& member : members) REQUIRE(world.heartbeat(member) == Error::none);
    }
    CHECK(world.join(more, waiter) == Error::group_full);
    CHECK(warnings(world).size() == 2);
    CHECK(world.state() == GroupState::stable);
    // Those who are in may join again.
    TestJoin again;
    CHECK(world.join(members[1], again) == Error::none);
    REQUIRE(world.leave(members[5]) == Error::none);
    CHECK(world.join(more, waiter) == Error::none);
}

TEST_CASE("limits: members of all groups, those that were given an id alone included") {
    Groups world;
    for (int group = 0; group < 3; ++group) {
        std::vector<TestMember> members(5);
        for (TestMember& member : members) {
            member.group = "g" + std::to_string(group);
            member.session_ms = 1'000'000;
        }
        world.settle(members);
    }
    TestMember pending;
    pending.group = "p";
    pending.id_required = true;
    TestJoin told;
    REQUIRE(world.join(pending, told) == Error::none);
    world.run(ns_per_s);
    CHECK(told.error == Error::member_id_required);
    // Who was told an id and has not come back makes room.
    TestMember more;
    more.group = "q";
    more.session_ms = 1'000'000;
    TestJoin waiter;
    CHECK(world.join(more, waiter) == Error::none);
    world.run(5 * ns_per_s);
    CHECK(waiter.error == Error::none);
    const std::uint64_t used = world.groups().blobs().used();
    TestMember last;
    last.group = "r";
    TestJoin refused;
    // It may pass, so its client is to try again.
    CHECK(world.join(last, refused) == Error::coordinator_not_available);
    CHECK(names(warnings(world), "limits.members"));
    CHECK(world.state("r") == GroupState::dead);
    CHECK(world.groups().blobs().used() == used);
}

TEST_CASE("limits: groups; one that has neither members nor offsets makes room") {
    Groups world;
    world.create("t");
    TestMember first;
    first.group = "first";
    world.settle(first);
    for (int i = 1; i < 8; ++i) {
        TestMember alone;
        alone.group = "g" + std::to_string(i);
        REQUIRE(world.commit(alone, "t", 0, i) == Error::none);
    }
    TestMember more;
    TestJoin waiter;
    CHECK(world.join(more, waiter) == Error::coordinator_not_available);
    CHECK(names(warnings(world), "limits.groups"));
    CHECK(world.commit(more, "t", 0, 1) == Error::coordinator_not_available);
    REQUIRE(world.leave(first) == Error::none);
    world.run(ns_per_s);
    CHECK(world.commit(more, "t", 0, 1) == Error::none);
    CHECK(world.state("first") == GroupState::dead);
    CHECK(world.groups().groups().group_count() == 8);
}

TEST_CASE("limits: offsets of all groups; those of a topic that is gone make room") {
    Groups world;
    world.create("t", 4);
    world.create("u", 6);
    TestMember alone;
    for (int group = 0; group < 7; ++group) {
        alone.group = "g" + std::to_string(group);
        for (int partition = 0; partition < 4; ++partition) REQUIRE(world.commit(alone, "t", partition, partition, {}, false) == Error::none);
        for (int partition = 0; partition < 5; ++partition) REQUIRE(world.commit(alone, "u", partition, partition, {}, false) == Error::none);
    }
    REQUIRE(world.commit(alone, "u", 5, 5) == Error::none);
    REQUIRE(world.groups().offsets().count() == 64);
    alone.group = "g0";
    CHECK(world.commit(alone, "u", 5, 5) == Error::too_many_offsets);
    CHECK(names(warnings(world), "limits.committed_offsets"));
    CHECK(world.commit(alone, "u", 0, 9) == Error::none);
    CHECK(world.committed("u", 0, "g0") == 9);
    CHECK(world.committed("u", 5, "g0") == -1);
    world.remove("t");
    CHECK(world.commit(alone, "u", 5, 5) == Error::none);
    CHECK(world.groups().offsets().count() == 64 - 28 + 1);
    CHECK(world.committed("u", 4, "g3") == 4);
}

TEST_CASE("limits: room for the metadata of offsets") {
    Groups world;
    world.create("t", 6);
    world.create("u", 6);
    TestMember alone;
    const std::string metadata(256, 'm');
    Error error = Error::none;
    int stored = 0;
    for (int group = 0; group < 5 && error == Error::none; ++group) {
        alone.group = std::string(1000, static_cast<char>('a' + group));
        for (int i = 0; i < 12 && error == Error::none; ++i) {
            error = world.commit(alone, i < 6 ? "t" : "u", i % 6, i, metadata);
            if (error == Error::none) ++stored;
        }
    }
    REQUIRE(error == Error::none);
    CHECK(stored == 60);
    TestMember member;
    member.group = "m";
    member.protocols = {{"range", std::string(world.options.blob_bytes - world.groups().blobs().used() - 250, 'x')}};
    world.joined(member);
    CHECK(!world.groups().blobs().fits(broker::BlobPool::cost(256)));
    alone.group = std::string(1000, 'a');
    CHECK(world.commit(alone, "t", 0, 77, metadata) == Error::none);  // in place of as much
    CHECK(world.committed("t", 0, alone.group) == 77);
}

TEST_CASE("limits: room for what members say, and for what they are assigned") {
    Groups world;
    TestMember large;
    large.protocols = {{"range", std::string(20'000, 'x')}};
    TestJoin waiter;
    REQUIRE(world.join(large, waiter) == Error::none);
    world.run(ns_per_s);
    REQUIRE(waiter.error == Error::none);
    large.id = waiter.member;
    large.generation = waiter.generation;
    const std::uint64_t used = world.groups().blobs().used();
    TestMember other;
    other.protocols = large.protocols;
    TestJoin refused;
    CHECK(world.join(other, refused) == Error::coordinator_not_available);
    CHECK(names(warnings(world), "limits.group_bytes"));
    CHECK(world.groups().blobs().used() == used);
    // More than there ever is.
    other.protocols = {{"range", std::string(40'000, 'x')}};
    CHECK(world.join(other, refused) == Error::group_full);
    TestSync sync;
    CHECK(world.sync(large, sync, {{large.id, std::string(14'000, 'y')}}) == Error::coordinator_not_available);
    CHECK(world.groups().blobs().used() == used);
    CHECK(!sync.waiting());
    // It fits the memory, but no record: that is told as well, and the state is what it was.
    CHECK(world.sync(large, sync, {{large.id, std::string(1'000, 'y')}}) == Error::group_full);
    CHECK(world.groups().blobs().used() == used);
    CHECK(world.state() == GroupState::completing_rebalance);
}

TEST_CASE("limits: no room for the internal topic is no coordinator") {
    Groups world;
    for (int i = 0; i < 13; ++i) world.create("t" + std::to_string(i), 1);
    CHECK(world.act([&] { return world.groups().prepare().error(); }) == Error::coordinator_not_available);
    TestMember alone;
    CHECK(world.commit(alone, "t0", 0, 1) == Error::coordinator_not_available);
    CHECK(world.committed("t0", 0) == -1);
    world.remove("t1");
    CHECK(world.act([&] { return world.groups().prepare().error(); }) == Error::none);
    CHECK(world.broker().find_topic("__consumer_offsets")->partitions == 4);
    CHECK(world.commit(alone, "t0", 0, 1) == Error::none);
}

TEST_CASE("limits: a log that takes nothing makes the coordinator unavailable, and nothing is half done") {
    Groups world;
    world.create("t");
    TestMember member;
    world.joined(member);
    REQUIRE(world.commit([] { TestMember alone; alone.group = "h"; return alone; }(), "t", 0, 1) == Error::none);
    world.harness.disk().fail_nth(sim::DiskOp::sync, 1);
    TestSync sync;
    REQUIRE(world.sync(member, sync, {{member.id, "a"}}) == Error::none);
    REQUIRE(world.until([&] { return sync.answers == 1; }));
    CHECK(sync.error == Error::coordinator_not_available);
    CHECK(world.broker().offline());
    TestMember alone;
    alone.group = "h";
    CHECK(world.commit(alone, "t", 0, 2) == Error::coordinator_not_available);
    CHECK(world.committed("t", 0, "h") == 1);
}

TEST_CASE("limits: what a leader or a member could not be told at once is refused, and nothing has changed") {
    broker::GroupOptions options = groups_options();
    options.answer_bytes_max = 4096;
    Groups world(options);
    std::vector<TestMember> members(2);
    for (TestMember& member : members) member.protocols = {{"range", std::string(1000, 'm')}};
    world.settle(members);
    TestMember third = members[0];
    third.id.clear();
    TestJoin join;
    CHECK(world.join(third, join) == Error::group_full);
    CHECK(world.groups().groups().member_count() == 2);
    CHECK(world.state() == broker::GroupState::stable);
    for (TestMember& member : members) CHECK(world.heartbeat(member) == Error::none);

    TestMember alone;
    alone.group = "alone";
    TestJoin& joined = world.joined(alone);
    CHECK(joined.members.size() == 1);
    TestSync sync;
    CHECK(world.sync(alone, sync, {{alone.id, std::string(4000, 'a')}}) == Error::group_full);
    std::vector<std::pair<std::string, std::string>> too_many(options.group_members_max + 1, {alone.id, "a"});
    CHECK(world.sync(alone, sync, too_many) == Error::invalid_argument);
    CHECK(world.sync(alone, sync, {{alone.id, "a"}}) == Error::none);
    REQUIRE(world.until([&] { return sync.answers == 1; }));
    CHECK(sync.assignment == "a");
}

}  // namespace
}  // namespace rivulet::test
