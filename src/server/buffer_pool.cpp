#include "server/buffer_pool.h"

namespace rivulet::server {

BufferPool::BufferPool(Arena& arena, std::size_t count, std::size_t bytes, std::size_t reserve)
    : storage_(arena.take_bytes(count * bytes)), free_(arena.take_array<std::uint32_t>(count)), count_(count), bytes_(bytes), reserve_(reserve) {
    RIVULET_CHECK(bytes % alignof(std::max_align_t) == 0);
}

std::size_t BufferPool::memory_bytes(std::size_t count, std::size_t bytes) {
    return count * (bytes + sizeof(std::uint32_t)) + 2 * alignof(std::max_align_t);
}

MutableBytes BufferPool::take() {
    std::size_t index = 0;
    if (free_count_ != 0) index = free_[--free_count_];
    else if (untouched_ < count_) index = untouched_++;
    else return {};
    ++lent_;
    return storage_.subspan(index * bytes_, bytes_);
}

void BufferPool::give(MutableBytes buffer) {
    const auto position = static_cast<std::size_t>(buffer.data() - storage_.data());
    RIVULET_CHECK(buffer.size() == bytes_ && position % bytes_ == 0 && position / bytes_ < count_ && lent_ != 0);
    if (BufferWaiter* const waiter = waiters_.pop_front()) return waiter->on_granted(buffer);
    free_[free_count_++] = static_cast<std::uint32_t>(position / bytes_);
    --lent_;
    if (bulk_waiters_.empty()) return;
    if (const MutableBytes bulk = take_bulk(); !bulk.empty()) bulk_waiters_.pop_front()->on_granted(bulk);
}

void BufferPool::cancel(BufferWaiter& waiter) {
    if (waiter.linked()) List<BufferWaiter>::remove(waiter);
}

}  // namespace rivulet::server
