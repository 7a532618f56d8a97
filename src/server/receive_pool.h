// Receive buffers of all connections together: small ones for what arrives, large ones to put a large frame together.
// Owns:     two classes of buffers, limits.receive_pool_bytes together: half for large ones (a whole frame each), the rest small. With room
//           for hardly more than one frame there is one class: large.
// Bounds:   a connection holds one buffer at most, or a small one while it waits for a large one.
//
// The rule by which it cannot deadlock. A connection takes a small buffer when bytes arrive and gives it back when all of them are
// digested. For a frame that does not fit it takes a large one, copies, and gives the small one back; while there is none it does not
// read. So waiting goes small -> large only: whoever holds a large one waits for no buffer. A holder comes to an end because
//   - its frame gets complete and is digested; or the broker has no room for it, which ends with a commit; or
//   - its frame does not get complete: while somebody waits for a buffer, the one who has held one with an incomplete frame for
//     hold_ns_max is closed with timed_out (Hub::on_tick).
// Half of the small ones are for whole frames: while somebody waits for one, and more than the other half (crowd_max) hold the beginning of a frame, those that have held it for
// crowd_ns_max are closed (Hub::thin_out). So halves of frames in any number delay others by a moment, not for hold_ns_max.
// Who waits is served in order, with the buffer itself, so that nobody is passed over.
// Thread:   loop only.
#pragma once

#include "base/units.h"
#include "server/buffer_pool.h"

namespace rivulet::server {

struct ReceivePoolOptions {
    std::size_t total_bytes = 0;
    std::size_t frame_bytes = 0;    // largest frame
    std::size_t reserved_bytes = 0;  // of each buffer, for the holder's own use
};

class ReceivePool {
public:
    static constexpr std::size_t small_bytes = 4096;
    static constexpr std::int64_t hold_ns_max = 10 * ns_per_s;
    static constexpr std::int64_t crowd_ns_max = 250 * ns_per_ms;

    ReceivePool(Arena& arena, const ReceivePoolOptions& options);
    static std::size_t memory_bytes(const ReceivePoolOptions& options);

    // The buffers for what arrives; of large_buffers() if there is one class only.
    BufferPool& small_buffers() { return small_.count() != 0 ? small_ : large_; }
    BufferPool& large_buffers() { return large_; }
    void give(MutableBytes buffer) { (buffer.size() == large_.bytes() ? large_ : small_).give(buffer); }
    bool is_small(MutableBytes buffer) const { return small_.count() != 0 && buffer.size() == small_.bytes(); }
    std::size_t crowd_max() const { return small_.count() / 2; }
    bool crowded(std::size_t incomplete) const { return incomplete > crowd_max() && small_.starving(); }
    bool starving() const { return small_.starving() || large_.starving(); }

private:
    struct Shape {
        std::size_t small_count = 0;
        std::size_t large_count = 0;
        std::size_t large_bytes = 0;
    };
    static Shape shape(const ReceivePoolOptions& options);

    BufferPool small_;
    BufferPool large_;
};

}  // namespace rivulet::server
