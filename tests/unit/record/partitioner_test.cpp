#include "record/partitioner.h"

#include <doctest/doctest.h>

#include <array>
#include <limits>
#include <string>

#include "unit/base/death.h"
#include "unit/base/random.h"

using namespace rivulet;
using namespace rivulet::record;

TEST_CASE("partitioner: always in range, the same for the same key, spread") {
    test::Random random(51);
    std::array<int, 12> hits{};
    for (int i = 0; i < 12000; ++i) {
        const std::string key = "sensor-" + std::to_string(random());
        const std::int32_t p = partition_for_key(as_bytes(key), 12);
        REQUIRE(p >= 0);
        REQUIRE(p < 12);
        REQUIRE(p == partition_for_key(as_bytes(std::string(key)), 12));
        ++hits[static_cast<std::size_t>(p)];
    }
    for (const int n : hits) {
        CHECK(n > 800);
        CHECK(n < 1200);
    }
    CHECK(partition_for_key(as_bytes("anything"), 1) == 0);
    CHECK(partition_for_key(as_bytes("21"), std::numeric_limits<std::int32_t>::max()) == (murmur2(as_bytes("21")) & 0x7fffffff));
    CHECK(test::aborts([] { (void)partition_for_key({}, 0); }));
}

TEST_CASE("partitioner: unaligned keys hash alike") {
    std::array<std::uint8_t, 40> room{};
    const std::string key = "a-little-bit-long-string";
    for (std::size_t shift = 0; shift < 8; ++shift) {
        copy(as_bytes(key), MutableBytes(room).subspan(shift));
        CHECK(murmur2(Bytes(room).subspan(shift, key.size())) == -985981536);
    }
}
