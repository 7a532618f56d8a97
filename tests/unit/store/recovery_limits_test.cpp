// Starts with other limits than before, and a start that moves the ring's tail.
#include "unit/store/store_calls.h"

namespace rivulet::test {

namespace {

store::StoreOptions larger_batches() {
    store::StoreOptions options = small_store();
    options.batch_bytes_max = 24 * 1024;
    return options;
}

}  // namespace

TEST_CASE("recovery: groups of a batch_bytes that was raised are read after a power cut, also in the first run with it") {
    for (const bool marked : {false, true}) {
        StoreHarness h;
        REQUIRE(h.boot());
        const LogId id = make_logs(h, 1);
        store_value(h, id, "small");
        REQUIRE(h.stop());
        StoreHarness again(2, larger_batches());
        again.disk().restore(h.disk().snapshot());
        REQUIRE(again.boot());
        again.log(id).batch_bytes_max = 24 * 1024;
        store_value(again, id, std::string(22 * 1024, 'y'));
        store_value(again, id, "later");
        if (marked) again.run_for(20 * ns_per_s);
        again.cut();
        REQUIRE(again.boot());
        CHECK(again.store().state().damage.corrupt_groups == 0);
        CHECK(again.store().state().damage.lost_bytes == 0);
        CHECK(again.log(id).end == Offset(3));
        CHECK(again.read(id).size() == 3);
    }
}

TEST_CASE("recovery: a batch_bytes lower than what the store may hold is refused, and nothing changes") {
    StoreHarness h(1, larger_batches());
    REQUIRE(h.boot());
    const LogId id = make_logs(h, 1);
    h.log(id).batch_bytes_max = 24 * 1024;
    store_value(h, id, std::string(22 * 1024, 'y'));
    h.cut();
    StoreHarness again(2, small_store());
    again.disk().restore(h.disk().snapshot());
    CHECK(again.boot().error() == Error::store_mismatch);
    CHECK(again.disk().contents("store/super") == h.disk().contents("store/super"));
    REQUIRE(h.boot());
    CHECK(h.log(id).end == Offset(1));
}

TEST_CASE("recovery: a start that enters a segment moves the starts of logs with what is gone") {
    StoreHarness h;
    REQUIRE(h.boot());
    const LogId busy = make_logs(h, 2);
    const LogId old = busy + 1;
    for (int i = 0; i < 4; ++i) store_value(h, old, "old");
    // Until the next group needs segment 16: segment 1, where all of `old` lies, goes with it.
    while (head_segment(h) < 15 || h.store().state().room(1) >= store::page_bytes) {
        REQUIRE(head_segment(h) <= 15);
        store_value(h, busy, std::string(100, 'z'));
    }
    REQUIRE(h.store().state().head.first_live == 1);
    h.cut();
    lose_checkpoints(h);
    REQUIRE(h.boot());
    CHECK(head_segment(h) == 16);
    CHECK(h.store().state().head.first_live == 2);
    CHECK(h.log(old).start == Offset(4));
    CHECK(h.log(old).end == Offset(4));
    CHECK(h.log(busy).start > Offset(0));
    CHECK(h.read(busy).size() == static_cast<std::size_t>(h.log(busy).end.value - h.log(busy).start.value));
    CHECK(h.store().state().damage.corrupt_groups == 0);
}

}  // namespace rivulet::test
