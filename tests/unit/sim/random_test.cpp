#include "sim/random.h"

#include <doctest/doctest.h>

using namespace rivulet;
using sim::Random;

TEST_CASE("a seed gives its numbers, a split depends on the seed and the name alone") {
    Random a(1);
    Random b(1);
    CHECK(a.next() == b.next());
    (void)a.next();
    CHECK(a.split("disk").next() == b.split("disk").next());
    CHECK(a.split("disk").next() != a.split("network").next());
    CHECK(a.split("node", 1).next() != a.split("node", 2).next());
    CHECK(Random(1).next() != Random(2).next());
}

TEST_CASE("the numbers of a seed never change: recorded seeds stay meaningful") {
    CHECK(Random(42).next() == 0x15780b2e0c2ec716ULL);
}

TEST_CASE("bounds are kept and all values come up") {
    Random random(7);
    unsigned seen = 0;
    for (int i = 0; i < 200; ++i) {
        const std::uint64_t n = random.between(3, 6);
        REQUIRE((n >= 3 && n <= 6));
        seen |= 1U << n;
    }
    CHECK(seen == 0b1111000);
    CHECK(random.below(1) == 0);
    std::uint8_t bytes[13] = {};
    random.fill(bytes);
    CHECK(bytes[12] != bytes[11]);
}
