#include "store/producer_table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "unit/base/random.h"

namespace rivulet::test {
namespace {

constexpr LogId first_log{16};

struct Table {
    explicit Table(std::uint32_t capacity = 16)
        : bytes(store::ProducerTable::memory_bytes(capacity)), memory(new std::uint8_t[bytes]), arena({memory.get(), bytes}), table(arena, capacity) {}

    static record::BatchHeader header(std::int64_t producer, std::int32_t sequence, std::int32_t records, std::int16_t epoch) {
        record::BatchHeader h;
        h.producer_id = producer;
        h.producer_epoch = epoch;
        h.base_sequence = sequence;
        h.record_count = records;
        h.last_offset_delta = records - 1;
        return h;
    }
    // As Store does: Error::none with the base in `base` and whether it was a repeat.
    Error send(std::int64_t producer, std::int32_t sequence, std::int32_t records = 1, std::int16_t epoch = 0, LogId log = first_log) {
        record::BatchHeader h = header(producer, sequence, records, epoch);
        const auto known = table.judge(h, log);
        if (!known) return known.error();
        duplicate = *known != nullptr;
        if (duplicate) {
            base = (*known)->base;
            seen_ticket = (*known)->ticket;
            return Error::none;
        }
        if (const Status room = table.make_room(producer, log, durable); !room) return room.error();
        h.base_offset = base = Offset(end);
        table.note(h, log, ticket);
        end += records;
        return Error::none;
    }
    bool repeated(std::int64_t producer, std::int32_t sequence, std::int32_t records = 1, std::int16_t epoch = 0, LogId log = first_log) {
        return send(producer, sequence, records, epoch, log) == Error::none && duplicate;
    }
    bool appended(std::int64_t producer, std::int32_t sequence, std::int32_t records = 1, std::int16_t epoch = 0, LogId log = first_log) {
        return send(producer, sequence, records, epoch, log) == Error::none && !duplicate;
    }

    std::size_t bytes;
    std::unique_ptr<std::uint8_t[]> memory;
    Arena arena;
    store::ProducerTable table;
    std::int64_t end = 100;
    std::uint64_t ticket = 1;
    std::uint64_t durable = UINT64_MAX;
    Offset base{0};
    bool duplicate = false;
    std::uint64_t seen_ticket = 0;
};

TEST_CASE("producers: who is not known begins with any sequence, and goes on without a gap") {
    Table t;
    CHECK(t.appended(7, 41, 3));
    CHECK(t.appended(7, 44));
    CHECK(t.send(7, 46) == Error::out_of_order_sequence);
    CHECK(t.appended(7, 45, 2));
    CHECK(t.send(7, 46, 2) == Error::out_of_order_sequence);  // one of them is new
    CHECK(t.appended(8, 0));
    CHECK(t.appended(7, 0, 1, 0, first_log + 1));
}

TEST_CASE("producers: each of the last five batches is recognised, with its offset and ticket") {
    Table t;
    std::vector<Offset> bases;
    for (std::int32_t i = 0; i < 7; ++i) {
        t.ticket = 10 + static_cast<std::uint64_t>(i);
        REQUIRE(t.appended(7, 3 * i, 3));
        bases.push_back(t.base);
    }
    for (std::int32_t i = 2; i < 7; ++i) {
        CHECK(t.repeated(7, 3 * i, 3));
        CHECK(t.base == bases[static_cast<std::size_t>(i)]);
        CHECK(t.seen_ticket == 10 + static_cast<std::uint64_t>(i));
    }
    // Older ones are stored, and nobody knows where.
    CHECK(t.send(7, 0, 3) == Error::duplicate_sequence);
    CHECK(t.send(7, 3, 3) == Error::duplicate_sequence);
    // Cut otherwise than it was: stored as well.
    CHECK(t.send(7, 7, 2) == Error::duplicate_sequence);
    CHECK(t.appended(7, 21));
}

TEST_CASE("producers: what came before the first that is known is never called stored") {
    Table t;
    for (std::int32_t i = 0; i < 8; ++i) REQUIRE(t.appended(7, 100 + i));
    CHECK(t.send(7, 100) == Error::duplicate_sequence);
    CHECK(t.send(7, 99) == Error::out_of_order_sequence);
    CHECK(t.send(7, 99, 2) == Error::out_of_order_sequence);
}

TEST_CASE("producers: sequences go on from 0 behind 2^31 - 1, also within a batch") {
    Table t;
    CHECK(t.appended(7, 2147483646, 2));
    CHECK(t.send(7, 1) == Error::out_of_order_sequence);
    CHECK(t.appended(7, 0));
    CHECK(t.repeated(7, 2147483646, 2));
    Table within;
    CHECK(within.appended(7, 2147483646, 4));
    CHECK(within.send(7, 0) == Error::duplicate_sequence);
    CHECK(within.send(7, 1, 2) == Error::out_of_order_sequence);
    CHECK(within.appended(7, 2, 2));
    CHECK(within.repeated(7, 2147483646, 4));
}

TEST_CASE("producers: a new epoch starts at 0, an older one is fenced") {
    Table t;
    REQUIRE(t.appended(7, 5, 1, 3));
    CHECK(t.send(7, 6, 1, 2) == Error::invalid_producer_epoch);
    CHECK(t.send(7, 5, 1, 2) == Error::invalid_producer_epoch);
    CHECK(t.send(7, 6, 1, 4) == Error::out_of_order_sequence);
    CHECK(t.appended(7, 0, 1, 4));
    CHECK(t.send(7, 6, 1, 3) == Error::invalid_producer_epoch);
    CHECK(t.repeated(7, 0, 1, 4));
    CHECK(t.appended(7, 1, 1, 4));
}

TEST_CASE("producers: the pair unused for longest goes, but none with a batch that is not durable") {
    Table t(16);
    t.durable = 0;
    for (std::int32_t i = 0; i < 16; ++i) {
        t.ticket = static_cast<std::uint64_t>(i / 8 + 1);
        REQUIRE(t.appended(i, 9));
    }
    CHECK(t.send(100, 0) == Error::busy);
    CHECK(t.table.evictions() == 0);
    // Who is known needs no room.
    t.ticket = 2;
    CHECK(t.appended(0, 10));
    t.durable = 1;
    CHECK(t.appended(100, 0));   // 1 goes, not 0, which was used since
    CHECK(t.table.evictions() == 1);
    CHECK(t.repeated(0, 9));
    for (std::int32_t i = 2; i < 8; ++i) CHECK(t.appended(100 + i, 0));
    CHECK(t.send(200, 0) == Error::busy);
    t.durable = 2;
    CHECK(t.appended(1, 77));    // forgotten: any sequence
    CHECK(t.table.used() == 16);
}

TEST_CASE("producers: a cut takes the batches beyond it, a log that goes takes all of its own") {
    Table t;
    for (std::int32_t i = 0; i < 6; ++i) REQUIRE(t.appended(7, i));
    REQUIRE(t.appended(8, 0));
    REQUIRE(t.appended(7, 0, 1, 0, first_log + 1));
    t.table.truncate(first_log, Offset(103));
    t.end = 103;
    CHECK(t.repeated(7, 2));
    CHECK(t.appended(7, 3));
    CHECK(t.base == Offset(103));
    CHECK(t.table.used() == 2);
    CHECK(t.appended(8, 12));
    t.table.remove_log(first_log);
    CHECK(t.table.used() == 1);
    CHECK(t.repeated(7, 0, 1, 0, first_log + 1));
    CHECK(t.appended(7, 1000));
}

TEST_CASE("producers: a batch that a cut goes through is gone") {
    Table t;
    REQUIRE(t.appended(7, 0, 10));
    t.table.truncate(first_log, Offset(105));
    CHECK(t.table.used() == 0);
}

TEST_CASE("producers: images bring back what was known, and replay passes over what they have") {
    Table before;
    for (std::int32_t i = 0; i < 9; ++i) REQUIRE(before.appended(7, 2 * i, 2, 1));
    REQUIRE(before.appended(INT64_MAX, 2147483647, 1, 32767, LogId(UINT64_MAX)));
    Table after;
    for (std::uint32_t i = 0; i < before.table.capacity(); ++i) {
        store::ProducerImage image;
        if (before.table.image_at(i, image)) after.table.restore(image);
    }
    CHECK(after.table.used() == 2);
    after.end = before.end;
    for (std::int32_t i = 4; i < 9; ++i) CHECK(after.repeated(7, 2 * i, 2, 1));
    CHECK(after.repeated(INT64_MAX, 2147483647, 1, 32767, LogId(UINT64_MAX)));
    record::BatchHeader h = Table::header(7, 10, 2, 1);
    h.base_offset = Offset(110);
    after.table.replay(h, first_log);
    CHECK(after.repeated(7, 16, 2, 1));
    h = Table::header(7, 18, 4, 1);
    h.base_offset = Offset(after.end);
    after.table.replay(h, first_log);
    CHECK(after.repeated(7, 18, 4, 1));
    CHECK(after.repeated(7, 10, 2, 1));
    // Behind a gap nothing is said of what was before it.
    h = Table::header(7, 30, 1, 1);
    h.base_offset = Offset(after.end + 50);
    after.table.replay(h, first_log);
    CHECK(after.repeated(7, 30, 1, 1));
    CHECK(after.send(7, 18, 4, 1) == Error::out_of_order_sequence);
    CHECK(after.appended(7, 31, 1, 1));
}

// Against lists of all batches that were taken.
TEST_CASE("producers: at random, what is called stored is stored, and what follows is taken") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        Random random(seed);
        Table t(64);
        std::vector<std::vector<std::pair<std::int32_t, std::int32_t>>> taken(8);
        for (int i = 0; i < 2000; ++i) {
            const std::size_t p = random.below(8);
            auto& batches = taken[p];
            const std::int32_t next = batches.empty() ? 0 : batches.back().first + batches.back().second;
            const auto records = static_cast<std::int32_t>(1 + random.below(4));
            const auto back = static_cast<std::int32_t>(random.below(12));
            const std::int32_t sequence = random.below(3) == 0 ? std::max(0, next - back) : next;
            const Error error = t.send(static_cast<std::int64_t>(p), sequence, records);
            if (sequence == next) {
                REQUIRE(error == Error::none);
                REQUIRE(!t.duplicate);
                batches.emplace_back(sequence, records);
                continue;
            }
            const auto exact = std::find(batches.begin(), batches.end(), std::pair{sequence, records});
            if (sequence + records > next) REQUIRE(error == Error::out_of_order_sequence);
            else if (exact != batches.end() && batches.end() - exact <= 5) REQUIRE((error == Error::none && t.duplicate));
            else REQUIRE(error == Error::duplicate_sequence);
        }
    }
}

}  // namespace
}  // namespace rivulet::test
