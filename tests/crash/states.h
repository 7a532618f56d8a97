// One crash state: a disk as it was, a plan of what the power cut did to it, and what must hold afterwards.
// Guarantee: a state is a function of its recording, its kind and its number.
#pragma once

#include "crash/recording.h"

namespace rivulet::crash {

struct State {
    const store::StoreOptions& options;
    const sim::DiskState& disk;
    const History& history;
    sim::CrashPlan plan{};
    Unproved unproved{};
    FaultClass fault = FaultClass::a;
    std::uint64_t seed = 1;
    bool verbose = false;
};

// Crashes, starts, verifies, appends, cuts the power, starts and verifies again. What is wrong, or nothing. `salvages` counts the states of class c: those with a
// bad extent under a good header.
std::string run_state(const State& state, std::uint64_t& salvages);
// The part after the first start.
std::string go_on(StoreHarness& harness, const History& survived, FaultClass fault);

// The power goes again at every operation of the start, and once more in the start after that; all must end alike. `ops` is how many there were.
std::string run_recovery_crashes(const State& state, std::uint64_t& states);

// The nth call of a kind fails while the store runs: it acknowledges nothing more, syncs nothing again, and all that it acknowledged is there after the next start.
// `happened`: the store got as far as that call.
struct DiskError {
    sim::DiskOp op;
    std::uint64_t nth;
    bool evicted = false;  // what a failed sync dropped is gone from the cache at once
    std::uint64_t seed = 1;
    bool verbose = false;
};
std::string run_disk_error(const DiskError& error, bool& happened);

// The starts and ends of all logs, for comparison.
std::string outline(StoreHarness& harness);
void print_log(const StoreHarness& harness);

}  // namespace rivulet::crash
