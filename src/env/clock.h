// Time as the broker sees it.
// Guarantee: now() never goes back and stands still within a turn of the loop; it is the only time that decisions use.
//            wall() may jump either way and is wrong until a clock is set: boards boot in 1970 (DESIGN.md, "Clock").
// Thread:   loop only.
#pragma once

#include "base/units.h"
#include "base/uuid.h"

namespace rivulet::env {

class Clock {
public:
    virtual Instant now() const = 0;
    virtual Timestamp wall() const = 0;
    // The kernel says that the wall clock is disciplined (adjtimex without STA_UNSYNC).
    virtual bool wall_synchronised() const = 0;
    // Changes with each boot of the machine, not with each start of the process.
    virtual Uuid boot_id() const = 0;

protected:
    ~Clock() = default;
};

}  // namespace rivulet::env
