#include "server/compact/aliases.h"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace rivulet;
using server::compact::Alias;
using server::compact::AliasPool;
using server::compact::CellIndex;
using server::compact::no_cell;

TEST_CASE("aliases: found by number, replaced, with keys of any length, given back") {
    std::vector<std::uint8_t> block(AliasPool::memory_bytes(12));
    Arena arena{MutableBytes(block)};
    AliasPool pool(arena, 12);
    CellIndex mine = no_cell;
    CellIndex other = no_cell;
    std::uint8_t scratch[AliasPool::key_bytes_max];
    for (const std::size_t bytes : {0, 1, 24, 25, 80, 81, 192}) {
        const std::string key(bytes, 'k');
        Alias alias;
        alias.id = 3;
        alias.first_log = LogId(bytes);
        alias.placement = wire::compact::Placement::key;
        REQUIRE(pool.put(mine, alias, as_bytes(key)).ok());
        const Alias* found = pool.find(mine, 3);
        REQUIRE(found);
        CHECK(found->first_log.value == bytes);
        CHECK(as_text(pool.key(mine, scratch)) == key);
    }
    CHECK(pool.taken() == 4);
    for (std::uint16_t id = 10; id < 14; ++id) REQUIRE(pool.put(other, {LogId(id), 1, 0, Error::none, id, 0, {}, false}, {}).ok());
    for (std::uint16_t id = 10; id < 14; ++id) CHECK(pool.find(other, id)->first_log.value == id);
    CHECK_FALSE(pool.find(other, 3));
    CHECK_FALSE(pool.find(other, 14));
    CHECK(pool.taken() == 8);
    // Four cells are left: a key that needs five is refused, and takes none.
    CellIndex third = no_cell;
    REQUIRE(pool.put(third, {}, {}).ok());
    CHECK(pool.put(third, {LogId(1), 1, 0, Error::none, 1, 0, {}, false}, as_bytes(std::string(192, 'x'))).error() == Error::limit_reached);
    CHECK(pool.taken() == 9);
    for (CellIndex* chain : {&mine, &other, &third}) pool.give(*chain);
    CHECK(pool.taken() == 0);
    CHECK(mine == no_cell);
}
