// Which states are run, their numbers, and the sum of it all.
#pragma once

#include "crash/states.h"

namespace rivulet::crash {

class Suite {
public:
    std::string only;            // "WORKLOAD/KIND:NUMBER" or "WORKLOAD/KIND"; empty: all
    std::uint64_t scale = 100;   // percent of the states of each moment
    bool verbose = false;

    void run(const Workload& workload);
    // Calls that fail while the store runs.
    void errors();
    // Prints the counts; 0 if all is well.
    int report();

private:
    void cuts(const Workload& workload, const Recorder& recorder);
    // Class b: pages that were synced long ago, in every file.
    void damages(const Workload& workload, const Recorder& recorder);
    void damage(const Workload& workload, const Moment& moment, const std::string& path, std::uint64_t page, std::uint64_t& number);
    void recoveries(const Workload& workload, const Recorder& recorder);
    // Whether the next state of this name is to be run.
    bool wanted(const std::string& name) const { return only.empty() || only == name || name.starts_with(only + ':'); }
    bool wanted_kind(const std::string& prefix) const { return only.empty() || only == prefix || only.starts_with(prefix + ':'); }
    void count(sim::Fault fault, const std::string& name, const std::string& call, const std::string& wrong, std::uint64_t states = 1);

    sim::CrashCounts counts_;
    std::uint64_t salvages_ = 0;  // states of class c
    std::uint64_t failed_ = 0;
    std::uint64_t printed_ = 0;
};

}  // namespace rivulet::crash
