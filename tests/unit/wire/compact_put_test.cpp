#include "wire/compact/put_state.h"

#include <doctest/doctest.h>

#include <deque>
#include <random>
#include <string>
#include <vector>

#include "record/record.h"
#include "wire/compact/frame_reader.h"

using namespace rivulet;
using namespace rivulet::wire::compact;
using Buffer = std::vector<std::uint8_t>;

namespace {

// Both ends of a connection, after OPEN.
struct Link {
    explicit Link(const Open& open = {}) : client(open), broker(open) {
        reader.set_frame_bytes_max(1 << 20);
        client.grant(1 << 30);
        broker.grant(1 << 30);
    }
    Result<Puts> receive() {
        const auto step = reader.next(out.written());
        REQUIRE(step.outcome == FrameReader::Outcome::frame);
        REQUIRE(step.bytes == out.size());
        return decode_puts(step.frame, broker);
    }

    Buffer buffer = Buffer(1 << 17);
    Writer out{buffer};
    RunningCrc sum;
    FrameReader reader{Side::client};
    PutState client, broker;
};

struct Owned {
    std::string key, value;
    Buffer headers = Buffer(256);
    Reading reading;
};

void fill(std::mt19937& random, Owned& to, std::int64_t& time) {
    Reading& r = to.reading;
    to.key.assign(random() % 20, 'k');
    to.value.assign(random() % 300, 'v');
    r.stamped = random() % 4 != 0;
    time += static_cast<std::int64_t>(random() % 2000) - 200;
    if (random() % 50 == 0) time = static_cast<std::int64_t>(random()) << (random() % 32);
    r.time = r.stamped ? Timestamp(time) : Timestamp(-1);
    r.has_key = random() % 3 == 0;
    if (r.has_key) r.key = as_bytes(to.key);
    r.has_value = random() % 8 != 0;
    if (r.has_value) r.value = as_bytes(to.value);
    if (random() % 4 == 0) {
        Writer out(to.headers);
        const Header headers[] = {{"a", true, as_bytes("1")}, {"", false, {}}, {"empty", true, {}}};
        r.headers = encode_headers(out, std::span(headers).first(1 + random() % 3));
    }
}

void same(const Reading& a, const Reading& b) {
    CHECK(a.stamped == b.stamped);
    if (a.stamped) CHECK(a.time == b.time);
    CHECK(a.has_key == b.has_key);
    CHECK(equal(a.key, b.key));
    CHECK(a.has_value == b.has_value);
    CHECK(equal(a.value, b.value));
    CHECK(a.headers.size() == b.headers.size());
    CHECK(equal(a.headers.encoded(), b.headers.encoded()));
}

FrameView frame_of(Kind kind, std::uint8_t flags, Bytes body) {
    FrameView frame;
    frame.kind = kind;
    frame.flags = flags;
    frame.body = body;
    frame.raw = body;
    return frame;
}

Error decoded(Kind kind, std::uint8_t flags, Buffer body) {
    PutState state;
    return decode_puts(frame_of(kind, flags, body), state).error();
}

}  // namespace

TEST_CASE("compact puts: random readings arrive as sent, single and packed") {
    std::mt19937 random(3);
    Open open;
    open.base_sequence = 1000;
    Link link(open);
    std::int64_t time = 1'700'000'000'000;
    std::uint64_t sequence = 1000;
    for (int round = 0; round < 3000; ++round) {
        link.out.rewind(0);
        const std::uint64_t alias = random() % 3 == 0 ? random() % 300 : 5;
        std::deque<Owned> sent;
        if (random() % 2 == 0) {
            fill(random, sent.emplace_back(), time);
            const std::size_t bytes = put_frame_bytes(link.sum, link.client, alias, sent[0].reading);
            REQUIRE(encode_put(link.out, link.sum, link.client, alias, sent[0].reading));
            CHECK(link.out.size() == bytes);
        } else {
            PackedPutEncoder packed(link.out, link.sum, link.client, alias, 200 + random() % 5000);
            for (;;) {
                fill(random, sent.emplace_back(), time);
                if (!packed.add(sent.back().reading)) break;
            }
            sent.pop_back();
            CHECK(packed.count() == sent.size());
            packed.finish();
            if (sent.empty()) {
                CHECK(link.out.size() == 0);
                continue;
            }
        }
        const auto puts = link.receive();
        REQUIRE(puts);
        CHECK(puts->alias == alias);
        CHECK(puts->sequence_first == sequence);
        REQUIRE(puts->readings.size() == sent.size());
        sequence += sent.size();
        std::size_t i = 0;
        for (const Reading& reading : puts->readings) same(reading, sent[i++].reading);
        CHECK(i == sent.size());
        CHECK(link.client.sequence_next() == sequence);
        CHECK(link.broker.sequence_next() == sequence);
        CHECK(link.client.credit() == link.broker.credit());
    }
}

TEST_CASE("compact puts: headers are stored as they come") {
    std::uint8_t wire_bytes[100], record_bytes[100];
    Writer wire_out(wire_bytes), record_out(record_bytes);
    const Header headers[] = {{"unit", true, as_bytes("C")}, {"raw", false, {}}, {"", true, {}}};
    const auto list = encode_headers(wire_out, headers);
    for (const Header& header : list) record::encode_record_header(record_out, {as_bytes(header.key), header.has_value, header.value});
    CHECK(equal(list.encoded(), record_out.written()));
    record::HeaderReader reader(list.encoded(), static_cast<std::int32_t>(list.size()));
    CHECK(as_text(reader.next()->key) == "unit");
}

TEST_CASE("compact puts: a packed frame never exceeds its limit, and uses it") {
    for (const bool integrity : {true, false})
        for (std::size_t limit = 3; limit < 400; ++limit) {
            Link link;
            link.sum.set_on(integrity);
            link.reader.set_integrity(integrity);
            PackedPutEncoder packed(link.out, link.sum, link.client, 9, limit);
            Reading reading;
            reading.value = as_bytes("a");
            while (packed.add(reading)) {}
            const std::size_t count = packed.count();
            packed.finish();
            CHECK(link.out.size() <= limit);
            if (count == 0) {
                CHECK(limit < (integrity ? 7 : 5));
                continue;
            }
            CHECK(link.out.size() + 3 > limit);
            CHECK(link.receive()->readings.size() == count);
        }
    // Of the Writer's room and of the credit, likewise; and nothing of an abandoned frame counts.
    Link link;
    std::uint8_t small[20];
    Writer out(small);
    Reading reading;
    reading.value = as_bytes("a");
    {
        PackedPutEncoder packed(out, link.sum, link.client, 9, 1000);
        while (packed.add(reading)) {}
        CHECK(packed.count() == 7);
    }
    CHECK(link.client.sequence_next() == 1);
    CHECK(link.sum.check() == 0);
    out.rewind(0);
    PutState poor;
    const Buffer large(900, 'v');
    reading.value = large;
    REQUIRE(encode_put(link.out, link.sum, poor, 9, reading));
    const std::size_t before = link.out.size();
    CHECK(encode_put(link.out, link.sum, poor, 9, reading).error() == Error::credit_exceeded);
    CHECK(link.out.size() == before);
    PackedPutEncoder packed(link.out, link.sum, poor, 9, 1000);
    CHECK(!packed.add(reading));
    reading.value = as_bytes("a");
    CHECK(packed.add(reading));
    packed.finish();
    CHECK(encode_put(out, link.sum, poor, 9, reading).ok());
    out.rewind(0);
    out.zeros(16);
    CHECK(encode_put(out, link.sum, poor, 9, reading).error() == Error::busy);
    CHECK(out.ok());
    CHECK(out.size() == 16);
}

TEST_CASE("compact puts: the regular form") {
    for (const bool stamped : {true, false})
        for (const std::size_t count : {1, 2, 3, 50}) {
            Link link;
            const Buffer values(count * 4, 'x');
            for (int frame = 0; frame < 3; ++frame) {
                link.out.rewind(0);
                const std::int64_t first = 1000 + frame * 100000;
                REQUIRE(encode_put_regular(link.out, link.sum, link.client, 2, stamped, Timestamp(first), 250, 4, values));
                const auto puts = link.receive();
                REQUIRE(puts);
                REQUIRE(puts->readings.size() == count);
                std::int64_t expected = first;
                for (const Reading& reading : puts->readings) {
                    CHECK(reading.stamped == stamped);
                    if (stamped) CHECK(reading.time.value == expected);
                    CHECK(reading.value.size() == 4);
                    expected += 250;
                }
            }
            // What follows agrees on the time.
            link.out.rewind(0);
            Reading reading;
            reading.stamped = true;
            reading.time = Timestamp(7);
            REQUIRE(encode_put(link.out, link.sum, link.client, 2, reading));
            CHECK(link.receive()->readings.front().time.value == 7);
        }
    Link link;
    CHECK(encode_put_regular(link.out, link.sum, link.client, 2, true, Timestamp(0), 1, 0, as_bytes("ab")).error() == Error::invalid_argument);
    CHECK(encode_put_regular(link.out, link.sum, link.client, 2, true, Timestamp(0), 1, 3, as_bytes("ab")).error() == Error::invalid_argument);
    CHECK(encode_put_regular(link.out, link.sum, link.client, 2, true, Timestamp(0), 1, 3, {}).error() == Error::invalid_argument);
}

TEST_CASE("compact puts: extreme times wrap and come back") {
    Link link;
    for (const std::int64_t time : {INT64_MIN, INT64_MAX, std::int64_t{0}, INT64_MIN, std::int64_t{-1}, INT64_MAX}) {
        link.out.rewind(0);
        Reading reading;
        reading.stamped = true;
        reading.time = Timestamp(time);
        REQUIRE(encode_put(link.out, link.sum, link.client, 0, reading));
        CHECK(link.receive()->readings.front().time.value == time);
    }
}

TEST_CASE("compact puts: malformed bodies") {
    using namespace flag;
    constexpr std::uint8_t unstamped_attributes = put_unstamped | put_attributes;
    CHECK(decoded(Kind::put, put_unstamped, {0}) == Error::none);
    CHECK(decoded(Kind::put, put_unstamped, {}) == Error::malformed);
    CHECK(decoded(Kind::put, put_same_alias | put_unstamped, {}) == Error::unknown_alias);
    CHECK(decoded(Kind::put, 0, {0}) == Error::malformed);           // no time
    CHECK(decoded(Kind::put, 0, {0, 0x80, 0}) == Error::malformed);  // not minimal
    CHECK(decoded(Kind::put, unstamped_attributes, {0, 0}) == Error::malformed);
    CHECK(decoded(Kind::put, unstamped_attributes, {0}) == Error::malformed);
    for (unsigned bit = 3; bit < 8; ++bit) {
        CHECK(decoded(Kind::put, unstamped_attributes, {0, static_cast<std::uint8_t>(1U << bit), 1, 'x'}) == Error::malformed);
        CHECK(decoded(Kind::put_packed, unstamped_attributes, {0, static_cast<std::uint8_t>(1U << bit), 1, 'x'}) ==
              (bit == 3 ? Error::none : Error::malformed));
    }
    CHECK(decoded(Kind::put, unstamped_attributes, {0, 4}) == Error::none);
    CHECK(decoded(Kind::put, unstamped_attributes, {0, 4, 'x'}) == Error::malformed);  // a tombstone with a value
    CHECK(decoded(Kind::put, unstamped_attributes, {0, 1, 2, 'k'}) == Error::malformed);
    CHECK(decoded(Kind::put, unstamped_attributes, {0, 2, 1, 1, 0}) == Error::malformed);                 // header key of -1
    CHECK(decoded(Kind::put, unstamped_attributes, {0, 2, 1, 0, 3}) == Error::malformed);                 // header value of -2
    CHECK(decoded(Kind::put, unstamped_attributes, {0, 2, 0xff, 0xff, 0xff, 0x7f, 0, 0}) == Error::malformed);  // too few
    CHECK(decoded(Kind::put_packed, put_unstamped, {0}) == Error::malformed);                             // none at all
    CHECK(decoded(Kind::put_packed, put_unstamped, {0, 0}) == Error::none);
    CHECK(decoded(Kind::put_packed, put_unstamped, {0, 0, 2, 'x'}) == Error::malformed);
    CHECK(decoded(Kind::put_packed, unstamped_attributes, {0, 4, 0}) == Error::malformed);  // tombstones of no bytes
    CHECK(decoded(Kind::put_packed, unstamped_attributes, {0, 8}) == Error::malformed);
    CHECK(decoded(Kind::put_packed, unstamped_attributes, {0, 8, 0, 'x'}) == Error::malformed);
    CHECK(decoded(Kind::put_packed, unstamped_attributes, {0, 8, 1}) == Error::malformed);
    CHECK(decoded(Kind::put_packed, unstamped_attributes, {0, 8, 2, 'x', 'y', 'z'}) == Error::malformed);
    CHECK(decoded(Kind::put_packed, unstamped_attributes, {0, 9, 1, 'x'}) == Error::malformed);
    CHECK(decoded(Kind::put_packed, put_attributes, {0, 8, 0, 1, 'x'}) == Error::malformed);  // one change only
    CHECK(decoded(Kind::put, put_unstamped, Buffer(1025)) == Error::credit_exceeded);
}

TEST_CASE("compact acks: distances, refusals, and claims beyond what was sent") {
    Open open;
    open.base_sequence = 100;
    Link link(open);
    Reading reading;
    for (int i = 0; i < 10; ++i) {
        link.out.rewind(0);
        REQUIRE(encode_put(link.out, link.sum, link.client, 0, reading));
        REQUIRE(link.receive());
    }
    CHECK(link.client.acked() == 99);
    std::uint8_t bytes[100];
    Writer out(bytes);
    RunningCrc down;
    FrameReader reader(Side::broker);
    const auto exchange = [&](const Ack& ack) {
        out.rewind(0);
        encode_ack(out, down, link.broker, ack);
        const auto read = decode_ack(reader.next(out.written()).frame, link.client);
        REQUIRE(read);
        CHECK(read->sequence == ack.sequence);
        CHECK(read->credit == ack.credit);
        CHECK(read->refusal.count == ack.refusal.count);
        if (ack.refusal.count != 0) CHECK(read->refusal.first == ack.refusal.first);
        CHECK(link.client.credit() == link.broker.credit());
    };
    exchange({99, 0, {107, 3, Error::batch_too_large}});  // ahead of the position
    exchange({102, 500, {101, 1, Error::invalid_timestamp}});
    exchange({109, 0, {}});
    CHECK(link.client.acked() == 109);

    PutState state(open);
    const auto claim = [&](std::uint8_t flags, Buffer body) {
        PutState copy = link.client;
        return decode_ack(frame_of(Kind::ack, flags, body), copy).error();
    };
    CHECK(claim(0, {0, 0}) == Error::none);
    CHECK(claim(0, {1, 0}) == Error::malformed);
    CHECK(claim(0, {0}) == Error::malformed);
    CHECK(claim(0, {0, 0, 0}) == Error::malformed);
    CHECK(claim(1, {0, 0, 1, 1, 20}) == Error::malformed);
    link.out.rewind(0);
    REQUIRE(encode_put(link.out, link.sum, link.client, 0, reading));
    CHECK(claim(1, {0, 0, 1, 1, 20}) == Error::none);
    CHECK(claim(1, {0, 0, 0, 1, 20}) == Error::malformed);
    CHECK(claim(1, {0, 0, 1, 2, 20}) == Error::malformed);
    CHECK(claim(1, {0, 0, 1, 0, 20}) == Error::malformed);
    CHECK(claim(1, {0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 20}) == Error::malformed);
}
