#include "env/timer_queue.h"

#include "base/check.h"

namespace rivulet::env {

void TimerQueue::place(std::size_t index, Timer& timer) {
    slots_[index] = &timer;
    timer.heap_index = static_cast<std::uint32_t>(index);
}

void TimerQueue::sift_up(std::size_t index) {
    Timer& timer = *slots_[index];
    while (index > 0) {
        const std::size_t parent = (index - 1) / 2;
        if (!before(timer, *slots_[parent])) break;
        place(index, *slots_[parent]);
        index = parent;
    }
    place(index, timer);
}

void TimerQueue::sift_down(std::size_t index) {
    Timer& timer = *slots_[index];
    for (;;) {
        std::size_t child = 2 * index + 1;
        if (child >= count_) break;
        if (child + 1 < count_ && before(*slots_[child + 1], *slots_[child])) ++child;
        if (!before(*slots_[child], timer)) break;
        place(index, *slots_[child]);
        index = child;
    }
    place(index, timer);
}

void TimerQueue::arm(Timer& timer, Instant at) {
    if (timer.armed()) disarm(timer);
    RIVULET_CHECK(count_ < slots_.size());
    timer.due_at = at;
    timer.order = next_order_++;
    place(count_++, timer);
    sift_up(timer.heap_index);
}

void TimerQueue::disarm(Timer& timer) {
    if (!timer.armed()) return;
    const std::size_t index = timer.heap_index;
    RIVULET_CHECK(index < count_ && slots_[index] == &timer);
    timer.heap_index = Timer::not_armed;
    Timer& last = *slots_[--count_];
    if (&last == &timer) return;
    place(index, last);
    sift_up(index);
    sift_down(last.heap_index);
}

// In the subtree of `root`. Looks below those timers alone that are due but armed too late, so that an overdue timer armed by a
// callback holds nobody else up; the recursion is as deep as the heap.
Timer* TimerQueue::earliest_due(std::size_t root, Instant now, std::uint64_t order_limit) const {
    if (root >= count_ || slots_[root]->due_at > now) return nullptr;
    if (slots_[root]->order < order_limit) return slots_[root];
    Timer* const left = earliest_due(2 * root + 1, now, order_limit);
    Timer* const right = earliest_due(2 * root + 2, now, order_limit);
    return !left || (right && before(*right, *left)) ? right : left;
}

Timer* TimerQueue::pop_due(Instant now, std::uint64_t order_limit) {
    Timer* const timer = earliest_due(0, now, order_limit);
    if (timer) disarm(*timer);
    return timer;
}

}  // namespace rivulet::env
