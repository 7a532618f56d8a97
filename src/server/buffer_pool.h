// Buffers of one size, lent for a while, with a line of those that wait for one.
// Owns:     count x bytes from the arena, untouched until lent; last given is lent first, so that few pages become resident.
// Bounds:   take() gives an empty view when none is free; for bulk none of the last `reserve`. Guarantee: a buffer that comes back goes to the longest waiting at once, so
//           nobody is passed over, but for those who wait for bulk: they come after the others. on_granted() may come from within give().
// Thread:   loop only.
#pragma once

#include "base/arena.h"
#include "base/list.h"

namespace rivulet::server {

class BufferWaiter : public ListNode<BufferWaiter> {
public:
    virtual void on_granted(MutableBytes buffer) = 0;

protected:
    ~BufferWaiter() = default;
};

class BufferPool {
public:
    BufferPool(Arena& arena, std::size_t count, std::size_t bytes, std::size_t reserve = 0);
    static std::size_t memory_bytes(std::size_t count, std::size_t bytes);

    MutableBytes take();
    MutableBytes take_bulk() { return bulk_free() ? take() : MutableBytes(); }
    bool bulk_free() const { return count_ - lent_ > reserve_; }
    void give(MutableBytes buffer);
    void wait(BufferWaiter& waiter) { waiters_.push_back(waiter); }
    void wait_bulk(BufferWaiter& waiter) { bulk_waiters_.push_back(waiter); }
    static void cancel(BufferWaiter& waiter);
    bool starving() const { return !waiters_.empty() || !bulk_waiters_.empty(); }

    std::size_t count() const { return count_; }
    std::size_t bytes() const { return bytes_; }
    std::size_t lent() const { return lent_; }

private:
    MutableBytes storage_;
    std::span<std::uint32_t> free_;  // a stack of given-back indexes
    std::size_t free_count_ = 0;
    std::size_t untouched_ = 0;      // buffers from here on were never lent
    std::size_t count_;
    std::size_t bytes_;
    std::size_t lent_ = 0;
    std::size_t reserve_;
    List<BufferWaiter> waiters_;
    List<BufferWaiter> bulk_waiters_;
};

}  // namespace rivulet::server
