#include "base/bytes.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "unit/base/death.h"
#include "unit/base/random.h"

using namespace rivulet;

namespace {

template <class T>
void both_orders(T value, std::initializer_list<std::uint8_t> big) {
    std::uint8_t at[sizeof(T) + 1] = {};
    store_be(at + 1, value);  // unaligned
    CHECK(equal({at + 1, sizeof(T)}, {big.begin(), big.size()}));
    CHECK(load_be<T>(at + 1) == value);
    store_le(at + 1, value);
    for (std::size_t i = 0; i < sizeof(T); ++i) CHECK(at[1 + i] == big.begin()[sizeof(T) - 1 - i]);
    CHECK(load_le<T>(at + 1) == value);
}

}  // namespace

TEST_CASE("bytes: loads and stores in both orders") {
    both_orders<std::uint8_t>(0xfe, {0xfe});
    both_orders<std::int16_t>(-2, {0xff, 0xfe});
    both_orders<std::uint32_t>(0x01020304, {1, 2, 3, 4});
    both_orders<std::int32_t>(-0x01020304, {0xfe, 0xfd, 0xfc, 0xfc});
    both_orders<std::uint64_t>(0x0102030405060708, {1, 2, 3, 4, 5, 6, 7, 8});
    both_orders<std::int64_t>(std::numeric_limits<std::int64_t>::min(), {0x80, 0, 0, 0, 0, 0, 0, 0});
}

TEST_CASE("bytes: equal, text and copy, empty views included") {
    CHECK(equal({}, {}));
    CHECK(equal(as_bytes("abc"), as_bytes("abc")));
    CHECK_FALSE(equal(as_bytes("abc"), as_bytes("abd")));
    CHECK_FALSE(equal(as_bytes("abc"), as_bytes("ab")));
    CHECK(as_text(as_bytes("abc")) == "abc");
    std::uint8_t room[3] = {};
    copy({}, {});
    copy(as_bytes("abc"), room);
    CHECK(as_text(room) == "abc");
    CHECK(test::aborts([&room] { copy(as_bytes("abcd"), room); }));
}

TEST_CASE("reader: what it reads, and the end") {
    const std::uint8_t data[] = {7, 1, 0, 0, 2, 3, 'a', 'b', 'c', 9};
    Reader in(data);
    CHECK(in.u8() == 7);
    CHECK(in.le<std::uint16_t>() == 1);
    CHECK(in.be<std::uint16_t>() == 2);
    CHECK(in.text() == "abc");
    CHECK(in.position() == 9);
    CHECK(in.remaining() == 1);
    CHECK_FALSE(in.at_end());
    CHECK(in.rest().size() == 1);
    CHECK(in.at_end());
    CHECK(in.ok());
    CHECK(in.bytes(0).empty());
    CHECK(in.ok());
}

TEST_CASE("reader: once over the end it gives zeros and stays bad") {
    const std::uint8_t data[] = {1, 2, 3};
    Reader in(data);
    CHECK(in.be<std::uint32_t>() == 0);
    CHECK_FALSE(in.ok());
    CHECK(in.u8() == 0);
    CHECK(in.varint() == 0);
    CHECK(in.bytes(1).empty());
    CHECK(in.rest().empty());
    CHECK(in.remaining() == 0);
    CHECK_FALSE(in.ok());

    Reader huge(data);
    CHECK(huge.bytes(std::numeric_limits<std::uint64_t>::max()).empty());
    CHECK_FALSE(huge.ok());

    const std::uint8_t too_long[] = {4, 'a', 'b', 'c'};
    Reader block(too_long);
    CHECK(block.block().empty());
    CHECK_FALSE(block.ok());
    CHECK(Reader({}).at_end());
}

TEST_CASE("writer: fills to the last byte, then drops and says so") {
    std::uint8_t buffer[8];
    Writer out(buffer);
    out.be<std::uint32_t>(0x01020304);
    out.text("abc");
    CHECK(out.ok());
    CHECK(out.room() == 0);
    CHECK(as_text(out.written().subspan(5)) == "abc");
    out.bytes({});
    CHECK(out.ok());
    out.u8(1);
    CHECK_FALSE(out.ok());
    CHECK(out.size() == 8);
    out.rewind(4);
    CHECK(out.ok());
    out.be<std::uint64_t>(1);  // does not fit, writes nothing
    CHECK_FALSE(out.ok());
    CHECK(out.size() == 4);
    out.u8(1);  // would fit, but the text is broken already
    CHECK(out.size() == 4);
    out.rewind(4);
    out.zeros(4);
    CHECK(out.ok());
    CHECK(buffer[7] == 0);
    CHECK(test::aborts([&out] { out.rewind(9); }));
    out.rewind(2);
    const MutableBytes claimed = out.claim(5);
    REQUIRE(claimed.size() == 5);
    CHECK(claimed.data() == buffer + 2);
    CHECK(out.size() == 7);
    CHECK(out.claim(2).empty());  // does not fit, takes nothing
    CHECK_FALSE(out.ok());
    CHECK(out.size() == 7);

    Writer nothing({});
    nothing.bytes({});
    nothing.zeros(0);
    CHECK(nothing.ok());
    nothing.varint(0);
    CHECK_FALSE(nothing.ok());
}

TEST_CASE("writer and reader: random sequences come back") {
    test::Random random(11);
    for (int round = 0; round < 200; ++round) {
        std::uint8_t buffer[512];
        Writer out(buffer);
        std::vector<std::pair<unsigned, std::uint64_t>> log;
        while (out.room() >= 20) {
            const auto kind = static_cast<unsigned>(random.below(5));
            const std::uint64_t v = random() >> (random.below(64));
            log.emplace_back(kind, v);
            if (kind == 0) out.u8(static_cast<std::uint8_t>(v));
            if (kind == 1) out.be(static_cast<std::uint32_t>(v));
            if (kind == 2) out.le(v);
            if (kind == 3) out.varint(v);
            if (kind == 4) out.zigzag_varint(static_cast<std::int64_t>(v));
        }
        REQUIRE(out.ok());
        Reader in(out.written());
        for (const auto& [kind, v] : log) {
            if (kind == 0) REQUIRE(in.u8() == static_cast<std::uint8_t>(v));
            if (kind == 1) REQUIRE(in.be<std::uint32_t>() == static_cast<std::uint32_t>(v));
            if (kind == 2) REQUIRE(in.le<std::uint64_t>() == v);
            if (kind == 3) REQUIRE(in.varint() == v);
            if (kind == 4) REQUIRE(in.zigzag_varint() == static_cast<std::int64_t>(v));
        }
        REQUIRE(in.at_end());
    }
}
