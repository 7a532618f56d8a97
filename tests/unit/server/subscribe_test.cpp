// SUBSCRIBE, DATA, CREDIT: push to followers of a log.
#include <doctest/doctest.h>

#include "record/batch.h"
#include "unit/server/served.h"
#include "wire/compact/push_frames.h"

using namespace rivulet;
using rivulet::test::Client;
using rivulet::test::Frame;
using rivulet::test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

Client& connected(Served& served, std::uint64_t frame_limit = 1 << 20) {
    Client& client = served.connect();
    client.open(0, 1, frame_limit, frames::feature::integrity | frames::feature::push);
    REQUIRE(served.until(client, Kind::open));
    REQUIRE((client.opened.features & frames::feature::push) != 0);
    return client;
}

void subscribe(Client& client, std::uint64_t number, std::uint64_t partition, std::int64_t offset, std::uint64_t credit, std::string_view topic = "temps") {
    frames::Subscribe wanted;
    wanted.topic = topic;
    wanted.partition = partition;
    wanted.offset = Offset(offset);
    wanted.credit = credit;
    client.encode([&](Writer& w) { frames::encode_subscribe(w, number, wanted); });
}

void credit(Client& client, std::uint64_t number, std::uint64_t bytes) {
    client.encode([&](Writer& w) { frames::encode_credit(w, number, {false, bytes}); });
}

void end(Client& client, std::uint64_t number) {
    client.encode([&](Writer& w) { frames::encode_credit(w, number, {true, 0}); });
}

void write(Served& served, Client& client, std::uint64_t alias, std::size_t n, std::string_view value) {
    for (std::size_t i = 0; i < n; ++i) {
        while (!client.put(alias, value)) {
            served.send(client);
            const std::uint64_t before = client.puts.credit();
            REQUIRE(served.until([&] { return client.puts.credit() > before; }));
        }
    }
    served.send(client);
    REQUIRE(served.until([&] { return client.puts.acked() + 1 == client.puts.sequence_next(); }));
}

struct Pushed {
    std::int64_t next = 0;      // behind the last record
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;    // of whole frames
    std::size_t frames = 0;
    std::size_t bytes_most = 0;
    bool over = false;
    Error why = Error::none;
};

Pushed pushed(const Client& client, std::uint64_t number) {
    Pushed sum;
    for (const Frame& frame : client.arrived) {
        if (frame.kind != Kind::data || frame.correlation != number) continue;
        CHECK(!sum.over);
        if ((frame.flags & frames::flag::data_end) != 0) {
            sum.over = true;
            sum.why = frames::decode_answer(frame.body)->error;
            continue;
        }
        const auto data = frames::decode_data(frame.body);
        REQUIRE(data.ok());
        if (sum.frames++ != 0) CHECK(data->offset.value >= sum.next);
        Bytes left = data->batches;
        while (!left.empty()) {
            const record::BatchHeader batch = record::decode_header(left);
            const std::int64_t last = batch.base_offset.value + batch.last_offset_delta;
            const std::int64_t first = batch.base_offset.value < data->offset.value ? data->offset.value : batch.base_offset.value;
            sum.records += static_cast<std::uint64_t>(last - first + 1);
            sum.next = last + 1;
            left = left.subspan(batch.total_bytes());
        }
        CHECK(data->high_watermark.value >= sum.next);
        sum.bytes += frame.raw_bytes;
        sum.bytes_most = std::max(sum.bytes_most, frame.raw_bytes);
    }
    return sum;
}

Error answered(const Client& client, std::uint64_t number) {
    for (const Frame& frame : client.arrived)
        if (frame.kind == Kind::subscribe && frame.correlation == number) return frames::decode_answer(frame.body)->error;
    FAIL("no answer");
    return Error::unknown;
}

}  // namespace

TEST_CASE("a follower gets what is there and what comes, in order, without asking again") {
    Served served;
    Client& writer = connected(served);
    writer.alias(0, "temps", 0);
    write(served, writer, 0, 50, "early");
    Client& reader = connected(served);
    subscribe(reader, 5, 0, frames::fetch_earliest, 1 << 20);
    REQUIRE(served.until(reader, Kind::data));
    const auto head = frames::decode_subscribed(frames::decode_answer(reader.last(Kind::subscribe).body)->rest);
    REQUIRE(head.ok());
    CHECK(head->offset == Offset(0));
    CHECK(head->high_watermark == Offset(50));
    for (int round = 0; round < 5; ++round) write(served, writer, 0, 10, "late");
    REQUIRE(served.until([&] { return pushed(reader, 5).next == 100; }));
    CHECK(pushed(reader, 5).records == 100);
    CHECK(!pushed(reader, 5).over);
}

TEST_CASE("credit bounds what is under way, and more of it sets the flow going again") {
    Served served;
    Client& writer = connected(served);
    writer.alias(0, "temps", 0);
    const std::string value(200, 'v');
    for (int round = 0; round < 40; ++round) write(served, writer, 0, 8, value);
    Client& reader = connected(served);
    subscribe(reader, 1, 0, 0, 5000);
    served.send(reader);
    served.run(2 * ns_per_s);
    Pushed seen = pushed(reader, 1);
    CHECK(seen.frames > 0);
    CHECK(seen.next < 320);
    // One batch may overdraw it.
    CHECK(seen.bytes < 5000 + 8 * 300);
    const std::uint64_t before = seen.bytes;
    served.run(5 * ns_per_s);
    CHECK(pushed(reader, 1).bytes == before);
    for (int i = 0; i < 100 && pushed(reader, 1).next < 320; ++i) {
        credit(reader, 1, 1000);
        served.send(reader);
        served.run(ns_per_s / 10);
    }
    seen = pushed(reader, 1);
    CHECK(seen.next == 320);
    CHECK(seen.records == 320);
}

TEST_CASE("the end: as asked, by a deleted topic, by CLOSE; its number is free again") {
    Served served;
    Client& reader = connected(served);
    subscribe(reader, 1, 0, frames::fetch_latest, 1000);
    subscribe(reader, 2, 1, frames::fetch_latest, 0);
    REQUIRE(served.until(reader, Kind::subscribe, 2));
    end(reader, 1);
    end(reader, 2);
    end(reader, 77);
    credit(reader, 1, 5);
    REQUIRE(served.until(reader, Kind::data, 2));
    CHECK(pushed(reader, 1).over);
    CHECK(pushed(reader, 1).why == Error::none);
    CHECK(pushed(reader, 2).over);
    subscribe(reader, 1, 0, frames::fetch_latest, 1000, "fast");
    REQUIRE(served.until(reader, Kind::subscribe, 3));
    reader.encode([&](Writer& w) { frames::encode_topic_delete(w, 9, {"fast"}); });
    REQUIRE(served.until(reader, Kind::data, 3));
    CHECK(frames::decode_answer(reader.last(Kind::data).body)->error == Error::unknown_topic_or_partition);
    subscribe(reader, 3, 0, frames::fetch_latest, 1000);
    reader.encode([&](Writer& w) { frames::encode_close(w, {}); });
    served.send(reader);
    REQUIRE(served.until([&] { return reader.closed; }));
    CHECK(pushed(reader, 3).why == Error::canceled);
    CHECK(reader.arrived.back().kind == Kind::close);
}

TEST_CASE("a subscription is refused for the reasons of a fetch") {
    Served served;
    Client& reader = connected(served);
    subscribe(reader, 1, 9, 0, 1000);
    subscribe(reader, 2, 0, 100, 1000);
    subscribe(reader, 3, 0, 0, 1000, "nobody");
    REQUIRE(served.until(reader, Kind::subscribe, 3));
    CHECK(answered(reader, 1) == Error::unknown_topic_or_partition);
    CHECK(answered(reader, 2) == Error::offset_out_of_range);
    CHECK(answered(reader, 3) == Error::unknown_topic_or_partition);
    for (std::uint64_t i = 10; i < 19; ++i) subscribe(reader, i, 0, 0, 1000);
    REQUIRE(served.until(reader, Kind::subscribe, 12));
    CHECK(answered(reader, 15) == Error::none);
    CHECK(answered(reader, 16) == Error::busy);  // the last two are for connections with at most one

    Client& plain = served.connect();
    plain.open();
    subscribe(plain, 1, 0, 0, 1000);
    REQUIRE(served.until(plain, Kind::error));
    CHECK(frames::decode_error(plain.last(Kind::error).body)->error == Error::unsupported);
    Client& twice = connected(served);
    end(reader, 10);
    served.send(reader);
    REQUIRE(served.until(reader, Kind::data));
    subscribe(twice, 1, 0, 0, 1000);
    subscribe(twice, 1, 0, 0, 1000);
    REQUIRE(served.until(twice, Kind::error));
    CHECK(frames::decode_error(twice.last(Kind::error).body)->error == Error::invalid_argument);
    Client& greedy = connected(served);
    subscribe(greedy, 1, 0, 0, std::uint64_t{1} << 40);
    REQUIRE(served.until(greedy, Kind::error));
}

TEST_CASE("several subscriptions of one connection take turns, and a follower that stops reading holds up nobody") {
    // With 8 in all, the last quarter of them would be kept for those that have fewer.
    std::string config = test::small_config;
    config.replace(config.find("parked_fetches = 8"), 18, "parked_fetches = 12");
    Served served(config);
    Client& writer = connected(served);
    const std::string value(500, 'v');
    for (std::uint64_t p = 0; p < 4; ++p) {
        writer.alias(p, "temps", p);
        for (int round = 0; round < 20; ++round) write(served, writer, p, 4, value);
    }
    Client& stuck = connected(served);
    stuck.take_nothing();
    for (std::uint64_t p = 0; p < 4; ++p) subscribe(stuck, p, p, 0, 1 << 20);
    served.send(stuck);
    Client& reader = connected(served);
    for (std::uint64_t p = 0; p < 4; ++p) subscribe(reader, p, p, 0, 8000);
    served.send(reader);
    REQUIRE(served.until([&] { return reader.count(Kind::data) >= 4; }));
    served.run(ns_per_s);
    for (std::uint64_t p = 0; p < 4; ++p) CHECK(pushed(reader, p).records > 0);
    for (std::uint64_t p = 0; p < 4; ++p) credit(reader, p, 1 << 20);
    served.send(reader);
    REQUIRE(served.until([&] {
        for (std::uint64_t p = 0; p < 4; ++p)
            if (pushed(reader, p).next != 80) return false;
        return true;
    }));
}

TEST_CASE("retention overtakes a follower without credit: it goes on at the log start") {
    Served served;
    Client& writer = connected(served);
    writer.alias(0, "temps", 0);
    write(served, writer, 0, 1, "first");
    Client& reader = connected(served);
    subscribe(reader, 1, 0, 0, 1);
    REQUIRE(served.until(reader, Kind::data));
    const std::string value(4000, 'v');
    const auto& broker = served.program->server->broker();
    auto& store = const_cast<store::Store&>(broker.store());
    const LogId log = served.program->server->broker().find_topic("temps")->first_log();
    for (int round = 0; round < 2000 && store.find(log)->start.value < 5; ++round) write(served, writer, 0, 2, value);
    REQUIRE(store.find(log)->start.value >= 5);
    credit(reader, 1, 1 << 24);
    served.send(reader);
    const std::int64_t last = store.find(log)->end.value;
    REQUIRE(served.until([&] { return pushed(reader, 1).next == last; }));
    CHECK(pushed(reader, 1).records < static_cast<std::uint64_t>(last));
}

TEST_CASE("a follower that says nothing is closed after a while, PING or CREDIT keeps it") {
    Served served;
    Client& silent = connected(served);
    subscribe(silent, 1, 0, 0, 1000);
    Client& careful = connected(served);
    subscribe(careful, 1, 0, 0, 1000);
    served.send(silent);
    served.send(careful);
    for (int i = 0; i < 3; ++i) {
        served.run(200 * ns_per_s);
        credit(careful, 1, 1);
        served.send(careful);
    }
    CHECK(silent.closed);
    CHECK(pushed(silent, 1).why == Error::timed_out);
    CHECK(!careful.closed);
    Client& writer = connected(served);
    writer.alias(0, "temps", 0);
    write(served, writer, 0, 1, "hello");
    REQUIRE(served.until([&] { return pushed(careful, 1).records == 1; }));
}
