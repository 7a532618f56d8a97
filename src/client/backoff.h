// When to try again after a broken connection: soon at first, then ever less often, until a budget of time without a connection is used up.
// Connections that come to nothing do not refill it, so that a client does not go on for ever with a broker that drops it each time.
// Owns:     a few numbers. Bounds: no allocation.
#pragma once

#include <optional>

#include "base/units.h"

namespace rivulet::client {

class Backoff {
public:
    explicit Backoff(std::int64_t budget_ms) : budget_ms_(budget_ms) {}

    // There is a connection again: the clock stands still.
    void connected(Instant now) {
        if (running_) left_ns_ = deadline_ > now ? deadline_ - now : 0;
        paused_ = running_;
    }
    // The connection has done what it is for: the next outage has the whole budget.
    void progress() { running_ = paused_ = false; }
    // The instant of the next attempt; nothing: the budget is used up.
    std::optional<Instant> next(Instant now) {
        if (!running_) {
            running_ = true;
            deadline_ = now + budget_ms_ * ns_per_ms;
            delay_ms_ = first_ms;
        }
        if (paused_) deadline_ = now + left_ns_;
        paused_ = false;
        if (now >= deadline_) return std::nullopt;
        Instant at = now + delay_ms_ * ns_per_ms;
        if (at > deadline_) at = deadline_;
        delay_ms_ = delay_ms_ * 2 < most_ms ? delay_ms_ * 2 : most_ms;
        return at;
    }

private:
    static constexpr std::int64_t first_ms = 50;
    static constexpr std::int64_t most_ms = 1'000;

    std::int64_t budget_ms_;
    std::int64_t delay_ms_ = first_ms;
    std::int64_t left_ns_ = 0;
    bool running_ = false;
    bool paused_ = false;
    Instant deadline_;
};

}  // namespace rivulet::client
