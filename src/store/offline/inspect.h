// `rivulet store inspect`: what is in a store, without judging it.
// Bounds:   no allocation beside the caller's scratch; reads headers and tables of what is live, never payload but journal records.
// Errors:   those of OfflineStore::open; invalid_argument for a segment that is not live; io, store_newer.
#pragma once

#include <optional>

#include "store/offline/files.h"
#include "store/offline/report.h"

namespace rivulet::store {

struct InspectOptions {
    bool json = false;
    std::optional<std::uint64_t> segment;  // its groups and extents, in place of the overview
    std::optional<LogId> log;              // this log's extents alone, in all live segments or in that one; 0: the store's records
};

constexpr std::size_t inspect_scratch_bytes(const Geometry& geometry) { return walk_window_bytes(geometry); }

// `store` has been opened.
Status inspect(OfflineStore& store, const InspectOptions& options, MutableBytes scratch, LineSink& sink);

}  // namespace rivulet::store
