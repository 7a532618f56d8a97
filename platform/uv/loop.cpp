#include "platform/uv/loop.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

#include <bit>

#include "env/log.h"
#include "env/timer_queue.h"
#include "platform/linux/clock.h"
#include "platform/linux/descriptors.h"
#include "platform/linux/disk.h"
#include "platform/linux/entropy.h"
#include "platform/linux/log_sink.h"
#include "platform/linux/operator_new.h"
#include "platform/uv/allocator.h"
#include "platform/uv/jobs.h"
#include "platform/uv/network.h"

namespace rivulet::platform {

namespace {

// Standard streams, epoll, libuv's own pipes and ring, and what was inherited.
constexpr std::size_t other_descriptors = 32;
// The loop's internal fields, and the table of watchers while it is small.
constexpr std::size_t library_slack_bytes = 4096;

// A listener without a free connection holds one socket more. libuv's table has room for a power of two less 2.
std::size_t descriptors_wanted(const UvOptions& options) {
    return std::bit_ceil(options.connections_max + 2 * options.listeners_max + env::files_max + other_descriptors + 2) - 2;
}

std::size_t library_bytes(const UvOptions& options) {
    const std::size_t table = Pool::piece_bytes((descriptors_wanted(options) + 2) * sizeof(void*));
    // Half of it again, for the table that was replaced if many descriptors were inherited.
    return table + table / 2 / 16 * 16 + library_slack_bytes;
}

void ignore_signals() {
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);
}

// uv_loop_t with the allocator around it.
struct Loop {
    explicit Loop(Pool& pool) {
        ignore_signals();
        open_standard_descriptors();
        set_worker_threads();
        set_resolver_patience();
        set_uv_pool(&pool);
        RIVULET_CHECK(uv_loop_init(&loop) == 0);
    }
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop() {
        RIVULET_CHECK(uv_loop_close(&loop) == 0);
        set_uv_pool(nullptr);
    }
    uv_loop_t loop;
};

void watch_highest_descriptor(uv_loop_t& loop, std::size_t limit) {
    const int event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int highest = ::fcntl(event, F_DUPFD_CLOEXEC, static_cast<int>(limit) - 1);
    if (event == -1 || highest == -1) return;  // inherited descriptors fill the limit: then the table is that large anyway
    uv_poll_t poll;
    RIVULET_CHECK(uv_poll_init(&loop, &poll, highest) == 0);
    RIVULET_CHECK(uv_poll_start(&poll, UV_READABLE, [](uv_poll_t*, int, int) {}) == 0);
    uv_close(reinterpret_cast<uv_handle_t*>(&poll), nullptr);
    uv_run(&loop, UV_RUN_NOWAIT);
    ::close(highest);
    ::close(event);
}

}  // namespace

struct UvEnv::Parts {
    Parts(const UvOptions& o, Arena& arena)
        : options(o),
          pool(arena.take_bytes(library_bytes(o), Pool::alignment)),
          loop_holder(pool),
          jobs(loop, disk),
          network(loop, jobs, arena, o.connections_max, o.listeners_max, o.bulk_senders),
          timers(arena.make_array<env::Timer*>(o.timers_max)),
          boot_id(read_boot_id()) {
        descriptor_limit = set_descriptor_limit(descriptors_wanted(o));
        watch_highest_descriptor(loop, descriptor_limit);
        timer_descriptor = ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        RIVULET_CHECK(timer_descriptor != -1 && uv_poll_init(&loop, &timer, timer_descriptor) == 0);
        RIVULET_CHECK(uv_poll_start(&timer, UV_READABLE, [](uv_poll_t* handle, int, int) { static_cast<Parts*>(handle->data)->expired(); }) == 0);
        uv_unref(reinterpret_cast<uv_handle_t*>(&timer));
        uv_prepare_init(&loop, &turn_start);
        uv_idle_init(&loop, &no_wait);
        uv_check_init(&loop, &turn_end);
        timer.data = turn_start.data = turn_end.data = this;
        uv_prepare_start(&turn_start, [](uv_prepare_t* handle) { static_cast<Parts*>(handle->data)->now_known = false; });
        uv_unref(reinterpret_cast<uv_handle_t*>(&turn_start));
    }

    static Instant clock() { return Instant(static_cast<std::int64_t>(uv_hrtime())); }
    Instant now() {
        if (!running) return clock();
        if (!now_known) current = clock();
        now_known = true;
        return current;
    }

    // Sets the one timer of the kernel to the earliest of ours: not libuv's, which counts in whole milliseconds. What is due already fires when this turn, or the
    // next, has done its input.
    void schedule() {
        const env::Timer* const earliest = timers.earliest();
        const bool due_now = earliest && earliest->due() <= now();
        fire_at_turn_end(due_now);
        auto* const handle = reinterpret_cast<uv_handle_t*>(&timer);
        if (!earliest) return uv_unref(handle);
        uv_ref(handle);
        // One that is set to an earlier time than need be expires for nothing: cheaper than to set it again and again.
        if (due_now || (scheduled && scheduled_for <= earliest->due())) return;
        scheduled_for = earliest->due();
        scheduled = true;
        itimerspec at{};
        at.it_value.tv_sec = static_cast<time_t>(scheduled_for.value / ns_per_s);
        at.it_value.tv_nsec = static_cast<long>(scheduled_for.value % ns_per_s);
        RIVULET_CHECK(::timerfd_settime(timer_descriptor, TFD_TIMER_ABSTIME, &at, nullptr) == 0);
    }
    void expired() {
        std::uint64_t times;
        if (::read(timer_descriptor, &times, sizeof times) == sizeof times) scheduled = false;
        fire();
    }
    void fire_at_turn_end(bool on) {
        if (on == (uv_is_active(reinterpret_cast<uv_handle_t*>(&turn_end)) != 0)) return;
        if (on) {
            uv_idle_start(&no_wait, [](uv_idle_t*) {});
            uv_check_start(&turn_end, [](uv_check_t* handle) { static_cast<Parts*>(handle->data)->fire(); });
        } else {
            uv_idle_stop(&no_wait);
            uv_check_stop(&turn_end);
        }
    }
    void fire() {
        const std::uint64_t limit = timers.order();
        const Instant at = now();
        firing = true;
        while (env::Timer* const due = timers.pop_due(at, limit)) due->on_timer();
        firing = false;
        schedule();
    }

    void enter() {
        RIVULET_CHECK(!running);
        running = true;
        now_known = false;
    }
    void leave() { running = false; }
    void end_serving() {
        log.set_serving(false);
        disk.guard_loop_thread(false);
        if (options.seal_allocations) unseal_allocations();
    }

    UvOptions options;
    Pool pool;
    Loop loop_holder;
    uv_loop_t& loop = loop_holder.loop;
    LinuxDisk disk;
    Jobs jobs;
    UvNetwork network;
    env::TimerQueue timers;
    LogSink log;
    Uuid boot_id;
    uv_poll_t timer;
    int timer_descriptor = -1;
    uv_prepare_t turn_start;
    uv_idle_t no_wait;    // while something is due: the loop does not sleep ...
    uv_check_t turn_end;  // ... and this fires it
    Instant scheduled_for;
    bool scheduled = false;
    Instant current;
    Instant synchronised_asked;
    std::size_t descriptor_limit = 0;
    bool synchronised = false;
    bool synchronised_known = false;
    bool now_known = false;
    bool running = false;
    bool stopped = false;
    bool firing = false;
};

std::size_t UvEnv::memory_bytes(const UvOptions& options) {
    return sizeof(Parts) + library_bytes(options) + UvNetwork::memory_bytes(options.connections_max, options.listeners_max) +
           options.timers_max * sizeof(env::Timer*) + 4 * Pool::alignment;
}

UvEnv::UvEnv(const UvOptions& options, Arena& arena) : parts_(arena.make<Parts>(options, arena)) {
    if (parts_.descriptor_limit < descriptors_wanted(options))
        env::LogLine(*this, env::LogLevel::warning) << "at most " << parts_.descriptor_limit << " open files are allowed, " << descriptors_wanted(options)
                                                    << " wanted: fewer connections will be accepted (see ulimit -Hn)";
}

UvEnv::~UvEnv() {
    Parts& p = parts_;
    p.end_serving();
    p.network.abandon();
    uv_close(reinterpret_cast<uv_handle_t*>(&p.timer), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&p.turn_start), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&p.no_wait), nullptr);
    uv_close(reinterpret_cast<uv_handle_t*>(&p.turn_end), nullptr);
    ::close(p.timer_descriptor);
    p.jobs.abandon();
    while (uv_run(&p.loop, UV_RUN_DEFAULT) != 0 || !p.jobs.abandon()) {}
    p.~Parts();
}

void UvEnv::run() {
    auto* const keep_alive = reinterpret_cast<uv_handle_t*>(&parts_.turn_start);
    parts_.enter();
    uv_ref(keep_alive);
    while (!parts_.stopped) uv_run(&parts_.loop, UV_RUN_DEFAULT);
    uv_unref(keep_alive);
    parts_.leave();
    parts_.stopped = false;
    parts_.end_serving();
}

bool UvEnv::run_once() {
    parts_.enter();
    const bool more = !parts_.stopped && uv_run(&parts_.loop, UV_RUN_ONCE) != 0 && !parts_.stopped;
    parts_.leave();
    parts_.stopped = false;
    return more;
}

Instant UvEnv::now() const { return parts_.now(); }
Timestamp UvEnv::wall() const { return wall_clock(); }
Uuid UvEnv::boot_id() const { return parts_.boot_id; }

bool UvEnv::wall_synchronised() const {
    Parts& p = parts_;
    const Instant at = now();
    if (!p.synchronised_known || at - p.synchronised_asked >= ns_per_s) {
        p.synchronised = wall_clock_synchronised();
        p.synchronised_asked = at;
        p.synchronised_known = true;
    }
    return p.synchronised;
}

void UvEnv::arm(env::Timer& timer, Instant at) {
    parts_.timers.arm(timer, at);
    if (!parts_.firing) parts_.schedule();
}

void UvEnv::disarm(env::Timer& timer) {
    parts_.timers.disarm(timer);
    if (!parts_.firing) parts_.schedule();
}

void UvEnv::submit(env::Job& job) { parts_.jobs.submit(job); }
env::Disk& UvEnv::disk() { return parts_.disk; }
env::Network& UvEnv::network() { return parts_.network; }
void UvEnv::entropy(MutableBytes into) { fill_with_entropy(into); }

void UvEnv::log(env::LogLevel level, std::string_view line) {
    if (level <= parts_.options.level) parts_.log.write(level, line);
}
env::LogLevel UvEnv::log_level() const { return parts_.options.level; }
void UvEnv::set_log_level(env::LogLevel level) { parts_.options.level = level; }

void UvEnv::serving() {
    parts_.jobs.start_threads();
    parts_.disk.guard_loop_thread(true);
    parts_.log.set_serving(true);
    if (parts_.options.seal_allocations) seal_allocations();
}

void UvEnv::stop() {
    parts_.stopped = true;
    uv_stop(&parts_.loop);
}

UvEnv::LibraryMemory UvEnv::library_memory() const {
    const Pool& pool = parts_.pool;
    return {pool.size(), pool.used(), pool.peak(), pool.allocations()};
}

uv_loop_s& UvEnv::loop() { return parts_.loop; }

}  // namespace rivulet::platform
