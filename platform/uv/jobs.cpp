#include "platform/uv/jobs.h"

#include <cstdlib>

namespace rivulet::platform {

namespace {

constexpr int first_slot(env::JobKind kind) {
    int first = 0;
    for (int k = 0; k < static_cast<int>(kind); ++k) first += env::job_slots[k];
    return first;
}
static_assert(first_slot(env::JobKind::compute) + env::job_slots[static_cast<int>(env::JobKind::compute)] == 4);

}  // namespace

void set_worker_threads() { ::setenv("UV_THREADPOOL_SIZE", "4", 1); }

Jobs::Jobs(uv_loop_t& loop, env::Disk& disk) : loop_(loop), disk_(disk) {
    for (Slot& slot : slots_) {
        slot.owner = this;
        slot.request.data = &slot;
    }
}

void Jobs::submit(env::Job& job) {
    queues_[static_cast<int>(job.kind())].push_back(job);
    start_next(job.kind());
}

void Jobs::start_next(env::JobKind kind) {
    const auto k = static_cast<int>(kind);
    if (queues_[k].empty() || abandoned_) return;
    const int first = first_slot(kind);
    for (int i = first; i < first + env::job_slots[k]; ++i) {
        Slot& slot = slots_[i];
        if (slot.job) continue;
        slot.job = queues_[k].pop_front();
        RIVULET_CHECK(uv_queue_work(&loop_, &slot.request, on_worker, on_loop) == 0);
        return;
    }
}

void Jobs::on_worker(uv_work_t* request) {
    Slot& slot = *static_cast<Slot*>(request->data);
    slot.job->run(slot.owner->disk_);
}

void Jobs::on_loop(uv_work_t* request, int) {
    Slot& slot = *static_cast<Slot*>(request->data);
    env::Job& job = *slot.job;
    slot.job = nullptr;
    Jobs& jobs = *slot.owner;
    if (jobs.abandoned_) return;
    // The slot first, so that the worker is busy while done() runs.
    jobs.start_next(job.kind());
    job.done();
}

void Jobs::start_threads() {
    if (threads_started_) return;
    threads_started_ = true;
    const auto nothing = [](uv_work_t*) {};
    const auto nothing_after = [](uv_work_t*, int) {};
    RIVULET_CHECK(uv_queue_work(&loop_, &idle_request_, nothing, nothing_after) == 0);
}

bool Jobs::abandon() {
    abandoned_ = true;
    for (auto& queue : queues_)
        while (queue.pop_front()) {}
    for (const Slot& slot : slots_)
        if (slot.job) return false;
    return true;
}

}  // namespace rivulet::platform
