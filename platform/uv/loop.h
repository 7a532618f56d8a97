// env::Env on libuv: one loop on the thread that calls run(), for the broker and for the command line.
// Owns:     the loop, its memory, timers, jobs, network and disk: all out of the arena, which must outlive it. One per process at a
//           time, because libuv's allocator, SIGPIPE (ignored from here on) and the limit on descriptors are the process's.
// Bounds:   UvOptions; memory_bytes() of arena. The soft limit on open descriptors is set so that libuv's table of watchers, grown
//           to that limit here, never grows again (platform/uv/allocator.h).
// Errors:   a system without epoll or memory is a broken invariant at start. A hard limit on descriptors that is too low is logged.
// Thread:   loop only, but for Job::run().
// Guarantee: now() is read once per turn of the loop, and at every call outside of run(). Timers are as fine as
//           the kernel's and never early; one that is due when it is armed waits only for what else has arrived.
//
// The order of use:  UvEnv env(options, arena);  start-up, with blocking disk calls;  env.serving();  env.run();  clean-up.
// From serving() until run() has returned, a disk call on this thread aborts, and so does operator new. After run() both are
// allowed again, so that a store can be closed; the loop can be run again.
#pragma once

#include "base/arena.h"
#include "env/env.h"

struct uv_loop_s;

namespace rivulet::platform {

struct UvOptions {
    std::size_t connections_max = 16;  // accepted and made, together
    std::size_t timers_max = 64;       // armed at the same time
    std::size_t listeners_max = 4;
    std::size_t bulk_senders = 0;      // accepted connections that may have a large send buffer at a time: platform/uv/bulk_senders.h
    env::LogLevel level = env::LogLevel::info;
    bool seal_allocations = true;  // by serving(); false for tests that allocate while they look on
};

class UvEnv final : public env::Env {
public:
    // What the constructor takes out of the arena, at most.
    static std::size_t memory_bytes(const UvOptions& options);

    UvEnv(const UvOptions& options, Arena& arena);
    UvEnv(const UvEnv&) = delete;
    UvEnv& operator=(const UvEnv&) = delete;
    // Closes what is open without calling back, and waits for running jobs.
    ~UvEnv();

    // Until stop(), whether or not there is anything to wait for.
    void run();
    // One turn: waits for something to happen and handles it. False after stop(), or when nothing is left that could happen:
    // no job, no armed timer, no listener, no connection that reads or sends. Signals alone do not count.
    bool run_once();

    Instant now() const override;
    Timestamp wall() const override;
    // Asks the kernel at most once a second.
    bool wall_synchronised() const override;
    Uuid boot_id() const override;

    void arm(env::Timer& timer, Instant at) override;
    void disarm(env::Timer& timer) override;
    void submit(env::Job& job) override;
    env::Disk& disk() override;
    env::Network& network() override;
    void entropy(MutableBytes into) override;
    void log(env::LogLevel level, std::string_view line) override;
    env::LogLevel log_level() const override;
    void charge(std::uint64_t) override {}
    void serving() override;
    void stop() override;

    void set_log_level(env::LogLevel level);

    struct LibraryMemory {
        std::size_t bytes;
        std::size_t used;
        std::size_t peak;
        std::uint64_t allocations;
    };
    // What libuv holds of the arena.
    LibraryMemory library_memory() const;

    // For the rest of platform/uv.
    uv_loop_s& loop();

private:
    struct Parts;

    Parts& parts_;
};

}  // namespace rivulet::platform
