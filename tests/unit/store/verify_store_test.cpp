// verify and inspect over stores that the broker's own code wrote: sound while it serves, after clean stops, after power cuts and
// after the recoveries from them.
#include <doctest/doctest.h>

#include "sim/crash.h"
#include "store/offline/inspect.h"
#include "store/offline/verify.h"
#include "support/store_harness.h"
#include "unit/store/small_store.h"

using namespace rivulet;
using namespace rivulet::store;
using test::Buffer;
using test::Lines;
using test::StoreHarness;

namespace {

struct Verified {
    Lines lines;
    VerifyResult result;
    std::string all() const {
        std::string text;
        for (const std::string& line : lines.all) text += line + "\n";
        return text;
    }
};

// On a copy of the disk as it is now.
Verified check(StoreHarness& h) {
    sim::Disk copy(h.disk().snapshot(), 1);
    Verified out;
    OfflineStore store(copy);
    REQUIRE(store.open("store").ok());
    Buffer scratch(verify_scratch_bytes(store.geometry(), 16));
    const auto result = verify(store, false, scratch, out.lines);
    REQUIRE(result.ok());
    out.result = *result;
    Lines lines;
    REQUIRE(inspect(store, {}, scratch, lines).ok());
    CHECK(lines.of("segment ").size() == store.head() - store.first_live() + 1);
    return out;
}

// Readings and batches for two logs, some of it in flight when this returns.
void write_some(StoreHarness& h, sim::Random& random, LogId first, unsigned rounds) {
    const std::string value(1200, 'v');
    for (unsigned i = 0; i < rounds; ++i) {
        for (std::uint64_t n = random.below(6); n != 0; --n) {
            const record::Reading reading = test::reading(1000 + i, "sensor", value);
            (void)h.act([&] { return h.store().append(h.log(first), reading, random.chance(1, 8), {7, 1, i * 10 + n}); });
        }
        Buffer batch = test::pack({test::reading(5, "a", value), test::reading(6, "b", value)});
        (void)h.act([&] { return h.store().append(h.log(first + 1), Bytes(batch)); });
        h.run_for(static_cast<std::int64_t>(random.below(120)) * ns_per_ms);
    }
}

}  // namespace

TEST_CASE("verify: stores of the broker through clean stops, the ring several times around") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    sim::Random random(1);
    const LogId first = h.store().next_log_id();
    REQUIRE(h.act([&] { return h.store().create_logs(2, false, as_bytes("topic")); }).ok());
    REQUIRE(h.settle());
    for (int run = 0; run < 6; ++run) {
        write_some(h, random, first, 150);
        REQUIRE(h.stop());
        const Verified v = check(h);
        INFO(v.all());
        CHECK_FALSE(v.result.damaged());
        CHECK(v.result.settled == 0);
        // A checkpoint that the stop cut short is a spare copy at most.
        CHECK(v.result.notes == v.lines.of("note what=checkpoint").size());
        CHECK(v.result.batches > 100);
        REQUIRE(h.boot().ok());
    }
    const Verified v = check(h);
    INFO(v.all());
    CHECK_FALSE(v.result.damaged());
    CHECK(h.failure() == "");
}

TEST_CASE("verify: after power cuts nothing counts as corrupt, and after recovery all is settled") {
    std::uint64_t settled = 0, unproved = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        StoreHarness h(seed);
        REQUIRE(h.boot().ok());
        sim::Random random(seed);
        const LogId first = h.store().next_log_id();
        REQUIRE(h.act([&] { return h.store().create_logs(2, seed % 3 == 0, as_bytes("topic")); }).ok());
        REQUIRE(h.settle());
        for (int run = 0; run < 6; ++run) {
            write_some(h, random, first, 25);
            // In the middle of a commit: written, perhaps, and not synced.
            h.disk().cut_power_at(h.disk().ops() + random.below(4));
            write_some(h, random, first, 3);
            h.run_for(ns_per_s);
            h.cut(sim::random_plan(h.disk(), random, {}));
            const Verified torn = check(h);
            INFO("seed ", seed, " run ", run, "\n", torn.all());
            CHECK(torn.result.corrupt == 0);
            unproved += torn.result.unproved;
            REQUIRE(h.boot().ok());
            h.run_for(200 * ns_per_ms);
            const Verified recovered = check(h);
            INFO(recovered.all());
            CHECK(recovered.result.corrupt == 0);
            settled += recovered.result.settled;
        }
        REQUIRE(h.stop());
        const Verified v = check(h);
        INFO(v.all());
        CHECK_FALSE(v.result.damaged());
        CHECK(h.failure() == "");
    }
    // The faults did leave traces.
    CHECK(unproved > 0);
    CHECK(settled > 0);
}
