#include "server/receive_pool.h"

namespace rivulet::server {

ReceivePool::Shape ReceivePool::shape(const ReceivePoolOptions& options) {
    constexpr std::size_t unit = 64;
    Shape shape;
    if (options.total_bytes == 0) return shape;
    shape.large_bytes = (options.frame_bytes + options.reserved_bytes + unit - 1) / unit * unit;
    if (shape.large_bytes <= small_bytes) shape.large_bytes = small_bytes;
    const std::size_t half = options.total_bytes / 2 / shape.large_bytes;
    shape.large_count = half != 0 ? half : 1;
    const std::size_t used = shape.large_count * shape.large_bytes;
    if (used < options.total_bytes) shape.small_count = (options.total_bytes - used) / small_bytes;
    if (shape.large_bytes != small_bytes && shape.small_count >= 2) return shape;
    // One class.
    const std::size_t whole = options.total_bytes / shape.large_bytes;
    shape.large_count = whole != 0 ? whole : 1;
    shape.small_count = 0;
    return shape;
}

ReceivePool::ReceivePool(Arena& arena, const ReceivePoolOptions& options)
    : small_(arena, shape(options).small_count, small_bytes), large_(arena, shape(options).large_count, shape(options).large_bytes) {}

std::size_t ReceivePool::memory_bytes(const ReceivePoolOptions& options) {
    const Shape s = shape(options);
    return BufferPool::memory_bytes(s.small_count, small_bytes) + BufferPool::memory_bytes(s.large_count, s.large_bytes);
}

MutableBytes ReceivePool::take_large(bool proven) {
    if (!proven && !newcomers_may()) return {};
    const MutableBytes buffer = large_.take();
    newcomers_hold_ += !proven && !buffer.empty();
    return buffer;
}

void ReceivePool::give(MutableBytes buffer, bool proven) {
    if (is_small(buffer)) return small_.give(buffer);
    newcomers_hold_ -= small_.count() != 0 && !proven;
    large_.give(buffer);
    serve();
}

void ReceivePool::prove() {
    --newcomers_hold_;
    serve();
}

void ReceivePool::serve() {
    while (large_.lent() != large_.count()) {
        const bool newcomer = !newcomers_.empty() && newcomers_may() && (proven_.empty() || !newcomers_had_turn_);
        BufferWaiter* const waiter = (newcomer ? newcomers_ : proven_).pop_front();
        if (!waiter) return;
        newcomers_had_turn_ = newcomer;
        newcomers_hold_ += newcomer;
        waiter->on_granted(large_.take());
    }
}

bool ReceivePool::wanted(MutableBytes buffer, bool proven) const {
    if (is_small(buffer)) return small_.starving();
    return large_.starving() || !proven_.empty() || (!newcomers_.empty() && (!proven || newcomers_may()));
}

}  // namespace rivulet::server
