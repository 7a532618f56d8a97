// What a crash left of the groups that nothing had proved: class c (DESIGN.md, promise 6). Read from the disk without the store's own recovery.
#pragma once

#include "crash/recording.h"

namespace rivulet::crash {

// Extents in groups whose header survived, and which are bad themselves or whose table is: each must be counted and logged by the start.
std::uint64_t bad_unproved_extents(sim::Disk& disk, const Unproved& unproved);

// After the start: nothing, or what was lost in silence.
std::string told_of(StoreHarness& harness, std::uint64_t bad_extents);

}  // namespace rivulet::crash
