#include "store/segment_index.h"

#include <doctest/doctest.h>

#include <map>
#include <vector>

#include "unit/base/random.h"

using namespace rivulet;
using namespace rivulet::store;
using test::Random;

namespace {

struct Index {
    Index(std::uint32_t logs_max, std::uint32_t samples)
        : memory(LogTable::memory_bytes(logs_max) + SegmentIndex::memory_bytes(samples) + 64), arena(memory), logs(arena, logs_max), index(arena, samples) {
        geometry.segment_bytes = 64 * 1024;
        geometry.segment_count = 16;
        geometry.group_bytes_max = 16 * 1024;
    }
    Log& create(std::uint64_t id) {
        const Result<Log*> log = logs.create(LogId(id), false);
        REQUIRE(log);
        return **log;
    }
    Lsn lsn(std::uint64_t sequence, std::uint64_t page) const { return geometry.segment_start(sequence) + page * page_bytes; }
    void note(Log& log, std::uint64_t sequence, std::uint64_t page, std::int64_t base, std::uint32_t bytes = 100, std::uint32_t time = 1) {
        index.note(logs, log, geometry, lsn(sequence, page), Offset(base), bytes, time);
        log.bytes += bytes;
    }
    std::size_t chain(const Log& log) const {
        std::size_t n = 0;
        for (const Sample* sample = index.first(log); sample; sample = index.next(*sample)) ++n;
        return n;
    }

    std::vector<std::uint8_t> memory;
    Arena arena;
    LogTable logs;
    SegmentIndex index;
    Geometry geometry;
};

constexpr Lsn none{std::numeric_limits<std::uint64_t>::max()};

}  // namespace

TEST_CASE("segment index: sample times are rounded up and saturate") {
    CHECK(sample_time(Timestamp(-1)) == 0);
    CHECK(sample_time(Timestamp(0)) == 0);
    CHECK(sample_time(Timestamp(1)) == 1);
    CHECK(sample_time(Timestamp(1000)) == 1);
    CHECK(sample_time(Timestamp(1001)) == 2);
    CHECK(sample_time(Timestamp(std::numeric_limits<std::int64_t>::max())) == time_unknown - 1);
}

TEST_CASE("segment index: one sample per segment, found by offset") {
    Index i(4, 16);
    Log& log = i.create(16);
    CHECK(i.index.find(log, Offset(0), i.geometry, 9) == Lsn(0));
    i.note(log, 3, 2, 100);
    i.note(log, 3, 5, 110, 50, 7);
    i.note(log, 5, 1, 120);
    CHECK(i.chain(log) == 2);
    CHECK(i.index.first(log)->bytes == 150);
    CHECK(i.index.first(log)->max_time == 7);
    CHECK(i.index.find(log, Offset(99), i.geometry, 9) == Lsn(0));
    CHECK(i.index.find(log, Offset(100), i.geometry, 9) == i.lsn(3, 2));
    CHECK(i.index.find(log, Offset(119), i.geometry, 9) == i.lsn(3, 2));
    CHECK(i.index.find(log, Offset(5000), i.geometry, 9) == i.lsn(5, 1));
    log.durable_end = Offset(130);
    i.index.prepend(i.logs, log, 2, 9, Offset(40), 10, 1);
    CHECK(i.index.find(log, Offset(99), i.geometry, 9) == i.lsn(2, 9));
    CHECK(i.index.onward(log, i.lsn(1, 1), i.geometry, 9) == i.lsn(2, 9));
    CHECK(i.index.onward(log, i.lsn(2, 11), i.geometry, 9) == i.lsn(2, 11));
    CHECK(i.index.onward(log, i.lsn(4, 1), i.geometry, 9) == i.lsn(5, 1));
    CHECK(i.index.onward(log, i.lsn(6, 1), i.geometry, 9) == none);
    CHECK(i.index.retire(log, i.geometry, 3, 9) == Offset(100));
    CHECK(log.bytes == 250);
    CHECK(i.index.retire(log, i.geometry, 4, 9) == Offset(120));
    CHECK(i.index.retire(log, i.geometry, 6, 9) == Offset(130));
    CHECK(i.index.used() == 0);
    CHECK(i.index.first(log) == nullptr);
}

TEST_CASE("segment index: after a truncation the later sample counts") {
    Index i(4, 16);
    Log& log = i.create(16);
    i.note(log, 1, 1, 0);
    i.note(log, 2, 1, 200);
    i.note(log, 3, 1, 300);
    i.note(log, 4, 1, 150);  // cut at 150, then appended
    CHECK(i.index.find(log, Offset(149), i.geometry, 9) == i.lsn(1, 1));
    CHECK(i.index.find(log, Offset(150), i.geometry, 9) == i.lsn(4, 1));
    CHECK(i.index.find(log, Offset(250), i.geometry, 9) == i.lsn(4, 1));
    CHECK(i.chain(log) == 2);
    CHECK(log.bytes == 200);
    // Cut again, and nothing appended yet when the tail moves.
    log.durable_end = Offset(50);
    CHECK(i.index.retire(log, i.geometry, 2, 9) == Offset(50));
    i.note(log, 4, 7, 50);
    CHECK(i.chain(log) == 1);
    CHECK(i.index.find(log, Offset(50), i.geometry, 9) == i.lsn(4, 7));
    i.index.prepend(i.logs, log, 3, 1, Offset(60), 10, 1);  // what a footer says of void extents
    CHECK(i.chain(log) == 1);
    i.index.prepend(i.logs, log, 3, 1, Offset(40), 10, 1);
    CHECK(i.chain(log) == 2);
}

TEST_CASE("segment index: segment numbers beyond 32 bits") {
    Index i(4, 16);
    Log& log = i.create(16);
    const std::uint64_t far = (std::uint64_t{5} << 32) - 1;
    i.note(log, far, 1, 10);
    i.note(log, far + 2, 3, 20);
    CHECK(i.index.find(log, Offset(15), i.geometry, far + 3) == i.lsn(far, 1));
    CHECK(i.index.find(log, Offset(25), i.geometry, far + 3) == i.lsn(far + 2, 3));
    CHECK(SegmentIndex::sequence_of(*i.index.first(log), far + 3) == far);
}

TEST_CASE("segment index: unknown times are settled once") {
    Index i(4, 16);
    Log& log = i.create(16);
    i.note(log, 1, 1, 0, 10, time_unknown);
    i.note(log, 2, 1, 10, 10, 5);
    i.note(log, 2, 2, 20, 10, time_unknown);
    i.index.settle_unknown_times(i.logs, 77);
    CHECK(i.index.first(log)->max_time == 77);
    CHECK(i.index.next(*i.index.first(log))->max_time == 77);
}

TEST_CASE("segment index: a merged sample stays until all that it stands for is gone") {
    Index i(2, 4);
    Log& log = i.create(16);
    for (std::uint64_t s = 1; s <= 5; ++s) i.note(log, s, 1, static_cast<std::int64_t>(s * 10));
    log.durable_end = Offset(60);
    // 1 + 2 are merged, then 3, 4, 5.
    CHECK(i.chain(log) == 4);
    CHECK(i.index.find(log, Offset(25), i.geometry, 5) == i.lsn(1, 1));
    CHECK(i.index.onward(log, i.lsn(2, 1), i.geometry, 5) == i.lsn(2, 1));
    CHECK(i.index.retire(log, i.geometry, 2, 5) == Offset(10));
    CHECK(log.bytes == 500);
    CHECK(i.index.retire(log, i.geometry, 3, 5) == Offset(30));
    CHECK(log.bytes == 300);
}

TEST_CASE("segment index: with two samples per log most of it is merged, and still goes") {
    Index i(2, 4);
    Log& a = i.create(16);
    Log& b = i.create(17);
    for (std::uint64_t s = 1; s <= 9; ++s) {
        i.note(a, s, 1, static_cast<std::int64_t>(s * 10));
        i.note(b, s, 2, static_cast<std::int64_t>(s * 10));
    }
    CHECK(i.chain(a) <= 3);
    CHECK(i.chain(b) <= 3);
    CHECK(i.index.find(a, Offset(95), i.geometry, 9) != Lsn(0));
    CHECK(i.index.find(b, Offset(15), i.geometry, 9) == i.lsn(1, 2));
    CHECK(i.index.retire(a, i.geometry, 9, 9) <= Offset(90));
    a.durable_end = Offset(100);
    CHECK(i.index.retire(a, i.geometry, 10, 9) == Offset(100));
    CHECK(a.bytes == 0);
}

// What each segment really holds of each log, against the index under pressure.
TEST_CASE("segment index: random use against a model") {
    Random random(31);
    for (int round = 0; round < 40; ++round) {
        const std::uint32_t capacity = 12 + static_cast<std::uint32_t>(random.below(60));
        Index i(6, capacity);
        struct Holding { std::uint64_t page; std::int64_t first, last; std::uint64_t bytes; };
        std::map<std::uint64_t, std::map<std::uint64_t, Holding>> model;  // log -> segment
        std::map<std::uint64_t, std::int64_t> ends;
        for (std::uint64_t id = 16; id < 22; ++id) i.create(id);
        std::uint64_t first_live = 1, head = 1;
        std::uint64_t page = 1;
        for (int step = 0; step < 400; ++step) {
            if (page >= 14 || random.below(10) == 0) { ++head; page = 1; }
            const std::uint64_t id = 16 + random.below(6);
            Log& log = *i.logs.find(LogId(id));
            const auto bytes = static_cast<std::uint32_t>(1 + random.below(1000));
            const std::int64_t base = ends[id];
            ends[id] += 1 + static_cast<std::int64_t>(random.below(5));
            i.note(log, head, page, base, bytes);
            auto [at, fresh] = model[id].try_emplace(head, Holding{page, base, 0, 0});
            at->second.last = ends[id] - 1;
            at->second.bytes += bytes;
            ++page;
            if (head > first_live + 12) {
                first_live += 1 + random.below(4);
                for (std::uint64_t other = 16; other < 22; ++other) {
                    Log& l = *i.logs.find(LogId(other));
                    l.durable_end = Offset(ends[other]);
                    auto& holdings = model[other];
                    holdings.erase(holdings.begin(), holdings.lower_bound(first_live));
                    const Offset start = i.index.retire(l, i.geometry, first_live, head);
                    const std::int64_t exact = holdings.empty() ? ends[other] : holdings.begin()->second.first;
                    REQUIRE(start.value <= exact);
                    std::uint64_t live_bytes = 0;
                    for (const auto& [s, h] : holdings) live_bytes += h.bytes;
                    REQUIRE(l.bytes >= live_bytes);
                }
            }
            std::size_t used = 0;
            for (std::uint64_t other = 16; other < 22; ++other) {
                const Log& l = *i.logs.find(LogId(other));
                used += i.chain(l);
                std::uint64_t sampled = 0;
                for (const Sample* s = i.index.first(l); s; s = i.index.next(*s)) sampled += s->bytes;
                REQUIRE(sampled == l.bytes);
                for (const auto& [s, h] : model[other]) {
                    const Lsn there = i.lsn(s, h.page);
                    REQUIRE(i.index.find(l, Offset(h.first), i.geometry, head) <= there);
                    REQUIRE(i.index.find(l, Offset(h.last), i.geometry, head) <= there);
                    REQUIRE(i.index.find(l, Offset(h.first), i.geometry, head) != Lsn(0));
                    REQUIRE(i.index.onward(l, i.lsn(s, 1), i.geometry, head) <= there);
                    REQUIRE(i.index.onward(l, i.lsn(s, 1), i.geometry, head) >= i.lsn(s, 1));
                }
            }
            REQUIRE(used == i.index.used());
            REQUIRE(used <= capacity);
        }
        for (std::uint64_t id = 16; id < 22; ++id) i.index.drop_all(*i.logs.find(LogId(id)));
        REQUIRE(i.index.used() == 0);
    }
}
