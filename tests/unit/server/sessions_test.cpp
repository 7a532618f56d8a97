// Sensor sessions: who is forgotten, who is told so, what a resend is worth when limits have changed, and what is told of frames that are wrong.
#include <doctest/doctest.h>

#include "unit/server/served.h"

namespace rivulet::test {
namespace {

using frames::Kind;
using frames::SessionState;

const std::string config = [] {
    std::string text = small_config;
    text.replace(text.find("sessions = 32"), 13, "sessions = 16");
    text.replace(text.find("connections = 8"), 15, "connections = 24");
    return text;
}();

std::uint64_t settled(const Client& client) { return client.acks.empty() ? 0 : client.acks.back().sequence; }

std::int64_t records(Served& served, std::uint64_t partition) {
    const auto* topic = served.program->server->broker().find_topic("temps");
    return served.program->server->broker().partition(*topic, partition)->end.value;
}

// Alias p is partition p.
Client& opened(Served& served, std::uint64_t session, std::uint64_t base = 1) {
    Client& client = served.connect();
    client.open(session, base);
    for (std::uint64_t p = 0; p < 4; ++p) client.alias(p, "temps", p);
    REQUIRE(served.until(client, Kind::alias, 4));
    return client;
}

void close(Served& served, Client& client) {
    client.encode([](Writer& out) { frames::encode_close(out, {}); });
    served.send(client);
    REQUIRE(served.until([&] { return client.closed; }));
}

void store(Served& served, Client& client, std::uint64_t alias) {
    const std::uint64_t before = settled(client);
    REQUIRE(client.put(alias, "reading"));
    served.send(client);
    REQUIRE(served.until([&] { return settled(client) > before; }));
}

// Its two readings are in two partitions, and none of the acks counts for it.
void begin(Served& served, std::uint64_t session) {
    Client& sensor = opened(served, session);
    CHECK(sensor.opened.session_state == SessionState::fresh);
    store(served, sensor, 0);
    store(served, sensor, 1);
    close(served, sensor);
}

void others(Served& served, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; ++i) {
        Client& other = opened(served, 1000 + i);
        store(served, other, 3);
        close(served, other);
    }
}

TEST_CASE("limits.sessions: a session is forgotten as a whole, and told so until it has got further") {
    Served served(config);
    begin(served, 0x77);
    others(served, 14);
    SUBCASE("all find room") {
        CHECK(opened(served, 0x77).opened.session_state == SessionState::resumed);
        store(served, *served.clients.back(), 0);
        store(served, *served.clients.back(), 1);
        CHECK(records(served, 0) == 1);
        CHECK(records(served, 1) == 1);
    }
    SUBCASE("one more") {
        Client& other = opened(served, 2000);
        store(served, other, 3);
        close(served, other);
        Client& sensor = opened(served, 0x77);
        CHECK(sensor.opened.session_state == SessionState::forgotten);
        CHECK(sensor.opened.last_sequence == 0);
        store(served, sensor, 0);
        close(served, sensor);
        // As if it had not read that.
        Client& again = opened(served, 0x77);
        CHECK(again.opened.session_state == SessionState::forgotten);
        close(served, again);
        served.server_node->kill();
        served.server_node->boot();
        Client& after = opened(served, 0x77);
        CHECK(after.opened.session_state == SessionState::forgotten);
        store(served, after, 0);
        CHECK(records(served, 0) == 2);
        close(served, after);
        CHECK(opened(served, 0x77, 2).opened.session_state == SessionState::resumed);
    }
}

TEST_CASE("both checkpoints are lost: sessions are known if all of the journal is there, else told that they are not") {
    for (const bool wrapped : {false, true}) {
        CAPTURE(wrapped);
        Served served(config);
        begin(served, 0x77);
        if (wrapped) {
            Client& writer = opened(served, 0x88);
            const std::string value(3000, 'v');
            while (served.program->server->broker().store().state().head.first_live < 3) {
                while (writer.put(3, value)) {}
                served.send(writer);
                served.run(10 * ns_per_ms);
            }
        }
        served.run(3 * ns_per_s);
        served.server_node->kill();
        for (const std::string_view name : {"rivulet-data/checkpoint.0", "rivulet-data/checkpoint.1"})
            served.server_node->disk().overwrite(name, 0, std::vector<std::uint8_t>(store::page_bytes));
        served.server_node->boot();
        Client& sensor = served.connect();
        sensor.open(0x77, 1);
        REQUIRE(served.until(sensor, Kind::open));
        CHECK(sensor.opened.session_state == (wrapped ? SessionState::forgotten : SessionState::resumed));
        if (wrapped) continue;
        for (std::uint64_t p = 0; p < 2; ++p) sensor.alias(p, "temps", p);
        store(served, sensor, 0);
        store(served, sensor, 1);
        CHECK(records(served, 0) == 1);
        CHECK(records(served, 1) == 1);
    }
}

TEST_CASE("limits.sessions: those that are open stay, and a newcomer is told that there are too many") {
    Served served(config);
    begin(served, 0x77);
    Client& sensor = opened(served, 0x77);
    store(served, sensor, 0);
    std::vector<Client*> open;
    for (std::uint64_t i = 0; i < 14; ++i) {
        open.push_back(&opened(served, 1000 + i));
        store(served, *open.back(), 3);
    }
    Client& newcomer = opened(served, 5);
    REQUIRE(newcomer.put(0, "reading"));
    REQUIRE(served.until(newcomer, Kind::error));
    CHECK(newcomer.last(Kind::error).body[0] == static_cast<std::uint8_t>(Error::too_many_sessions));
    store(served, sensor, 1);
    CHECK(records(served, 0) == 1);
    CHECK(records(served, 1) == 1);
    close(served, *open.front());
    Client& again = opened(served, 5);
    store(served, again, 0);
}

TEST_CASE("a resend of what is stored is settled though the topic takes only smaller readings by now") {
    Served served(config);
    Client& sensor = opened(served, 0x31);
    const auto put = [&](Client& client, std::size_t bytes) {
        REQUIRE(client.put(0, std::string(bytes, 'v')));
        served.send(client);
    };
    const auto set_limit = [&](std::string_view value) {
        Client& admin = served.connect();
        admin.open();
        frames::TopicAlter alter;
        alter.name = "temps";
        const frames::ConfigPair pair{"max.message.bytes", value};
        admin.encode([&](Writer& out) { frames::encode_topic_alter(out, 1, alter, {&pair, 1}); });
        REQUIRE(served.until(admin, Kind::topic_alter));
        CHECK(admin.last(Kind::topic_alter).body[0] == 0);
    };
    put(sensor, 3000);
    put(sensor, 7900);
    put(sensor, 10);
    REQUIRE(served.until([&] { return settled(sensor) == 3; }));
    CHECK(sensor.refused == 0);
    close(served, sensor);
    set_limit("1024");
    Client& again = opened(served, 0x31);
    put(again, 3000);
    put(again, 7900);
    put(again, 10);
    put(again, 3000);  // new
    put(again, 20);
    REQUIRE(served.until([&] { return settled(again) == 5; }));
    CHECK(again.refused == 1);
    CHECK(again.refusal == Error::batch_too_large);
    CHECK(records(served, 0) == 4);
    close(served, again);
    // What was refused is refused again, though something behind it is stored.
    Client& third = opened(served, 0x31, 4);
    put(third, 3000);
    put(third, 20);
    REQUIRE(served.until([&] { return settled(third) == 5; }));
    CHECK(third.refused == 1);
    CHECK(records(served, 0) == 4);
}

TEST_CASE("an OPEN or a put that is not understood is told with a text") {
    Served served;
    Client& small = served.connect();
    small.open(0, 1, 100);
    REQUIRE(served.until(small, Kind::error));
    CHECK(frames::decode_error(small.last(Kind::error).body)->text == "in OPEN");
    Client& greedy = opened(served, 1);
    greedy.puts.grant(1'000'000);
    for (int n = 0; n < 40; ++n) REQUIRE(greedy.put(0, std::string(1000, 'v')));
    REQUIRE(served.until(greedy, Kind::error));
    CHECK(frames::decode_error(greedy.last(Kind::error).body)->error == Error::credit_exceeded);
    CHECK(frames::decode_error(greedy.last(Kind::error).body)->text == "in PUT or PUTB");
}

}  // namespace
}  // namespace rivulet::test
