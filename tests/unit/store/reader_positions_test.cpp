#include "store/reader_positions.h"

#include <doctest/doctest.h>

#include <vector>

using namespace rivulet;
using namespace rivulet::store;

namespace {

struct Positions {
    explicit Positions(std::uint32_t logs_max) : options(limited(logs_max)), memory(ReaderPositions::memory_bytes(options) + 64), arena(memory), table(arena, options) {}

    std::size_t expected(Instant since) {
        std::size_t n = 0;
        table.expected(since, [&](Lsn) { ++n; });
        return n;
    }

    static StoreOptions limited(std::uint32_t logs_max) {
        StoreOptions options;
        options.logs_max = logs_max;
        return options;
    }
    StoreOptions options;
    std::vector<std::uint8_t> memory;
    Arena arena;
    ReaderPositions table;
};

}  // namespace

TEST_CASE("reader positions: a reader of each log is remembered, however far all of them go") {
    for (const std::uint32_t logs : {64U, 100U, 256U}) {
        CAPTURE(logs);
        Positions positions(logs);
        for (std::int64_t round = 0; round < 200; ++round) {
            const Instant now(1 + round);
            const Lsn lsn(static_cast<std::uint64_t>(1 + round));
            const auto offset = [&](std::uint64_t log) { return Offset(round * 56 + static_cast<std::int64_t>(log % 3)); };
            for (std::uint64_t log = 1; log <= logs; ++log) positions.table.left(LogId(log), offset(log), lsn, now);
            std::size_t known = 0;
            for (std::uint64_t log = 1; log <= logs; ++log) known += positions.table.find(LogId(log), offset(log)) == lsn ? 1 : 0;
            REQUIRE(known == logs);
            REQUIRE(positions.expected(now) == logs);
            for (std::uint64_t log = 1; log <= logs; ++log) positions.table.came(LogId(log), offset(log));
            REQUIRE(positions.expected(Instant()) == 0);
        }
    }
}

TEST_CASE("reader positions: of more readers than there are places, those who left last are remembered") {
    Positions positions(64);
    std::int64_t left = 0;
    for (; left < 10'000; ++left) positions.table.left(LogId(1), Offset(left), Lsn(static_cast<std::uint64_t>(left + 1)), Instant(left));
    for (std::int64_t i = left - 8; i < left; ++i) CHECK(positions.table.find(LogId(1), Offset(i)) == Lsn(static_cast<std::uint64_t>(i + 1)));
    CHECK(positions.table.find(LogId(1), Offset(0)) == Lsn(0));
    CHECK(positions.table.find(LogId(2), Offset(left - 1)) == Lsn(0));
}
