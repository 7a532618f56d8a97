// `rivulet store verify`: reads all that is live, changes nothing, says what is damaged and what of it recovery would do.
// Bounds:   no allocation beside the caller's scratch; one pass over the tail to learn D, then one over everything.
// Errors:   those of OfflineStore::open; io (of files other than the journal, whose unreadable pages are damage), store_newer.
// Lines:    damage (class corruption or unproved) and settled, both as in findings.h; damage of class checkpoint: none holds, and the ring has gone
//           round, so that what only they knew is lost; or the one that rules is older than the ring (corrupt counts both); note (derived data or a spare copy, which the
//           broker does without); summary.
#pragma once

#include "store/offline/files.h"
#include "store/offline/report.h"

namespace rivulet::store {

struct VerifyResult {
    std::uint64_t corrupt = 0;
    std::uint64_t unproved = 0;
    std::uint64_t settled = 0;
    std::uint64_t notes = 0;
    std::uint64_t groups = 0;
    std::uint64_t extents = 0;
    std::uint64_t batches = 0;
    std::uint64_t payload_bytes = 0;
    // The answer: exit 1.
    bool damaged() const { return corrupt + unproved != 0; }
};

// logs_max: how many logs' offsets are followed.
std::size_t verify_scratch_bytes(const Geometry& geometry, std::size_t logs_max = 4096);

// `store` has been opened.
Result<VerifyResult> verify(OfflineStore& store, bool json, MutableBytes scratch, LineSink& sink);

}  // namespace rivulet::store
