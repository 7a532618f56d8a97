// GROUP: administration of consumer groups over the compact protocol, beside members that speak Kafka's.
#include "unit/server/kafka_groups.h"

#include "wire/compact/group_frames.h"

using namespace rivulet;
using namespace rivulet::test;
using frames::Kind;

namespace {

Client& connected(Served& served, std::uint64_t frame_limit = 1 << 20, std::uint64_t features = frames::feature::integrity | frames::feature::groups) {
    Client& client = served.connect();
    client.open(0, 1, frame_limit, features);
    REQUIRE(served.until(client, Kind::open));
    return client;
}

struct Reply {
    Error error = Error::none;
    std::int64_t detail = 0;
    std::string text;
    std::vector<std::uint8_t> rest;
    std::uint8_t flags = 0;
};

Reply reply_to(Served& served, Client& client) {
    const std::size_t before = client.count(Kind::group);
    REQUIRE(served.until(client, Kind::group, before + 1));
    const Frame& frame = client.last(Kind::group);
    const auto answer = frames::decode_answer(frame.body);
    REQUIRE(answer.ok());
    return {answer->error, answer->detail, std::string(answer->text), {answer->rest.begin(), answer->rest.end()}, frame.flags};
}

Reply ask(Served& served, Client& client, const frames::GroupRequest& request) {
    client.encode([&](Writer& w) { frames::encode_group_request(w, 7, request); });
    return reply_to(served, client);
}

frames::GroupRequest request_of(frames::GroupOperation operation, std::string_view group) {
    frames::GroupRequest request;
    request.operation = operation;
    request.group = group;
    return request;
}

Reply set(Served& served, Client& client, std::string_view group, std::string_view topic, std::vector<frames::PartitionOffset> offsets) {
    client.encode([&](Writer& w) {
        frames::GroupSetEncoder encoder(w, 7, group);
        encoder.add(topic, offsets);
        encoder.finish();
    });
    return reply_to(served, client);
}

struct Position {
    std::string topic;
    std::uint64_t partition = 0;
    std::int64_t committed = 0;
    std::int64_t end = 0;
    std::string member;
    bool operator==(const Position&) const = default;
};

// All pages; how many it were.
std::vector<Position> positions(Served& served, Client& client, std::string_view group, std::uint64_t at_once = 0, std::size_t* pages = nullptr) {
    std::vector<Position> all;
    for (bool more = true; more;) {
        frames::GroupRequest request = request_of(frames::GroupOperation::offsets, group);
        const std::string topic = all.empty() ? "" : all.back().topic;
        request.topic = topic;
        request.partition = all.empty() ? 0 : all.back().partition;
        request.entries_max = at_once;
        const Reply reply = ask(served, client, request);
        REQUIRE(reply.error == Error::none);
        const auto page = frames::decode_group_positions(reply.rest, reply.flags);
        REQUIRE(page.ok());
        REQUIRE((page->entries.size() != 0 || !page->more));
        for (const frames::GroupPosition& p : page->entries) all.push_back({std::string(p.topic), p.partition, p.committed, p.high_watermark, std::string(p.member)});
        if (pages) ++*pages;
        more = page->more;
    }
    return all;
}

// Kafka's ConsumerProtocolAssignment.
std::string assignment(const std::vector<std::pair<std::string, std::vector<std::int32_t>>>& topics) {
    std::uint8_t buffer[4096];
    Writer out(buffer);
    out.be<std::int16_t>(1);
    out.be(static_cast<std::int32_t>(topics.size()));
    for (const auto& [name, partitions] : topics) {
        out.be(static_cast<std::int16_t>(name.size()));
        out.bytes(as_bytes(name));
        out.be(static_cast<std::int32_t>(partitions.size()));
        for (const std::int32_t p : partitions) out.be(p);
    }
    out.be<std::int32_t>(-1);  // no user data
    REQUIRE(out.ok());
    return std::string(as_text(out.written()));
}

void settle_with(const std::vector<Consumer*>& consumers, const std::vector<std::string>& assignments) {
    for (Consumer* consumer : consumers) consumer->begin_join();
    for (Consumer* consumer : consumers) REQUIRE(consumer->receive_join() == 0);
    std::vector<std::pair<std::string, std::string>> all;
    for (std::size_t i = 0; i < consumers.size(); ++i) all.emplace_back(consumers[i]->id, assignments[i]);
    for (Consumer* consumer : consumers) consumer->send_sync(consumer->leads() ? all : decltype(all)());
    for (Consumer* consumer : consumers) REQUIRE(consumer->receive_sync() == 0);
}

void put(Served& served, Client& client, std::uint64_t partition, int n) {
    client.alias(0, "temps", partition);
    for (int i = 0; i < n; ++i) REQUIRE(client.put(0, "21.5"));
    served.send(client);
    REQUIRE(served.until([&] { return client.puts.acked() + 1 == client.puts.sequence_next(); }));
}

}  // namespace

TEST_CASE("group administration: a group with members is listed and described, with what is assigned and what is committed") {
    KafkaServed served(groups_config);
    Client& client = connected(served);
    put(served, client, 1, 5);
    Consumer first(served, "readers");
    Consumer second(served, "readers");
    second.instance = "board-2";
    settle_with({&first, &second}, {assignment({{"temps", {1, 0}}}), assignment({{"temps", {3}}, {"gone", {7}}})});
    CHECK(first.commit("temps", 1, 2) == 0);
    CHECK(first.commit("temps", 2, 0) == 0);

    const Reply listing = ask(served, client, request_of(frames::GroupOperation::list, ""));
    const auto listed = frames::decode_group_listed(listing.rest, listing.flags);
    REQUIRE(listed.ok());
    REQUIRE(listed->entries.size() == 1);
    CHECK_FALSE(listed->more);
    CHECK(listed->entries.front().id == "readers");
    CHECK(listed->entries.front().protocol_type == "consumer");
    CHECK(listed->entries.front().state == frames::GroupState::stable);
    CHECK(listed->entries.front().members == 2);

    const Reply described = ask(served, client, request_of(frames::GroupOperation::describe, "readers"));
    const auto group = frames::decode_group_described(described.rest, described.flags);
    REQUIRE(group.ok());
    CHECK(group->head.generation == first.generation);
    CHECK(group->head.protocol == "range");
    CHECK(group->head.members == 2);
    REQUIRE(group->entries.size() == 2);
    for (const frames::GroupMember& m : group->entries) {
        const bool is_first = m.id == first.id;
        CHECK((is_first || m.id == second.id));
        CHECK(m.instance == (is_first ? "" : "board-2"));
        CHECK(m.client_id == "test");
        CHECK(m.partitions == 2);
        CHECK_FALSE(m.host.empty());
    }
    frames::GroupRequest later = request_of(frames::GroupOperation::describe, "readers");
    later.first = 2;
    const Reply beyond = ask(served, client, later);
    CHECK(frames::decode_group_described(beyond.rest, beyond.flags)->entries.empty());

    const std::vector<Position> expected = {{"gone", 7, -1, -1, second.id}, {"temps", 0, -1, 0, first.id}, {"temps", 1, 2, 5, first.id}, {"temps", 2, 0, 0, ""}, {"temps", 3, -1, 0, second.id}};
    CHECK(positions(served, client, "readers") == expected);
    std::size_t pages = 0;
    CHECK(positions(served, client, "readers", 2, &pages) == expected);
    CHECK(pages == 3);
}

TEST_CASE("group administration: offsets are set in a group without members, are durable when that is answered, and may be forgotten") {
    KafkaServed served(groups_config);
    Client& client = connected(served);
    put(served, client, 0, 9);
    CHECK(ask(served, client, request_of(frames::GroupOperation::offsets, "late")).error == Error::group_not_found);
    CHECK(ask(served, client, request_of(frames::GroupOperation::describe, "late")).error == Error::group_not_found);
    REQUIRE(set(served, client, "late", "temps", {{0, 4}, {3, 0}}).error == Error::none);
    CHECK(set(served, client, "later", "temps", {{1, 1}}).error == Error::none);
    // Not at all, rather than in part.
    const Reply part = set(served, client, "late", "temps", {{1, 1}, {4, 1}});
    CHECK(part.error == Error::unknown_topic_or_partition);
    CHECK(part.detail == 0);
    CHECK(part.text == "temps");
    CHECK(set(served, client, "late", "temps", {{1, 1}, {2, -1}}).error == Error::invalid_argument);
    CHECK(set(served, client, "late", "nowhere", {{0, 1}}).error == Error::unknown_topic_or_partition);

    served.server_node->power_cut();
    served.server_node->boot();
    Client& again = connected(served);
    REQUIRE(served.until([&] { return !served.program->server->groups().loading(); }));
    const std::vector<Position> kept = {{"temps", 0, 4, 9, ""}, {"temps", 3, 0, 0, ""}};
    CHECK(positions(served, again, "late") == kept);
    Consumer reader(served, "late");
    CHECK(reader.fetch("temps", {0})[0].offset == 4);
    REQUIRE(set(served, again, "late", "temps", {{0, -1}, {1, -1}}).error == Error::none);
    CHECK(positions(served, again, "late") == std::vector<Position>{{"temps", 3, 0, 0, ""}});

    REQUIRE(ask(served, again, request_of(frames::GroupOperation::remove, "late")).error == Error::none);
    CHECK(ask(served, again, request_of(frames::GroupOperation::remove, "late")).error == Error::group_not_found);
    CHECK(reader.fetch("temps", {3})[0].offset == -1);
    served.server_node->power_cut();
    served.server_node->boot();
    Client& last = connected(served);
    REQUIRE(served.until([&] { return !served.program->server->groups().loading(); }));
    CHECK(ask(served, last, request_of(frames::GroupOperation::describe, "late")).error == Error::group_not_found);
    CHECK(positions(served, last, "later").size() == 1);
}

TEST_CASE("group administration: topics whose offsets are set come in their order, each once") {
    KafkaServed served(groups_config);
    Client& client = connected(served);
    const auto set_all = [&](const std::vector<std::string_view>& topics, std::int64_t offset) {
        client.encode([&](Writer& w) {
            frames::GroupSetEncoder encoder(w, 7, "g");
            const frames::PartitionOffset at{0, offset};
            for (const std::string_view topic : topics) encoder.add(topic, {&at, 1});
            encoder.finish();
        });
        return reply_to(served, client);
    };
    REQUIRE(set_all({"fast", "temps"}, 2).error == Error::none);
    for (const std::int64_t offset : {3, -1}) {
        for (const std::vector<std::string_view>& topics : std::vector<std::vector<std::string_view>>{{"temps", "fast"}, {"temps", "temps"}, {"fast", "temps", "fast"}}) {
            const Reply refused = set_all(topics, offset);
            CHECK(refused.error == Error::invalid_argument);
            CHECK(refused.detail == 0);
            CHECK(refused.text == topics.back());
        }
    }
    const std::vector<Position> kept = {{"fast", 0, 2, 0, ""}, {"temps", 0, 2, 0, ""}};
    CHECK(positions(served, client, "g") == kept);
}

TEST_CASE("group administration: a group with members keeps its offsets, but those of topics that nobody is subscribed to") {
    KafkaServed served(groups_config);
    Client& client = connected(served);
    Consumer member(served, "busy");
    // ConsumerProtocolSubscription: version, one topic.
    const std::string subscription("\0\1\0\0\0\1\0\5temps\xff\xff\xff\xff", 17);
    member.protocols = {{"range", as_bytes(subscription)}};
    settle_with({&member}, {assignment({{"temps", {0}}})});
    CHECK(member.commit("temps", 0, 0) == 0);
    CHECK(member.commit("fast", 0, 0) == 0);
    CHECK(set(served, client, "busy", "temps", {{0, 1}}).error == Error::non_empty_group);
    CHECK(set(served, client, "busy", "fast", {{0, 1}}).error == Error::non_empty_group);
    CHECK(ask(served, client, request_of(frames::GroupOperation::remove, "busy")).error == Error::non_empty_group);
    CHECK(set(served, client, "busy", "temps", {{0, -1}}).error == Error::group_subscribed_to_topic);
    CHECK(set(served, client, "busy", "fast", {{0, -1}}).error == Error::none);
    CHECK(positions(served, client, "busy").size() == 1);
    CHECK(member.heartbeat() == 0);
    CHECK(member.leave() == 0);
    CHECK(set(served, client, "busy", "temps", {{0, 1}}).error == Error::none);
    CHECK(member.fetch("temps", {0})[0].offset == 1);
}

TEST_CASE("group administration: pages of groups, in their order, whatever the client's frames hold") {
    KafkaServed served(groups_config);
    Client& client = connected(served, 256);
    for (int i = 0; i < 40; ++i) REQUIRE(set(served, client, "group-" + std::to_string(i * 37 % 40 + 10), "temps", {{0, 0}}).error == Error::none);
    std::vector<std::string> names;
    std::size_t pages = 0;
    for (bool more = true; more; ++pages) {
        const std::string after = names.empty() ? "" : names.back();
        const Reply reply = ask(served, client, request_of(frames::GroupOperation::list, after));
        REQUIRE(reply.error == Error::none);
        const auto page = frames::decode_group_listed(reply.rest, reply.flags);
        REQUIRE(page.ok());
        for (const frames::GroupEntry& group : page->entries) names.emplace_back(group.id);
        more = page->more;
    }
    CHECK(pages == 2);
    REQUIRE(names.size() == 40);
    for (int i = 0; i < 40; ++i) CHECK(names[static_cast<std::size_t>(i)] == "group-" + std::to_string(i + 10));
    for (const Frame& frame : client.arrived) CHECK(frame.raw_bytes <= 256);
    // One that fits no page.
    const std::string long_name(300, 'z');
    REQUIRE(set(served, client, long_name, "temps", {{0, 0}}).error == Error::none);
    CHECK(ask(served, client, request_of(frames::GroupOperation::list, "group-99")).error == Error::frame_too_large);
}

TEST_CASE("group administration: assignments of any bytes, and more than a page holds") {
    KafkaServed served(groups_config);
    Client& client = connected(served);
    std::vector<std::int32_t> many;
    for (std::int32_t i = 0; i < 100; ++i) many.push_back(99 - i);
    many.push_back(-5);
    many.push_back(7);  // twice
    const std::string cut = assignment({{"temps", {0, 1, 2}}}).substr(0, 24);
    std::string lying = assignment({{"temps", {2}}});
    lying[5] = 127;  // so many topics
    Consumer a(served, "odd");
    Consumer b(served, "odd");
    Consumer c(served, "odd");
    settle_with({&a, &b, &c}, {assignment({{"far", many}, {"", {1}}, {std::string(300, 'x'), {1}}}), cut, lying});
    const Reply reply = ask(served, client, request_of(frames::GroupOperation::describe, "odd"));
    const auto described = frames::decode_group_described(reply.rest, reply.flags);
    REQUIRE(described.ok());
    for (const frames::GroupMember& m : described->entries) CHECK(m.partitions == (m.id == a.id ? 104 : -1));
    const std::vector<Position> all = positions(served, client, "odd");
    REQUIRE(all.size() == 102);
    for (std::size_t i = 0; i < 100; ++i) CHECK(all[i] == Position{"far", i, -1, -1, a.id});
    CHECK(all[100] == Position{"temps", 0, -1, 0, b.id});
    CHECK(all[101] == Position{"temps", 2, -1, 0, c.id});
}

TEST_CASE("group administration: limits and wrong names are told") {
    std::string text = groups_config;
    text.replace(text.find("fetch_partitions = 64"), 21, "fetch_partitions = 64\ncommitted_offsets = 16\ngroups = 2");
    KafkaServed served(text);
    Client& client = connected(served);
    REQUIRE(set(served, client, "a", "temps", {{0, 1}, {1, 1}, {2, 1}, {3, 1}}).error == Error::none);
    REQUIRE(set(served, client, "b", "temps", {{0, 1}, {1, 1}, {2, 1}, {3, 1}}).error == Error::none);
    CHECK(set(served, client, "c", "temps", {{0, 1}}).error == Error::coordinator_not_available);
    CHECK(set(served, client, "", "temps", {{0, 1}}).error == Error::invalid_group_id);
    CHECK(set(served, client, std::string(1025, 'g'), "temps", {{0, 1}}).error == Error::invalid_group_id);
    std::vector<frames::PartitionOffset> twice;
    for (std::uint64_t i = 0; i < 16; ++i) twice.push_back({i % 2, 1});
    const Reply full = set(served, client, "a", "fast", twice);
    CHECK(full.error == Error::too_many_offsets);
    CHECK(positions(served, client, "a").size() == 4);
    CHECK(ask(served, client, request_of(frames::GroupOperation::remove, "")).error == Error::invalid_group_id);
}

TEST_CASE("group administration: without the feature, and with bytes that are none of its requests") {
    KafkaServed served(groups_config);
    Client& plain = connected(served, 1 << 20, frames::feature::integrity);
    CHECK((plain.opened.features & frames::feature::groups) == 0);
    plain.encode([](Writer& w) { frames::encode_group_request(w, 1, {}); });
    REQUIRE(served.until(plain, Kind::error));
    CHECK(frames::decode_error(plain.last(Kind::error).body)->error == Error::unsupported);

    const std::vector<std::vector<std::uint8_t>> wrong = {
        {},                                              // no operation
        {5, 0},                                          // none of ours
        {0, 0},                                          // no maximum
        {0, 0, 0, 0},                                    // too long
        {1, 1, 'g', 0x80, 0},                            // a number that is not minimal
        {3, 1, 'g', 1, 't', 0xff, 0xff, 0xff, 0xff, 15, 0, 0},  // counts more partitions than there are bytes
        {3, 1, 'g', 1, 't', 1, 0, 3},                    // offset -2
        {4, 9, 'g'},                                     // a name beyond the end
    };
    for (const auto& body : wrong) {
        Client& client = connected(served);
        client.encode([&](Writer& w) {
            frames::FrameEncoder frame(w, Kind::group, 1, 0);
            frame.body().bytes(body);
            frame.finish();
        });
        REQUIRE(served.until(client, Kind::error));
        CHECK(frames::decode_error(client.last(Kind::error).body)->error == Error::malformed);
        REQUIRE(served.until([&] { return client.closed; }));
    }
}
