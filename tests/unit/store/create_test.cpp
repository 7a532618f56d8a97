// Creation: from nothing, with no room, on top of what is not ours.
#include <doctest/doctest.h>

#include "support/log_model.h"

namespace rivulet::test {

TEST_CASE("create: a card that is full gives no_space and nothing stays behind") {
    StoreHarness h;
    h.disk().set_capacity(300 * 1024);
    CHECK(h.boot().error() == Error::no_space);
    CHECK(h.disk().paths().empty());
    h.kill();
    h.disk().set_capacity(UINT64_MAX);
    const auto opened = h.boot();
    REQUIRE(opened);
    CHECK(opened->created);
}

TEST_CASE("create: another geometry in the configuration is refused and changes nothing") {
    StoreHarness h;
    REQUIRE(h.boot());
    REQUIRE(h.stop());
    const auto before = h.disk().contents("store/super");
    store::StoreOptions other = small_store();
    other.size *= 2;
    StoreHarness again(2, other);
    again.disk().restore(h.disk().snapshot());
    CHECK(again.boot().error() == Error::store_mismatch);
    CHECK(again.disk().contents("store/super") == before);
}

TEST_CASE("create: a second start finds what the first made") {
    StoreHarness h;
    const auto first = h.boot();
    REQUIRE(first);
    CHECK(first->created);
    REQUIRE(h.stop());
    const auto second = h.boot();
    REQUIRE(second);
    CHECK_FALSE(second->created);
    CHECK(second->was_clean);
    CHECK(h.store().state().head.run == 2);
}

}  // namespace rivulet::test
