#include "crash/states.h"

#include <cstdio>

#include "crash/unproved.h"

namespace rivulet::crash {

namespace {

constexpr std::uint64_t new_session = 1000;
constexpr std::int64_t new_producer = 1000;

std::string start_text(const Result<store::OpenReport>& opened) {
    return std::string("the store does not start: ") + (opened ? "" : error_info(opened.error()).name);
}

FaultClass later(FaultClass fault) { return fault == FaultClass::d ? FaultClass::d_later : fault; }

}  // namespace

// Some data for every log, acknowledged; the power goes, and all of it is there again.
std::string go_on(StoreHarness& harness, const History& survived, FaultClass fault) {
    Driver driver(harness);
    driver.resume(survived);
    if (driver.history.logs.empty() && driver.create(1) == 0) return "no log can be created";
    for (const auto& [id, log] : driver.history.logs) {
        // What was acknowledged to a producer is known, and its next batch is no gap. Where more than that may be lost others begin.
        if (fault == FaultClass::a) {
            if (std::string wrong = driver.resend(LogId(id)); !wrong.empty()) return wrong;
            for (const std::int64_t producer : producers_of(log))
                if (driver.produce_patiently(LogId(id), producer, 2, 90, producer % 2 == 0) == 0)
                    return "log " + std::to_string(id) + " takes no more of producer " + std::to_string(producer) + ": " + error_info(driver.last_error).name;
        }
        if (driver.append_patiently(LogId(id), 2, 100) == 0 || driver.put_patiently(LogId(id), 30, new_session) == 0 ||
            driver.produce_patiently(LogId(id), new_producer, 1, 60, id % 2 == 0) == 0)
            return "log " + std::to_string(id) + " takes no more: " + error_info(driver.last_error).name + ' ' + harness.failure();
    }
    if (!harness.settle()) return "what is sent after the fault never becomes durable " + harness.failure();
    History history = driver.moment();
    history.proved_ticket = history.durable_ticket;
    harness.cut();
    if (const auto opened = harness.boot(); !opened) return "after the second cut, " + start_text(opened);
    const std::string wrong = verify(harness, history, later(fault));
    return wrong.empty() ? wrong : "after the second cut, " + wrong;
}

void print_log(const StoreHarness& harness) {
    for (const std::string& line : harness.world.recent_log()) std::printf("    %s\n", line.c_str());
}

std::string outline(StoreHarness& harness) {
    std::string text;
    store::Store& store = harness.store();
    for (std::uint32_t rank = 0; rank < store.log_count(); ++rank) {
        const store::Log& log = store.log_at(rank);
        // A memory log goes on further up after each start.
        text += std::to_string(log.id.value) + " [" + std::to_string(log.start.value) + ", " + (log.memory ? "" : std::to_string(log.end.value)) + ") ";
    }
    return text;
}

std::string run_state(const State& state, std::uint64_t& salvages) {
    StoreHarness harness(state.seed, state.options);
    harness.disk().restore(state.disk);
    harness.disk().crash_with(state.plan);
    History history = state.history;
    const std::uint64_t bad = state.unproved.from < state.unproved.to ? bad_unproved_extents(harness.disk(), state.unproved) : 0;
    salvages += bad != 0;
    const auto opened = harness.boot();
    std::string wrong = opened ? told_of(harness, bad) : start_text(opened);
    if (wrong.empty()) wrong = verify(harness, history, state.fault);
    if (wrong.empty()) wrong = go_on(harness, history, state.fault);
    if (wrong.empty()) wrong = harness.failure();
    if (state.verbose) print_log(harness);
    return wrong;
}

std::string run_recovery_crashes(const State& state, std::uint64_t& states) {
    std::string expected;
    for (std::uint64_t cut_at = 0;; ++cut_at) {
        StoreHarness harness(state.seed, state.options);
        harness.disk().restore(state.disk);
        harness.disk().crash_with(state.plan);
        // The first round is not disturbed and says what all others must come to.
        const bool disturbed = cut_at != 0;
        if (disturbed) harness.disk().cut_power_at(harness.disk().ops() + cut_at - 1);
        const auto first = harness.boot();
        if (!first && !disturbed) return start_text(first);
        const bool done = first.ok();
        if (!done) {
            // What the start had written stays in part; then the power goes in the second start as well.
            sim::Random random = sim::Random(state.seed).split("recovery", cut_at);
            sim::CrashFaults faults;
            harness.cut(sim::random_plan(harness.disk(), random, faults));
            harness.disk().cut_power_at(harness.disk().ops() + random.below(8));
            if (!harness.boot()) {
                harness.cut(sim::random_plan(harness.disk(), random, faults));
                if (const auto third = harness.boot(); !third) return "cut at operation " + std::to_string(cut_at) + " of the start, " + start_text(third);
            }
            ++states;
        }
        // From here on calls work again.
        harness.disk().cut_power_at(UINT64_MAX);
        History history = state.history;
        std::string wrong = verify(harness, history, state.fault);
        const std::string found = outline(harness);
        if (!disturbed) expected = found;
        else if (wrong.empty() && found != expected && state.fault == FaultClass::a) wrong = "found " + found + "instead of " + expected;
        if (wrong.empty() && (cut_at % 4 == 0 || !disturbed)) wrong = go_on(harness, history, state.fault);
        if (state.verbose && !wrong.empty()) print_log(harness);
        if (!wrong.empty()) return "cut at operation " + std::to_string(cut_at) + " of the start: " + wrong;
        if (disturbed && done) return {};
    }
}

}  // namespace rivulet::crash
