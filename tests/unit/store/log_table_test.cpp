#include "store/log_table.h"

#include <doctest/doctest.h>

#include <vector>

using namespace rivulet;
using namespace rivulet::store;

TEST_CASE("logs: one is found by id, whatever was found before and went or came since") {
    std::vector<std::uint8_t> memory(LogTable::memory_bytes(4));
    Arena arena(memory);
    LogTable logs(arena, 4);
    CHECK(logs.find(LogId(16)) == nullptr);
    Log* const a = *logs.create(LogId(16), false);
    Log* const b = *logs.create(LogId(20), false);
    Log* const c = *logs.create(LogId(24), false);
    for (int i = 0; i < 2; ++i) CHECK(logs.find(LogId(24)) == c);
    CHECK(logs.find(LogId(18)) == nullptr);
    CHECK(logs.find(LogId(20)) == b);
    logs.remove(*b);
    CHECK(logs.find(LogId(20)) == nullptr);
    CHECK(logs.find(LogId(24)) == c);
    Log* const d = *logs.create(LogId(18), false);  // moves the rank of what was found last
    CHECK(logs.find(LogId(24)) == c);
    CHECK(logs.find(LogId(18)) == d);
    CHECK(logs.find(LogId(16)) == a);
    logs.remove(*c);
    CHECK(logs.find(LogId(24)) == nullptr);
    CHECK(logs.find(LogId(99)) == nullptr);
}
