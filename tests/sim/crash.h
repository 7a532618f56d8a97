// What a power cut may do to a simulated disk: the kinds of fault, one plan, and lists of plans for enumeration.
// Owns:     plain values. Bounds: every_plan() gives all 2^n subsets up to `exhaustive_pages_max` pending pages, else a sample.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "sim/random.h"

namespace rivulet::sim {

class Disk;

// What crash states are counted by.
enum class Fault : std::uint8_t {
    subset,             // any unsynced pages reached the medium, the others did not
    tear,               // some 512 B sectors of an unsynced page did
    garbage_page,       // an unsynced page is noise
    garbage_neighbour,  // a synced page in the same 16 KiB flash page as an unsynced one is noise
    misdirected,        // an unsynced page landed on another page of its file
    lying_flush,        // the last syncs were not durable
    eio,                // a call failed before; what a failed sync dropped stays dropped
    bit_flip,           // stored or transferred bits are wrong
    crash_in_recovery,  // power went again while the store was starting
};
constexpr std::size_t fault_kinds = 9;
std::string_view name_of(Fault fault);

// How one unsynced page comes out.
struct PageFate {
    enum Kind : std::uint8_t { lost, kept, torn, garbage, misdirected };
    Kind kind = lost;
    std::uint8_t sectors = 0;       // torn: those of the new content, one bit for each
    std::uint8_t versions_back = 0;  // kept, torn, misdirected: an older of several unsynced writes; 0 = the last
    std::uint64_t to_page = 0;      // misdirected: where it landed; the page itself stays as it was
};

struct CrashPlan {
    std::size_t lying_syncs = 0;               // this many last syncs did nothing; done first, so their pages are pending again
    std::vector<PageFate> pages{};             // as Disk::pending_pages() after that; those beyond the end are lost
    std::vector<std::size_t> garbage_neighbours{};  // indices into Disk::neighbours() after that
    std::size_t name_ops_kept = 0;             // a prefix of Disk::pending_name_ops(): create, remove, resize, in their order
    std::uint64_t noise_seed = 1;
    Fault fault = Fault::subset;               // the kind that it counts as

    // Of the first 64 pending pages those whose bit is set.
    static CrashPlan subset(std::uint64_t mask, std::size_t pages);
    static CrashPlan all_kept(const Disk& disk);
    static CrashPlan all_lost() { return {}; }
};

// Which faults a plan may hold.
struct CrashFaults {
    bool tears = true;
    bool garbage_pages = true;
    bool garbage_neighbours = false;  // damages synced pages: class B
    bool misdirected = false;         // likewise
    std::size_t lying_syncs_max = 0;  // class D
};

// One plan from the seed: each pending page gets a fate of its own; half of the plans are plain subsets.
CrashPlan random_plan(const Disk& disk, Random& random, const CrashFaults& faults);

struct EnumerateOptions {
    std::size_t exhaustive_pages_max = 8;
    std::size_t sample = 64;            // subsets where there are too many, and targets of misdirected writes
    std::size_t lying_syncs_max = 4;
};
// All plans of one kind (subset .. lying_flush) for a disk as it stands now. Names: the subset kind takes every prefix of the
// pending name operations (all of them beyond `sample`), the others keep all.
std::vector<CrashPlan> every_plan(const Disk& disk, Fault kind, const EnumerateOptions& options, Random random);

// Crash states by kind, for the line that the crash suite prints.
struct CrashCounts {
    std::array<std::uint64_t, fault_kinds> states{};
    void add(Fault fault, std::uint64_t n = 1) { states[static_cast<std::size_t>(fault)] += n; }
    std::uint64_t of(Fault fault) const { return states[static_cast<std::size_t>(fault)]; }
    std::uint64_t total() const;
};

}  // namespace rivulet::sim
