// Zeros that are written ahead of the head never land on what a commit wrote.
#include <doctest/doctest.h>

#include <string>

#include "support/log_model.h"

namespace rivulet::test {
namespace {

TEST_CASE("zeroing: a write of zeros that hangs is waited for before its segment is entered") {
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
        CAPTURE(seed);
        StoreHarness h(seed);
        h.world.latency() = sim::Latency({.fixed_ns = {2 * ns_per_ms, 3 * ns_per_s, 2 * ns_per_ms}}, sim::Random(seed));
        REQUIRE(h.boot());
        Driver driver(h);
        REQUIRE(h.settle(driver.create(1)));
        const LogId id = driver.last_created();
        h.log(id).batch_bytes_max = h.options().batch_bytes_max;
        std::uint64_t overwritten = 0;
        std::uint64_t zeroed = 0;
        h.disk().observer = [&](const sim::DiskCall& call, std::uint64_t) {
            if (call.op != sim::DiskOp::write || call.path != "store/journal" || call.bytes != store::Zeroer::write_bytes) return;
            const store::State& state = h.store().state();
            ++zeroed;
            overwritten += call.position / state.geometry.segment_bytes <= state.geometry.sequence(state.head.previous_end - 1);
        };
        while (h.store().state().geometry.sequence(h.store().state().head.next) < 12) REQUIRE(h.settle(driver.append_patiently(id, 1, 7000)));
        h.disk().observer = nullptr;
        CHECK(zeroed > 0);
        CHECK(overwritten == 0);
        h.run_for(20 * ns_per_s);
        History history = driver.moment();
        h.cut();
        REQUIRE(h.boot());
        CHECK(verify(h, history, FaultClass::a) == "");
    }
}

}  // namespace
}  // namespace rivulet::test
