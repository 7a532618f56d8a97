// Retention: by bytes, and by time once the clock is trusted. The ring's end is GroupWriter's.
// Bounds:   whole segments' worth of a log at a time (Kafka deletes whole segments likewise); one record per log and pass.
//           A log with a clean log: first that, by the times of what lies together in its segments, then its own extents; bytes are those of both, as far as they are alive.
// Guarantee: decides by wall clock only when told that it is trusted; a time that is not known yet counts as not expired.
#pragma once

#include "store/state.h"

namespace rivulet::store {

// Where the log should start; log.start if nothing is due. `now_ms`: -1 while the clock is not trusted.
Offset retention_start(State& state, Log& log, std::int64_t now_ms);

}  // namespace rivulet::store
