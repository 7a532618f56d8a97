// Disk calls that fail while the store runs (fsyncgate): offline, no ack, no second sync.
#include <algorithm>

#include "crash/suite.h"

namespace rivulet::crash {

namespace {

store::StoreOptions error_store() {
    store::StoreOptions options = small_store();
    options.size = 8 * options.segment_bytes;
    return options;
}

constexpr int rounds = 24;

}  // namespace

std::string run_disk_error(const DiskError& error, bool& happened) {
    const store::StoreOptions options = error_store();
    StoreHarness harness(error.seed, options);
    Driver driver(harness);
    if (!harness.boot() || driver.create(2) == 0 || !harness.settle()) return "the store does not start";
    const sim::DiskStats before = harness.disk().stats();
    harness.disk().fail_nth(error.op, error.nth, Error::io, error.evicted);
    for (int i = 0; i < rounds && !harness.store().offline(); ++i) {
        for (int k = 0; k < 5; ++k) (void)driver.append(LogId(16), 1 + k % 3, 1500);
        (void)driver.put(LogId(17), 60, 3);
        harness.run_for(150 * ns_per_ms);
    }
    const bool reads = error.op == sim::DiskOp::read;
    const sim::DiskStats& after = harness.disk().stats();
    happened = reads || (error.op == sim::DiskOp::write ? after.writes - before.writes : after.syncs - before.syncs) >= error.nth;
    // Zeroing ahead of need may fail: nothing is stored by it.
    const auto& lines = harness.world.recent_log();
    const bool zeroing = std::any_of(lines.begin(), lines.end(), [](const std::string& line) { return line.find("zeroing") != std::string::npos; });
    if (happened && !reads && !zeroing && !harness.store().offline()) return "the store goes on after the error";
    if (harness.store().offline()) {
        const std::uint64_t durable = harness.store().durable_ticket();
        const std::uint64_t syncs = harness.disk().stats().syncs;
        if (driver.append(LogId(16), 1, 10) != 0 || driver.last_error != Error::store_offline) return "an append after the error is taken";
        if (driver.create(1) != 0) return "a topic is created after the error";
        harness.run_for(15 * ns_per_s);
        if (harness.store().durable_ticket() != durable) return "acknowledged after the error";
        // A sync that was under way in the other slot may have ended.
        if (harness.disk().stats().syncs != syncs) return "synced again after the error";
        if (harness.program().offline.size() != 1) return "the error was not told once";
    }
    History history = driver.moment();
    sim::Random random = sim::Random(error.seed).split("eio", error.nth);
    harness.cut(sim::random_plan(harness.disk(), random, {}));
    if (const auto opened = harness.boot(); !opened) return std::string("the store does not start again: ") + error_info(opened.error()).name;
    if (reads) {
        // A read that fails once is a page that cannot be read: fenced, or read again.
        harness.disk().fail_nth(sim::DiskOp::read, 1 + error.nth % 5);
        history.proved_ticket = history.durable_ticket;
    }
    const FaultClass fault = reads ? FaultClass::b : FaultClass::a;
    std::string wrong = verify(harness, history, fault);
    if (wrong.empty()) wrong = go_on(harness, history, fault);
    if (error.verbose) print_log(harness);
    return wrong.empty() ? harness.failure() : wrong;
}

void Suite::errors() {
    struct Kind { sim::DiskOp op; bool evicted; const char* name; };
    for (const Kind& kind : {Kind{sim::DiskOp::write, false, "write"}, Kind{sim::DiskOp::sync, false, "sync"}, Kind{sim::DiskOp::sync, true, "sync-evicted"},
                             Kind{sim::DiskOp::read, false, "read"}}) {
        bool happened = true;
        for (std::uint64_t nth = 1; happened && nth < (kind.op == sim::DiskOp::read ? 30 : 1000); ++nth) {
            const std::string name = std::string("eio/") + kind.name + ':' + std::to_string(nth);
            if (!wanted(name)) continue;
            const std::string wrong = run_disk_error({kind.op, nth, kind.evicted, nth, verbose}, happened);
            if (happened || !wrong.empty()) count(sim::Fault::eio, name, std::string("call ") + std::to_string(nth), wrong);
        }
    }
}

}  // namespace rivulet::crash
