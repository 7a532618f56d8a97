#include "unit/server/served.h"

#include "record/batch.h"
#include "record/partitioner.h"

using namespace rivulet;
using test::Client;
using test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

Client& opened(Served& served, std::uint64_t session = 0, std::uint64_t base = 1) {
    Client& client = served.connect();
    client.open(session, base);
    REQUIRE(served.until(client, Kind::open));
    return client;
}

std::uint64_t acked(const Client& client) { return client.acks.empty() ? 0 : client.acks.back().sequence; }

frames::Answer answer(const test::Frame& frame) {
    const auto decoded = frames::decode_answer(frame.body);
    REQUIRE(decoded.ok());
    return *decoded;
}

frames::FatalError fatal(Served& served, Client& client) {
    REQUIRE(served.until(client, Kind::error));
    REQUIRE(served.until([&] { return client.closed; }));
    const auto decoded = frames::decode_error(client.last(Kind::error).body);
    REQUIRE(decoded.ok());
    return *decoded;
}

// Values of the records that a fetch from the log's start answers.
std::size_t records(const frames::Fetched& fetched) {
    std::size_t count = 0;
    Bytes left = fetched.batches;
    while (!left.empty()) {
        const record::BatchHeader header = record::decode_header(left);
        count += static_cast<std::size_t>(header.record_count);
        left = left.subspan(header.total_bytes());
    }
    return count;
}

std::size_t stored(Served& served, Client& client, std::string_view topic, std::uint64_t partition) {
    std::size_t count = 0;
    for (std::int64_t offset = 0;;) {
        const std::size_t before = client.count(Kind::fetch);
        client.fetch(99, topic, partition, offset);
        REQUIRE(served.until(client, Kind::fetch, before + 1));
        const frames::Answer a = answer(client.last(Kind::fetch));
        REQUIRE(a.error == Error::none);
        const auto fetched = frames::decode_fetched(a.rest);
        REQUIRE(fetched.ok());
        if (fetched->batches.empty()) return count;
        count += records(*fetched);
        Bytes left = fetched->batches;
        while (!left.empty()) {
            const record::BatchHeader header = record::decode_header(left);
            offset = header.last_offset().value + 1;
            left = left.subspan(header.total_bytes());
        }
    }
}

}  // namespace

TEST_CASE("a sensor opens, puts and is acknowledged when its readings are durable") {
    Served served;
    Client& client = served.connect();
    client.open(0x1122, 1);
    client.alias(0, "temps", 3);
    for (int i = 0; i < 20; ++i) CHECK(client.put(0, "21.5", 1'700'000'000'000 + i * 1000));
    served.send(client);
    REQUIRE(served.until([&] { return acked(client) == 20; }));
    CHECK(client.opened.session_state == frames::SessionState::fresh);
    CHECK(client.opened.credit == 16 * 1024 - 1024);
    CHECK(client.acks.size() <= 3);  // all of one commit in one
    const auto alias = frames::decode_aliased(client.last(Kind::alias).body);
    REQUIRE(alias.ok());
    CHECK(alias->error == Error::none);
    CHECK(alias->partition == 3);
    CHECK(client.puts.credit() == 16 * 1024);  // all of it is granted again
    CHECK(stored(served, client, "temps", 3) == 20);
    CHECK(stored(served, client, "temps", 2) == 0);
}

TEST_CASE("no ack precedes the commit, but for memory topics and acks none") {
    Served served;
    Client& client = opened(served);
    client.alias(0, "temps", 0);
    client.alias(1, "fast", 0);
    client.alias(2, "temps", 1, frames::Acks::none);
    REQUIRE(served.until(client, Kind::alias, 3));
    served.run(ns_per_s);  // the topics of the configuration are durable
    const std::uint64_t durable = served.program->server->broker().durable_ticket();
    CHECK(client.put(1, "a"));
    CHECK(client.put(2, "b"));
    served.send(client);
    REQUIRE(served.until([&] { return acked(client) == 2; }));
    CHECK(served.program->server->broker().durable_ticket() == durable);
    CHECK(client.put(0, "c"));
    CHECK(client.put(1, "d"));  // behind one that waits
    served.send(client);
    REQUIRE(served.until([&] { return acked(client) == 4; }));
    CHECK(served.program->server->broker().durable_ticket() > durable);
}

TEST_CASE("a session that comes again after a power cut is resumed, repeated readings are stored once") {
    Served served;
    Client& client = opened(served, 77);
    client.alias(0, "temps", 1);
    for (int i = 0; i < 30; ++i) CHECK(client.put(0, "reading"));
    served.send(client);
    REQUIRE(served.until([&] { return acked(client) == 30; }));
    served.server_node->power_cut();
    served.server_node->boot();
    Client& again = served.connect();
    again.open(77, 11);
    again.alias(0, "temps", 1);
    for (int i = 11; i <= 40; ++i) CHECK(again.put(0, "reading"));
    served.send(again);
    REQUIRE(served.until([&] { return acked(again) == 40; }));
    CHECK(again.opened.session_state == frames::SessionState::resumed);
    // Of what is known, 30, no more is claimed than what the client itself has given up: it sends from 11 on.
    CHECK(again.opened.last_sequence == 10);
    CHECK(stored(served, again, "temps", 1) == 40);
}

TEST_CASE("the newer connection of a session wins; only another client's is told not to come back") {
    Served served;
    Client& given_up = opened(served, 5);
    Client& same = opened(served, 5);
    REQUIRE(served.until([&] { return given_up.closed; }));
    CHECK(frames::decode_close(given_up.last(Kind::close).body)->reason == Error::canceled);
    CHECK(error_info(Error::canceled).retryable);
    Client& other = served.connect();
    other.incarnation = 8;
    other.open(5);
    REQUIRE(served.until(other, Kind::open));
    REQUIRE(served.until([&] { return same.closed; }));
    CHECK(frames::decode_close(same.last(Kind::close).body)->reason == Error::session_moved);
    CHECK_FALSE(error_info(Error::session_moved).retryable);
    CHECK_FALSE(other.closed);
}

TEST_CASE("refusals are final, in order, and do not hold up what follows") {
    Served served;
    Client& client = opened(served);
    client.alias(0, "temps", 0);
    client.alias(1, "nowhere", 0);
    REQUIRE(served.until(client, Kind::alias, 2));
    CHECK(client.put(0, "1"));
    CHECK(client.put(1, "2"));
    CHECK(client.put(1, "3"));
    CHECK(client.put(0, "4", -5));
    CHECK(client.put(0, "5"));
    served.send(client);
    REQUIRE(served.until([&] { return acked(client) == 5; }));
    CHECK(client.refused == 3);
    CHECK(stored(served, client, "temps", 0) == 2);
}

TEST_CASE("credit: what is sent beyond it is an error, what is settled is granted again") {
    Served served;
    Client& client = opened(served);
    client.alias(0, "temps", 0);
    REQUIRE(served.until(client, Kind::alias));
    const std::string value(1000, 'x');
    int sent = 0;
    while (client.put(0, value)) ++sent;
    CHECK(sent == 16);
    served.send(client);
    REQUIRE(served.until([&] { return acked(client) == 16; }));
    for (int round = 0; round < 20; ++round) {
        int more = 0;
        while (client.put(0, value)) ++more;
        sent += more;
        served.send(client);
        REQUIRE(served.until([&] { return acked(client) == static_cast<std::uint64_t>(sent); }));
    }
    client.puts.grant(100'000);  // a lie
    while (client.put(0, value)) {}
    served.send(client);
    CHECK(fatal(served, client).error == Error::credit_exceeded);
}

TEST_CASE("many writers and little room: backpressure, nothing lost, nothing twice") {
    Served served(test::small_config, 3);
    std::vector<Client*> clients;
    for (std::uint64_t i = 0; i < 8; ++i) {
        Client& client = opened(served, 100 + i);
        client.alias(0, "temps", i % 4);
        REQUIRE(served.until(client, Kind::alias));
        clients.push_back(&client);
    }
    const std::string value(700, 'y');
    std::uint64_t sent[8] = {};
    for (int round = 0; round < 60; ++round) {
        for (std::size_t i = 0; i < 8; ++i) {
            while (clients[i]->put(0, value)) ++sent[i];
            served.send(*clients[i]);
        }
        REQUIRE(served.until([&] {
            for (const Client* client : clients)
                if (client->puts.credit() > 8 * 1024) return true;
            return false;
        }));
    }
    REQUIRE(served.until([&] {
        for (std::size_t i = 0; i < 8; ++i)
            if (acked(*clients[i]) != sent[i]) return false;
        return true;
    }));
    for (const Client* client : clients) CHECK(client->refused == 0);
}

TEST_CASE("fetch: waits for data, answers several at once, in any order") {
    Served served;
    Client& reader = opened(served);
    reader.fetch(1, "temps", 0, 0, 20'000);
    reader.fetch(2, "temps", 1, 0, 500);
    reader.fetch(3, "temps", 9, 0);
    reader.fetch(4, "temps", 0, 100);
    REQUIRE(served.until(reader, Kind::fetch, 2));
    CHECK(answer(reader.arrived[1]).error == Error::unknown_topic_or_partition);
    CHECK(answer(reader.arrived[2]).error == Error::offset_out_of_range);
    REQUIRE(served.until(reader, Kind::fetch, 3));
    CHECK(reader.arrived[3].correlation == 2);
    Client& writer = opened(served);
    writer.alias(0, "temps", 0);
    CHECK(writer.put(0, "now"));
    served.send(writer);
    REQUIRE(served.until(reader, Kind::fetch, 4));
    CHECK(reader.arrived[4].correlation == 1);
    const auto fetched = frames::decode_fetched(answer(reader.arrived[4]).rest);
    REQUIRE(fetched.ok());
    CHECK(fetched->batches.size() > record::batch_header_bytes);
    CHECK(fetched->high_watermark.value == 1);
}

TEST_CASE("limits: outstanding requests, parked fetches, alias ids, topics") {
    Served served;
    Client& first = opened(served);
    // 8 there are; the last 2 are for connections with at most one.
    for (std::uint64_t i = 0; i < 8; ++i) first.fetch(i, "temps", 0, 0, 60'000);
    REQUIRE(served.until(first, Kind::fetch, 2));
    CHECK(answer(first.last(Kind::fetch)).error == Error::busy);
    Client& second = opened(served);
    for (std::uint64_t i = 0; i < 3; ++i) second.fetch(i, "temps", 0, 0, 60'000);
    REQUIRE(served.until(second, Kind::fetch));
    CHECK(second.last(Kind::fetch).correlation == 2);
    CHECK(answer(second.last(Kind::fetch)).error == Error::busy);
    for (std::uint64_t i = 8; i < 20; ++i) first.fetch(i, "temps", 0, 0, 60'000);  // answered busy each
    REQUIRE(served.until(first, Kind::fetch, 14));
    CHECK(second.count(Kind::fetch) == 1);
    second.alias(4, "temps", 0);
    served.send(second);
    CHECK(fatal(served, second).error == Error::limit_reached);
}

TEST_CASE("topics: the internal one of consumer groups can be read alone") {
    Served served;
    Client& client = opened(served);
    constexpr std::string_view internal = "__consumer_offsets";
    client.encode([&](Writer& w) { frames::encode_topic_create(w, 1, {internal, 3, 1, {}}, {}); });
    REQUIRE(served.until(client, Kind::topic_create));
    CHECK(answer(client.last(Kind::topic_create)).error == Error::invalid_topic);
    served.world.after(0, [&] { CHECK(served.program->server->groups().prepare().ok()); });
    served.run(ns_per_s);
    REQUIRE(served.program->server->broker().find_topic(internal));
    client.encode([&](Writer& w) { frames::encode_topic_alter(w, 2, {internal, 9, {}}, {}); });
    client.encode([&](Writer& w) { frames::encode_topic_delete(w, 3, {internal}); });
    client.alias(0, internal, 0);
    client.fetch(4, internal, 0, 0);
    REQUIRE(served.until(client, Kind::fetch));
    CHECK(answer(client.last(Kind::topic_alter)).error == Error::invalid_topic);
    CHECK(answer(client.last(Kind::topic_delete)).error == Error::invalid_topic);
    const auto aliased = frames::decode_aliased(client.last(Kind::alias).body);
    REQUIRE(aliased.ok());
    CHECK(aliased->error == Error::invalid_topic);
    CHECK(answer(client.last(Kind::fetch)).error == Error::none);
    CHECK(served.program->server->broker().find_topic(internal));
}

TEST_CASE("topics: created, listed, described and deleted; answers come when it is durable") {
    Served served;
    Client& client = opened(served);
    const frames::ConfigPair good[] = {{"retention.ms", "86400000"}};
    const frames::ConfigPair bad[] = {{"retention.ms", "soon"}};
    const std::uint64_t durable = served.program->server->broker().durable_ticket();
    client.encode([&](Writer& w) { frames::encode_topic_create(w, 1, {"doors", 3, 1, {}}, good); });
    REQUIRE(served.until(client, Kind::topic_create));
    CHECK(served.program->server->broker().durable_ticket() > durable);
    const auto created = frames::decode_topic_created(answer(client.last(Kind::topic_create)).rest);
    REQUIRE(created.ok());
    CHECK(created->partitions == 3);
    client.encode([&](Writer& w) { frames::encode_topic_create(w, 2, {"doors", 3, 1, {}}, good); });
    REQUIRE(served.until(client, Kind::topic_create, 2));
    CHECK(answer(client.last(Kind::topic_create)).error == Error::topic_exists);
    client.encode([&](Writer& w) { frames::encode_topic_create(w, 3, {"other", 3, 1, {}}, bad); });
    REQUIRE(served.until(client, Kind::topic_create, 3));
    CHECK(answer(client.last(Kind::topic_create)).error == Error::invalid_config);
    const frames::ConfigPair twice[] = {{"retention.ms", "5"}, {"retention.bytes", "9000"}, {"retention.ms", "5"}};
    client.encode([&](Writer& w) { frames::encode_topic_create(w, 9, {"other", 3, 1, {}}, twice); });
    REQUIRE(served.until(client, Kind::topic_create, 4));
    CHECK(answer(client.last(Kind::topic_create)).error == Error::invalid_config);
    CHECK(answer(client.last(Kind::topic_create)).text == "retention.ms: given twice");
    client.encode([&](Writer& w) { frames::encode_topic_create(w, 4, {"other", 300, 1, {}}, {}); });
    REQUIRE(served.until(client, Kind::topic_create, 5));
    CHECK(answer(client.last(Kind::topic_create)).error == Error::limit_reached);
    CHECK_FALSE(answer(client.last(Kind::topic_create)).text.empty());

    client.encode([&](Writer& w) { frames::encode_topic_list(w, 5, {"", 2}); });
    REQUIRE(served.until(client, Kind::topic_list));
    CHECK(answer(client.last(Kind::topic_list)).error == Error::none);
    CHECK(answer(client.last(Kind::topic_list)).text == "");
    const auto listed = frames::decode_topic_listed(answer(client.last(Kind::topic_list)).rest, client.last(Kind::topic_list).flags);
    REQUIRE(listed.ok());
    CHECK(listed->more);
    CHECK(listed->topics.size() == 2);
    CHECK(listed->topics.front().name == "doors");

    client.encode([&](Writer& w) { frames::encode_topic_describe(w, 6, {"doors", 0, 0}); });
    REQUIRE(served.until(client, Kind::topic_describe));
    const auto described = frames::decode_topic_described(answer(client.last(Kind::topic_describe)).rest, 0);
    REQUIRE(described.ok());
    CHECK(described->partitions.size() == 3);
    CHECK(described->config.size() == config::topic_keys_count);

    client.encode([&](Writer& w) { frames::encode_topic_delete(w, 7, {"doors"}); });
    client.encode([&](Writer& w) { frames::encode_topic_delete(w, 8, {"doors"}); });
    REQUIRE(served.until(client, Kind::topic_delete, 2));
    CHECK(answer(client.last(Kind::topic_delete)).error == Error::none);
}

TEST_CASE("topics: altered at once, for good, all pairs or none") {
    Served served;
    Client& client = opened(served);
    const auto alter = [&](std::uint64_t n, std::vector<frames::ConfigPair> pairs, std::uint64_t partitions = 0) {
        client.encode([&](Writer& w) { frames::encode_topic_alter(w, n, {"temps", partitions, {}}, pairs); });
        REQUIRE(served.until(client, Kind::topic_alter, n));
        return answer(client.last(Kind::topic_alter)).error;
    };
    const auto config = [&] { return served.program->server->broker().find_topic("temps")->config; };
    CHECK(alter(1, {{"retention.ms", "5000"}, {"commit.interval.ms", "7"}}) == Error::none);
    CHECK(config().retention_ms == 5000);
    const store::Log* const log = served.program->server->broker().partition(*served.program->server->broker().find_topic("temps"), 3);
    CHECK(log->commit_interval_ns == 7 * ns_per_ms);
    CHECK(alter(2, {{"retention.bytes", "9000"}, {"retention.ms", "never"}}) == Error::invalid_config);
    CHECK(config().retention_bytes == -1);
    CHECK(alter(3, {{"durability", "memory"}}) == Error::invalid_config);
    CHECK(alter(4, {{"max.message.bytes", "1M"}}) == Error::invalid_config);
    CHECK(alter(5, {{"no.such.key", "1"}}) == Error::invalid_config);
    CHECK(alter(6, {}, 3) == Error::invalid_partitions);
    CHECK(alter(7, {{"retention.ms", ""}, {"retention.ms", "1"}}) == Error::invalid_config);
    CHECK(alter(8, {{"commit.interval.ms", ""}}) == Error::none);
    CHECK(config().commit_interval_ms() == 100);
    client.encode([&](Writer& w) { frames::encode_topic_alter(w, 9, {"nobody", 0, {}}, {}); });
    REQUIRE(served.until(client, Kind::topic_alter, 9));
    CHECK(answer(client.last(Kind::topic_alter)).error == Error::unknown_topic_or_partition);
    served.server_node->power_cut();
    served.server_node->boot();
    REQUIRE(served.until([&] { return served.program != nullptr; }));
    CHECK(config().retention_ms == 5000);
    CHECK(!config().is_set(config::TopicKey::commit_interval_ms));
}

TEST_CASE("topics: more partitions at once with a setting; who has an alias goes on with the number that it was opened with") {
    Served served;
    Client& client = opened(served);
    const auto alter = [&](std::uint64_t n, std::uint64_t partitions, std::vector<frames::ConfigPair> pairs) {
        client.encode([&](Writer& w) { frames::encode_topic_alter(w, n, {"temps", partitions, {}}, pairs); });
        REQUIRE(served.until(client, Kind::topic_alter, n));
        return answer(client.last(Kind::topic_alter)).error;
    };
    const auto put_keyed = [&](std::uint64_t alias, std::string_view key) {
        frames::Reading reading;
        reading.stamped = true;
        reading.time = Timestamp(1'700'000'000'000);
        reading.has_key = true;
        reading.key = as_bytes(key);
        Status status;
        client.encode([&](Writer& w) { status = frames::encode_put(w, client.sum, client.puts, alias, reading); });
        REQUIRE(status.ok());
    };
    const auto open_by_key = [&](std::uint64_t id) {
        client.encode([&](Writer& w) { frames::encode_alias(w, client.sum, {id, frames::Placement::by_key, frames::Acks::leader, true, "temps", 0, {}}); });
        REQUIRE(served.until(client, Kind::alias, id + 1));
    };
    broker::Broker& broker = served.program->server->broker();
    const auto partitions_of = [&](std::string_view key, int of) { return static_cast<std::uint64_t>(record::partition_for_key(as_bytes(key), of)); };
    std::string key = "a";
    while (partitions_of(key, 10) < 4) key += 'a';  // one that moves to a new partition
    open_by_key(0);
    CHECK(alter(1, 11, {{"retention.ms", "never"}}) == Error::invalid_config);
    CHECK(alter(2, 5000, {}) == Error::limit_reached);
    CHECK(broker.find_topic("temps")->partitions == 4);
    CHECK(alter(3, 10, {{"retention.ms", "5000000"}}) == Error::none);
    CHECK(broker.find_topic("temps")->config.retention_ms == 5'000'000);
    open_by_key(1);
    client.alias(2, "temps", 9);
    client.alias(3, "temps", 10);
    REQUIRE(served.until(client, Kind::alias, 4));
    CHECK(frames::decode_aliased(client.last(Kind::alias).body)->error == Error::unknown_topic_or_partition);
    put_keyed(0, key);
    put_keyed(1, key);
    CHECK(client.put(2, "direct"));
    served.send(client);
    REQUIRE(served.until([&] { return acked(client) == 3; }));
    const std::uint64_t moved = partitions_of(key, 10);
    CHECK(stored(served, client, "temps", partitions_of(key, 4)) == 1);
    CHECK(stored(served, client, "temps", moved) == (moved == 9 ? 2 : 1));
    CHECK(stored(served, client, "temps", 9) >= 1);
    // Nothing is put into another topic's log once this one is gone.
    client.encode([&](Writer& w) { frames::encode_topic_delete(w, 4, {"temps"}); });
    REQUIRE(served.until(client, Kind::topic_delete));
    put_keyed(1, key);
    served.send(client);
    REQUIRE(served.until([&] { return acked(client) == 4; }));
    CHECK(client.refused == 1);
}

TEST_CASE("LogAppendTime: records have the broker's time, whatever they came with") {
    Served served(test::small_config + "[topic.arrivals]\npartitions = 1\nmessage.timestamp.type = LogAppendTime\n[clock]\ntrust = always\n");
    Client& client = opened(served);
    client.alias(0, "arrivals", 0);
    REQUIRE(client.put(0, "late", 1000));
    served.send(client);
    REQUIRE(served.until([&] { return acked(client) == 1; }));
    Timestamp stamp(-1);
    for (const bool again : {false, true}) {
        Client& reader = again ? (served.server_node->power_cut(), served.server_node->boot(), opened(served)) : client;
        reader.fetch(1, "arrivals", 0, 0);
        REQUIRE(served.until(reader, Kind::fetch));
        const auto fetched = frames::decode_fetched(answer(reader.last(Kind::fetch)).rest);
        REQUIRE(fetched.ok());
        const record::BatchHeader header = record::decode_header(fetched->batches);
        CHECK(header.log_append_time());
        CHECK(header.max_timestamp.value != 1000);
        if (!again) stamp = header.max_timestamp;
        if (!again) CHECK(stamp <= served.server_node->wall());
        CHECK(header.max_timestamp == stamp);
    }
}

TEST_CASE("offsets, metadata and ping") {
    Served served;
    Client& client = opened(served);
    client.encode([&](Writer& w) { frames::encode_offsets(w, 1, {"temps", 0, frames::fetch_latest}); });
    client.encode([&](Writer& w) { frames::encode_metadata(w, 2); });
    client.encode([&](Writer& w) { frames::encode_ping(w, {as_bytes("p1")}); });
    REQUIRE(served.until(client, Kind::pong));
    CHECK(as_text(client.last(Kind::pong).body) == "p1");
    REQUIRE(served.until(client, Kind::offsets));
    const auto found = frames::decode_offset_found(answer(client.last(Kind::offsets)).rest);
    REQUIRE(found.ok());
    CHECK(found->offset.value == 0);
    REQUIRE(served.until(client, Kind::metadata));
    const auto metadata = frames::decode_metadata_answer(answer(client.last(Kind::metadata)).rest);
    REQUIRE(metadata.ok());
    CHECK(metadata->nodes.size() == 1);
    CHECK(metadata->nodes.front().port == 9192);
    CHECK(metadata->nodes.front().host.substr(0, 3) == "10.");
}

TEST_CASE("an orderly end: the last acks and answers, then CLOSE") {
    Served served;
    Client& client = opened(served);
    client.alias(0, "temps", 0);
    client.fetch(1, "temps", 1, 0, 60'000);
    for (int i = 0; i < 5; ++i) CHECK(client.put(0, "bye"));
    client.encode([&](Writer& w) { frames::encode_close(w, {}); });
    served.send(client);
    REQUIRE(served.until([&] { return client.closed; }));
    CHECK(acked(client) == 5);
    CHECK(client.count(Kind::fetch) == 1);
    CHECK(client.arrived.back().kind == Kind::close);
    CHECK(served.program->server->hub().sessions_open() == 0);
}

TEST_CASE("a clean stop settles what was taken and says so") {
    Served served;
    Client& client = opened(served, 9);
    client.alias(0, "temps", 0);
    for (int i = 0; i < 5; ++i) CHECK(client.put(0, "bye"));
    client.fetch(1, "temps", 1, 0, 60'000);
    served.send(client);
    REQUIRE(served.until([&] { return served.program->server->hub().statistics().readings == 5; }));
    served.program->server->stop();
    REQUIRE(served.until([&] { return served.server_node->stopped(); }));
    REQUIRE(served.until([&] { return client.closed; }));
    CHECK(acked(client) == 5);
    CHECK(frames::decode_close(client.last(Kind::close).body)->reason == Error::shutting_down);
    served.server_node->boot();
    Client& again = opened(served);
    CHECK(stored(served, again, "temps", 0) == 5);
}

TEST_CASE("silence: before OPEN for a short while, afterwards longer; PING keeps a connection") {
    Served served;
    Client& mute = served.connect();
    served.run(20 * ns_per_s);
    CHECK(mute.closed);
    Client& idle = opened(served);
    for (int i = 0; i < 3; ++i) {
        served.run(200 * ns_per_s);
        idle.encode([&](Writer& w) { frames::encode_ping(w, {}); });
        served.send(idle);
    }
    CHECK_FALSE(idle.closed);
    served.run(400 * ns_per_s);
    CHECK(idle.closed);
    CHECK(frames::decode_close(idle.last(Kind::close).body)->reason == Error::timed_out);
}

TEST_CASE("reload: what may change is taken over, new topic sections become topics, the rest waits for a restart") {
    Served served;
    served.run(ns_per_s);
    std::string text = test::small_config + "[topic.new]\npartitions = 3\n";
    text.replace(text.find("commit_bytes = 16K"), 18, "commit_bytes = 32K");
    CHECK(served.program->server->reload(test::parse_config(text)).ok());
    CHECK(served.program->server->config().storage.commit_bytes == 16 * 1024);
    Client& client = opened(served);
    client.encode([&](Writer& w) { frames::encode_topic_describe(w, 1, {"new", 0, 0}); });
    REQUIRE(served.until(client, Kind::topic_describe));
    CHECK(answer(client.last(Kind::topic_describe)).error == Error::none);
}
