// A recorded run: the disk and what the store had been told before every operation on the disk.
// Owns:     one DiskState (pages shared) and one History per operation.
// Guarantee: a workload and its seed give the same moments, so that a state is named by numbers alone.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "support/log_model.h"

namespace rivulet::crash {

using namespace rivulet::test;

struct WorkloadFailed {
    std::string text;
};

// Where the store had written what no group proved yet.
struct Unproved {
    Lsn from;
    Lsn to;  // not beyond `from`: nothing
    std::uint64_t salt = 0;
    store::Geometry geometry;
};

struct Moment {
    sim::DiskState disk;
    History history;
    std::string call;      // of the operation that comes next
    bool created = true;   // the store was complete before
    Unproved unproved{};
};

class Recorder {
public:
    explicit Recorder(const store::StoreOptions& options);

    StoreHarness harness;
    Driver driver;
    std::vector<Moment> moments;

    // Takes a moment before every operation from now on; one more with the end of the workload.
    void record(bool on) { recording_ = on; }
    void finish();

    // For workloads: each must succeed, or the workload ends with WorkloadFailed.
    void boot();
    void stop();
    void cut(const sim::CrashPlan& plan);
    void settle();
    void must(bool done, const char* what);

private:
    void take(std::string call);

    bool recording_ = false;
    bool opened_once_ = false;
};

struct Workload {
    const char* name;
    store::StoreOptions options;
    void (*run)(Recorder&);
    // Disks that lie about syncs as well. Not where that makes a discarded commit all that the disk knows.
    bool lies = true;
};
std::span<const Workload> workloads();

}  // namespace rivulet::crash
