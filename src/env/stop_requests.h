// How often a process was asked to stop: the first request is for a clean stop, a later one for a stop at once.
// `timeout` and some supervisors send a signal to the process and, milliseconds later, to its group: what comes within repeat_ns of the first is the same request.
// Owns:     a plain value. Bounds: none. Thread: loop only.
#pragma once

#include "base/units.h"

namespace rivulet::env {

class StopRequests {
public:
    static constexpr std::int64_t repeat_ns = 500 * ns_per_ms;

    // One more, at `now`. False: it repeats the first.
    bool take(Instant now) {
        if (count_ == 0) first_ = now;
        else if (now - first_ < repeat_ns) return false;
        ++count_;
        return true;
    }
    int count() const { return count_; }

private:
    Instant first_;
    int count_ = 0;
};

}  // namespace rivulet::env
