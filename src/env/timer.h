// A one-shot timer, embedded in what waits for it.
// Owns:     nothing; must be disarmed before it goes away. Bounds: an Env holds timers_max armed timers (given at its construction);
//           arming never allocates. Guarantee: on_timer() runs on the loop, not before its instant, never from within arm().
#pragma once

#include <cstdint>

#include "base/units.h"

namespace rivulet::env {

class Timer {
public:
    Timer() = default;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;

    virtual void on_timer() = 0;

    bool armed() const { return heap_index != not_armed; }
    Instant due() const { return due_at; }

    // For the Env's queue (env/timer_queue.h) alone.
    static constexpr std::uint32_t not_armed = 0xffffffff;
    std::uint32_t heap_index = not_armed;
    std::uint64_t order = 0;  // ties of due_at go in the order of arming
    Instant due_at;

protected:
    ~Timer() = default;
};

}  // namespace rivulet::env
