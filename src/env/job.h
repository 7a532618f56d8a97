// Work off the loop: flash, and anything over 1 ms on the smallest board.
// Owns:     its buffers for as long as it runs; nobody else touches them between submit() and done().
// Bounds:   one Job object is submitted once at a time; it waits in a queue of its kind, which never allocates. Slots: 1 commit,
//           2 read, 1 compute, so that a commit never queues behind reads.
// Thread:   run() on a worker (in the simulator: on the loop, from the seed); done() on the loop, never from within submit().
#pragma once

#include "base/list.h"
#include "base/result.h"

namespace rivulet::env {

class Disk;

enum class JobKind : std::uint8_t { commit, read, compute };
constexpr int job_kinds = 3;
constexpr int job_slots[job_kinds] = {1, 2, 1};

class Job : public ListNode<Job> {
public:
    explicit Job(JobKind kind) : kind_(kind) {}
    JobKind kind() const { return kind_; }

    // A function of this object's own fields and the disk alone: no clock, no network, no log, no other state.
    virtual void run(Disk& disk) = 0;
    virtual void done() = 0;

protected:
    ~Job() = default;

private:
    JobKind kind_;
};

}  // namespace rivulet::env
