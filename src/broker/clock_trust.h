// Whether the wall clock may be believed: boards boot in 1970 (DESIGN.md, "Clock").
// Bounds:   plain value. Guarantee: once trusted in a run it stays trusted; only retention by time and stamps look at it.
// auto = the kernel says synchronised, and the time is at or past both this build's and the last trusted one.
// Until then stamps count from the boot of the machine (the monotonic clock, one for all runs of a boot), so that one offset per boot sets them right.
#pragma once

#include "config/config.h"
#include "env/clock.h"

namespace rivulet::broker {

class ClockTrust {
public:
    ClockTrust(config::ClockTrust mode, Timestamp floor) : mode_(mode), floor_(floor) {}

    // Looks at the clock; true if it became trusted just now.
    bool update(const env::Clock& clock);
    bool trusted() const { return trusted_; }
    void set_mode(config::ClockTrust mode) { mode_ = mode; }
    // Never trust a time before this one.
    void raise_floor(Timestamp floor) { if (floor_ < floor) floor_ = floor; }
    // The time to stamp a record with now.
    Timestamp stamp(const env::Clock& clock) const { return trusted_ ? clock.wall() : since_boot(clock); }
    // What to add to stamps of this boot that were made without trust.
    std::int64_t offset_ms(const env::Clock& clock) const { return clock.wall() - since_boot(clock); }

private:
    static Timestamp since_boot(const env::Clock& clock) { return Timestamp(clock.now().value / ns_per_ms); }

    config::ClockTrust mode_;
    Timestamp floor_;
    bool trusted_ = false;
};

}  // namespace rivulet::broker
