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

std::vector<std::uint8_t> contents(sim::Disk& disk, std::string_view path) {
    const auto file = disk.open(path, env::OpenMode::read_only);
    REQUIRE(file.ok());
    std::vector<std::uint8_t> bytes(disk.size(**file).value());
    REQUIRE(disk.read(**file, 0, bytes).ok());
    disk.close(**file);
    return bytes;
}

// On a copy of the disk as it is now, without these files; or with this in place of checkpoint.0.
Verified check(StoreHarness& h, std::initializer_list<std::string_view> removed = {}, Bytes older = {}) {
    sim::Disk copy(h.disk().snapshot(), 1);
    for (const std::string_view path : removed) REQUIRE(copy.remove(path).ok());
    if (!older.empty()) {
        const auto file = copy.open("store/checkpoint.0", env::OpenMode::read_write);
        REQUIRE(file.ok());
        REQUIRE(copy.write(**file, 0, {&older, 1}).ok());
        copy.close(**file);
    }
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

TEST_CASE("verify: no checkpoint is damage of its own kind once the ring has gone round") {
    StoreHarness h;
    REQUIRE(h.boot().ok());
    sim::Random random(1);
    const LogId first = h.store().next_log_id();
    REQUIRE(h.act([&] { return h.store().create_logs(2, false, as_bytes("topic")); }).ok());
    REQUIRE(h.settle());
    write_some(h, random, first, 3);
    const Verified young = check(h, {"store/checkpoint.0", "store/checkpoint.1"});
    INFO(young.all());
    CHECK_FALSE(young.result.damaged());
    CHECK(young.lines.of("note what=checkpoint_file").size() == 2);
    std::vector<std::uint8_t> older;
    for (int run = 0; run < 5; ++run) {
        write_some(h, random, first, 150);
        REQUIRE(h.stop());
        sim::Disk now(h.disk().snapshot(), 1);
        if (run == 1) older = contents(now, "store/checkpoint.0");
        REQUIRE(h.boot().ok());
    }
    const Verified whole = check(h);
    INFO(whole.all());
    CHECK_FALSE(whole.result.damaged());
    const Verified lost = check(h, {"store/checkpoint.0", "store/checkpoint.1"});
    INFO(lost.all());
    CHECK(lost.result.damaged());
    CHECK(lost.result.corrupt == 1);
    const auto lines = lost.lines.of("damage class=checkpoint");
    REQUIRE(lines.size() == 1);
    CHECK(lines[0].find("recovered.N") != std::string::npos);
    CHECK(lines[0].find("state_0=\"no such file or directory\" state_1=\"no such file or directory\"") != std::string::npos);
    // A file that is there and whose header page is blank is another thing than one that is not there.
    const std::vector<std::uint8_t> zeros(page_bytes);
    const Verified blank = check(h, {"store/checkpoint.1"}, zeros);
    INFO(blank.all());
    REQUIRE(blank.lines.of("damage class=checkpoint").size() == 1);
    CHECK(blank.lines.of("damage class=checkpoint")[0].find("state_0=blank state_1=\"no such file or directory\"") != std::string::npos);
    const Verified stale = check(h, {"store/checkpoint.1"}, older);
    INFO(stale.all());
    CHECK(stale.result.damaged());
    const auto told = stale.lines.of("damage class=checkpoint");
    REQUIRE(told.size() == 1);
    CHECK(told[0].find("older than the oldest segment") != std::string::npos);
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
