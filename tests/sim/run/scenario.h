// One seed from begin to end: a world with a broker and its clients, faults for a while, healing, and the final check.
// Owns:     all of it, for the time of the call. Guarantee: the result is a function of the seed.
#pragma once

#include <array>

#include "sim/run/broker_host.h"

namespace rivulet::sim {

struct Totals {
    std::uint64_t virtual_ns = 0;
    std::uint64_t events = 0;
    std::uint64_t readings = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t records_read = 0;
    std::uint64_t alterations = 0;  // answered
    std::uint64_t searches = 0;     // by time, judged against all records
    std::uint64_t kafka_records = 0;  // acknowledged
    std::uint64_t generations = 0;    // of groups, whose assignments were told
    std::uint64_t commits = 0;        // of offsets, acknowledged
    std::uint64_t compressed = 0;     // batches, acknowledged
    std::uint64_t refused = 0;        // records, at the share of what outlives the ring
    std::uint64_t fenced = 0;         // commits of older generations and replaced members, which were refused
    std::uint64_t replays = 0;  // seeds that ran twice
    HostCounts host;
    std::array<std::uint64_t, fault_kind_count> faults{};
    void add(const Totals& other);
};

struct SeedResult {
    std::uint64_t seed = 0;
    std::uint64_t hash = 0;
    std::string failure;  // empty: passed
    std::string log;      // last lines, of a failure
    Totals totals;
};

struct SeedOptions {
    bool print_trace = false;
    bool print_log = false;
    bool print_plan = false;
};

SeedResult run_seed(std::uint64_t seed, const SeedOptions& options);

}  // namespace rivulet::sim
