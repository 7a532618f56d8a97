// The memory of libuv: a counted pool of size classes over a fixed block, put under uv_replace_allocator.
// Owns:     nothing; the block is the caller's and must outlive the use.
// Bounds:   the block. Classes are powers of two from 16 bytes, plus a header; a freed piece serves its class again and is never
//           split or merged, so that no order of calls can fragment the pool beyond the peak of each class.
// Errors:   exhausted: nullptr, which libuv reports as UV_ENOMEM, except for its table of watchers, where it aborts. That table
//           is therefore grown to its final size at start (UvEnv).
// Thread:   any; a mutex, as libuv asks for.
//
// What libuv 1.50 takes on Linux, by reading its sources and by test (tests/platform/allocation_test.cpp):
//   uv_loop_init          the loop's internal fields, once
//   any new descriptor    the table of watchers: (next power of two above fd + 2) x 8 bytes, grown by realloc, never shrunk
//   uv_write              nothing up to 4 buffers, 16 bytes per buffer above
//   uv_try_write, uv_read_start, uv_listen, uv_accept, uv_tcp_connect, uv_timer_*, uv_signal_*, uv_queue_work, uv_close   nothing
//   uv_getaddrinfo, uv_fs_*, uv_interface_addresses, uv_spawn   something: not used
// Beside the pool: 4 worker threads at the first uv_queue_work (stacks of 8 MiB address space, few pages touched), and on
// 64-bit kernels from 5.13 a ring of about 28 KiB for epoll_ctl by io_uring, which has no switch; both come from the kernel
// once. connect() to a link-local IPv6 address without a scope calls getifaddrs(), which uses malloc.
#pragma once

#include <pthread.h>

#include "base/bytes.h"

namespace rivulet::platform {

class Pool {
public:
    // Of the block and of every piece: enough for any type, also where max_align_t is aligned by 8.
    static constexpr std::size_t alignment = 16;

    explicit Pool(MutableBytes block);
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // What one piece of n bytes takes out of the block.
    static std::size_t piece_bytes(std::size_t n);

    // Or nullptr.
    void* allocate(std::size_t n);
    void* reallocate(void* at, std::size_t n);
    void free(void* at);

    // Bytes handed out, headers and rounding included.
    std::size_t used() const { return used_; }
    std::size_t peak() const { return peak_; }
    // Calls of allocate(), and of reallocate() that had to move: what "nothing allocates" means in tests.
    std::uint64_t allocations() const { return allocations_; }
    std::uint64_t refusals() const { return refusals_; }
    std::size_t size() const { return block_.size(); }

private:
    static constexpr std::size_t classes = sizeof(std::size_t) * 8 - 6;
    struct alignas(alignment) Header {
        std::size_t size_class;
        Header* next;  // while free
    };
    class Lock;

    Header* take(std::size_t size_class);
    static std::size_t class_of(std::size_t n);
    static std::size_t class_bytes(std::size_t size_class);

    MutableBytes block_;
    std::size_t carved_ = 0;
    std::size_t used_ = 0;
    std::size_t peak_ = 0;
    std::uint64_t allocations_ = 0;
    std::uint64_t refusals_ = 0;
    Header* free_[classes] = {};
    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

// Makes libuv use `pool`, or malloc again with nullptr. Only while libuv holds no memory; one pool per process at a time.
void set_uv_pool(Pool* pool);

}  // namespace rivulet::platform
