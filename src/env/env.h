// The world as a broker sees it: the seam. platform/ implements it with libuv, tests/sim/ from a seed.
// Owns:     clock, timers, jobs, network, disk. A broker gets one Env and reaches nothing else, so that one seed replays it.
// Bounds:   nothing here allocates once serving() was called.
// Thread:   loop only, but for Job::run().
#pragma once

#include <string_view>

#include "env/clock.h"
#include "env/disk.h"
#include "env/job.h"
#include "env/network.h"
#include "env/timer.h"

namespace rivulet::env {

enum class LogLevel : std::uint8_t { error, warning, info, debug };

class Env : public Clock {
public:
    virtual void arm(Timer& timer, Instant at) = 0;
    virtual void disarm(Timer& timer) = 0;
    virtual void submit(Job& job) = 0;
    virtual Disk& disk() = 0;
    virtual Network& network() = 0;
    // Unpredictable bytes (getrandom); never fails.
    virtual void entropy(MutableBytes into) = 0;

    // One line without its end. Levels above the configured one cost a call and no formatting (see Log).
    virtual void log(LogLevel level, std::string_view line) = 0;
    virtual LogLevel log_level() const = 0;

    // Counts work done on the loop, in bytes touched (copied, hashed, parsed), so that the simulator can fail a turn that does too
    // much. Fixed costs count as 64 bytes for a table look-up or a call to the system.
    virtual void charge(std::uint64_t bytes) = 0;

    // Start-up is over: from here on no blocking call on the loop, no allocation.
    virtual void serving() = 0;
    // Ends the loop after this turn.
    virtual void stop() = 0;

protected:
    ~Env() = default;
};

}  // namespace rivulet::env
