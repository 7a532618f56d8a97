// A checkpoint and the commits that it waits for: what it says is durable with it, and neither waits for the other for ever.
#include <doctest/doctest.h>

#include <string>

#include "unit/store/store_calls.h"

namespace rivulet::test {
namespace {

// Floods that make commits of several groups, and one reading of a new session each step, until the first checkpoint is there. Gives how many sessions were used.
std::uint64_t flood_until_checkpoint(StoreHarness& h, LogId flooded, LogId log, std::uint64_t seed) {
    const std::uint64_t before = h.store().state().checkpoint_sequence;
    const std::string big(1500, 'x');
    std::uint64_t sessions = 0;
    std::uint64_t n = 0;
    for (std::uint64_t step = 0; step < 20'000 && !h.world.failed(); ++step) {
        const std::uint64_t burst = (step / 8) % 2 == 0 ? 4 + seed % 13 : 0;
        for (std::uint64_t k = 0; k < burst; ++k) static_cast<void>(try_put(h, flooded + n++ % 3, big));
        if (try_put(h, log, "s", {1000 + sessions, 1, 1})) ++sessions;
        h.run_for(static_cast<std::int64_t>(300'000 + 37'000 * seed));
        if (h.store().state().checkpoint_sequence != before) return sessions;
    }
    FAIL("no checkpoint");
    return 0;
}

TEST_CASE("checkpoint: it counts no session's reading that a power cut can take, whatever was under way when its capture ended") {
    for (std::uint64_t seed = 1; seed <= 24; ++seed) {
        CAPTURE(seed);
        store::StoreOptions options = small_store();
        options.blocks = 200;
        options.sessions_max = 2000;
        options.checkpoint_area_bytes = 128 * 1024;
        options.size = 256 * options.segment_bytes;
        StoreHarness h(seed, options);
        REQUIRE(h.boot());
        const LogId log = make_logs(h, 1);
        const LogId flooded = make_logs(h, 3);
        const std::uint64_t sessions = flood_until_checkpoint(h, flooded, log, seed);
        h.cut();
        REQUIRE(h.boot());
        std::uint64_t counted_and_lost = 0;
        for (auto n = static_cast<std::uint64_t>(h.log(log).end.value); n < sessions; ++n)
            counted_and_lost += h.store().sessions().known(1000 + n, 1).last_sequence != 0;
        CHECK(counted_and_lost == 0);
    }
}

// Appends for so long that the ring goes round many times; false: nothing became durable for a minute.
bool goes_round(StoreHarness& h, LogId first, std::uint32_t logs, std::size_t bytes, std::uint64_t laps) {
    const std::string value(bytes, 'v');
    const std::uint64_t segments = h.store().state().geometry.segment_count;
    std::uint64_t n = 0;
    std::uint64_t durable = h.store().durable_ticket();
    std::int64_t moved = h.world.now();
    while (h.store().state().geometry.sequence(h.store().state().head.next) < laps * segments) {
        for (int k = 0; k < 64; ++k) {
            ++n;
            const store::SessionReading session = n % 3 == 0 ? store::SessionReading{1 + n % 40, 1, n} : store::SessionReading{};
            if (!try_put(h, first + n % logs, value, session)) break;
        }
        h.run_for(ns_per_ms);
        if (h.world.failed() || h.store().offline()) return false;
        if (h.store().durable_ticket() != durable) {
            durable = h.store().durable_ticket();
            moved = h.world.now();
        } else if (h.world.now() - moved > 60 * ns_per_s) {
            return false;
        }
    }
    return true;
}

TEST_CASE("checkpoint: a commit that waits for it and a checkpoint that waits for a commit do not wait for each other") {
    for (const std::uint32_t segments : {8U, 12U, 16U, 32U}) {
        for (const std::uint32_t blocks : {16U, 64U, 160U}) {
            for (const std::size_t bytes : {400U, 3000U, 7500U}) {
                CAPTURE(segments);
                CAPTURE(blocks);
                CAPTURE(bytes);
                store::StoreOptions options = small_store();
                options.size = segments * options.segment_bytes;
                options.blocks = blocks;
                options.batch_bytes_max = bytes > 7000 ? 40 * 1024 : 8 * 1024;
                if (options.blocks * store::block_bytes < 2 * options.batch_bytes_max) continue;
                options.sessions_max = 300;
                options.checkpoint_area_bytes = 64 * 1024;
                StoreHarness h(segments + blocks, options);
                REQUIRE(h.boot());
                const LogId first = make_logs(h, 6);
                CHECK(goes_round(h, first, 6, bytes, 3));
            }
        }
    }
}

TEST_CASE("checkpoint: a journal of few segments beside much memory is not checkpointed at every commit") {
    store::StoreOptions options = small_store();
    options.size = 8 * options.segment_bytes;
    options.blocks = 160;
    StoreHarness h(1, options);
    REQUIRE(h.boot());
    const LogId id = make_logs(h, 1);
    const std::uint64_t commits = h.store().commit_statistics().commits;
    const std::uint64_t checkpoints = h.store().state().checkpoint_sequence;
    for (int i = 0; i < 100; ++i) {
        const Result<store::Appended> done = try_put(h, id, std::string(1000, 'v'));
        REQUIRE(done.ok());
        REQUIRE(h.settle(done->ticket));
    }
    const std::uint64_t segments = h.store().state().geometry.sequence(h.store().state().head.next);
    CHECK(h.store().commit_statistics().commits - commits >= 100);
    CHECK(h.store().state().checkpoint_sequence - checkpoints <= segments + 1);
}

}  // namespace
}  // namespace rivulet::test
