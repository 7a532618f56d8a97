// The environment of one process in the simulated world: env::Env, with its contracts checked.
// Owns:     its timers' queue, its queues of jobs, its side of the network.
// Guarantee: every call into the process is one turn: it is counted in the trace, its work is limited once the process serves, its
//           allocations are failures then (with malloc_guard), and no callback comes from within a call.
// Thread:   loop only; Job::run() is called between turns and may use the disk alone.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "env/timer_queue.h"
#include "sim/guard.h"
#include "sim/network.h"
#include "sim/node.h"
#include "sim/world.h"

namespace rivulet::sim {

class NodeEnv final : public env::Env {
public:
    NodeEnv(Node& node, Random random);
    ~NodeEnv();
    NodeEnv(const NodeEnv&) = delete;
    NodeEnv& operator=(const NodeEnv&) = delete;

    // env::Env
    Instant now() const override;
    Timestamp wall() const override;
    bool wall_synchronised() const override;
    Uuid boot_id() const override;
    void arm(env::Timer& timer, Instant at) override;
    void disarm(env::Timer& timer) override;
    void submit(env::Job& job) override;
    env::Disk& disk() override;
    env::Network& network() override;
    void entropy(MutableBytes into) override;
    void log(env::LogLevel level, std::string_view line) override;
    env::LogLevel log_level() const override { return node_.options().log_level; }
    void charge(std::uint64_t bytes) override { work_ += bytes; }
    void serving() override;
    void stop() override;

    Node& node() { return node_; }
    World& world() { return node_.world(); }
    bool alive() const { return alive_; }
    bool is_serving() const { return serving_; }
    bool in_turn() const { return in_turn_; }
    bool in_job() const { return in_job_; }
    // The most that a turn was charged since serving().
    std::uint64_t turn_work_seen() const { return turn_work_seen_; }
    std::size_t jobs_running() const;
    std::size_t jobs_waiting() const { return jobs_waiting_; }
    std::size_t timers_armed() const { return timers_armed_; }
    NodeNetwork& sockets() { return *network_; }

    // ---- for Node and Network ----
    // One turn: simulator code that calls into the process by call().
    template <class F>
    void turn(EventKind kind, F&& code) {
        if (!alive_) return;
        begin_turn(kind);
        code();
        end_turn(kind);
    }
    template <class F>
    void call(F&& code) {
        const AllocationGuard::NodeCode scope(serving_);
        code();
    }
    // False if the process is gone or this is not the place for the call (then the run has failed).
    bool allowed(const char* call);
    // Posts a turn of this process; it is dropped if the process is gone by then.
    void post_turn(std::int64_t delay_ns, EventKind kind, std::function<void()> what);
    void die();
    // What Node::run_jobs_in_part() needs: jobs that have begun and not run yet.
    std::vector<env::Job*> jobs_begun() const;
    void run_job_now(env::Job& job);
    void violation(std::string_view text);

private:
    struct RunningJob {
        env::Job* job;
        bool ran;
    };

    void begin_turn(EventKind kind);
    void end_turn(EventKind kind);
    void start_job(env::Job& job);
    void finish_job(env::Job& job);
    void wake_for_timers();
    void run_timers();

    Node& node_;
    Random random_;
    std::vector<env::Timer*> timer_slots_;
    env::TimerQueue timers_;
    std::size_t timers_armed_ = 0;
    std::int64_t wake_at_ = -1;
    std::array<List<env::Job>, env::job_kinds> waiting_;
    std::array<std::vector<RunningJob>, env::job_kinds> running_;
    std::size_t jobs_waiting_ = 0;
    std::unique_ptr<NodeNetwork> network_;
    bool alive_ = true;
    bool serving_ = false;
    bool stop_asked_ = false;
    bool in_turn_ = false;
    bool in_job_ = false;
    std::uint64_t work_ = 0;
    std::uint64_t turn_work_seen_ = 0;
    std::uint64_t allocations_before_ = 0;
};

}  // namespace rivulet::sim
