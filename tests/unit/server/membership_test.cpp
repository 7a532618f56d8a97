// ASSIGN, COMMIT, and DATA and CREDIT of members: consumer groups whose partitions the broker assigns.
#include <doctest/doctest.h>

#include "sim/guard.h"
#include "unit/server/members.h"

using namespace rivulet;
using namespace rivulet::test;
using frames::Kind;

namespace {

void check_all_once(const std::multiset<std::pair<std::string, std::int64_t>>& got, std::size_t partitions, std::int64_t each) {
    CHECK(got.size() == partitions * static_cast<std::size_t>(each));
    for (std::size_t p = 0; p < partitions; ++p)
        for (std::int64_t offset = 0; offset < each; ++offset) CHECK(got.count({"temps/" + std::to_string(p), offset}) == 1);
}

Error ended(Served& served, Client& client) {
    REQUIRE(served.until([&] { return client.count(Kind::error) != 0; }));
    return frames::decode_error(client.last(Kind::error).body)->error;
}

}  // namespace

TEST_CASE("a member gets all partitions, what is there and what comes") {
    Served served;
    Client& writer = writer_of(served);
    fill(served, writer, "temps", {0, 1, 2, 3}, 20);
    TestGroupMember member(served);
    member.enter();
    CHECK(member.generation == 1);
    CHECK(member.id.starts_with("reader-"));
    CHECK(member.partitions() == "0 1 2 3");
    fill(served, writer, "temps", {0, 1, 2, 3}, 20);
    REQUIRE(member.until([&] { return member.records() == 160; }));
    check_all_once(member.got, 4, 40);
    CHECK(!member.over);
}

TEST_CASE("a second member gets its part once the first has given it up, and what was processed does not come again") {
    Served served;
    Client& writer = writer_of(served);
    fill(served, writer, "temps", {0, 1, 2, 3}, 10);
    // Range goes by member ids, and these begin with the client's name.
    TestGroupMember first(served);
    first.join.client = "a";
    first.join.auto_commit_ms = 60'000;
    first.enter();
    REQUIRE(first.until([&] { return first.records() == 40; }));
    first.processed();
    TestGroupMember second(served);
    second.join.client = "b";
    second.join.auto_commit_ms = 60'000;
    second.ask();
    REQUIRE(first.until([&] { return first.revoked() != 0; }));
    CHECK(first.partitions() == "0 1");
    // It waits for the first, which goes on with the rest.
    served.run(2 * ns_per_s);
    second.look();
    CHECK(!second.joined);
    fill(served, writer, "temps", {0, 1, 2, 3}, 1);
    REQUIRE(first.until([&] { return first.records() == 42; }));
    first.release();
    REQUIRE(second.until([&] { return second.generation != 0; }));
    CHECK(second.generation == 2);
    CHECK(second.partitions() == "2 3");
    CHECK(second.at(2).start == 10);
    REQUIRE(second.until([&] { return second.records() == 2; }));
    REQUIRE(first.until([&] { return first.generation == 2; }));
    CHECK(first.partitions() == "0 1");
    // And back.
    second.processed(true);
    REQUIRE(second.until([&] { return second.over; }));
    CHECK(second.why == Error::none);
    REQUIRE(first.until([&] { return first.partitions() == "0 1 2 3"; }));
    CHECK(first.at(2).start == 11);
    fill(served, writer, "temps", {2}, 1);
    REQUIRE(first.until([&] { return first.records() == 43; }));
}

TEST_CASE("who does not give up in time is a member no more, and others get all") {
    Served served;
    TestGroupMember first(served);
    first.enter();
    TestGroupMember second(served);
    second.ask();
    REQUIRE(first.until([&] { return first.revoked() == 2; }));
    const std::int64_t before = served.world.now();
    REQUIRE(first.until([&] { return first.over; }));
    CHECK(first.why == Error::timed_out);
    CHECK(served.world.now() - before <= 6 * ns_per_s);
    REQUIRE(second.until([&] { return second.generation != 0; }));
    CHECK(second.partitions() == "0 1 2 3");
    // The connection goes on, and may join again.
    first.number = 901;
    first.joined = first.over = false;
    first.generation = 0;
    first.slots_.clear();
    first.ask();
    REQUIRE(second.until([&] { return second.revoked() == 2; }));
    second.release();
    REQUIRE(first.until([&] { return first.generation != 0; }));
    CHECK(first.partitions() != "");
}

TEST_CASE("a dynamic member leaves with its connection, a static one keeps its place until its session is over") {
    Served served;
    for (const bool is_static : {false, true}) {
        TestGroupMember first(served);
        TestGroupMember second(served);
        for (TestGroupMember* member : {&first, &second}) member->join.group = is_static ? "static" : "dynamic";
        if (is_static) first.join.instance = "one";
        second.join.session_timeout_ms = 600'000;
        first.enter();
        second.ask();
        REQUIRE(first.until([&] { return first.revoked() == 2; }));
        first.release();
        REQUIRE(second.until([&] { return second.generation == 2; }));
        const std::int64_t before = served.world.now();
        first.client.connection->close();
        REQUIRE(second.until([&] { return second.partitions() == "0 1 2 3"; }));
        const std::int64_t took = served.world.now() - before;
        if (is_static) CHECK(took >= 8 * ns_per_s);
        else CHECK(took < 2 * ns_per_s);
        second.client.connection->close();
        served.run(ns_per_s);
    }
}

TEST_CASE("a static member that comes again has what it had; the one before is fenced") {
    Served served;
    TestGroupMember first(served);
    TestGroupMember other(served);
    first.join.instance = "one";
    first.enter();
    other.ask();
    REQUIRE(first.until([&] { return first.revoked() == 2; }));
    first.release();
    REQUIRE(other.until([&] { return other.generation == 2; }));
    const std::string had = other.partitions();
    TestGroupMember again(served);
    again.join.instance = "one";
    again.enter();
    REQUIRE(first.until([&] { return first.over; }));
    CHECK(first.why == Error::fenced_instance);
    CHECK(again.id != first.id);
    CHECK(other.revoked() == 0);
    CHECK(other.partitions() == had);
    CHECK(again.partitions() == "0 1");
}

TEST_CASE("more members than partitions leave the rest idle") {
    Served served;
    std::vector<std::unique_ptr<TestGroupMember>> members;
    for (int i = 0; i < 4; ++i) {
        members.push_back(std::make_unique<TestGroupMember>(served));
        members.back()->join.assignor = frames::AssignBy::sticky;
        members.back()->ask({"fast"});
    }
    REQUIRE(served.until([&] {
        std::size_t had = 0;
        bool all = true;
        for (auto& member : members) {
            if (member->revoked() != 0) member->release();
            had += member->partitions("fast").size() == 1;
            all &= member->generation != 0;
        }
        return all && had == 2;
    }));
    served.run(ns_per_s);
    std::uint64_t generation = 0;
    for (auto& member : members) {
        member->look();
        if (generation == 0) generation = member->generation;
        CHECK(member->generation == generation);
        CHECK(member->partitions("fast").size() <= 1);
    }
}

TEST_CASE("one credit for all partitions, fair among them") {
    Served served;
    Client& writer = writer_of(served);
    const std::string value(200, 'v');
    fill(served, writer, "temps", {0, 1, 2, 3}, 60, value);
    TestGroupMember member(served);
    member.join.credit = 6000;
    member.enter();
    served.run(2 * ns_per_s);
    const std::uint64_t before = member.records();
    CHECK(before > 0);
    CHECK(before < 240);
    served.run(5 * ns_per_s);
    CHECK(member.records() == before);
    for (int i = 0; i < 300 && member.records() < 200; ++i) {
        member.credit(2000);
        served.run(50 * ns_per_ms);
    }
    // Nobody is a whole turn ahead for long.
    for (std::uint64_t p = 0; p < 4; ++p) CHECK(member.at(p).records >= 30);
    for (int i = 0; i < 300 && member.records() < 240; ++i) {
        member.credit(2000);
        served.run(50 * ns_per_ms);
    }
    check_all_once(member.got, 4, 60);
}

TEST_CASE("seek goes anywhere in the log, and says where that is") {
    Served served;
    Client& writer = writer_of(served);
    fill(served, writer, "temps", {0, 1, 2, 3}, 10);
    TestGroupMember member(served);
    member.join.start = frames::StartAt::none;
    member.enter();
    served.run(ns_per_s);
    // Nothing is committed, and nothing else was said.
    CHECK(member.records() == 0);
    CHECK(member.at(0).start == -1);
    member.seek(member.slot_of(0), 4);
    member.seek(member.slot_of(1), frames::fetch_earliest);
    member.seek(member.slot_of(2), frames::fetch_latest);
    member.seek(member.slot_of(3), 11);
    REQUIRE(member.until([&] { return member.sought.size() == 4; }));
    REQUIRE(member.until([&] { return member.records() == 16; }));
    for (const frames::Assigned& sought : member.sought) {
        if (sought.slot == member.slot_of(3)) {
            CHECK(sought.failure.error == Error::offset_out_of_range);
            CHECK(sought.failure.detail == 10);
            continue;
        }
        CHECK(sought.failure.error == Error::none);
        CHECK(sought.high_watermark == Offset(10));
    }
    member.seek(member.slot_of(0), 8);
    REQUIRE(member.until([&] { return member.records() == 18; }));
    CHECK(member.got.count({"temps/0", 9}) == 2);
}

TEST_CASE("a seek that fails leaves the partition as it was, whether all of it was read or not") {
    Served served;
    Client& writer = writer_of(served);
    fill(served, writer, "temps", {0, 1, 2, 3}, 10);
    TestGroupMember member(served);
    member.join.credit = 300;
    member.enter();
    const auto seek_beyond = [&] {
        for (std::uint64_t p = 0; p < 4; ++p) member.seek(member.slot_of(p), 1'000'000'000'000);
    };
    // Some wait for credit.
    served.run(ns_per_s);
    REQUIRE(member.records() < 40);
    seek_beyond();
    member.credit(1 << 20);
    seek_beyond();
    REQUIRE(member.until([&] { return member.records() == 40; }));
    // All have been read, and wait for more.
    served.run(ns_per_s);
    for (int i = 0; i < 3; ++i) {
        seek_beyond();
        served.run(ns_per_s);
    }
    fill(served, writer, "temps", {0, 1, 2, 3}, 5);
    REQUIRE(member.until([&] { return member.records() == 60; }));
    check_all_once(member.got, 4, 15);
    for (const frames::Assigned& sought : member.sought) CHECK(sought.failure.error == Error::offset_out_of_range);
}

TEST_CASE("commits by hand are answered when they are durable, and the next member begins there") {
    Served served;
    Client& writer = writer_of(served);
    fill(served, writer, "temps", {0, 1, 2, 3}, 10);
    TestGroupMember member(served);
    member.enter();
    REQUIRE(member.until([&] { return member.records() == 40; }));
    // By hand means by hand.
    member.processed();
    CHECK(member.commit({{member.slot_of(0), Offset(7), "here"}, {member.slot_of(2), Offset(3), ""}}) == Error::none);
    CHECK(committed(served, "temps", 0) == 7);
    CHECK(committed(served, "temps", 1) == -1);
    std::int64_t detail = 0;
    CHECK(member.commit({{member.slot_of(1), Offset(1), ""}, {77, Offset(3), ""}}, &detail) == Error::invalid_argument);
    CHECK(detail == 1);
    CHECK(committed(served, "temps", 1) == 1);
    CHECK(member.commit({{member.slot_of(1), Offset(2), std::string(5000, 'm')}}) == Error::offset_metadata_too_large);
    CHECK(member.commit({}) == Error::none);
    CHECK(member.commit(std::vector<frames::SlotCommit>(5, {member.slot_of(1), Offset(0), ""})) == Error::invalid_argument);
    CHECK(committed(served, "temps", 1) == 1);
    // Of a slot that comes twice the later rules.
    CHECK(member.commit({{member.slot_of(1), Offset(6), ""}, {member.slot_of(2), Offset(3), ""}, {member.slot_of(1), Offset(1), ""}}) == Error::none);
    CHECK(committed(served, "temps", 1) == 1);
    // Others may not commit for a group with members.
    CHECK(member.commit("g", {{"temps", 3, Offset(5), Epoch(-1), ""}}) == Error::unknown_member);
    member.credit(0, {}, true);
    REQUIRE(member.until([&] { return member.over; }));
    CHECK(member.commit({{0, Offset(1), ""}}) == Error::unknown_member);
    CHECK(member.commit("g", {{"temps", 3, Offset(5), Epoch(-1), ""}}) == Error::none);
    CHECK(member.commit("g", {{"temps", 9, Offset(5), Epoch(-1), ""}}, &detail) == Error::unknown_topic_or_partition);
    TestGroupMember next(served);
    next.enter();
    CHECK(next.at(0).start == 7);
    CHECK(next.at(1).start == 1);
    CHECK(next.at(2).start == 3);
    CHECK(next.at(3).start == 5);
    REQUIRE(next.until([&] { return next.records() == 3 + 9 + 7 + 5; }));
}

TEST_CASE("why a commit was refused is told of that commit alone") {
    Served served;
    TestGroupMember member(served);
    member.enter();
    CHECK(member.commit({{77, Offset(3), ""}}) == Error::invalid_argument);
    CHECK(member.commit("other", {{"temps", 0, Offset(1), Epoch(-1), ""}, {"nowhere", 0, Offset(1), Epoch(-1), ""}}) == Error::unknown_topic_or_partition);
    member.client.encode([&](Writer& w) { frames::encode_topic_create(w, 1, {"created", 1, 1, {}}, {}); });
    served.send(member.client);
    REQUIRE(served.until(member.client, Kind::topic_create));
    const auto answer = frames::decode_answer(member.client.last(Kind::topic_create).body);
    CHECK(answer->error == Error::none);
    CHECK(answer->detail == 0);
}

TEST_CASE("automatic commits take what was said to be processed and nothing beyond: after an interval, at the end, and when the connection is lost") {
    Served served;
    Client& writer = writer_of(served);
    fill(served, writer, "temps", {0, 1, 2, 3}, 10);
    {
        TestGroupMember member(served);
        member.join.auto_commit_ms = 2000;
        member.enter();
        REQUIRE(member.until([&] { return member.records() == 40; }));
        served.run(5 * ns_per_s);
        // Sent is not processed: where it began is all that is known.
        CHECK(committed(served, "temps", 0) == 0);
        member.credit(100, {{member.slot_of(0), Offset(4)}, {member.slot_of(1), Offset(10)}});
        served.run(4 * ns_per_s);
        CHECK(committed(served, "temps", 0) == 4);
        CHECK(committed(served, "temps", 1) == 10);
        CHECK(committed(served, "temps", 2) == 0);
        member.credit(0, {{member.slot_of(2), Offset(6)}}, true);
        REQUIRE(member.until([&] { return member.over; }));
        CHECK(committed(served, "temps", 2) == 6);
    }
    TestGroupMember lost(served);
    lost.join.auto_commit_ms = 600'000;
    lost.enter();
    REQUIRE(lost.until([&] { return lost.records() == 20; }));
    lost.credit(1, {{lost.slot_of(3), Offset(9)}});
    served.run(ns_per_s);
    CHECK(committed(served, "temps", 3) == 0);
    lost.client.connection->close();
    REQUIRE(served.until([&] { return committed(served, "temps", 3) == 9; }));
    TestGroupMember next(served);
    next.enter();
    CHECK(next.at(3).start == 9);
}

TEST_CASE("other topics, more partitions, a topic that is created or deleted: each is a new generation, and no other change is") {
    Served served;
    TestGroupMember member(served);
    member.enter({"temps", "later"});
    CHECK(member.generation == 1);
    CHECK(member.partitions() == "0 1 2 3");
    Client& admin = writer_of(served);
    admin.encode([&](Writer& w) { frames::encode_topic_create(w, 1, {"unrelated", 1, 1, {}}, {}); });
    REQUIRE(served.until(admin, Kind::topic_create));
    admin.encode([&](Writer& w) { frames::encode_topic_create(w, 2, {"later", 2, 1, {}}, {}); });
    REQUIRE(served.until(admin, Kind::topic_create, 2));
    REQUIRE(member.until([&] { return member.generation == 2; }));
    CHECK(member.partitions("later") == "0 1");
    admin.encode([&](Writer& w) { frames::encode_topic_alter(w, 3, {"later", 3, {}}, {}); });
    REQUIRE(served.until(admin, Kind::topic_alter));
    REQUIRE(member.until([&] { return member.generation == 3; }));
    CHECK(member.partitions("later") == "0 1 2");
    // What was there has gone on.
    CHECK(member.revoked() == 0);
    admin.encode([&](Writer& w) { frames::encode_topic_delete(w, 4, {"later"}); });
    REQUIRE(served.until(admin, Kind::topic_delete));
    REQUIRE(member.until([&] { return member.revoked() == 3; }));
    member.release();
    REQUIRE(member.until([&] { return member.generation == 4; }));
    CHECK(member.partitions("later") == "");
    member.client.encode([&](Writer& w) { frames::encode_topics_of_member(w, member.number, std::vector<std::string_view>{"fast"}); });
    served.send(member.client);
    REQUIRE(member.until([&] { return member.revoked() == 4; }));
    member.release();
    REQUIRE(member.until([&] { return member.partitions("fast") == "0 1"; }));
    CHECK(member.partitions() == "");
    CHECK(member.generation == 5);
}

TEST_CASE("joins that cannot be are refused, each with its error, and nothing is left of them") {
    Served served;
    TestGroupMember member(served);
    const auto refused = [&](auto change, const std::vector<std::string_view>& topics = {"temps"}) {
        const frames::JoinGroup before = member.join;
        change(member.join);
        ++member.number;
        member.over = false;
        member.ask(topics);
        REQUIRE(member.until([&] { return member.over; }));
        member.join = before;
        return member.why;
    };
    const std::string long_text(65, 'x');
    const std::string long_group(1025, 'g');
    CHECK(refused([](frames::JoinGroup& join) { join.group = ""; }) == Error::invalid_group_id);
    CHECK(refused([&](frames::JoinGroup& join) { join.group = long_group; }) == Error::invalid_group_id);
    CHECK(refused([](frames::JoinGroup& join) { join.session_timeout_ms = 10; }) == Error::invalid_session_timeout);
    CHECK(refused([](frames::JoinGroup& join) { join.session_timeout_ms = UINT64_MAX; }) == Error::invalid_session_timeout);
    CHECK(refused([](frames::JoinGroup& join) { join.auto_commit_ms = 99; }) == Error::invalid_argument);
    CHECK(refused([&](frames::JoinGroup& join) { join.client = long_text; }) == Error::invalid_argument);
    CHECK(refused([&](frames::JoinGroup& join) { join.instance = long_text; }) == Error::invalid_argument);
    CHECK(refused([](frames::JoinGroup&) {}, {"temps", "no/topic"}) == Error::invalid_topic);
    std::vector<std::string> names;
    for (int i = 0; i < 33; ++i) names.push_back("t" + std::to_string(i));
    CHECK(refused([](frames::JoinGroup&) {}, {names.begin(), names.end()}) == Error::limit_reached);
    CHECK(served.program->server->groups().groups().group_count() == 0);
    // All members of a group have the same assignor.
    ++member.number;
    member.over = false;
    member.enter();
    TestGroupMember other(served);
    other.join.assignor = frames::AssignBy::sticky;
    other.ask();
    REQUIRE(other.until([&] { return other.over; }));
    CHECK(other.why == Error::inconsistent_group_protocol);
    TestGroupMember small(served, 300);
    small.ask();
    REQUIRE(small.until([&] { return small.over; }));
    CHECK(small.why == Error::frame_too_large);
}

TEST_CASE("hostile members end their connection, and nothing else") {
    Served served;
    Client& writer = writer_of(served);
    fill(served, writer, "temps", {0, 1, 2, 3}, 3);
    {
        TestGroupMember member(served, 1 << 20, frames::feature::integrity | frames::feature::push);
        member.ask();
        CHECK(ended(served, member.client) == Error::unsupported);
    }
    const auto hostile = [&](auto act) {
        TestGroupMember member(served);
        member.join.group = "hostile";
        member.enter();
        REQUIRE(member.until([&] { return member.records() == 12; }));
        act(member);
        const Error error = ended(served, member.client);
        served.run(2 * ns_per_s);
        return error;
    };
    CHECK(hostile([](TestGroupMember& m) { m.ask(); }) == Error::invalid_argument);  // the correlation is in use
    CHECK(hostile([](TestGroupMember& m) { m.seek(99, 0); }) == Error::invalid_argument);
    CHECK(hostile([](TestGroupMember& m) { m.seek(UINT64_MAX, 0); }) == Error::invalid_argument);
    CHECK(hostile([](TestGroupMember& m) { m.seek(0, -3); }) == Error::malformed);
    CHECK(hostile([](TestGroupMember& m) { m.credit(1, {{0, Offset(4)}}); }) == Error::invalid_argument);  // beyond what was sent
    CHECK(hostile([](TestGroupMember& m) { m.credit(1, {{9, Offset(0)}}); }) == Error::invalid_argument);
    CHECK(hostile([](TestGroupMember& m) { m.credit(1, std::vector<frames::Position>(5, {0, Offset(0)})); }) == Error::invalid_argument);  // of 4 that it has
    CHECK(hostile([](TestGroupMember& m) {
        m.client.encode([&](Writer& w) { frames::encode_release(w, m.number, std::vector<std::uint64_t>(5, 0)); });
        m.credit(1);
    }) == Error::invalid_argument);
    CHECK(hostile([](TestGroupMember& m) { m.credit(std::uint64_t{1} << 31); }) == Error::invalid_argument);
    CHECK(hostile([](TestGroupMember& m) {
        m.slots_[0].revoked = true;  // it was not
        m.release();
    }) == Error::invalid_argument);
    CHECK(hostile([](TestGroupMember& m) {
        m.client.encode([&](Writer& w) {
            frames::FrameEncoder frame(w, Kind::assign, m.number, 0);
            frame.body().u8(9);
            frame.finish();
        });
        m.credit(1);
    }) == Error::malformed);
    CHECK(served.program->server->hub().fetches().taken() == 0);
    CHECK(served.program->server->hub().group_slots().taken() == 0);
    CHECK(served.program->server->hub().memberships().taken() == 0);
    CHECK(served.program->server->groups().groups().member_count() == 0);
}

TEST_CASE("slots and fetches that all others hold are errors that say so, and come back") {
    Served served;
    std::vector<std::unique_ptr<TestGroupMember>> members;
    const char* const groups[] = {"a", "b", "c", "d"};
    // 16 slots: the fourth group of 4 partitions takes the last, with a topic more it has none.
    for (int i = 0; i < 4; ++i) {
        members.push_back(std::make_unique<TestGroupMember>(served));
        members.back()->join.group = groups[i];
        if (i < 3) members.back()->enter();
        else members.back()->ask({"temps", "fast"});
    }
    REQUIRE(members[3]->until([&] { return members[3]->over; }));
    CHECK(members[3]->why == Error::limit_reached);
    CHECK(served.program->server->hub().group_slots().taken() == 12);
    members.front()->credit(0, {}, true);
    REQUIRE(members.front()->until([&] { return members.front()->over; }));
    members[3]->number = 7;
    members[3]->over = false;
    members[3]->enter({"temps", "fast"});
    CHECK(members[3]->partitions("fast") == "0 1");
}

TEST_CASE("after a restart and after a power cut generation and offsets go on") {
    for (const bool cut : {false, true}) {
        Served served;
        Client& writer = writer_of(served);
        fill(served, writer, "temps", {0, 1, 2, 3}, 10);
        TestGroupMember member(served);
        member.enter();
        REQUIRE(member.until([&] { return member.records() == 40; }));
        CHECK(member.commit({{member.slot_of(1), Offset(6), ""}}) == Error::none);
        if (cut) served.server_node->power_cut();
        else served.server_node->kill();
        served.run(ns_per_s);
        served.server_node->boot();
        REQUIRE(served.until([&] { return !served.program->server->groups().loading(); }));
        TestGroupMember again(served);
        again.enter();
        CHECK(again.generation > member.generation);
        CHECK(again.partitions() == "0 1 2 3");
        CHECK(again.at(1).start == 6);
    }
}
