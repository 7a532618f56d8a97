// The standard descriptors, and the process's limit on open descriptors, which is also what bounds libuv's table of watchers.
// Owns:     nothing; the limit belongs to the process. Bounds: no allocation. Thread: before the loop runs.
#pragma once

#include <cstddef>

namespace rivulet::platform {

// Opens /dev/null for each of 0, 1 and 2 that is closed, so that no socket or journal ever becomes "standard output".
void open_standard_descriptors();

// Sets the soft limit, raising the hard one if the process may. Returns the limit in force, lower than asked if it may not.
std::size_t set_descriptor_limit(std::size_t descriptors);

}  // namespace rivulet::platform
