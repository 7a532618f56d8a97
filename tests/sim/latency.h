// How long things take on a board with a flash card: quantiles with long tails, scaled per run.
// Bounds:   plain values, integers only. Numbers: shared reference on flash storage (4K sync p50 2 ms .. 1.5 s at worst).
#pragma once

#include <array>

#include "base/units.h"
#include "env/job.h"
#include "sim/random.h"

namespace rivulet::sim {

struct LatencyOptions {
    // At least 0 = always this long, for a test that counts on it; by kind of job: commit, read, compute.
    std::array<std::int64_t, env::job_kinds> fixed_ns{-1, -1, -1};
    unsigned scale_percent = 0;  // 0 = from the seed, 25 to 200
};

class Latency {
public:
    Latency(const LatencyOptions& options, Random random);
    std::int64_t job(env::JobKind kind);
    unsigned scale_percent() const { return scale_percent_; }

private:
    LatencyOptions options_;
    Random random_;
    unsigned scale_percent_;
};

}  // namespace rivulet::sim
