// The runs whose every disk operation is a place for the power to go.
#include "crash/recording.h"
#include "store/group.h"

namespace rivulet::crash {

namespace {

store::StoreOptions ring_of(std::uint32_t segments) {
    store::StoreOptions options = small_store();
    options.size = segments * options.segment_bytes;
    return options;
}
store::StoreOptions large_commits(std::uint32_t segments) {
    store::StoreOptions options = ring_of(segments);
    options.commit_bytes = 256 * 1024;
    options.blocks = 48;
    return options;
}

LogId log_at(std::uint64_t n) { return LogId(16 + n); }

// One commit: some of everything for `logs` logs.
void mixed_commit(Recorder& r, int round, std::uint64_t logs) {
    for (std::uint64_t i = 0; i < logs; ++i) {
        const auto n = static_cast<std::uint64_t>(round) + i;
        if (n % 3 != 0) r.must(r.driver.append_patiently(log_at(i), 2, 60 + n * 37 % 500) != 0, "append");
        if (n % 2 == 0) r.must(r.driver.put_patiently(log_at(i), 20 + n % 50, 1 + n % 3) != 0, "put");
        if (n % 5 == 0) r.must(r.driver.put_patiently(log_at(i), 30) != 0, "put");
    }
    r.settle();
}

// From nothing: an empty folder, creation, first topics, a clean stop.
void creation(Recorder& r) {
    r.record(true);
    r.boot();
    r.must(r.driver.create(2) != 0, "create");
    r.settle();
    mixed_commit(r, 0, 2);
    r.stop();
    r.boot();
    mixed_commit(r, 1, 2);
    r.finish();
}

// Small commits, some of them before the one before has ended.
void appends(Recorder& r) {
    r.boot();
    r.must(r.driver.create(3) != 0, "create");
    r.settle();
    r.record(true);
    for (int i = 0; i < 12; ++i) mixed_commit(r, i, 3);
    for (int i = 0; i < 8; ++i) {
        r.must(r.driver.append_patiently(log_at(0), 1, 900) != 0, "append");
        r.harness.act([&] { r.harness.log(log_at(0)).commit_interval_ns = 0; });
        r.harness.run_for(ns_per_ms);
        r.must(r.driver.put_patiently(log_at(1), 40, 9) != 0, "put");
        r.harness.run_for(ns_per_ms);
    }
    r.settle();
    r.finish();
}

// Commits of several groups, across the ends of segments.
void groups(Recorder& r) {
    r.boot();
    r.must(r.driver.create(4) != 0, "create");
    r.settle();
    r.record(true);
    for (int i = 0; i < 5; ++i) {
        for (std::uint64_t k = 0; k < 10; ++k) {
            r.must(r.driver.append_patiently(log_at(k % 4), 3, 1200 + k * 31) != 0, "append");
            if (k % 3 == 0) r.must(r.driver.put_patiently(log_at(k % 4), 100, 4 + k) != 0, "put");
        }
        r.settle();
    }
    r.finish();
}

// The ring wraps: RETIRE, checkpoints in slices, segments that are overwritten.
void ring(Recorder& r) {
    r.boot();
    r.must(r.driver.create(3) != 0, "create");
    r.settle();
    mixed_commit(r, 0, 3);
    for (int i = 0; i < 88; ++i) {
        r.must(r.driver.append_patiently(log_at(static_cast<std::uint64_t>(i) % 2), 3, 1500) != 0, "append");
        if (i % 2 == 1) r.settle();
    }
    r.settle();
    r.record(true);
    for (int i = 0; i < 36; ++i) {
        r.must(r.driver.append_patiently(log_at(static_cast<std::uint64_t>(i) % 2), 3, 1900) != 0, "append");
        if (i % 6 == 0) mixed_commit(r, i, 3);
        r.settle();
    }
    r.finish();
}

// Truncations with data in flight, starts, deletions, topics made again.
void changes(Recorder& r) {
    r.boot();
    r.must(r.driver.create(3) != 0, "create");
    r.settle();
    for (int i = 0; i < 3; ++i) mixed_commit(r, i, 3);
    r.record(true);
    for (int i = 0; i < 6; ++i) {
        // A batch's base to cut at: that of the next one but two.
        r.must(r.driver.append(log_at(0), 2, 200) != 0, "append");
        r.settle();
        const Offset cut = r.harness.log(log_at(0)).end;
        for (int k = 0; k < 3; ++k) r.must(r.driver.append(log_at(0), 2, 300) != 0, "append");
        if (i % 2 == 0) r.settle();
        else r.harness.run_for(103 * ns_per_ms);
        r.must(r.driver.append(log_at(0), 1, 50) != 0, "append");
        r.must(r.driver.truncate(log_at(0), cut) != 0, "truncate");
        r.must(r.driver.append(log_at(0), 3, 100) != 0, "append");
        r.must(r.driver.append(log_at(1), 1, 80) != 0, "append");
        r.must(r.driver.set_start(log_at(1), r.harness.log(log_at(1)).durable_end) != 0, "set start");
        if (i % 3 != 2) r.settle();
        const LogId last = r.harness.store().log_at(r.harness.store().log_count() - 1).id;
        r.must(r.driver.append(last, 1, 120) != 0, "append");
        if (i % 2 == 1) r.harness.run_for(101 * ns_per_ms);
        r.must(r.driver.remove(last) != 0, "delete");
        r.must(r.driver.create(1) != 0, "create");
        r.must(r.driver.append(r.driver.last_created(), 2, 90) != 0, "append");
        r.must(r.driver.put(r.driver.last_created(), 40, 3) != 0, "put");
        r.settle();
    }
    r.finish();
}

// Starts, after clean stops and after cuts in the middle of a commit.
void restarts(Recorder& r) {
    r.boot();
    r.must(r.driver.create(3) != 0, "create");
    r.settle();
    mixed_commit(r, 0, 3);
    r.record(true);
    for (int i = 0; i < 8; ++i) {
        mixed_commit(r, i, 3);
        if (i % 3 == 0) {
            r.stop();
        } else {
            r.must(r.driver.append(log_at(0), 3, 1500) != 0, "append");
            r.must(r.driver.append(log_at(1), 3, 1500) != 0, "append");
            r.must(r.driver.put(log_at(2), 100, 2) != 0, "put");
            r.harness.run_until([&] { return !r.harness.disk().pending_pages().empty(); });
            const std::size_t pages = r.harness.disk().pending_pages().size();
            r.cut(sim::CrashPlan::subset(i % 3 == 1 ? 0x5 : 0x2, pages));
        }
        r.boot();
    }
    mixed_commit(r, 9, 3);
    r.finish();
}

// Starts that end before a commit, until one of them has to write a checkpoint.
void loop(Recorder& r) {
    r.boot();
    r.must(r.driver.create(3) != 0, "create");
    r.settle();
    mixed_commit(r, 0, 3);
    const auto state = [&]() -> const store::State& { return r.harness.store().state(); };
    const auto segments_on = [&] { return state().geometry.sequence(state().head.next) - state().geometry.sequence(state().checkpoint_lsn); };
    while (segments_on() + 2 < state().geometry.segment_count) {
        r.cut({});
        r.boot();
    }
    const std::uint64_t checkpoint = state().checkpoint_sequence;
    r.must(r.driver.append(log_at(0), 3, 1500) != 0, "append");
    r.must(r.driver.put(log_at(1), 100, 2) != 0, "put");
    r.harness.run_until([&] { return !r.harness.disk().pending_pages().empty(); });
    r.record(true);
    for (int i = 0; i < 3; ++i) {
        r.cut(sim::CrashPlan::subset(0x5, r.harness.disk().pending_pages().size()));
        r.boot();
        r.must(state().checkpoint_sequence == checkpoint + 1, "a checkpoint at the first start");
    }
    mixed_commit(r, 1, 3);
    r.finish();
}

// What a start could not read, so that the next run began before it, is readable again: an intact group of a discarded commit, ahead of all that this run writes.
void discarded(Recorder& r) {
    r.boot();
    r.must(r.driver.create(4) != 0, "create");
    r.settle();
    mixed_commit(r, 1, 4);
    r.harness.run_for(30 * ns_per_s);  // all zeroed and marked: what is written from here on is the commit
    const store::Geometry geometry = r.harness.store().state().geometry;
    const Lsn begin = r.harness.store().state().head.next;
    for (std::uint64_t k = 0; k < 8; ++k) r.must(r.driver.append(log_at(k / 2), 1, 3600) != 0, "append");
    // Both groups are written, and the power goes before the sync.
    r.harness.disk().cut_power_at(r.harness.disk().ops() + 2);
    r.harness.run_until([&] { return r.harness.disk().power_is_cut(); });
    const std::vector<std::uint8_t> bytes = r.harness.disk().contents("store/journal");
    const auto at = [&](Lsn lsn) { return Bytes(bytes).subspan(static_cast<std::size_t>(geometry.file_position(lsn)), store::page_bytes); };
    const auto first = store::decode_group_header(at(begin), begin, geometry);
    r.must(first.ok() && store::decode_group_header(at(first->end()), first->end(), geometry).ok(), "a commit of two groups");
    // The header of the first group does not get to flash; that of the second does, and reads as zeros for a while.
    r.cut(sim::CrashPlan::subset(~std::uint64_t{1}, r.harness.disk().pending_pages().size()));
    r.harness.disk().cut_power_at(UINT64_MAX);
    const std::uint64_t hidden = geometry.file_position(first->end());
    r.harness.disk().overwrite("store/journal", hidden, sim::Page{});
    r.boot();
    r.must(r.harness.store().state().head.run_start == begin, "a run before the second group");
    r.harness.disk().overwrite("store/journal", hidden, at(first->end()));
    r.record(true);
    r.must(r.driver.append(log_at(0), 1, 100) != 0, "append");
    r.settle();
    r.must(r.driver.put(log_at(1), 100, 2) != 0, "put");
    r.settle();
    r.finish();
}

// Idempotent producers, whole and staged batches of some blocks: over checkpoints, truncations, starts.
void producers(Recorder& r) {
    r.boot();
    r.must(r.driver.create(3) != 0, "create");
    r.settle();
    const auto round = [&](std::uint64_t n, std::size_t bytes) {
        for (std::uint64_t k = 0; k < 6; ++k)
            r.must(r.driver.produce_patiently(log_at(k % 3), static_cast<std::int64_t>(1 + (n + k) % 2), static_cast<std::int32_t>(1 + k % 3), bytes + k * 150, (n + k) % 3 != 0) != 0, "produce");
        if (n % 2 == 0) r.must(r.driver.put_patiently(log_at(n % 3), 30, 3) != 0, "put");
        r.settle();
    };
    for (std::uint64_t n = 0; n < 4; ++n) round(n, 200);
    r.record(true);
    for (std::uint64_t n = 0; n < 10; ++n) {
        round(n, n % 4 == 1 ? 1500 : 100);
        if (n == 3) {
            const Offset cut = r.harness.log(log_at(1)).end;
            for (int k = 0; k < 3; ++k) r.must(r.driver.produce(log_at(1), 1, 2, 300, k % 2 == 0) != 0, "produce");
            r.harness.run_for(103 * ns_per_ms);
            r.must(r.driver.truncate(log_at(1), cut) != 0, "truncate");
        }
        if (n == 5) {
            r.stop();
            r.boot();
        }
        if (n == 7) {
            r.must(r.driver.produce(log_at(0), 1, 3, 1500, true) != 0, "produce");
            r.must(r.driver.produce(log_at(1), 2, 3, 1500, false) != 0, "produce");
            r.harness.run_until([&] { return !r.harness.disk().pending_pages().empty(); });
            r.cut(sim::CrashPlan::subset(0x5, r.harness.disk().pending_pages().size()));
            r.boot();
        }
    }
    r.finish();
}

// Memory logs: ceilings, unclean and clean ends.
void memory(Recorder& r) {
    r.boot();
    r.must(r.driver.create(1, true) != 0, "create");
    r.must(r.driver.create(1) != 0, "create");
    r.settle();
    r.record(true);
    for (int i = 0; i < 4; ++i) {
        for (int k = 0; k < 3; ++k) {
            for (int tries = 0; tries < 50 && r.driver.append(log_at(0), 2, 200, 15'000) == 0; ++tries) r.harness.run_for(20 * ns_per_ms);
            r.must(r.driver.put_patiently(log_at(0), 60, 5) != 0, "put");
            r.must(r.driver.append_patiently(log_at(1), 2, 100) != 0, "append");
            if (k == 1) r.settle();
        }
        if (i == 2) r.stop();
        else r.cut({});
        r.boot();
    }
    mixed_commit(r, 1, 2);
    r.finish();
}

// Cleaning passes over a log that others fill the ring around, across checkpoints, a clean stop and a cut in the middle of a pass.
void cleaning(Recorder& r) {
    r.boot();
    r.must(r.driver.create(2) != 0, "create");
    r.settle();
    const auto pass = [&](std::size_t every) { r.must(r.driver.clean(log_at(0), [every](std::size_t n) { return n % every != every - 1; }) != 0, "clean"); };
    const auto fill = [&](int n) {
        for (int i = 0; i < n; ++i) r.must(r.driver.append_patiently(log_at(0), 2, 150 + static_cast<std::size_t>(i) * 40) != 0, "append");
        r.must(r.driver.produce_patiently(log_at(0), 1, 2, 90, n % 2 == 0) != 0, "produce");
        r.settle();
    };
    const auto others = [&](int n) {
        for (int i = 0; i < n; ++i) r.must(r.driver.append_patiently(log_at(1), 3, 1800) != 0, "append");
        r.settle();
    };
    fill(6);
    r.record(true);
    pass(3);
    fill(4);
    r.record(false);
    others(30);
    r.record(true);
    pass(2);
    r.stop();
    r.boot();
    r.record(false);
    others(40);
    fill(3);
    r.record(true);
    // The power goes before the pass ends.
    const auto begin = [&] { r.must(r.driver.begin_to_clean(log_at(0), [](std::size_t n) { return n % 4 != 3; }, 3) != 0, "begin to clean"); };
    begin();
    r.must(r.driver.append_patiently(log_at(1), 2, 300) != 0, "append");
    r.settle();
    begin();
    r.cut({});
    r.boot();
    // It goes on, and the power goes once more.
    begin();
    r.cut({});
    r.boot();
    pass(4);
    fill(2);
    r.record(false);
    others(44);
    r.record(true);
    pass(5);
    mixed_commit(r, 1, 2);
    r.finish();
}

// A log that is moved whole, lap by lap, while others go round the ring; some of its older part is deleted; a cut with a pass half done; at last nobody moves it any more.
void pinned(Recorder& r) {
    r.boot();
    r.must(r.driver.create(2) != 0, "create");
    r.settle();
    const auto pass = [&] { r.must(r.driver.clean(log_at(0), [](std::size_t) { return true; }) != 0, "move"); };
    const auto fill = [&](int n) {
        for (int i = 0; i < n; ++i) r.must(r.driver.append_patiently(log_at(0), 2, 200 + static_cast<std::size_t>(i) * 60) != 0, "append");
        r.must(r.driver.put_patiently(log_at(0), 50, 7) != 0, "put");
        r.settle();
    };
    const auto others = [&](int n) {
        r.record(false);
        for (int i = 0; i < n; ++i) r.must(r.driver.append_patiently(log_at(1), 3, 1800) != 0, "append");
        r.settle();
        r.record(true);
    };
    fill(6);
    others(30);
    pass();
    fill(4);
    others(36);
    const store::Log& log = r.harness.log(log_at(0));
    r.must(log.start == Offset(0) && log.clean_end > Offset(6), "the older part");
    r.must(r.driver.set_start(log_at(0), log.clean_end - 5) != 0, "set start");
    r.settle();
    pass();
    r.stop();
    r.boot();
    fill(3);
    others(36);
    // The power goes with a pass half done.
    const auto begin = [&] { r.must(r.driver.begin_to_clean(log_at(0), [](std::size_t) { return true; }, 4) != 0, "begin to move"); };
    begin();
    r.must(r.driver.append_patiently(log_at(0), 1, 300) != 0, "append");
    r.settle();
    begin();
    r.cut({});
    r.boot();
    begin();
    r.cut({});
    r.boot();
    pass();
    others(36);
    pass();
    others(90);
    mixed_commit(r, 1, 2);
    r.finish();
}

}  // namespace

std::span<const Workload> workloads() {
    static const Workload all[] = {
        {"creation", ring_of(6), creation},
        {"appends", ring_of(16), appends},
        {"groups", large_commits(8), groups},
        {"ring", ring_of(8), ring},
        {"changes", ring_of(16), changes},
        {"restarts", ring_of(16), restarts},
        {"loop", ring_of(4), loop},
        {"discarded", large_commits(16), discarded, false},
        {"producers", ring_of(12), producers},
        {"memory", ring_of(16), memory},
        {"cleaning", ring_of(8), cleaning},
        {"pinned", ring_of(8), pinned},
    };
    return all;
}

}  // namespace rivulet::crash
