// The one block of memory that an Arena is made of.
// Owns:     nothing; the caller unmaps, or leaves it to the end of the process.
// Bounds:   private anonymous pages without reserved swap, in small pages, so that what is never touched is never resident.
// Errors:   out_of_memory_budget (detail = errno).
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace rivulet::platform {

// prefault: every page is made resident now, so that a board too small for its configuration fails at start.
Result<MutableBytes> map_memory(std::size_t bytes, bool prefault);
void unmap_memory(MutableBytes block);

}  // namespace rivulet::platform
