// The armed timers of an Env: a binary heap by (due, order of arming), shared by every Env so that all order them alike.
// Owns:     an array of pointers given at construction. Bounds: its length; arming one more is a broken invariant.
#pragma once

#include <span>

#include "env/timer.h"

namespace rivulet::env {

class TimerQueue {
public:
    explicit TimerQueue(std::span<Timer*> slots) : slots_(slots) {}

    // Arms, or moves an armed timer.
    void arm(Timer& timer, Instant at);
    void disarm(Timer& timer);
    // The earliest armed timer, or nullptr.
    Timer* earliest() const { return count_ == 0 ? nullptr : slots_[0]; }
    // Disarms and returns the earliest timer due at `now` that was armed before `order_limit`, else nullptr. A caller takes
    // order() first, so that a timer armed by a callback waits for the next turn.
    Timer* pop_due(Instant now, std::uint64_t order_limit);
    std::uint64_t order() const { return next_order_; }

private:
    static bool before(const Timer& a, const Timer& b) { return a.due_at != b.due_at ? a.due_at < b.due_at : a.order < b.order; }
    void place(std::size_t index, Timer& timer);
    void sift_up(std::size_t index);
    void sift_down(std::size_t index);
    Timer* earliest_due(std::size_t root, Instant now, std::uint64_t order_limit) const;

    std::span<Timer*> slots_;
    std::size_t count_ = 0;
    std::uint64_t next_order_ = 0;
};

}  // namespace rivulet::env
