#include "store/marks.h"

#include <doctest/doctest.h>

#include <limits>
#include <map>
#include <set>
#include <vector>

#include "unit/base/random.h"

using namespace rivulet;
using namespace rivulet::store;
using test::Random;

namespace {

constexpr Offset never{std::numeric_limits<std::int64_t>::max()};

Uuid boot_id(std::uint32_t n) {
    Uuid id;
    id.bytes[0] = static_cast<std::uint8_t>(n);
    id.bytes[1] = static_cast<std::uint8_t>(n >> 8);
    id.bytes[15] = 1;
    return id;
}

// In memory of its own.
struct Memory {
    std::vector<std::uint8_t> bytes = std::vector<std::uint8_t>(Truncations::memory_bytes(8) + 64);
    Arena arena{bytes};
};
struct Marks : private Memory, public Truncations {
    Marks() : Truncations(arena, 8) {}
};

}  // namespace

TEST_CASE("truncations: a mark voids what lies below its LSN, from its offset on") {
    Marks marks;
    CHECK(marks.void_from(LogId(16), Lsn(5)) == never);
    REQUIRE(marks.add(LogId(16), Offset(100), Lsn(1000)));
    CHECK(marks.void_from(LogId(16), Lsn(999)) == Offset(100));
    CHECK(marks.void_from(LogId(16), Lsn(1000)) == never);
    CHECK(marks.void_from(LogId(17), Lsn(999)) == never);
    REQUIRE(marks.add(LogId(16), Offset(150), Lsn(2000)));
    CHECK(marks.count() == 2);
    CHECK(marks.void_from(LogId(16), Lsn(1)) == Offset(100));
    CHECK(marks.void_from(LogId(16), Lsn(1500)) == Offset(150));
    REQUIRE(marks.add(LogId(16), Offset(90), Lsn(3000)));  // covers both
    CHECK(marks.count() == 1);
    CHECK(marks.void_from(LogId(16), Lsn(2500)) == Offset(90));
    REQUIRE(marks.add(LogId(16), Offset(95), Lsn(2500)));  // and this one as well
    CHECK(marks.count() == 1);
    marks.retire(Lsn(2999));
    CHECK(marks.count() == 1);
    marks.retire(Lsn(3000));
    CHECK(marks.count() == 0);
}

TEST_CASE("truncations: a full table refuses, and takes what replaces an entry") {
    Marks marks;
    for (std::uint64_t i = 0; i < marks.capacity(); ++i) REQUIRE(marks.add(LogId(16 + i), Offset(10), Lsn(100)));
    CHECK(marks.add(LogId(10'000), Offset(1), Lsn(5)).error() == Error::limit_reached);
    CHECK(marks.add(LogId(20), Offset(5), Lsn(200)));
    CHECK(marks.void_from(LogId(20), Lsn(150)) == Offset(5));
    marks.remove_log(LogId(20));
    CHECK(marks.add(LogId(10'000), Offset(1), Lsn(5)));
}

TEST_CASE("truncations: what is only proposed makes room, and stays once something confirms it") {
    Marks marks;
    const LogId used(16), added(17), covered(18), idle(19);
    marks.propose(used, Offset(10), Lsn(100));
    marks.propose(added, Offset(10), Lsn(100));
    REQUIRE(marks.add(covered, Offset(20), Lsn(50)));
    marks.propose(covered, Offset(10), Lsn(100));
    marks.propose(idle, Offset(10), Lsn(100));
    CHECK(marks.void_at(used, Lsn(99), Offset(9)) == Offset(10));  // voids nothing of it
    CHECK(marks.void_at(used, Lsn(99), Offset(10)) == Offset(10));
    CHECK(marks.void_at(idle, Lsn(99), Offset(9)) == Offset(10));
    REQUIRE(marks.add(added, Offset(10), Lsn(100)));
    for (std::uint64_t i = marks.count(); i < marks.capacity(); ++i) marks.propose(LogId(1000 + i), Offset(1), Lsn(7));
    marks.propose(LogId(5000), Offset(1), Lsn(7));
    CHECK(marks.count() == marks.capacity());
    CHECK(marks.void_from(LogId(5000), Lsn(1)) == never);
    REQUIRE(marks.add(LogId(5000), Offset(1), Lsn(7)));
    CHECK(marks.void_from(LogId(5000), Lsn(1)) == Offset(1));
    CHECK(marks.count() == marks.capacity());
    marks.drop_proposed(used, Lsn(100));
    marks.drop_proposed();
    CHECK(marks.count() == 4);
    for (const LogId log : {used, added, covered}) CHECK(marks.void_from(log, Lsn(1)) == Offset(10));
    CHECK(marks.void_from(idle, Lsn(1)) == never);
}

TEST_CASE("truncations: random marks against the definition") {
    Random random(11);
    for (int round = 0; round < 50; ++round) {
        Marks marks;
        std::vector<TruncationImage> model;
        for (int step = 0; step < 60; ++step) {
            const TruncationImage mark{LogId(16 + random.below(3)), Offset(static_cast<std::int64_t>(random.below(50))), Lsn(1 + random.below(100))};
            REQUIRE(marks.add(mark.log, mark.offset, mark.lsn));
            REQUIRE(marks.add(mark.log, mark.offset, mark.lsn));  // replay says it again
            model.push_back(mark);
            if (random.below(20) == 0) {
                const Lsn tail(random.below(100));
                marks.retire(tail);
                std::erase_if(model, [&](const TruncationImage& m) { return m.lsn <= tail; });
            }
            if (random.below(30) == 0) {
                marks.remove_log(mark.log);
                std::erase_if(model, [&](const TruncationImage& m) { return m.log == mark.log; });
            }
            for (std::uint64_t log = 16; log < 19; ++log) {
                for (std::uint64_t lsn = 0; lsn < 101; ++lsn) {
                    Offset expected = never;
                    for (const TruncationImage& m : model)
                        if (m.log == LogId(log) && Lsn(lsn) < m.lsn) expected = std::min(expected, m.offset);
                    REQUIRE(marks.void_from(LogId(log), Lsn(lsn)) == expected);
                }
            }
        }
    }
}

TEST_CASE("fences: neighbours of one cause and overlaps become one") {
    Fences fences;
    fences.add(LogId(16), Offset(10), Offset(20), FenceCause::damage);
    fences.add(LogId(16), Offset(20), Offset(30), FenceCause::damage);
    REQUIRE(fences.count() == 1);
    CHECK(fences.at(0) == FenceImage{LogId(16), Offset(10), Offset(30), FenceCause::damage});
    fences.add(LogId(16), Offset(30), Offset(35), FenceCause::restart);
    CHECK(fences.count(LogId(16)) == 2);
    fences.add(LogId(16), Offset(33), Offset(90), FenceCause::lost_group);
    REQUIRE(fences.count(LogId(16)) == 2);
    CHECK(fences.at(1) == FenceImage{LogId(16), Offset(30), Offset(90), FenceCause::lost_group});
    CHECK(fences.covers(LogId(16), Offset(30), Offset(90)));
    CHECK(fences.covers(LogId(16), Offset(40), Offset(41)));
    CHECK_FALSE(fences.covers(LogId(16), Offset(29), Offset(31)));
    CHECK_FALSE(fences.covers(LogId(17), Offset(40), Offset(41)));
    fences.add(LogId(16), Offset(5), Offset(5), FenceCause::damage);  // nothing
    fences.add(LogId(17), Offset(0), Offset(1), FenceCause::damage);
    CHECK(fences.count() == 3);
    fences.truncate(LogId(16), Offset(50));
    CHECK(fences.at(1).to == Offset(50));
    fences.raise_start(LogId(16), Offset(15));
    CHECK(fences.at(0).from == Offset(15));
    fences.raise_start(LogId(16), Offset(30));
    CHECK(fences.count(LogId(16)) == 1);
    fences.remove_log(LogId(16));
    CHECK(fences.count(LogId(16)) == 0);
    CHECK(fences.count() == 1);
}

TEST_CASE("fences: a full table widens the nearest of the log, else the oldest goes") {
    Fences fences;
    for (std::size_t i = 0; i < Fences::capacity; ++i) {
        const auto from = static_cast<std::int64_t>(10 * i);
        fences.add(LogId(16 + i % 2), Offset(from), Offset(from + 1), FenceCause::damage);
    }
    REQUIRE(fences.count() == Fences::capacity);
    fences.add(LogId(16), Offset(43), Offset(44), FenceCause::damage);  // between 40 and 60 of this log
    CHECK(fences.count() == Fences::capacity);
    CHECK(fences.covers(LogId(16), Offset(40), Offset(44)));
    CHECK(fences.forgotten() == 0);
    fences.add(LogId(99), Offset(0), Offset(1), FenceCause::damage);
    CHECK(fences.count() == Fences::capacity);
    CHECK(fences.forgotten() == 1);
    CHECK_FALSE(fences.covers(LogId(16), Offset(0), Offset(1)));  // the oldest
    CHECK(fences.covers(LogId(99), Offset(0), Offset(1)));
}

TEST_CASE("fences: bytes of unproved commits are those that were told, the last of them, until the ring has taken them") {
    Fences fences;
    for (std::uint64_t i = 0; i <= Fences::unproved_max; ++i) fences.add_unproved(Lsn(4096 * 10 * i + 4096), Lsn(4096 * 10 * i + 3 * 4096));
    CHECK(fences.count(control_log) == Fences::unproved_max);
    CHECK_FALSE(fences.covers_unproved(Lsn(4096), Lsn(2 * 4096)));
    CHECK(fences.covers_unproved(Lsn(11 * 4096), Lsn(13 * 4096)));
    CHECK(fences.covers_unproved(Lsn(12 * 4096), Lsn(13 * 4096)));
    CHECK_FALSE(fences.covers_unproved(Lsn(12 * 4096), Lsn(14 * 4096)));
    // A full table loses one rather than tell of more than was missing.
    for (std::size_t i = 0; fences.count() < Fences::capacity; ++i) fences.add(LogId(16), Offset(static_cast<std::int64_t>(10 * i)), Offset(static_cast<std::int64_t>(10 * i + 1)), FenceCause::damage);
    fences.retire_unproved(Lsn(12 * 4096));
    CHECK_FALSE(fences.covers_unproved(Lsn(11 * 4096), Lsn(12 * 4096)));
    CHECK(fences.covers_unproved(Lsn(12 * 4096), Lsn(13 * 4096)));
    fences.retire_unproved(Lsn(21 * 4096));
    fences.add(LogId(17), Offset(0), Offset(1), FenceCause::damage);
    REQUIRE(fences.count() == Fences::capacity);
    fences.add_unproved(Lsn(16 * 4096), Lsn(17 * 4096));
    CHECK(fences.covers_unproved(Lsn(16 * 4096), Lsn(17 * 4096)));
    CHECK_FALSE(fences.covers_unproved(Lsn(17 * 4096), Lsn(21 * 4096)));
    fences.retire_unproved(Lsn(std::uint64_t{1} << 40));
    CHECK(fences.count(control_log) == 0);
    CHECK(fences.count(LogId(17)) == 1);
}

TEST_CASE("fences: random ranges against a set of offsets") {
    Random random(12);
    Fences fences;
    std::map<std::uint64_t, std::set<std::int64_t>> model;
    for (int step = 0; step < 3000; ++step) {
        const std::uint64_t log = 16 + random.below(3);
        const auto from = static_cast<std::int64_t>(random.below(100));
        const auto to = from + static_cast<std::int64_t>(random.below(6));
        std::set<std::int64_t>& offsets = model[log];
        switch (random.below(8)) {
            case 0: fences.raise_start(LogId(log), Offset(from)); offsets.erase(offsets.begin(), offsets.lower_bound(from)); break;
            case 1: fences.truncate(LogId(log), Offset(from)); offsets.erase(offsets.lower_bound(from), offsets.end()); break;
            default:
                fences.add(LogId(log), Offset(from), Offset(to), random.below(2) == 0 ? FenceCause::damage : FenceCause::lost_group);
                for (std::int64_t o = from; o < to; ++o) offsets.insert(o);
        }
        std::map<std::uint64_t, std::set<std::int64_t>> seen;
        for (std::size_t i = 0; i < fences.count(); ++i) {
            const FenceImage& fence = fences.at(i);
            REQUIRE(fence.from < fence.to);
            for (std::int64_t o = fence.from.value; o < fence.to.value; ++o) REQUIRE(seen[fence.log.value].insert(o).second);
        }
        for (std::uint64_t id = 16; id < 19; ++id) {
            REQUIRE(seen[id] == model[id]);
            REQUIRE(fences.covers(LogId(id), Offset(from), Offset(from + 1)) == model[id].contains(from));
        }
    }
}

TEST_CASE("boots: indexes are kept, the first offset rules") {
    Boots boots;
    CHECK(boots.find(1) == nullptr);
    const std::uint32_t first = boots.index_of(boot_id(1));
    CHECK(first == 1);
    CHECK(boots.index_of(boot_id(1)) == first);
    CHECK(boots.index_of(boot_id(2)) == 2);
    CHECK_FALSE(boots.fix(9, 5));
    CHECK(boots.fix(1, 1000));
    CHECK_FALSE(boots.fix(1, 2000));
    REQUIRE(boots.find(1));
    CHECK(boots.find(1)->offset_ms == 1000);
    boots.restore({1, boot_id(1), false, 0});  // its RUN_START again
    CHECK(boots.find(1)->fixed);
    boots.restore({7, boot_id(7), true, 70});
    CHECK(boots.find(7)->offset_ms == 70);
    CHECK(boots.index_of(boot_id(8)) == 8);
}

TEST_CASE("boots: the oldest goes first") {
    Boots boots;
    for (std::uint32_t i = 1; i <= 100; ++i) CHECK(boots.index_of(boot_id(i)) == i);
    CHECK(boots.count() == Boots::capacity);
    CHECK(boots.find(100 - Boots::capacity) == nullptr);
    CHECK(boots.find(101 - Boots::capacity) != nullptr);
    boots.restore({3, boot_id(3), false, 0});  // too old to be kept
    CHECK(boots.find(3) == nullptr);
    for (std::size_t i = 1; i < boots.count(); ++i) CHECK(boots.at(i - 1).index < boots.at(i).index);
}
