#include "record/pack.h"

#include <doctest/doctest.h>

#include <limits>

#include "unit/base/death.h"
#include "unit/record/batches.h"

using namespace rivulet;
using namespace rivulet::record;
using test::Buffer;
using test::reading;

TEST_CASE("pack: what goes in comes out, and arrives valid") {
    test::Random random(41);
    for (int round = 0; round < 150; ++round) {
        std::vector<std::string> texts;
        std::vector<Reading> readings;
        const std::size_t count = 1 + random.below(40);
        texts.reserve(3 * count);
        for (std::size_t i = 0; i < count; ++i) {
            Reading r;
            r.timestamp = Timestamp(random.below(9) == 0 ? -1 : static_cast<std::int64_t>(random() % 2'000'000'000'000));
            r.has_key = random.below(2) == 0;
            r.has_value = random.below(5) != 0;
            texts.emplace_back(random.below(100), 'k');
            if (r.has_key) r.key = as_bytes(texts.back());
            texts.emplace_back(random.below(random.below(10) == 0 ? 9000 : 200), 'v');
            if (r.has_value) r.value = as_bytes(texts.back());
            if (random.below(3) == 0) {
                std::uint8_t raw[40];
                Writer out(raw);
                r.header_count = static_cast<std::int32_t>(1 + random.below(3));
                for (int h = 0; h < r.header_count; ++h) encode_record_header(out, {as_bytes("name"), h != 1, as_bytes("text")});
                texts.emplace_back(as_text(out.written()));
                r.headers_raw = as_bytes(texts.back());
            }
            readings.push_back(r);
        }

        Pack pack;
        Pack contiguous;
        Buffer batch(batch_header_bytes);
        Buffer room(count * 9500);
        Writer out(room);
        for (const Reading& r : readings) {
            const std::uint64_t size = pack.size_with(r);
            REQUIRE(contiguous.add(r, out));
            std::uint8_t scratch[record_scratch_bytes];
            const RecordPieces pieces = pack.add(r, scratch);
            for (const Bytes piece : pieces) batch.insert(batch.end(), piece.begin(), piece.end());
            REQUIRE(pack.bytes() == size);
            REQUIRE(batch.size() == size);
        }
        REQUIRE(pack.count() == static_cast<std::int32_t>(count));
        encode_header(pack.close(), batch);
        REQUIRE(equal(out.written(), Bytes(batch).subspan(batch_header_bytes)));
        REQUIRE(contiguous.close().crc == pack.close().crc);
        REQUIRE(test::validate(batch, test::options_for(batch)).ok());
        REQUIRE(test::validate(batch, test::options_for(batch), 50, static_cast<std::uint64_t>(round)).ok());

        const BatchHeader h = decode_header(batch);
        REQUIRE(h.total_bytes() == batch.size());
        REQUIRE(h.base_timestamp == readings[0].timestamp);
        RecordReader reader(test::body_of(batch), h.record_count);
        Timestamp latest(-1);
        for (std::size_t i = 0; i < count; ++i) {
            const std::optional<Record> r = reader.next();
            REQUIRE(r);
            REQUIRE(r->offset_delta == static_cast<std::int32_t>(i));
            REQUIRE(h.timestamp_of(r->timestamp_delta) == readings[i].timestamp);
            REQUIRE(r->has_key == readings[i].has_key);
            REQUIRE(r->has_value == readings[i].has_value);
            REQUIRE(equal(r->key, readings[i].key));
            REQUIRE(equal(r->value, readings[i].value));
            REQUIRE(equal(r->headers_raw, readings[i].headers_raw));
            latest = std::max(latest, readings[i].timestamp);
        }
        REQUIRE_FALSE(reader.next());
        REQUIRE(reader.error() == Error::none);
        REQUIRE(h.max_timestamp == latest);
    }
}

TEST_CASE("pack: into contiguous memory, until it is full") {
    Buffer memory(batch_header_bytes + 40);
    Writer out(memory);
    out.zeros(batch_header_bytes);
    Pack pack;
    CHECK(pack.empty());
    CHECK(pack.bytes() == batch_header_bytes);
    int taken = 0;
    while (pack.add(reading(1000 + taken, "k", "value"), out)) ++taken;
    CHECK(taken == 3);  // of 13 bytes
    CHECK(pack.count() == 3);
    CHECK(out.ok());
    CHECK(out.size() == pack.bytes());
    encode_header(pack.close(Offset(0), Epoch(3)), memory);
    CHECK(test::verdict(out.written()) == Error::none);

    // Closed again after more, and started over.
    const BatchHeader first = pack.close();
    std::uint8_t scratch[record_scratch_bytes];
    (void)pack.add(reading(5, "k", "v"), scratch);
    CHECK(pack.close().record_count == 4);
    CHECK(pack.close().crc != first.crc);
    pack.clear(attribute_clock_untrusted);
    CHECK(pack.empty());
    CHECK(pack.bytes() == batch_header_bytes);
    (void)pack.add(reading(5, "k", "v"), scratch);
    CHECK(pack.close().clock_untrusted());
    CHECK(pack.base_timestamp() == Timestamp(5));
}

TEST_CASE("pack: offset and epoch are in the header, the mark in the CRC") {
    Pack pack(attribute_clock_untrusted);
    std::uint8_t scratch[record_scratch_bytes];
    (void)pack.add(reading(5, "k", "v"), scratch);
    const BatchHeader h = pack.close(Offset(1234), Epoch(7));
    CHECK(h.base_offset == Offset(1234));
    CHECK(h.leader_epoch == Epoch(7));
    CHECK(h.crc == pack.close().crc);
    CHECK(h.producer_id == -1);
    CHECK(h.producer_epoch == -1);
    CHECK(h.base_sequence == -1);
    Buffer batch = test::pack({reading(5, "k", "v")}, attribute_clock_untrusted);
    CHECK(test::verdict(batch) == Error::invalid_record);  // never over the wire
    CHECK(test::verdict(batch, Origin::stored) == Error::none);
    rebase_timestamps(batch, 1'700'000'000'000);
    CHECK(test::verdict(batch) == Error::none);
}

TEST_CASE("pack: times from end to end of the range") {
    constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min();
    constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
    const std::int64_t times[] = {largest, smallest, 0, -1, largest - 1};
    std::vector<Reading> readings;
    for (const std::int64_t t : times) readings.push_back(reading(t, "k", "v"));
    const Buffer batch = test::pack(readings);
    CHECK(test::verdict(batch) == Error::none);
    const BatchHeader h = decode_header(batch);
    CHECK(h.max_timestamp == Timestamp(largest));
    RecordReader reader(test::body_of(batch), h.record_count);
    for (const std::int64_t t : times) CHECK(h.timestamp_of(reader.next()->timestamp_delta) == Timestamp(t));
}

TEST_CASE("pack: misuse aborts") {
    CHECK(test::aborts([] { (void)Pack().close(); }));
    CHECK(test::aborts([] { Pack pack(4); }));
}
