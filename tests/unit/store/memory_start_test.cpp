// The start of a memory log may lie beyond what is on flash.
#include <doctest/doctest.h>

#include <string>

#include "unit/store/store_calls.h"

namespace rivulet::test {
namespace {

TEST_CASE("memory log: records are deleted up to its high watermark while checkpoints are written") {
    StoreHarness h;
    REQUIRE(h.boot());
    const Result<std::uint64_t> created = h.act([&] { return h.store().create_logs(1, true, {}); });
    const Result<std::uint64_t> other = h.act([&] { return h.store().create_logs(1, false, {}); });
    REQUIRE(created.ok());
    REQUIRE(other.ok());
    REQUIRE(h.settle(*other));
    const LogId durable = h.store().next_log_id() - 1;
    const LogId memory = h.store().next_log_id() - 2;
    h.log(memory).commit_interval_ns = 60 * ns_per_s;
    h.log(memory).pack_interval_ns = 1000;
    const std::string large(7000, 'z');
    for (int i = 0; i < 2000 && !h.world.failed(); ++i) {
        static_cast<void>(try_put(h, memory, "memory"));
        h.run_for(100'000);
        const Offset start = h.log(memory).high_watermark();
        static_cast<void>(h.act([&] { return h.store().set_start(h.log(memory), start); }));
        static_cast<void>(try_put(h, durable, large));
        h.run_for(500'000);
    }
    CHECK(h.failure() == "");
    CHECK(h.store().state().checkpoint_sequence > 3);
    const Offset start = h.log(memory).start;
    REQUIRE(h.stop());
    REQUIRE(h.boot());
    CHECK(h.log(memory).start >= start);
    CHECK(h.log(memory).end >= start);
}

}  // namespace
}  // namespace rivulet::test
