#include "base/text.h"

#include <doctest/doctest.h>

#include <limits>

using namespace rivulet;

TEST_CASE("text: numbers, words, truth") {
    char buffer[200];
    Text text(buffer);
    text << "n=" << -7 << ' ' << std::uint8_t{200} << ' ' << std::int8_t{-3} << ' ' << true << ' ' << false << ' '
         << std::numeric_limits<std::int64_t>::min() << ' ' << std::numeric_limits<std::uint64_t>::max();
    CHECK(text.view() == "n=-7 200 -3 true false -9223372036854775808 18446744073709551615");
    CHECK_FALSE(text.cut());
    text.clear();
    CHECK(text.view().empty());
    text.hex(0) << ' ';
    text.hex(0xab, 4) << ' ';
    text.hex(0xabcde, 4) << ' ';
    text.hex(std::numeric_limits<std::uint64_t>::max());
    CHECK(text.view() == "0 00ab abcde ffffffffffffffff");
}

TEST_CASE("text: what does not fit is cut, and said") {
    char buffer[5];
    Text text(buffer);
    text << "abcde";
    CHECK_FALSE(text.cut());
    text << "";
    CHECK_FALSE(text.cut());
    text << 'f';
    CHECK(text.cut());
    CHECK(text.view() == "abcde");
    text.clear();
    CHECK_FALSE(text.cut());
    text << "abc" << 1234;
    CHECK(text.cut());
    CHECK(text.view() == "abc12");
    CHECK(text.size() == 5);
    Text none(std::span<char>{});
    none << "a";
    CHECK(none.cut());
    CHECK(none.view().empty());
}
