#include "server/receive_pool.h"

namespace rivulet::server {

ReceivePool::Shape ReceivePool::shape(const ReceivePoolOptions& options) {
    constexpr std::size_t unit = 64;
    Shape shape;
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

}  // namespace rivulet::server
