// OFFSETS by time: against a model that knows the time of every record.
#include <doctest/doctest.h>

#include <random>

#include "unit/server/served.h"

using namespace rivulet;
using rivulet::test::Client;
using rivulet::test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

constexpr std::int64_t t0 = 1'700'000'000'000;

struct Times {
    Served served;
    std::vector<std::int64_t> of_offset;
    std::uint64_t asked = 0;
    Client* client = nullptr;

    Client& connect() {
        client = &served.connect();
        client->open();
        REQUIRE(served.until(*client, Kind::open));
        asked = 0;
        return *client;
    }
    store::Log& log() { return *served.program->server->broker().partition(*served.program->server->broker().find_topic("temps"), 1); }
    void write(std::size_t n, std::size_t bytes, std::mt19937& random) {
        const std::string value(bytes, 'v');
        for (std::size_t i = 0; i < n; ++i) {
            const std::int64_t time = t0 + static_cast<std::int64_t>(of_offset.size()) * 500 + static_cast<std::int64_t>(random() % 20'000) - 10'000;
            while (!client->put(0, value, time)) {
                const std::uint64_t before = client->puts.credit();
                served.send(*client);
                REQUIRE(served.until([&] { return client->puts.credit() > before; }));
            }
            of_offset.push_back(time);
        }
        served.send(*client);
        REQUIRE(served.until([&] { return client->puts.acked() + 1 == client->puts.sequence_next(); }));
    }
    frames::OffsetFound find(std::int64_t at) {
        client->encode([&](Writer& w) { frames::encode_offsets(w, asked, {"temps", 1, at}); });
        REQUIRE(served.until(*client, Kind::offsets, ++asked));
        const auto answer = frames::decode_answer(client->last(Kind::offsets).body);
        REQUIRE(answer->error == Error::none);
        return *frames::decode_offset_found(answer->rest);
    }
    void check(std::int64_t at) {
        const frames::OffsetFound found = find(at);
        INFO((at - t0));
        std::size_t offset = static_cast<std::size_t>(log().start.value);
        while (offset < of_offset.size() && of_offset[offset] < at) ++offset;
        CHECK(found.offset.value == static_cast<std::int64_t>(offset));
        CHECK(found.time.value == (offset < of_offset.size() ? of_offset[offset] : -1));
    }
};

}  // namespace

TEST_CASE("offsets by time: in RAM, on flash, after a restart, where the oldest are gone, and beyond the last") {
    Times times;
    std::mt19937 random(7);
    times.connect().alias(0, "temps", 1);
    times.check(t0);
    times.write(40, 30, random);
    for (std::int64_t at = t0 - 30'000; at < t0 + 50'000; at += 777) times.check(at);
    // Over several segments, until the ring has dropped the oldest.
    while (times.log().start.value == 0) times.write(20, 1500, random);
    const auto all = [&] {
        const auto last = static_cast<std::int64_t>(times.of_offset.size()) * 500;
        for (int i = 0; i < 60; ++i) times.check(t0 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(last + 40'000)) - 20'000);
        times.check(0);
        times.check(INT64_MAX);
        for (const std::int64_t offset : {times.log().start.value, times.log().end.value - 1}) times.check(times.of_offset[static_cast<std::size_t>(offset)]);
    };
    all();
    times.served.server_node->power_cut();
    times.served.server_node->boot();
    REQUIRE(times.served.until([&] { return times.served.program != nullptr; }));
    times.of_offset.resize(static_cast<std::size_t>(times.log().end.value));
    times.connect();
    all();
}

TEST_CASE("offsets by time: beyond the index's last second, in 2106") {
    constexpr std::int64_t last = 4'294'967'295'000;
    Times times;
    Client& client = times.connect();
    client.alias(0, "temps", 1);
    times.of_offset = {t0, last - 1, last, 6'000'000'000'000};
    for (const std::int64_t time : times.of_offset) REQUIRE(client.put(0, "v", time));
    times.served.send(client);
    REQUIRE(times.served.until([&] { return client.puts.acked() + 1 == client.puts.sequence_next(); }));
    for (const std::int64_t at : {t0, t0 + 1, last - 1, last, last + 1, std::int64_t{5'000'000'000'000}, std::int64_t{6'000'000'000'000}, std::int64_t{6'000'000'000'001}}) times.check(at);
}

TEST_CASE("offsets by time: what the broker stamped is passed over until its clock is trusted, in RAM, on flash and after a restart") {
    Times times;
    Client& client = times.connect();
    client.alias(0, "temps", 1);
    const auto stamped_here = [&](std::string_view value) {
        frames::Reading reading;
        reading.stamped = false;
        reading.value = as_bytes(value);
        Status status;
        client.encode([&](Writer& w) { status = frames::encode_put(w, client.sum, client.puts, 0, reading); });
        REQUIRE(status.ok());
    };
    const auto settle = [&] {
        times.served.send(client);
        REQUIRE(times.served.until([&] { return client.puts.acked() + 1 == client.puts.sequence_next(); }));
    };
    times.served.run(5 * ns_per_s);
    // Several batches of each kind in turn: more than one view patches.
    for (int i = 0; i < 12; ++i) {
        stamped_here("here");
        settle();
        REQUIRE(client.put(0, "sent", 500 + i));
        settle();
    }
    for (const std::int64_t at : {0, 505}) {
        CHECK(times.find(at).offset.value == (at == 0 ? 1 : 11));
        CHECK(times.find(at).time.value == (at == 0 ? 500 : 505));
    }
    CHECK(times.find(1000).time.value == -1);
    CHECK(times.find(1000).offset.value == 24);

    const auto restart = [&] {
        times.served.server_node->power_cut();
        times.served.server_node->boot();
        REQUIRE(times.served.until([&] { return times.served.program != nullptr; }));
        times.connect();
    };
    const auto trust = [&] {
        times.served.server_node->set_wall(times.served.world.true_wall());
        times.served.server_node->set_wall_synchronised(true);
        REQUIRE(times.served.until([&] { return times.served.program->server->broker().clock_trusted(); }));
    };
    SUBCASE("trusted in the same boot: they have their times") {
        const std::int64_t before = times.served.world.true_wall().value - 60'000;
        trust();
        CHECK(times.find(before).offset.value == 0);
        CHECK(times.find(before).time.value > before);
    }
    SUBCASE("another boot is not told the time of this one") {
        restart();
        CHECK(times.find(0).offset.value == 1);
        trust();
        CHECK(times.find(0).offset.value == 1);
        CHECK(times.find(1000).time.value == -1);
    }
}
