// env::Job on libuv's worker threads.
// Owns:     one uv_work_t per slot and a queue per kind, threaded through the jobs themselves.
// Bounds:   env::job_slots: never more requests at libuv than it has threads (4), so that none waits behind another kind's.
// Thread:   loop only; a job's run() on a worker.
// Guarantee: jobs of one kind start in the order of submit(); done() runs on the loop, never from within submit().
#pragma once

#include <uv.h>

#include "env/job.h"

namespace rivulet::platform {

class Jobs {
public:
    Jobs(uv_loop_t& loop, env::Disk& disk);
    Jobs(const Jobs&) = delete;
    Jobs& operator=(const Jobs&) = delete;

    void submit(env::Job& job);
    // libuv starts its threads with the first request; this is one without work.
    void start_threads();
    // For tearing down: forgets what is queued and calls no done() any more. True once nothing runs.
    bool abandon();

private:
    static constexpr int slots_max = 4;
    struct Slot {
        uv_work_t request;
        Jobs* owner = nullptr;
        env::Job* job = nullptr;
    };

    void start_next(env::JobKind kind);
    static void on_worker(uv_work_t* request);
    static void on_loop(uv_work_t* request, int status);

    uv_loop_t& loop_;
    env::Disk& disk_;
    List<env::Job> queues_[env::job_kinds];
    Slot slots_[slots_max];
    uv_work_t idle_request_;
    bool threads_started_ = false;
    bool abandoned_ = false;
};

// What libuv is told through its environment variable, before its first request.
void set_worker_threads();

}  // namespace rivulet::platform
