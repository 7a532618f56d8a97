#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "base/bytes.h"
#include "unit/base/random.h"

using namespace rivulet;

namespace {

std::vector<std::uint8_t> encoded(std::uint64_t v) {
    std::uint8_t buffer[varint_bytes_max];
    Writer out(buffer);
    out.varint(v);
    CHECK(out.ok());
    CHECK(out.size() == varint_size(v));
    return {out.written().begin(), out.written().end()};
}

bool refused(std::vector<std::uint8_t> bytes) {
    Reader in(bytes);
    CHECK(in.varint() == 0);
    return !in.ok();
}

constexpr std::int64_t smallest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t all_ones = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("varint: known forms") {
    using V = std::vector<std::uint8_t>;
    CHECK(encoded(0) == V{0});
    CHECK(encoded(127) == V{0x7f});
    CHECK(encoded(128) == V{0x80, 0x01});
    CHECK(encoded(300) == V{0xac, 0x02});
    CHECK(encoded(16383) == V{0xff, 0x7f});
    CHECK(encoded(16384) == V{0x80, 0x80, 0x01});
    CHECK(encoded(all_ones) == V{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01});
    static_assert(varint_size(0) == 1 && varint_size(127) == 1 && varint_size(128) == 2 && varint_size(all_ones) == 10);
}

TEST_CASE("varint: zigzag") {
    static_assert(zigzag(0) == 0 && zigzag(-1) == 1 && zigzag(1) == 2 && zigzag(-2) == 3);
    static_assert(zigzag(largest) == all_ones - 1 && zigzag(smallest) == all_ones);
    static_assert(unzigzag(all_ones) == smallest && unzigzag(all_ones - 1) == largest && unzigzag(1) == -1);
}

TEST_CASE("varint: every width comes back, at each power of two and around") {
    for (unsigned bit = 0; bit < 64; ++bit)
        for (const std::uint64_t offset : {all_ones, std::uint64_t{0}, std::uint64_t{1}}) {
            const std::uint64_t v = (std::uint64_t{1} << bit) + offset;
            const auto bytes = encoded(v);
            Reader in(bytes);
            REQUIRE(in.varint() == v);
            REQUIRE(in.ok());
            REQUIRE(in.at_end());
            REQUIRE(unzigzag(zigzag(static_cast<std::int64_t>(v))) == static_cast<std::int64_t>(v));
        }
}

TEST_CASE("varint: refused are cut, padded and over-long forms") {
    CHECK(refused({}));
    CHECK(refused({0x80}));
    CHECK(refused({0xff, 0xff}));
    CHECK(refused({0x80, 0x00}));        // padded zero
    CHECK(refused({0xff, 0x80, 0x00}));  // padded 127
    CHECK(refused({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}));        // bit 64
    CHECK(refused({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x81, 0x00}));  // 11 bytes
    CHECK(refused({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01}));
}

TEST_CASE("varint: any bytes either are refused or are exactly what the writer writes") {
    test::Random random(5);
    for (int round = 0; round < 20000; ++round) {
        std::vector<std::uint8_t> bytes(1 + random.below(11));
        for (std::uint8_t& b : bytes) b = static_cast<std::uint8_t>(random.below(4) == 0 ? random() & 0x81 : random() | 0x80);
        Reader in(bytes);
        const std::uint64_t v = in.varint();
        if (!in.ok()) continue;
        bytes.resize(in.position());
        REQUIRE(encoded(v) == bytes);
    }
}
