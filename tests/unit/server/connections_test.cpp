// limits.connections: who is refused, what it is told, what silent and lingering connections can hold.
#include "unit/server/served.h"

using namespace rivulet;
using test::Client;
using test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

constexpr std::size_t limit = 8;  // of test::small_config

Client& opened(Served& served, std::uint64_t session = 0) {
    Client& client = served.connect();
    client.open(session);
    REQUIRE(served.until(client, Kind::open));
    return client;
}

// With its own end, not a reset.
void expect_refused(Served& served, Client& client) {
    REQUIRE(served.until([&] { return client.closed; }));
    INFO("ended by ", std::string(error_info(client.reason).name));
    REQUIRE(client.count(Kind::error) == 1);
    const auto error = frames::decode_error(client.last(Kind::error).body);
    REQUIRE(error.ok());
    CHECK(error->error == Error::too_many_connections);
    CHECK(error->detail == static_cast<std::int64_t>(limit));
    CHECK(error->text == "limits.connections = 8");
    CHECK(client.reason == Error::end_of_file);
    CHECK(client.arrived.size() == 1);
}

server::compact::Hub& hub(Served& served) { return served.program->server->hub(); }

}  // namespace

TEST_CASE("past limits.connections: an ERROR and the end, whether or not it has spoken; with room again it is served") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        Served served(test::small_config, seed);
        std::vector<std::string> lines;
        served.world.on_log = [&](sim::Node&, env::LogLevel level, std::string_view line) {
            if (level == env::LogLevel::warning) lines.emplace_back(line);
        };
        std::vector<Client*> clients;
        for (std::size_t i = 0; i < limit; ++i) clients.push_back(&opened(served));
        served.run(ns_per_s);

        Client& mute = served.connect();
        expect_refused(served, mute);
        Client& eager = served.connect();
        eager.open();
        eager.alias(0, "temps", 0);
        for (int i = 0; i < 10; ++i) CHECK(eager.put(0, std::string(90, 'x')));
        expect_refused(served, eager);
        CHECK(hub(served).connections() == limit);

        served.run(2 * ns_per_s);
        REQUIRE(lines.size() == 1);
        CHECK(lines[0] == "connections: limit of 8 reached (limits.connections); 2 refused");
        for (int i = 0; i < 3; ++i) expect_refused(served, served.connect());
        served.run(5 * ns_per_s);
        CHECK(lines.size() == 1);
        served.run(8 * ns_per_s);
        REQUIRE(lines.size() == 2);
        CHECK(lines[1] == "connections: limit of 8 reached (limits.connections); 3 refused");

        clients[3]->connection->close();
        REQUIRE(served.until([&] { return hub(served).connections() == limit - 1; }));
        Client& next = opened(served);
        for (Client* client : clients) CHECK(client->closed == (client == clients[3]));
        CHECK_FALSE(next.closed);
    }
}

TEST_CASE("connections that never open make room for those that do, the oldest first") {
    Served served;
    std::vector<Client*> silent;
    for (std::size_t i = 0; i < limit; ++i) {
        silent.push_back(&served.connect());
        served.run(20 * ns_per_ms);
    }
    served.run(400 * ns_per_ms);
    for (std::size_t i = 0; i < limit; ++i) {
        Client& good = opened(served);
        expect_refused(served, *silent[i]);
        for (std::size_t later = i + 1; later < limit; ++later) CHECK_FALSE(silent[later]->closed);
        CHECK_FALSE(good.closed);
    }
    CHECK(hub(served).connection_statistics().unopened_dropped == limit);
    expect_refused(served, served.connect());
    CHECK(hub(served).connection_statistics().unopened_dropped == limit);
}

TEST_CASE("a connection has time for its OPEN before a newcomer takes its place") {
    Served served;
    for (std::size_t i = 0; i < limit - 1; ++i) opened(served);
    Client& young = served.connect();
    REQUIRE(served.until([&] { return hub(served).connections() == limit; }));
    expect_refused(served, served.connect());
    young.open();
    CHECK(served.until(young, Kind::open));
}

TEST_CASE("a storm of connections is refused, one by one, in the room that there is") {
    Served served(test::small_config, 3, 512);
    Client& good = opened(served);
    good.alias(0, "temps", 0);
    for (std::size_t i = 1; i < limit; ++i) opened(served);
    std::vector<Client*> storm;
    for (std::size_t i = 0; i < 400; ++i) {
        storm.push_back(&served.connect());
        if (i % 2 == 0) storm.back()->open();
        if (i % 16 == 0) CHECK(good.put(0, "21.5"));
        if (i % 16 == 0) served.send(good);
        served.run(static_cast<std::int64_t>(i % 3) * ns_per_ms);
        REQUIRE(hub(served).sessions_open() <= limit + server::spare_connections(limit));
        REQUIRE(hub(served).connections() == limit);
    }
    for (Client* client : storm) expect_refused(served, *client);
    CHECK(hub(served).connection_statistics().connections_refused == storm.size());
    REQUIRE(served.until([&] { return !good.acks.empty() && good.acks.back().sequence == 25; }));
    REQUIRE(served.until([&] { return hub(served).sessions_open() == limit; }));
}

TEST_CASE("who is refused and does not go is closed before long") {
    Served served;
    for (std::size_t i = 0; i < limit; ++i) opened(served);
    served.world.network().set_link(*served.client_node, *served.server_node, true);
    static_cast<void>(served.connect());
    REQUIRE(served.until([&] { return hub(served).sessions_open() == limit + 1; }));
    served.world.network().set_link(*served.client_node, *served.server_node, false);  // its end is never heard of
    REQUIRE(served.until([&] { return hub(served).sessions_open() == limit; }, 3 * ns_per_s));
}

TEST_CASE("an ERROR reaches a client that is still sending, as an end and not as a reset") {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        Served served(test::small_config, seed);
        Client& client = opened(served);
        client.alias(0, "temps", 0);
        client.encode([](Writer& w) { w.u8(0); w.zeros(100'000); });
        served.send(client);
        REQUIRE(served.until([&] { return client.closed; }));
        REQUIRE(client.count(Kind::error) == 1);
        CHECK(frames::decode_error(client.last(Kind::error).body)->error == Error::malformed);
        CHECK(client.reason == Error::end_of_file);
        CHECK(served.until([&] { return hub(served).sessions_open() == 0; }));
    }
}

TEST_CASE("OPEN must come whole in time, however many bytes of it trickle in") {
    Served served;
    Client& slow = served.connect();
    slow.open();
    const std::vector<std::uint8_t> all = slow.out;
    slow.out.clear();
    const std::int64_t begin = served.world.now();
    for (std::size_t i = 0; i < 8 && !slow.closed; ++i) {
        slow.out.push_back(all[i]);
        served.send(slow);
        served.run(2 * ns_per_s);
    }
    CHECK(slow.closed);
    CHECK(served.world.now() - begin <= 14 * ns_per_s);
    REQUIRE(slow.count(Kind::close) == 1);
    CHECK(frames::decode_close(slow.last(Kind::close).body)->reason == Error::timed_out);
}

TEST_CASE("a connection that is being ended before it opened is not refused once more") {
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        Served served(test::small_config, seed);
        std::vector<Client*> bad;
        for (std::size_t i = 0; i < limit; ++i) bad.push_back(&served.connect());
        served.run(400 * ns_per_ms);
        for (std::size_t i = 0; i < limit; ++i) {
            bad[i]->out = {0};
            served.send(*bad[i]);
            served.connect().open();
        }
        REQUIRE(served.until([&] { return hub(served).connection_statistics().accepted == 2 * limit; }));
        for (Client* client : bad) {
            REQUIRE(served.until([&] { return client->closed; }));
            CHECK(client->count(Kind::error) <= 1);
        }
    }
}
