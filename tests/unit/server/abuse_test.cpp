// What no client should send: an ERROR with its code, and the end of that connection alone.
#include <algorithm>
#include <functional>

#include "unit/server/served.h"
#include "wire/compact/push_frames.h"

using namespace rivulet;
using test::Client;
using test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

Error ends_with(Served& served, Client& client) {
    served.send(client);
    REQUIRE(served.until([&] { return client.closed; }));
    if (client.count(Kind::error) == 0) return Error::none;
    const auto decoded = frames::decode_error(client.last(Kind::error).body);
    REQUIRE(decoded.ok());
    CHECK_FALSE(decoded->text.empty());
    return decoded->error;
}

void raw(Client& client, std::initializer_list<int> bytes) {
    for (const int byte : bytes) client.out.push_back(static_cast<std::uint8_t>(byte));
}

}  // namespace

TEST_CASE("before OPEN: other frames, other protocols, large frames, other versions") {
    Served served;
    Client& ping = served.connect();
    ping.encode([](Writer& w) { frames::encode_ping(w, {}); });
    CHECK(ends_with(served, ping) == Error::out_of_order);

    Client& http = served.connect();
    http.encode([](Writer& w) { w.bytes(as_bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); });
    CHECK(ends_with(served, http) != Error::none);

    Client& large = served.connect();
    raw(large, {0xff, 0x7f, 1});
    CHECK(ends_with(served, large) == Error::frame_too_large);

    Client& version = served.connect();
    version.encode([](Writer& w) {
        frames::RunningCrc sum;
        frames::FrameEncoder frame(w, Kind::open);
        frame.body().bytes(as_bytes("rv"));
        frame.body().varint(9);
        frame.finish(sum);
    });
    CHECK(ends_with(served, version) == Error::unsupported_version);

    Client& unchecked = served.connect();
    unchecked.encode([](Writer& w) {
        frames::RunningCrc sum;
        frames::Open open;
        open.frame_bytes_max = 1024;
        frames::encode_open(w, sum, open);
    });
    CHECK(ends_with(served, unchecked) == Error::invalid_argument);
    REQUIRE(served.until([&] { return served.program->server->hub().sessions_open() == 0; }));
}

TEST_CASE("after OPEN: kinds that are reserved, flags, damage, puts to nowhere, a second OPEN") {
    Served served;
    const auto opened = [&]() -> Client& {
        Client& client = served.connect();
        client.open();
        REQUIRE(served.until(client, Kind::open));
        return client;
    };
    Client& reserved = opened();
    raw(reserved, {1, 24});
    CHECK(ends_with(served, reserved) == Error::unsupported);

    Client& flags = opened();
    raw(flags, {1, 6 | 0x20});
    CHECK(ends_with(served, flags) == Error::malformed);

    Client& empty = opened();
    raw(empty, {0});
    CHECK(ends_with(served, empty) == Error::malformed);

    Client& twice = opened();
    twice.open();
    CHECK(ends_with(served, twice) == Error::out_of_order);

    Client& answer = opened();
    answer.encode([](Writer& w) { frames::encode_pong(w, {as_bytes("12345678901234567")}); });
    CHECK(ends_with(served, answer) == Error::malformed);

    Client& damaged = opened();
    damaged.alias(0, "temps", 0);
    CHECK(damaged.put(0, "21.5"));
    damaged.out[damaged.out.size() - 4] ^= 1;
    CHECK(ends_with(served, damaged) == Error::integrity);

    Client& nowhere = opened();
    CHECK(nowhere.put(3, "21.5"));
    CHECK(ends_with(served, nowhere) == Error::unknown_alias);

    Client& same = opened();
    same.encode([&](Writer& w) {
        frames::FrameEncoder frame(w, Kind::put, frames::flag::put_same_alias | frames::flag::put_unstamped);
        frame.finish(same.sum);
    });
    CHECK(ends_with(served, same) == Error::unknown_alias);

    Client& too_large = opened();
    too_large.encode([](Writer& w) { w.varint(8 * 1024); w.u8(10); });
    CHECK(ends_with(served, too_large) == Error::frame_too_large);
    REQUIRE(served.until([&] { return served.program->server->hub().sessions_open() == 0; }));
}

TEST_CASE("halves of frames: buffers are not held for ever, others go on") {
    Served served(test::small_config, 5);
    std::vector<Client*> slow;
    // Each wants a large buffer; there are fewer of them than connections.
    for (int i = 0; i < 6; ++i) {
        Client& client = served.connect();
        client.open();
        REQUIRE(served.until(client, Kind::open));
        client.encode([](Writer& w) { w.varint(8000); w.u8(10); w.zeros(5000); });
        served.send(client);
        slow.push_back(&client);
    }
    Client& good = served.connect();
    good.open();
    REQUIRE(served.until(good, Kind::open));
    good.alias(0, "temps", 0);
    const std::string value(7000, 'z');
    CHECK(good.put(0, value));
    served.send(good);
    REQUIRE(served.until([&] { return !good.acks.empty() && good.acks.back().sequence == 1; }, 60 * ns_per_s));
}

TEST_CASE("sensors whose topic takes no more wait for room, and keep receive buffers from nobody") {
    std::string text = test::small_config;
    const std::string_view line = "receive_pool_bytes = 64K";
    text.replace(text.find(line), line.size(), "receive_pool_bytes = 24K");
    Served served(text, 5);
    broker::Broker& broker = served.program->server->broker();
    broker.partition(*broker.find_topic("temps"), 0)->intake = store::Log::Intake::refused;
    server::BufferPool& buffers = served.program->server->hub().receive_pool().small_buffers();
    REQUIRE(buffers.count() < 6);
    for (std::size_t i = 0; i <= buffers.count(); ++i) {
        Client& sensor = served.connect();
        sensor.open();
        REQUIRE(served.until(sensor, Kind::open));
        sensor.alias(0, "temps", 0);
        CHECK(sensor.put(0, "value"));
        served.send(sensor);
    }
    served.run(100 * ns_per_ms);
    REQUIRE(buffers.lent() == buffers.count());
    Client& good = served.connect();
    good.open();
    served.send(good);
    CHECK(served.until([&] { return good.count(Kind::open) != 0; }, 3 * ns_per_s));
    // As long as nobody wants it, one may have it.
    served.run(20 * ns_per_s);
    CHECK(buffers.lent() != 0);
}

TEST_CASE("halves of frames in any number keep the buffers of whole ones for a moment only") {
    std::string text = test::small_config;
    text.replace(text.find("connections = 8"), 15, "connections = 40");
    Served served(text, 7);
    Client& good = served.connect();
    good.open();
    good.alias(0, "temps", 0);
    REQUIRE(served.until(good, Kind::open));
    for (int round = 0; round < 2; ++round) {
        std::vector<Client*> slow;
        for (int i = 0; i < 30; ++i) {
            Client& client = served.connect();
            client.open();
            REQUIRE(served.until(client, Kind::open));
            client.encode([](Writer& w) { w.varint(8000); w.u8(10); w.zeros(3000); });
            slow.push_back(&client);
        }
        for (Client* client : slow) served.send(*client);
        served.run(50 * ns_per_ms);
        CHECK(served.program->server->hub().receive_pool().starving());
        for (std::uint64_t i = 0; i < 5; ++i) {
            CHECK(good.put(0, "21.5"));
            served.send(good);
            REQUIRE(served.until([&] { return !good.acks.empty() && good.acks.back().sequence == round * 5 + i + 1; }, 2 * ns_per_s));
        }
        Client& another = served.connect();
        another.open();
        CHECK(served.until(another, Kind::open, 1, 2 * ns_per_s));
        CHECK_FALSE(good.closed);
        another.connection->close();
        for (Client* client : slow)
            if (!client->closed) client->connection->close();
        served.run(ns_per_s);
    }
}

namespace {

// 40 connections, frames of 16K: some large buffers, many small ones.
std::string crowded_config(int connections = 40) {
    std::string text = test::small_config;
    text.replace(text.find("connections = 8"), 15, "connections = " + std::to_string(connections));
    text.replace(text.find("frame_bytes = 8K"), 16, "frame_bytes = 16K");
    text.replace(text.find("receive_pool_bytes = 64K"), 24, "receive_pool_bytes = 256K");
    return text;
}

// So many connections that hold the beginning of a large frame, and come back whenever they are cut, until stop().
class Siege {
public:
    Siege(Served& served, int count) : served_(served) {
        for (int i = 0; i < count; ++i) attackers_.push_back(&begin());
        again();
    }
    void stop() { over_ = true; }
    std::size_t cut() const { return cut_; }

private:
    Client& begin() {
        Client& client = served_.connect();
        client.open();
        client.alias(0, "temps", 0);
        client.encode([](Writer& w) { w.varint(16000); w.u8(3); w.zeros(12000); });
        return client;
    }
    void again() {
        if (over_) return;
        for (Client*& client : attackers_) {
            if (client->count(Kind::error) == 0 && !client->closed) continue;
            ++cut_;
            if (!client->closed) client->connection->close();
            client = &begin();
        }
        served_.world.after(10 * ns_per_ms, [this] { again(); });
    }
    Served& served_;
    std::vector<Client*> attackers_;
    std::size_t cut_ = 0;
    bool over_ = false;
};

// Puts of so many bytes, one after the other, for so long: how many were acknowledged.
std::uint64_t puts_in(Served& served, Client& client, std::size_t bytes, std::int64_t ns) {
    const std::int64_t end = served.world.now() + ns;
    const std::uint64_t before = client.acks.empty() ? 0 : client.acks.back().sequence;
    std::uint64_t sent = before;
    while (served.world.now() < end && !client.closed) {
        REQUIRE(client.put(0, std::string(bytes, 'v')));
        served.send(client);
        ++sent;
        if (!served.until([&] { return client.closed || (!client.acks.empty() && client.acks.back().sequence >= sent); }, end - served.world.now())) --sent;
        else if (!client.closed) continue;
        break;
    }
    return client.acks.empty() ? 0 : client.acks.back().sequence - before;
}

}  // namespace

TEST_CASE("halves of large frames, on and on, delay large frames of others by a moment") {
    Served served(crowded_config(), 3, 4096);
    REQUIRE(served.program->server->hub().receive_pool().large_buffers().count() == 7);
    const auto opened = [&]() -> Client& {
        Client& client = served.connect();
        client.open();
        client.alias(0, "temps", 1);
        REQUIRE(served.until(client, Kind::alias));
        return client;
    };
    Client& proven = opened();
    CHECK(puts_in(served, proven, 6000, ns_per_s) >= 8);
    Siege siege(served, 20);
    served.run(ns_per_s);
    CHECK(served.program->server->hub().receive_pool().starving());
    CHECK(puts_in(served, proven, 6000, 5 * ns_per_s) >= 35);
    CHECK_FALSE(proven.closed);
    // A newcomer waits in line for its first large frame.
    Client& newcomer = opened();
    CHECK(puts_in(served, newcomer, 6000, 3 * ns_per_s) >= 1);
    CHECK(puts_in(served, newcomer, 6000, 3 * ns_per_s) >= 20);
    CHECK_FALSE(newcomer.closed);
    CHECK(siege.cut() >= 50);
    siege.stop();
    served.run(ns_per_s);
    auto& pool = served.program->server->hub().receive_pool();
    served.run(15 * ns_per_s);
    CHECK_FALSE(pool.starving());
}

TEST_CASE("who waits for a large buffer is not late itself, however many halves there are") {
    Served served(crowded_config(200), 3, 16384);
    Client& proven = served.connect();
    proven.open();
    proven.alias(0, "temps", 1);
    REQUIRE(served.until(proven, Kind::alias));
    CHECK(puts_in(served, proven, 6000, ns_per_s) >= 8);
    Siege siege(served, 120);
    served.run(ns_per_s);
    CHECK(puts_in(served, proven, 6000, 5 * ns_per_s) >= 3);  // it waits for a small one first
    CHECK_FALSE(proven.closed);
    siege.stop();
}

TEST_CASE("a large frame that creeps has two seconds while others wait, and all the time it needs when nobody does") {
    Served served(crowded_config(), 3);
    auto& pool = served.program->server->hub().receive_pool();
    std::vector<Client*> creeping;
    bool over = false;
    std::function<void()> creep = [&] {
        for (Client* client : creeping) {
            if (client->closed) continue;
            client->encode([](Writer& w) { w.zeros(10); });
            client->push();
        }
        if (!over) served.world.after(200 * ns_per_ms, creep);
    };
    const auto begin = [&](std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            creeping.push_back(&served.connect());
            creeping.back()->open();
            creeping.back()->encode([](Writer& w) { w.varint(16000); w.u8(3); w.zeros(5000); });
            served.send(*creeping.back());
        }
        served.world.after(0, creep);
    };
    begin(pool.newcomers_max());
    served.run(5 * ns_per_s);
    for (Client* client : creeping) CHECK_FALSE(client->closed);
    Client& newcomer = served.connect();
    newcomer.open();
    newcomer.alias(0, "temps", 1);
    REQUIRE(served.until(newcomer, Kind::alias));
    CHECK(puts_in(served, newcomer, 6000, 500 * ns_per_ms) >= 2);  // all of them had more than that
    over = true;
    CHECK(std::ranges::count_if(creeping, [](Client* client) { return client->closed; }) >= 1);
    // From the grant on.
    over = false;
    creeping.clear();
    begin(2 * pool.newcomers_max());
    served.run(1800 * ns_per_ms);
    CHECK(std::ranges::none_of(creeping, [](Client* client) { return client->closed; }));
    served.run(500 * ns_per_ms);
    CHECK(std::ranges::count_if(creeping, [](Client* client) { return client->closed; }) == static_cast<std::ptrdiff_t>(pool.newcomers_max()));
    over = true;
    served.run(ns_per_s);
}

TEST_CASE("random bytes and cut frames never bring it down") {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        Served served(test::small_config, seed);
        sim::Random random = served.world.random("abuse");
        for (int i = 0; i < 6; ++i) {
            Client& client = served.connect();
            client.open(random.below(3), 1);
            REQUIRE(served.until(client, Kind::open));
            client.alias(0, "temps", random.below(5));
            for (int n = 0; n < 10; ++n) static_cast<void>(client.put(0, std::string(random.below(300), 'a')));
            client.fetch(1, "temps", 0, 0, 1000);
            const std::size_t changes = random.below(4);
            for (std::size_t c = 0; c < changes; ++c) client.out[random.below(client.out.size())] ^= static_cast<std::uint8_t>(1U << random.below(8));
            if (random.below(2) == 0) client.out.resize(random.below(client.out.size()) + 1);
            served.send(client);
            if (random.below(3) == 0) served.world.after(static_cast<std::int64_t>(random.below(50)) * ns_per_ms, [&client] { if (!client.closed) client.connection->close(); });
        }
        served.run(3 * ns_per_s);
        Client& good = served.connect();
        good.open();
        REQUIRE(served.until(good, Kind::open));
    }
}

TEST_CASE("a reader that takes nothing is closed after a minute if nobody minds") {
    Served served;
    Client& reader = served.connect_idle_reader();
    auto& hub = served.program->server->hub();
    served.run(50 * ns_per_s);
    CHECK(hub.connections() == 1);
    served.run(12 * ns_per_s);
    CHECK(hub.connections() == 0);
    CHECK(hub.output_pool().lent() == 0);
    reader.take_all();
    REQUIRE(served.until([&] { return reader.closed; }));
}

TEST_CASE("a reader that takes nothing holds ring blocks: it is cut when writers need them, not while they wait for commits alone") {
    // It has the front of partition 0, whose blocks go in order.
    std::uint64_t partition = 0;
    SUBCASE("blocks are short") { partition = 0; }
    SUBCASE("there are others") { partition = 1; }
    std::string text = test::small_config;
    text.replace(text.find("credit_bytes = 16K"), 18, "credit_bytes = 64K");
    Served served(text);
    Client& reader = served.connect_idle_reader();
    // More than may wait for a commit, a sixteenth of the journal.
    std::vector<Client*> writers;
    for (std::uint64_t i = 0; i < 4; ++i) {
        writers.push_back(&served.connect());
        writers.back()->open();
        writers.back()->alias(0, "temps", partition);
        REQUIRE(served.until(*writers.back(), Kind::alias));
    }
    const std::string value(4000, 'v');
    bool waited = false;
    for (int i = 0; i < 15'000; ++i) {
        for (Client* const writer : writers) {
            while (writer->put(0, value)) {}
            served.send(*writer);
        }
        served.run(ns_per_ms);
        waited |= served.program->server->broker().room_wanted();
    }
    CHECK(waited);
    CHECK(served.program->server->hub().connections() == (partition == 0 ? 4 : 5));
    for (const Client* const writer : writers) CHECK_FALSE(writer->closed);
    // Several times the ring: writers go on.
    std::uint64_t acknowledged = 0;
    for (const Client* const writer : writers) acknowledged += writer->acks.back().sequence * value.size();
    CHECK(acknowledged > 4ULL * store::block_bytes * served.program->server->broker().store().state().blocks.count());
    reader.take_all();
    served.run(ns_per_s);
    CHECK(reader.closed == (partition == 0));
}

TEST_CASE("clients that take nothing keep the output buffers from others for a moment only") {
    std::string text = test::small_config;
    text.replace(text.find("connections = 8"), 15, "connections = 40");
    text.replace(text.find("receive_pool_bytes = 64K"), 24, "receive_pool_bytes = 512K");
    Served served(text, 3);
    auto& pool = served.program->server->hub().output_pool();
    while (pool.lent() != pool.count()) {
        REQUIRE(served.clients.size() < 40);
        Client& client = served.connect();
        client.open();
        REQUIRE(served.until(client, Kind::open));
        client.take_nothing();
        for (int i = 0; i < 10000; ++i) client.encode([](Writer& w) { frames::encode_ping(w, {as_bytes("0123456789abcdef")}); });
        served.send(client);
        served.run(300 * ns_per_ms);
    }
    Client& good = served.connect();
    good.open();
    good.alias(0, "temps", 0);
    CHECK(served.until(good, Kind::alias, 1, 3 * ns_per_s));
    CHECK_FALSE(good.closed);
}

TEST_CASE("readers that take nothing leave acks and small answers their buffers, however many come") {
    std::string text = test::small_config;
    text.replace(text.find("connections = 8"), 15, "connections = 60");
    text.replace(text.find("parked_fetches = 8"), 18, "parked_fetches = 400");
    text.replace(text.find("receive_pool_bytes = 64K"), 24, "receive_pool_bytes = 512K");
    text.replace(text.find("total = 4M"), 10, "total = 6M");
    Served served(text, 3, 200);
    served.connect_idle_reader();
    Client& good = served.connect();
    good.open();
    good.alias(0, "temps", 1);
    REQUIRE(served.until(good, Kind::alias));
    auto& pool = served.program->server->hub().output_pool();
    std::size_t most = 0;
    for (std::uint64_t round = 0; round < 40; ++round) {
        Client& client = served.connect();
        client.open();
        for (std::uint64_t i = 0; i < 12; ++i) client.fetch(i, "temps", 0, 0);
        client.encode([](Writer& w) { frames::encode_ping(w, {as_bytes("x")}); });
        client.take_nothing();
        served.send(client);
        REQUIRE(good.put(0, "21.5"));
        served.send(good);
        // The commit interval is 100 ms, and the disk stalls for 200 at times; who takes nothing is cut after 500.
        REQUIRE(served.until([&] { return !good.acks.empty() && good.acks.back().sequence == round + 1; }, 400 * ns_per_ms));
        most = std::max(most, pool.lent());
    }
    CHECK(most == pool.count() * 3 / 4);  // those that wait for bulk keep none meanwhile
    Client& another = served.connect();
    another.open();
    CHECK(served.until(another, Kind::open, 1, 100 * ns_per_ms));
}

TEST_CASE("a slow reader is no stopped one, as long as nobody has to wait ten seconds for it") {
    Served served;
    Client& reader = served.connect_idle_reader();
    auto& hub = served.program->server->hub();
    // A little every 200 ms, in 40 s; others are refused a fetch meanwhile, and get one in the end.
    for (int i = 0; i < 200 && reader.count(Kind::fetch) < 2; ++i) {
        reader.take_once(1000);
        served.run(200 * ns_per_ms);
    }
    CHECK(reader.count(Kind::fetch) >= 2);
    CHECK(hub.connections() == 1);
    reader.take_all();
    REQUIRE(served.until([&] { return reader.count(Kind::fetch) == 8; }));
    CHECK_FALSE(reader.closed);
}

TEST_CASE("while fetches are refused, a reader that takes nothing is closed at once") {
    Served served;
    Client& reader = served.connect_idle_reader();
    for (std::uint64_t i = 0; i < 12; ++i) reader.fetch(100 + i, "temps", 0, 0);
    served.send(reader);
    auto& hub = served.program->server->hub();
    served.run(900 * ns_per_ms);
    REQUIRE(hub.connections() == 1);
    Client& other = served.connect();
    other.open();
    REQUIRE(served.until(other, Kind::open));
    for (std::uint64_t i = 0; i < 9; ++i) other.fetch(i, "temps", 0, frames::fetch_latest, 60'000);
    served.send(other);
    REQUIRE(served.until([&] { return hub.connections() == 1; }, 3 * ns_per_s));
    CHECK_FALSE(other.closed);
    reader.take_all();
    REQUIRE(served.until([&] { return reader.closed; }));
}

TEST_CASE("a connection that holds many fetches leaves some to those with few; without credit it holds them for a while only") {
    Served served;  // 8 fetches
    const auto follow = [&](std::uint64_t n) -> Client& {
        Client& client = served.connect();
        client.open(0, 1, 1 << 20, frames::feature::integrity | frames::feature::push);
        REQUIRE(served.until(client, Kind::open));
        for (std::uint64_t i = 0; i < n; ++i) {
            frames::Subscribe subscribe;
            subscribe.topic = "temps";
            subscribe.offset = Offset(0);
            client.encode([&](Writer& w) { frames::encode_subscribe(w, i, subscribe); });
        }
        REQUIRE(served.until(client, Kind::subscribe, n));
        return client;
    };
    const auto errors = [](const Client& client) {
        std::size_t n = 0;
        for (const test::Frame& frame : client.arrived) n += frame.kind == Kind::subscribe && frames::decode_answer(frame.body)->error == Error::busy;
        return n;
    };
    Client& greedy = follow(12);
    CHECK(errors(greedy) == 6);
    Client& other = served.connect();
    other.open();
    other.fetch(1, "temps", 0, 0);
    REQUIRE(served.until(other, Kind::fetch));
    CHECK(frames::decode_answer(other.last(Kind::fetch).body)->error == Error::none);
    follow(1);
    follow(1);
    other.fetch(2, "temps", 0, 0);
    REQUIRE(served.until(other, Kind::fetch, 2));
    CHECK(frames::decode_answer(other.last(Kind::fetch).body)->error == Error::busy);
    served.run(8 * ns_per_s);
    other.fetch(3, "temps", 0, 0);
    REQUIRE(served.until(other, Kind::fetch, 3));
    REQUIRE(served.until([&] { return greedy.count(Kind::data) == 6; }, 4 * ns_per_s));
    CHECK_FALSE(greedy.closed);
    other.fetch(4, "temps", 0, 0);
    REQUIRE(served.until(other, Kind::fetch, 4));
    CHECK(frames::decode_answer(other.last(Kind::fetch).body)->error == Error::none);
}

TEST_CASE("requests that were read before a connection failed, and are digested after it") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        Served served(test::small_config, seed);
        Client& client = served.connect();
        client.open();
        REQUIRE(served.until(client, Kind::open));
        client.take_nothing();
        for (int i = 0; i < 3000; ++i) client.encode([&](Writer& w) { frames::encode_metadata(w, static_cast<std::uint64_t>(i)); });
        served.send(client);
        served.run(static_cast<std::int64_t>(seed) * ns_per_ms);
        if (!client.closed) client.connection->close();
        served.run(3 * ns_per_s);
        CHECK(served.program->server->hub().connections() == 0);
    }
}
