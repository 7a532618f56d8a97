// Runs seeds in child processes, so that one that aborts (a broken invariant of the broker) costs that seed and not the run.
// Owns:     the children and a pipe to each. Bounds: `jobs` at a time. Errors: a child that ends in the middle of a seed is a failure of that seed.
#pragma once

#include "sim/run/scenario.h"

namespace rivulet::sim {

struct RunOptions {
    std::uint64_t first = 1;
    std::uint64_t last = 100;
    std::size_t jobs = 1;
    bool verbose = false;
    SeedOptions seed;
};

struct RunResult {
    std::uint64_t passed = 0;
    std::uint64_t failed = 0;
    Totals totals;
};

// One seed in twenty runs twice: the hashes of its traces must be equal.
RunResult run_seeds(const RunOptions& options);

}  // namespace rivulet::sim
