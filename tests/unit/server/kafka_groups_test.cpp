// Members of consumer groups: they come, hear who else is there, are assigned something, and go.
#include "unit/server/kafka_groups.h"

#include "wire/kafka/metadata.h"

using namespace rivulet;
using namespace rivulet::test;

TEST_CASE("groups: two members join, sync and live, one leaves, the other is told and rejoins, in every version") {
    KafkaServed served(groups_config);
    for (std::int16_t version = 0; version <= 9; ++version) {
        CAPTURE(version);
        const std::string group = "g" + std::to_string(version);
        Consumer first(served, group, version);
        Consumer second(served, group, version);
        first.begin_join();
        second.begin_join();
        REQUIRE(first.receive_join() == 0);
        REQUIRE(second.receive_join() == 0);
        CHECK(first.generation == 1);
        CHECK(second.generation == 1);
        CHECK(first.joined.protocol_name.value_or("") == "range");
        if (version >= 7) CHECK(first.joined.protocol_type.value_or("") == "consumer");
        REQUIRE(first.leads() != second.leads());
        Consumer& leader = first.leads() ? first : second;
        Consumer& follower = first.leads() ? second : first;
        CHECK(follower.joined.members.empty());
        const auto members = items_of(leader.joined.members);
        REQUIRE(members.size() == 2);
        for (const auto& member : members) CHECK(as_text(member.metadata) == "m");
        // The follower may ask first.
        follower.send_sync();
        served.run(ns_per_s);
        CHECK(follower.client->waiting() == 0);
        leader.send_sync({{leader.id, "partition 0"}, {follower.id, "partition 1"}});
        REQUIRE(leader.receive_sync() == 0);
        REQUIRE(follower.receive_sync() == 0);
        CHECK(leader.assignment == "partition 0");
        CHECK(follower.assignment == "partition 1");
        CHECK(leader.heartbeat() == 0);
        CHECK(follower.heartbeat() == 0);

        CHECK(leader.leave() == 0);
        CHECK(leader.heartbeat() == code::unknown_member);
        CHECK(follower.heartbeat() == code::rebalance_in_progress);
        follower.send_join();
        REQUIRE(follower.receive_join() == 0);
        CHECK(follower.generation == 2);
        CHECK(follower.leads());
        CHECK(follower.joined.members.size() == 1);
        follower.send_sync({{follower.id, "all"}});
        REQUIRE(follower.receive_sync() == 0);
        CHECK(follower.assignment == "all");
        CHECK(follower.heartbeat() == 0);
        first.client->connection->close();
        second.client->connection->close();
        served.run(ns_per_s);
    }
}

TEST_CASE("groups: a static member that starts again takes its place without a rebalance, and the old one is fenced") {
    KafkaServed served(groups_config);
    for (std::int16_t version = 5; version <= 9; ++version) {
        CAPTURE(version);
        const std::string group = "s" + std::to_string(version);
        Consumer a(served, group, version);
        Consumer b(served, group, version);
        a.instance = "instance a";
        b.instance = "instance b";
        settle({&a, &b});
        Consumer& follower = a.leads() ? b : a;
        Consumer& leader = a.leads() ? a : b;
        const std::string before = follower.id;
        const std::int32_t generation = follower.generation;
        Consumer again(served, group, version);
        again.instance = follower.instance;
        again.send_join();
        REQUIRE(again.receive_join() == 0);
        CHECK(again.generation == generation);
        CHECK(again.id != before);
        again.send_sync();
        REQUIRE(again.receive_sync() == 0);
        CHECK(again.assignment == before);
        CHECK(follower.heartbeat() == code::fenced_instance);
        CHECK(again.heartbeat() == 0);
        CHECK(leader.heartbeat() == 0);
        // Its instance alone is enough to remove it (KIP-345).
        Consumer admin(served, group, version);
        admin.instance = again.instance;
        CHECK(admin.leave() == 0);
        CHECK(again.heartbeat() == code::unknown_member);
        CHECK(leader.heartbeat() == code::rebalance_in_progress);
        for (Consumer* consumer : {&a, &b, &again, &admin}) consumer->client->connection->close();
        served.run(ns_per_s);
    }
}

TEST_CASE("groups: the error of each request, by its reason") {
    KafkaServed served(groups_config);
    Consumer member(served, "g");
    settle({&member});
    const auto with = [&](auto change, auto ask) {
        Consumer other = member;
        change(other);
        return ask(other);
    };
    const auto join = [](Consumer& c) { c.send_join(); return c.receive_join(); };
    const auto sync = [](Consumer& c) { c.send_sync(); return c.receive_sync(); };
    const auto heartbeat = [](Consumer& c) { return c.heartbeat(); };
    const auto leave = [](Consumer& c) { return c.leave(); };
    const auto commit = [](Consumer& c) { return c.commit("temps", 0, 1); };
    const auto no_group = [](Consumer& c) { c.group = ""; };
    const auto other_group = [](Consumer& c) { c.group = "other"; };
    const auto other_member = [](Consumer& c) { c.id = "other"; };
    const auto old_generation = [](Consumer& c) { --c.generation; };
    const auto unknown_instance = [](Consumer& c) { c.instance = "unknown"; };

    CHECK(with(no_group, join) == code::invalid_group_id);
    CHECK(with([](Consumer& c) { c.session_ms = 10; }, join) == code::invalid_session_timeout);
    CHECK(with([](Consumer& c) { c.type = "connect"; }, join) == code::inconsistent_group_protocol);
    CHECK(with([](Consumer& c) { c.protocols[0].name = "roundrobin"; c.id = ""; }, join) == code::inconsistent_group_protocol);
    CHECK(with([](Consumer& c) { c.protocols.clear(); }, join) == code::inconsistent_group_protocol);
    CHECK(with([](Consumer& c) { c.protocols.assign(33, c.protocols[0]); }, join) == code::invalid_request);
    CHECK(with(other_member, join) == code::unknown_member);
    CHECK(with(other_group, join) == code::unknown_member);
    CHECK(with([](Consumer& c) { c.id = ""; }, join) == code::member_id_required);

    CHECK(with(no_group, sync) == code::invalid_group_id);
    CHECK(with(other_group, sync) == code::unknown_member);
    CHECK(with(other_member, sync) == code::unknown_member);
    CHECK(with(unknown_instance, sync) == code::unknown_member);
    CHECK(with(old_generation, sync) == code::illegal_generation);
    CHECK(with([](Consumer& c) { c.protocols[0].name = "roundrobin"; }, sync) == code::inconsistent_group_protocol);
    CHECK(with([](Consumer& c) { c.type = "connect"; }, sync) == code::inconsistent_group_protocol);

    CHECK(with(no_group, heartbeat) == code::invalid_group_id);
    CHECK(with(other_group, heartbeat) == code::unknown_member);
    CHECK(with(other_member, heartbeat) == code::unknown_member);
    CHECK(with(unknown_instance, heartbeat) == code::unknown_member);
    CHECK(with(old_generation, heartbeat) == code::illegal_generation);

    CHECK(with(no_group, leave) == code::invalid_group_id);
    CHECK(with(other_group, leave) == code::unknown_member);
    CHECK(with(other_member, leave) == code::unknown_member);
    CHECK(with([](Consumer& c) { c.id = ""; c.instance = "unknown"; }, leave) == code::unknown_member);

    CHECK(with(no_group, commit) == code::invalid_group_id);
    CHECK(with(other_group, commit) == code::illegal_generation);
    CHECK(with(other_member, commit) == code::unknown_member);
    CHECK(with(old_generation, commit) == code::illegal_generation);
    CHECK(with([](Consumer& c) { c.generation = -1; c.id = ""; }, commit) == code::unknown_member);
    CHECK(member.commit("no-such-topic", 0, 1) == code::unknown_topic_or_partition);
    CHECK(member.commit("temps", 4, 1) == code::unknown_topic_or_partition);
    CHECK(member.commit("temps", -1, 1) == code::unknown_topic_or_partition);
    CHECK(member.commit("temps", 0, 1, std::string(5000, 'x')) == code::offset_metadata_too_large);
    // None of these has done anything.
    CHECK(member.heartbeat() == 0);
    CHECK(member.fetch("temps", {0})[0].offset == -1);
}

TEST_CASE("groups: an id that was given out and never used is forgotten when its session is over") {
    KafkaServed served(groups_config);
    Consumer member(served, "g");
    member.send_join();
    REQUIRE(member.receive_join() == code::member_id_required);
    const std::string id = member.id;
    served.run(11 * ns_per_s);
    member.send_join();
    CHECK(member.receive_join() == code::unknown_member);
    member.id = "";
    settle({&member});
    CHECK(member.id != id);
    CHECK(member.joined.members.size() == 1);
}

TEST_CASE("groups: whoever loses its connection before it was told its id is no member, and holds nobody up") {
    KafkaServed served(groups_config);
    Consumer lost(served, "g", 3);
    Consumer stays(served, "g", 3);
    lost.begin_join();
    served.run(100 * ns_per_ms);
    CHECK(served.program->server->groups().groups().member_count() == 1);
    stays.begin_join();
    served.run(100 * ns_per_ms);
    lost.client->connection->close();
    REQUIRE(stays.receive_join() == 0);
    CHECK(stays.leads());
    CHECK(stays.joined.members.size() == 1);
    CHECK(served.program->server->groups().groups().member_count() == 1);

    // With an id that it knows it has until its session ends to come again.
    stays.send_sync({{stays.id, "x"}});
    REQUIRE(stays.receive_sync() == 0);
    Consumer known(served, "g", 9);
    known.begin_join();
    served.run(100 * ns_per_ms);
    known.client->connection->close();
    served.run(100 * ns_per_ms);
    known.connect();
    known.begin_join();
    served.run(100 * ns_per_ms);
    stays.send_join();
    REQUIRE(stays.receive_join() == 0);
    REQUIRE(known.receive_join() == 0);
    CHECK(known.generation == stays.generation);
    CHECK(stays.joined.members.size() == 2);
}

TEST_CASE("groups: a member whose client does not come back is given up, and the others go on") {
    KafkaServed served(groups_config);
    Consumer a(served, "g");
    Consumer b(served, "g");
    settle({&a, &b});
    b.client->connection->close();
    for (int i = 0; i < 3; ++i) {
        served.run(3 * ns_per_s);
        CHECK(a.heartbeat() == 0);
    }
    served.run(2 * ns_per_s);
    CHECK(a.heartbeat() == code::rebalance_in_progress);
    a.send_join();
    REQUIRE(a.receive_join() == 0);
    CHECK(a.leads());
    CHECK(a.joined.members.size() == 1);
}

TEST_CASE("groups: a member that would make the list of members larger than an answer is refused, before anything is changed") {
    KafkaServed served(groups_config);  // 16K a request, 32K an answer
    const std::string large(9000, 'm');
    std::vector<std::unique_ptr<Consumer>> members;
    for (int i = 0; i < 3; ++i) {
        members.push_back(std::make_unique<Consumer>(served, "g"));
        members.back()->protocols[0].metadata = as_bytes(large);
    }
    settle({members[0].get(), members[1].get(), members[2].get()});
    Consumer fourth(served, "g");
    fourth.protocols[0].metadata = as_bytes(large);
    fourth.send_join();
    CHECK(fourth.receive_join() == code::group_full);
    for (const auto& member : members) CHECK(member->heartbeat() == 0);
    // One that says little has room.
    fourth.protocols[0].metadata = as_bytes("m");
    fourth.begin_join();
    served.run(100 * ns_per_ms);
    for (const auto& member : members) member->send_join();
    std::size_t told = 0;
    for (const auto& member : members) {
        REQUIRE(member->receive_join() == 0);
        told += member->joined.members.size();
    }
    REQUIRE(fourth.receive_join() == 0);
    CHECK(told + fourth.joined.members.size() == 4);
    // Nor may one that is there grow.
    const std::string larger(14'000, 'm');
    fourth.protocols[0].metadata = as_bytes(larger);
    fourth.send_join();
    CHECK(fourth.receive_join() == code::group_full);
}

TEST_CASE("groups: past the limit of members a group is full, with those that were only given an id") {
    KafkaServed served(groups_config);
    Consumer member(served, "g");
    const std::uint32_t most = served.program->budget.groups.group_members_max;
    member.session_ms = 60'000;
    for (std::uint32_t i = 0; i < most; ++i) {
        member.id = "";
        member.send_join();
        REQUIRE(member.receive_join() == code::member_id_required);
    }
    const std::string id = member.id;
    member.id = "";
    member.send_join();
    CHECK(member.receive_join() == code::group_full);
    member.id = id;
    CHECK(member.leave() == 0);
    member.id = "";
    member.send_join();
    CHECK(member.receive_join() == code::member_id_required);
}

TEST_CASE("groups: answers keep the order of the requests, also behind one that waits for its group") {
    KafkaServed served(groups_config);
    Consumer member(served, "g", 3);
    member.send_join();
    kafka::MetadataRequest metadata;
    metadata.allow_auto_topic_creation = false;
    member.client->send(Api::metadata, 9, metadata);
    kafka::HeartbeatRequest heartbeat;
    heartbeat.group_id = "nobody";
    member.client->send(Api::heartbeat, 4, heartbeat);
    served.run(100 * ns_per_ms);
    CHECK(member.client->waiting() == 0);
    REQUIRE(member.receive_join() == 0);
    CHECK(member.client->receive<kafka::MetadataResponse>(Api::metadata, 9).brokers.size() == 1);
    CHECK(member.client->receive<kafka::HeartbeatResponse>(Api::heartbeat, 4).error_code == code::unknown_member);
}

TEST_CASE("groups: a stop does not wait for members that wait") {
    KafkaServed served(groups_config);
    Consumer joins(served, "g");
    Consumer syncs(served, "h");
    Consumer leads(served, "h");
    leads.begin_join();
    syncs.begin_join();
    REQUIRE(leads.receive_join() == 0);
    REQUIRE(syncs.receive_join() == 0);
    (leads.leads() ? syncs : leads).send_sync();
    joins.begin_join();
    served.run(100 * ns_per_ms);
    test::ServerProgram* const program = served.program;
    Status status = fail(Error::unknown);
    served.server_node->on_end = [&](sim::Node&) {
        status = program->stop_status;
        served.program = nullptr;
    };
    const std::int64_t asked = served.world.now();
    program->server->request_stop();
    REQUIRE(served.until([&] { return served.server_node->stopped(); }));
    CHECK(status.ok());
    CHECK(served.world.now() - asked < ns_per_s);
    CHECK(served.until([&] { return joins.client->closed && syncs.client->closed && leads.client->closed; }));
}

TEST_CASE("groups: a generation goes on after a restart and after a power cut, and the next one is higher") {
    for (const bool cut : {false, true}) {
        CAPTURE(cut);
        KafkaServed served(groups_config);
        Consumer a(served, "g");
        Consumer b(served, "g");
        settle({&a, &b});
        const std::int32_t generation = a.generation;
        if (cut) {
            served.server_node->power_cut(sim::CrashPlan::all_lost());
        } else {
            served.program->server->request_stop();
            REQUIRE(served.until([&] { return served.server_node->stopped(); }));
        }
        served.server_node->boot();
        REQUIRE(served.until([&] { return served.program && !served.program->server->groups().loading(); }));
        for (Consumer* member : {&a, &b}) {
            member->connect();
            CHECK(member->heartbeat() == 0);
            member->send_sync();
            REQUIRE(member->receive_sync() == 0);
            CHECK(member->assignment == member->id);
        }
        CHECK(b.leave() == 0);
        CHECK(a.heartbeat() == code::rebalance_in_progress);
        a.send_join();
        REQUIRE(a.receive_join() == 0);
        CHECK(a.generation > generation);
    }
}

TEST_CASE("groups: a sync whose assignment a power cut takes was never answered, and the members join again") {
    KafkaServed served(groups_config);
    Consumer a(served, "g");
    a.begin_join();
    REQUIRE(a.receive_join() == 0);
    a.send_sync({{a.id, "lost"}});
    served.run(5 * ns_per_ms);
    REQUIRE(a.client->waiting() == 0);  // the commit is 100 ms away
    served.server_node->power_cut(sim::CrashPlan::all_lost());
    served.server_node->boot();
    REQUIRE(served.until([&] { return served.program && !served.program->server->groups().loading(); }));
    a.connect();
    CHECK(a.heartbeat() == code::unknown_member);
    a.id = "";
    settle({&a});
}
