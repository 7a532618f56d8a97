#include "sim/node_env.h"

#include <algorithm>

namespace rivulet::sim {

using SimCode = AllocationGuard::SimCode;

NodeEnv::NodeEnv(Node& node, Random random)
    : node_(node), random_(random), timer_slots_(node.options().timers_max), timers_(timer_slots_), network_(std::make_unique<NodeNetwork>(*this)) {}

NodeEnv::~NodeEnv() = default;

void NodeEnv::violation(std::string_view text) { node_.on_violation(text); }

bool NodeEnv::allowed(const char* call) {
    if (!alive_) return false;
    if (in_job_) {
        violation(std::string(call) + "() called by Job::run()");
        return false;
    }
    return true;
}

// ---- turns ----

void NodeEnv::begin_turn(EventKind kind) {
    if (in_turn_) violation("callback " + std::string(name_of(kind)) + " from within a call");
    in_turn_ = true;
    work_ = node_.world().options().callback_work;
    allocations_before_ = AllocationGuard::violations().count;
}

void NodeEnv::end_turn(EventKind kind) {
    in_turn_ = false;
    const AllocationGuard::Violation seen = AllocationGuard::violations();
    if (seen.count != allocations_before_) {
        char caller[32];
        Text text(caller);
        text.hex(seen.caller);
        violation("allocation of " + std::to_string(seen.bytes) + " bytes while serving, in " + std::string(name_of(kind)) + ", by 0x" +
                  std::string(text.view()) + " (addr2line -Cfie PROGRAM 0x" + std::string(text.view()) + ")");
    }
    if (serving_ && kind != EventKind::start) {
        turn_work_seen_ = std::max(turn_work_seen_, work_);
        if (work_ > node_.world().options().turn_work_max) {
            violation("a turn of the loop did too much: " + std::to_string(work_) + " bytes of work in " + std::string(name_of(kind)));
        }
    }
    if (stop_asked_ && alive_) {
        alive_ = false;
        node_.world().after(0, [this] {
            if (node_.env() == this) node_.exit_process();
        });
    }
}

void NodeEnv::post_turn(std::int64_t delay_ns, EventKind kind, std::function<void()> what) {
    World& w = node_.world();
    w.post(w.now() + delay_ns, kind, &node_, [this, kind, what = std::move(what)] { turn(kind, what); });
}

void NodeEnv::die() { alive_ = false; }

// ---- clocks and the rest ----

Instant NodeEnv::now() const {
    if (in_job_) node_.on_violation("now() called by Job::run()");
    return Instant(node_.world().now() + node_.monotonic_offset());
}

Timestamp NodeEnv::wall() const {
    if (in_job_) node_.on_violation("wall() called by Job::run()");
    return node_.wall();
}

bool NodeEnv::wall_synchronised() const { return node_.wall_synchronised(); }
Uuid NodeEnv::boot_id() const { return node_.boot_id(); }
env::Disk& NodeEnv::disk() { return node_.disk(); }
env::Network& NodeEnv::network() { return *network_; }

void NodeEnv::entropy(MutableBytes into) {
    const SimCode scope;
    if (allowed("entropy")) random_.fill(into);
}

void NodeEnv::log(env::LogLevel level, std::string_view line) {
    const SimCode scope;
    if (!allowed("log")) return;
    World& w = node_.world();
    w.keep_log(node_, level, line);
    if (w.on_log) w.on_log(node_, level, line);
}

void NodeEnv::serving() {
    const SimCode scope;
    if (!allowed("serving")) return;
    if (serving_) violation("serving() called twice");
    serving_ = true;
}

void NodeEnv::stop() {
    const SimCode scope;
    if (!allowed("stop")) return;
    stop_asked_ = true;
    if (!in_turn_) {  // called from outside: there is no turn to end
        begin_turn(EventKind::harness);
        end_turn(EventKind::start);
    }
}

// ---- timers ----

void NodeEnv::arm(env::Timer& timer, Instant at) {
    const SimCode scope;
    if (!allowed("arm")) return;
    if (!timer.armed()) ++timers_armed_;
    timers_.arm(timer, at);
    wake_for_timers();
}

void NodeEnv::disarm(env::Timer& timer) {
    const SimCode scope;
    if (!allowed("disarm") || !timer.armed()) return;
    --timers_armed_;
    timers_.disarm(timer);
}

// One event waits for the earliest timer; later ones for the same purpose find wake_at_ changed and do nothing.
void NodeEnv::wake_for_timers() {
    const env::Timer* first = timers_.earliest();
    if (!first) return;
    World& w = node_.world();
    const std::int64_t due = std::max(w.now(), first->due().value - node_.monotonic_offset());
    if (wake_at_ >= 0 && wake_at_ <= due) return;
    const auto late_max = static_cast<std::uint64_t>(w.options().timer_late_ns_max);
    std::int64_t at = due + static_cast<std::int64_t>(random_.below(late_max + 1));
    if (wake_at_ >= 0) at = std::min(at, wake_at_);
    if (at == wake_at_) return;
    wake_at_ = at;
    w.post(at, EventKind::timer, &node_, [this, at] {
        if (!alive_ || wake_at_ != at) return;
        wake_at_ = -1;
        run_timers();
        if (alive_) wake_for_timers();
    });
}

void NodeEnv::run_timers() {
    const std::uint64_t limit = timers_.order();
    while (alive_) {
        env::Timer* timer = timers_.pop_due(Instant(node_.world().now() + node_.monotonic_offset()), limit);
        if (!timer) return;
        --timers_armed_;
        turn(EventKind::timer, [&] { call([&] { timer->on_timer(); }); });
        if (node_.world().failed()) return;
    }
}

// ---- jobs ----

void NodeEnv::submit(env::Job& job) {
    const SimCode scope;
    if (!allowed("submit")) return;
    const auto k = static_cast<std::size_t>(job.kind());
    const auto runs = [&](const RunningJob& r) { return r.job == &job; };
    if (job.linked() || std::any_of(running_[k].begin(), running_[k].end(), runs)) {
        violation("submit() of a job that is submitted already");
        return;
    }
    if (running_[k].size() < static_cast<std::size_t>(env::job_slots[k])) {
        start_job(job);
        return;
    }
    waiting_[k].push_back(job);
    ++jobs_waiting_;
}

void NodeEnv::start_job(env::Job& job) {
    World& w = node_.world();
    running_[static_cast<std::size_t>(job.kind())].push_back({&job, false});
    // Its effect on the disk is at one point of its time.
    const std::int64_t takes = w.latency().job(job.kind());
    const auto until_run = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(takes) + 1));
    w.post(w.now() + until_run, EventKind::job_run, &node_, [this, &job] {
        if (alive_) run_job_now(job);
    });
    post_turn(takes, EventKind::job_done, [this, &job] { finish_job(job); });
}

void NodeEnv::run_job_now(env::Job& job) {
    for (RunningJob& r : running_[static_cast<std::size_t>(job.kind())]) {
        if (r.job == &job) r.ran = true;
    }
    const std::uint64_t before = AllocationGuard::violations().count;
    in_job_ = true;
    call([&] { job.run(node_.disk()); });
    in_job_ = false;
    const AllocationGuard::Violation seen = AllocationGuard::violations();
    if (seen.count != before) violation("allocation of " + std::to_string(seen.bytes) + " bytes while serving, in Job::run()");
}

void NodeEnv::finish_job(env::Job& job) {
    const auto k = static_cast<std::size_t>(job.kind());
    std::erase_if(running_[k], [&](const RunningJob& r) { return r.job == &job; });
    if (env::Job* next = waiting_[k].pop_front()) {
        --jobs_waiting_;
        start_job(*next);
    }
    call([&] { job.done(); });
}

std::vector<env::Job*> NodeEnv::jobs_begun() const {
    std::vector<env::Job*> begun;
    for (const auto& kind : running_) {
        for (const RunningJob& r : kind) {
            if (!r.ran && r.job->kind() != env::JobKind::compute) begun.push_back(r.job);
        }
    }
    return begun;
}

std::size_t NodeEnv::jobs_running() const {
    std::size_t n = 0;
    for (const auto& kind : running_) n += kind.size();
    return n;
}

}  // namespace rivulet::sim
