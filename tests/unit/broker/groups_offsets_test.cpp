// Committed offsets, what may be deleted, what is told of groups.
#include "unit/broker/groups_harness.h"

namespace rivulet::test {
namespace {

using broker::GroupState;

std::vector<std::string> listed(Groups& world, std::string_view group = "g") {
    std::vector<std::string> out;
    broker::FetchedOffset at;
    while (world.act([&] { return world.groups().next_offset(group, at); }))
        out.push_back(std::string(at.topic) + "/" + std::to_string(at.partition) + "=" + std::to_string(at.offset.value) + std::string(at.metadata));
    return out;
}

// A subscription as Kafka's consumers write it.
std::string subscription(const std::vector<std::string>& topics) {
    std::uint8_t buffer[256];
    Writer out(buffer);
    out.be(std::int16_t{1});
    out.be(static_cast<std::int32_t>(topics.size()));
    for (const std::string& topic : topics) {
        out.be(static_cast<std::int16_t>(topic.size()));
        out.bytes(as_bytes(topic));
    }
    out.be(std::int32_t{-1});
    return std::string(as_text(out.written()));
}

TEST_CASE("offsets: what is committed is fetched with epoch and metadata; the rest is -1") {
    Groups world;
    world.create("t");
    TestMember member;
    world.settle(member);
    CHECK(world.commit(member, "t", 1, 42, "note") == Error::none);
    const auto fetched = world.act([&] { return world.groups().fetch_offset("g", "t", 1); });
    REQUIRE(fetched.ok());
    CHECK(fetched->offset == Offset(42));
    CHECK(fetched->epoch == Epoch(3));
    CHECK(fetched->metadata == "note");
    CHECK(world.act([&] { return world.groups().offsets_ticket("g"); }) <= world.broker().durable_ticket());
    struct Case {
        const char* group;
        const char* topic;
        std::int64_t partition;
    };
    for (const Case& c : {Case{"g", "t", 0}, Case{"g", "t", 2}, Case{"g", "t", -1}, Case{"g", "u", 0}, Case{"h", "t", 1}}) {
        const auto none = world.act([&] { return world.groups().fetch_offset(c.group, c.topic, c.partition); });
        REQUIRE(none.ok());
        CHECK(none->offset == Offset(-1));
        CHECK(none->epoch == Epoch(-1));
        CHECK(none->metadata.empty());
    }
    CHECK(world.act([&] { return world.groups().fetch_offset("", "t", 0).error(); }) == Error::invalid_group_id);
    CHECK(world.commit(member, "t", 1, 7) == Error::none);
    CHECK(world.committed("t", 1) == 7);
    CHECK(world.groups().offsets().count() == 1);
}

TEST_CASE("offsets: while hardly more of the ring is left than has to be written anew none is committed, and nothing is half done") {
    Groups world;
    world.create("t");
    TestMember member;
    world.settle(member);
    CHECK(world.commit(member, "t", 1, 42) == Error::none);
    world.act([&] { world.broker().hold_offsets(true); });
    CHECK(world.commit(member, "t", 1, 43) == Error::coordinator_not_available);
    CHECK(world.commit(member, "t", 0, 1) == Error::coordinator_not_available);
    CHECK(world.committed("t", 1) == 42);
    CHECK(world.committed("t", 0) == -1);
    world.act([&] { world.broker().hold_offsets(false); });
    CHECK(world.commit(member, "t", 1, 43) == Error::none);
    CHECK(world.committed("t", 1) == 43);
}

TEST_CASE("offsets: all of a group come in the order of topics and partitions") {
    Groups world;
    world.create("b", 3);
    world.create("a", 2);
    world.create("c", 1);
    TestMember alone;
    CHECK(listed(world).empty());
    CHECK(world.commit(alone, "b", 2, 5) == Error::none);
    CHECK(world.commit(alone, "a", 1, 4, "x") == Error::none);
    CHECK(world.commit(alone, "b", 0, 6) == Error::none);
    CHECK(listed(world) == std::vector<std::string>{"a/1=4x", "b/0=6", "b/2=5"});
}

TEST_CASE("offsets: a consumer that assigns its partitions itself commits to a group without members alone") {
    Groups world;
    world.create("t");
    TestMember alone;
    CHECK(world.commit(alone, "t", 0, 5) == Error::none);
    CHECK(world.state() == GroupState::empty);
    CHECK(world.committed("t", 0) == 5);
    alone.generation = 0;
    alone.group = "h";
    CHECK(world.commit(alone, "t", 0, 5) == Error::illegal_generation);
    alone = TestMember();
    TestMember member;
    world.settle(member);
    CHECK(world.commit(alone, "t", 0, 6) == Error::unknown_member);
    CHECK(world.committed("t", 0) == 5);
}

TEST_CASE("offsets: commits while the group changes") {
    Groups world;
    world.create("t");
    std::vector<TestMember> members(2);
    world.settle(members);
    TestJoin again;
    REQUIRE(world.join(members[0], again) == Error::none);
    CHECK(world.commit(members[1], "t", 0, 5) == Error::none);  // what it has of the generation that ends
    CHECK(world.state() == GroupState::preparing_rebalance);
    TestJoin other;
    REQUIRE(world.join(members[1], other) == Error::none);
    world.run(ns_per_ms);
    CHECK(world.commit(members[1], "t", 0, 6) == Error::illegal_generation);
    ++members[1].generation;
    CHECK(world.commit(members[1], "t", 0, 6) == Error::rebalance_in_progress);
    CHECK(world.committed("t", 0) == 5);
}

// Kafka's coordinator stores whatever it is given, and its clients take what is below 0 for none.
TEST_CASE("offsets: one below 0 is stored as it is") {
    Groups world;
    world.create("t");
    TestMember alone;
    CHECK(world.commit(alone, "t", 0, -7, "note") == Error::none);
    CHECK(world.committed("t", 0) == -7);
    world.cut();
    world.boot();
    CHECK(world.committed("t", 0) == -7);
}

TEST_CASE("offsets: committing refuses") {
    Groups world;
    world.create("t");
    TestMember member;
    world.settle(member);
    CHECK(world.commit(member, "u", 0, 5) == Error::unknown_topic_or_partition);
    CHECK(world.commit(member, "t", 2, 5) == Error::unknown_topic_or_partition);
    CHECK(world.commit(member, "t", -1, 5) == Error::unknown_topic_or_partition);
    CHECK(world.commit(member, "t", 0, 5, std::string(257, 'm')) == Error::offset_metadata_too_large);
    CHECK(world.commit(member, "t", 0, 5, std::string(256, 'm')) == Error::none);
    TestMember alone;
    alone.group = "new";
    CHECK(world.commit(alone, "u", 0, 5) == Error::unknown_topic_or_partition);
    CHECK(world.state("new") == GroupState::dead);
}

TEST_CASE("offsets: a topic that is created again has none of those before it") {
    Groups world;
    world.create("t");
    TestMember alone;
    CHECK(world.commit(alone, "t", 0, 5) == Error::none);
    world.remove("t");
    CHECK(world.committed("t", 0) == -1);
    world.create("t");
    CHECK(world.committed("t", 0) == -1);
    CHECK(listed(world).empty());
    world.run(61 * ns_per_s);
    CHECK(world.groups().offsets().count() == 0);
}

TEST_CASE("offsets: deleting") {
    Groups world;
    world.create("t");
    world.create("u");
    TestMember member;
    member.protocols = {{"range", subscription({"x", "t"})}};
    world.settle(member);
    const auto remove = [&](std::string_view group, std::string_view topic, std::int64_t partition) {
        const auto ticket = world.act([&]() -> Result<std::uint64_t> {
            const auto of = world.groups().begin_delete(group, topic);
            return of ? world.groups().delete_offset(**of, topic, partition) : of.failure();
        });
        if (ticket) REQUIRE(world.until([&] { return world.broker().durable_ticket() >= *ticket; }));
        return ticket.error();
    };
    for (const char* topic : {"t", "u"}) REQUIRE(world.commit(member, topic, 0, 5) == Error::none);
    CHECK(remove("", "t", 0) == Error::invalid_group_id);
    CHECK(remove("h", "t", 0) == Error::group_not_found);
    CHECK(remove("g", "t", 0) == Error::group_subscribed_to_topic);
    CHECK(remove("g", "v", 0) == Error::unknown_topic_or_partition);
    CHECK(remove("g", "u", 9) == Error::unknown_topic_or_partition);
    CHECK(remove("g", "u", 0) == Error::none);
    CHECK(remove("g", "u", 1) == Error::none);  // there was none
    CHECK(world.committed("u", 0) == -1);
    CHECK(world.committed("t", 0) == 5);
    CHECK(world.act([&] { return world.groups().subscribed(**world.groups().look("g"), "t"); }));
    CHECK(!world.act([&] { return world.groups().subscribed(**world.groups().look("g"), "u"); }));
    TestMember other;
    other.group = "k";
    other.type = "connect";
    world.settle(other);
    REQUIRE(world.commit(other, "u", 0, 5) == Error::none);
    CHECK(remove("k", "u", 0) == Error::non_empty_group);
    TestMember unreadable;
    unreadable.group = "l";
    world.settle(unreadable);
    CHECK(remove("l", "u", 0) == Error::group_subscribed_to_topic);
    REQUIRE(world.leave(member) == Error::none);
    world.run();
    CHECK(remove("g", "t", 0) == Error::none);
}

TEST_CASE("groups: deleting a group takes its offsets along, and members keep it") {
    Groups world;
    world.create("t");
    TestMember member;
    world.settle(member);
    REQUIRE(world.commit(member, "t", 0, 5) == Error::none);
    const auto remove = [&](std::string_view group) { return world.act([&] { return world.groups().delete_group(group).error(); }); };
    CHECK(remove("") == Error::invalid_group_id);
    CHECK(remove("h") == Error::group_not_found);
    CHECK(remove("g") == Error::non_empty_group);
    REQUIRE(world.leave(member) == Error::none);
    CHECK(remove("g") == Error::non_empty_group);
    world.run();
    CHECK(remove("g") == Error::none);
    CHECK(world.state() == GroupState::dead);
    CHECK(world.committed("t", 0) == -1);
    CHECK(world.groups().blobs().used() == 0);
    CHECK(remove("g") == Error::group_not_found);
}

TEST_CASE("groups: lists and descriptions") {
    Groups world;
    world.create("t");
    std::vector<TestMember> members(2);
    members[0].client = "one";
    members[1].client = "two";
    members[1].instance = "i";
    world.settle(members);
    TestMember alone;
    alone.group = "offsets";
    REQUIRE(world.commit(alone, "t", 0, 5) == Error::none);
    std::vector<std::string> found;
    std::uint32_t slot = 0;
    while (broker::Group* const group = world.groups().next_group(slot)) {
        const broker::GroupListing listing = world.groups().list(*group);
        found.push_back(std::string(listing.id) + " " + std::string(listing.protocol_type) + " " + std::string(broker::group_state_name(listing.state)));
    }
    CHECK(found == std::vector<std::string>{"g consumer Stable", "offsets  Empty"});
    broker::Group& group = **world.act([&] { return world.groups().look("g"); });
    CHECK(world.groups().protocol(group) == "range");
    std::vector<std::string> described;
    for (const broker::Member* at = world.groups().next_member(group, nullptr); at; at = world.groups().next_member(group, at)) {
        const broker::MemberDescription one = world.groups().describe(*at);
        described.push_back(std::string(one.client_id) + " " + std::string(one.client_host) + " " + std::string(one.instance) + " " + std::string(as_text(one.metadata)) + " " +
                            std::string(as_text(one.assignment)));
    }
    CHECK(described == std::vector<std::string>{"one /10.0.0.1  m one", "two /10.0.0.1 i m two"});
    TestJoin again;
    REQUIRE(world.join(members[0], again) == Error::none);
    CHECK(world.groups().protocol(group).empty());
    CHECK(world.groups().describe(*world.groups().next_member(group, nullptr)).assignment.empty());
    CHECK(world.act([&] { return world.groups().look("").error(); }) == Error::invalid_group_id);
    CHECK(broker::Coordinator::is_internal("__consumer_offsets"));
    CHECK(!broker::Coordinator::is_internal("t"));
}

}  // namespace
}  // namespace rivulet::test
