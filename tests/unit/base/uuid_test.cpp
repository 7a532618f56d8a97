#include "base/uuid.h"

#include <doctest/doctest.h>

using namespace rivulet;

TEST_CASE("uuid: text form, nil, version and variant") {
    char buffer[40];
    Text text(buffer);
    Uuid uuid;
    CHECK(uuid.is_nil());
    text << uuid;
    CHECK(text.view() == "00000000-0000-0000-0000-000000000000");
    for (std::size_t i = 0; i < 16; ++i) uuid.bytes[i] = static_cast<std::uint8_t>(17 * i);
    CHECK_FALSE(uuid.is_nil());
    text.clear();
    text << uuid;
    CHECK(text.view() == "00112233-4455-6677-8899-aabbccddeeff");

    std::array<std::uint8_t, 16> ones;
    ones.fill(0xff);
    text.clear();
    text << uuid_from_random(ones);
    CHECK(text.view() == "ffffffff-ffff-4fff-bfff-ffffffffffff");
    text.clear();
    text << uuid_from_random({});
    CHECK(text.view() == "00000000-0000-4000-8000-000000000000");
    CHECK_FALSE(uuid_from_random({}).is_nil());
}
