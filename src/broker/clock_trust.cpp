#include "broker/clock_trust.h"

namespace rivulet::broker {

bool ClockTrust::update(const env::Clock& clock) {
    if (trusted_) return false;
    switch (mode_) {
        case config::ClockTrust::always:
            trusted_ = true;
            break;
        case config::ClockTrust::never:
            break;
        case config::ClockTrust::automatic:
            trusted_ = clock.wall_synchronised() && clock.wall() >= floor_;
            break;
    }
    return trusted_;
}

}  // namespace rivulet::broker
