// A broker that starts again and again and never gets to a commit.
#include "unit/store/store_calls.h"

namespace rivulet::test {

TEST_CASE("restart loop: the tail never passes the replay point, and no topic, end or session is lost") {
    for (const std::uint32_t segments : {4U, 16U}) {
        CAPTURE(segments);
        store::StoreOptions options = small_store();
        options.size = segments * options.segment_bytes;
        StoreHarness h(1, options);
        REQUIRE(h.boot());
        const LogId id = make_logs(h, 2);
        const LogId memory = make_logs(h, 1, true);
        for (std::uint64_t i = 0; i < 20; ++i) store_value(h, id, std::string(500, 'z'), {7, 1, i + 1});
        store_value(h, memory, "memory");
        Offset ceiling = h.log(memory).end;
        // Three times around the ring.
        for (std::uint32_t start = 0; start < 48 * segments; ++start) {
            h.cut();
            REQUIRE(h.boot());
            const store::State& state = h.store().state();
            REQUIRE(state.geometry.sequence(state.checkpoint_lsn) + segments >= head_segment(h) + 2);
            REQUIRE(state.damage.corrupt_groups == 0);
            REQUIRE(h.store().log_count() == 3);
            REQUIRE(h.log(id).end == Offset(20));
            REQUIRE(h.store().sessions().known(7, 1).last_sequence == 20);
            REQUIRE(h.log(memory).end > ceiling);
            ceiling = h.log(memory).end;
        }
        CHECK(head_segment(h) > 3 * segments - 2);
        store_value(h, id, "after", {7, 1, 21});
        h.run_for(ns_per_s);
        CHECK(h.read(id).size() == 1);
        CHECK(h.log(id).end == Offset(21));
        h.cut();
        REQUIRE(h.boot());
        CHECK(h.log(id).end == Offset(21));
        CHECK(h.failure() == "");
    }
}

TEST_CASE("restart loop: what a start gives up stays given up across the checkpoint that it writes") {
    StoreHarness h;
    REQUIRE(h.boot());
    const LogId id = make_logs(h, 2);
    store_value(h, id, "kept");
    const auto near_the_end = [&] { return head_segment(h) + 2 >= h.store().state().geometry.sequence(h.store().state().checkpoint_lsn) + 16; };
    while (!near_the_end()) {
        h.cut();
        REQUIRE(h.boot());
    }
    // One commit whose extent does not hold: nothing proves it.
    const store::Geometry geometry = h.store().state().geometry;
    const Lsn lsn = h.store().state().head.next;
    store_value(h, id, std::string(3000, 'l'));
    const sim::DiskState whole = h.disk().snapshot();
    // Cut off at every operation of the start that follows.
    bool done = false;
    for (std::uint64_t op = 0; !done; ++op) {
        CAPTURE(op);
        h.disk().restore(whole);
        h.cut();
        h.disk().flip_bit("store/journal", geometry.file_position(lsn) + 2000, 1);
        h.disk().cut_power_at(h.disk().ops() + op);
        done = h.boot().ok();
        h.cut();
        h.disk().cut_power_at(UINT64_MAX);
        REQUIRE(h.boot());
        REQUIRE(h.log(id).end == Offset(1));
        store_value(h, id, "other");
        for (int start = 0; start < 2; ++start) {
            h.run_for(20 * ns_per_s);
            h.cut();
            REQUIRE(h.boot());
            CHECK(h.log(id).end == Offset(2));
            const std::vector<ServedBatch> served = h.read(id, Offset(1));
            REQUIRE(served.size() == 1);
            CHECK(served[0].bytes.size() < 1000);
        }
    }
    CHECK(h.failure() == "");
}

}  // namespace rivulet::test
