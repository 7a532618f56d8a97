#include "record/varint.h"

#include <doctest/doctest.h>

#include <limits>
#include <optional>

#include "unit/base/random.h"

using namespace rivulet;
using namespace rivulet::record;

namespace {

// The value of bytes that are one whole varint; nothing if they are refused or not one.
std::optional<std::int64_t> decoded(std::initializer_list<int> bytes, VarintWidth width) {
    VarintDecoder decoder;
    std::size_t i = 0;
    for (const int b : bytes) {
        const VarintDecoder::Step step = decoder.push(static_cast<std::uint8_t>(b), width);
        ++i;
        if (step == VarintDecoder::Step::bad) return std::nullopt;
        CHECK(decoder.between() == (step == VarintDecoder::Step::done));
        if (step == VarintDecoder::Step::done) return i == bytes.size() ? std::optional(decoder.value()) : std::nullopt;
    }
    return std::nullopt;
}

constexpr auto narrow = VarintWidth::bits32;
constexpr auto wide = VarintWidth::bits64;

}  // namespace

TEST_CASE("record varint: known forms and the ends of the ranges") {
    CHECK(decoded({0}, narrow) == 0);
    CHECK(decoded({1}, narrow) == -1);
    CHECK(decoded({2}, narrow) == 1);
    CHECK(decoded({0xac, 0x02}, narrow) == 150);
    CHECK(decoded({0xfe, 0xff, 0xff, 0xff, 0x0f}, narrow) == std::numeric_limits<std::int32_t>::max());
    CHECK(decoded({0xff, 0xff, 0xff, 0xff, 0x0f}, narrow) == std::numeric_limits<std::int32_t>::min());
    CHECK(decoded({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, wide) == std::numeric_limits<std::int64_t>::min());
    CHECK(decoded({0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, wide) == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("record varint: padded forms are read up to the field's width, longer ones refused") {
    CHECK(decoded({0x80, 0x00}, narrow) == 0);
    CHECK(decoded({0x82, 0x80, 0x80, 0x80, 0x00}, narrow) == 1);
    CHECK_FALSE(decoded({0x82, 0x80, 0x80, 0x80, 0x80, 0x00}, narrow));
    CHECK_FALSE(decoded({0xff, 0xff, 0xff, 0xff, 0x1f}, narrow));
    CHECK(decoded({0xff, 0xff, 0xff, 0xff, 0x1f}, wide));
    CHECK_FALSE(decoded({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, wide));
    CHECK_FALSE(decoded({0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00}, wide));
    CHECK_FALSE(decoded({0x80}, narrow));
}

TEST_CASE("record varint: a stream of them") {
    test::Random random(31);
    VarintDecoder decoder;
    for (int round = 0; round < 20000; ++round) {
        const auto v = static_cast<std::int64_t>(random()) >> (random.below(64));
        std::uint8_t buffer[varint_bytes_max];
        Writer out(buffer);
        out.zigzag_varint(v);
        for (std::size_t i = 0; i < out.size(); ++i) {
            const bool last = i + 1 == out.size();
            REQUIRE(decoder.push(buffer[i], wide) == (last ? VarintDecoder::Step::done : VarintDecoder::Step::more));
        }
        REQUIRE(decoder.value() == v);
    }
}
