// The wall clock, whether the kernel disciplines it, and the identity of this boot.
// Owns:     nothing. Bounds: no allocation. Errors: none; an unreadable clock is a broken invariant.
// Thread:   any. read_boot_id() reads a file: for start-up.
#pragma once

#include "base/units.h"
#include "base/uuid.h"

namespace rivulet::platform {

Timestamp wall_clock();
// adjtimex: no TIME_ERROR and no STA_UNSYNC.
bool wall_clock_synchronised();
// /proc/sys/kernel/random/boot_id. Without /proc a random one: then each start counts as a boot, which errs on the safe side.
Uuid read_boot_id();

}  // namespace rivulet::platform
