// Receive buffers of all connections together: small ones for what arrives, large ones to put a large frame together.
// Owns:     two classes of buffers, limits.receive_pool_bytes together: half for large ones (a whole frame each), the rest small. With room
//           for hardly more than one frame there is one class: large.
// Bounds:   a connection holds one buffer at most, or a small one while it waits for a large one.
//
// The rule by which it cannot deadlock. A connection takes a small buffer when bytes arrive and gives it back when all of them are
// digested. For a frame that does not fit it takes a large one, copies, and gives the small one back; while there is none it does not
// read. So waiting goes small -> large only: whoever holds a large one waits for no buffer. A holder comes to an end because
//   - its frame gets complete and is digested; or the broker has no room for it, which ends with a commit, or with the connection after stall_ns_max, where its topic takes no more; or
//   - its frame does not get complete: then it is closed with timed_out (Session::overstays), as soon as its buffer is wanted and it is late:
//       a large one: no bytes for stall_ns_max, or not the whole frame in large_ns_max, counted from the grant. So a frame needs a link that takes it in
//       that time, while large ones are short. Its holder is then read to the end of its frame only, and gives the buffer back with each.
//       a small one: hold_ns_max. Half of the small ones are for whole frames: while somebody waits for one, and more than the other half (crowd_max) hold the
//       beginning of a frame, or one that is in line for what few may have at a time, those that have held it for crowd_ns_max are closed (Hub::thin_out).
//     The newest connections go first. So halves of frames in any number delay others by a moment.
// Proven is a connection that has sent a large frame whole. The others, newcomers, have half of the large buffers at most (newcomers_max), which the proven use too as
// long as no newcomer wants them: so whoever sends halves, and comes back, is in the way of newcomers, not of the proven. A proven one is not late for newcomers that have their
// half, and while it waits for a large buffer its small one is no beginning that counts: it waits for us. A newcomer's counts, or a few hundred of them would have all the small ones.
// Who waits is served in order, with the buffer itself, so that nobody is passed over; for a large one there are two lines, served in turns.
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
    static constexpr std::int64_t stall_ns_max = 250 * ns_per_ms;
    static constexpr std::int64_t large_ns_max = 2 * ns_per_s;
    static constexpr std::int64_t crowd_ns_max = 250 * ns_per_ms;

    ReceivePool(Arena& arena, const ReceivePoolOptions& options);
    static std::size_t memory_bytes(const ReceivePoolOptions& options);

    // The buffers for what arrives; of large_buffers() if there is one class only.
    BufferPool& small_buffers() { return small_.count() != 0 ? small_ : large_; }
    BufferPool& large_buffers() { return large_; }
    std::size_t newcomers_max() const { return large_.count() < 2 ? 1 : large_.count() / 2; }
    // For a whole frame that no small one has room for. Empty: none for this connection now.
    MutableBytes take_large(bool proven);
    void wait_large(BufferWaiter& waiter, bool proven) { (proven ? proven_ : newcomers_).push_back(waiter); }
    void give(MutableBytes buffer, bool proven);
    void prove();  // who holds a large one is a newcomer no more
    bool is_small(MutableBytes buffer) const { return small_.count() != 0 && buffer.size() == small_.bytes(); }
    bool needs_large(std::size_t bytes) const { return small_.count() != 0 && bytes > small_.bytes(); }
    std::size_t crowd_max() const { return small_.count() / 2; }
    bool crowded(std::size_t incomplete) const { return incomplete > crowd_max() && small_.starving(); }
    bool starving() const { return small_.starving() || large_wanted(); }
    bool large_wanted() const { return large_.starving() || !proven_.empty() || !newcomers_.empty(); }
    // Somebody would have this buffer if its holder, proven or not, gave it back.
    bool wanted(MutableBytes buffer, bool proven) const;

private:
    struct Shape {
        std::size_t small_count = 0;
        std::size_t large_count = 0;
        std::size_t large_bytes = 0;
    };
    static Shape shape(const ReceivePoolOptions& options);

    bool newcomers_may() const { return newcomers_hold_ < newcomers_max(); }
    void serve();

    BufferPool small_;
    BufferPool large_;
    // Those that wait for a large one.
    List<BufferWaiter> proven_;
    List<BufferWaiter> newcomers_;
    std::size_t newcomers_hold_ = 0;  // large ones
    bool newcomers_had_turn_ = false;
};

}  // namespace rivulet::server
