#include "client/backoff.h"

#include <doctest/doctest.h>

using namespace rivulet;

namespace {
constexpr Instant at_ms(std::int64_t ms) { return Instant(ms * ns_per_ms); }
}  // namespace

TEST_CASE("backoff: ever less often, until the budget is used up") {
    client::Backoff backoff(5000);
    Instant now = at_ms(100);
    std::int64_t delay = 0;
    int attempts = 0;
    while (const auto next = backoff.next(now)) {
        CHECK(*next > now);
        if (*next != at_ms(5100)) CHECK(*next - now >= delay);
        delay = *next - now;
        now = *next;
        ++attempts;
    }
    CHECK(now == at_ms(5100));
    CHECK(attempts > 5);
    CHECK(attempts < 20);
}

TEST_CASE("backoff: time with a connection does not count, progress refills") {
    client::Backoff backoff(1000);
    CHECK(backoff.next(at_ms(0)));
    backoff.connected(at_ms(600));
    CHECK(backoff.next(at_ms(50'000)));
    backoff.connected(at_ms(50'300));
    CHECK(backoff.next(at_ms(90'000)));
    CHECK_FALSE(backoff.next(at_ms(90'100)));
    backoff.connected(at_ms(90'100));
    backoff.progress();
    CHECK(backoff.next(at_ms(95'000)));
    CHECK(backoff.next(at_ms(95'900)));
    CHECK_FALSE(backoff.next(at_ms(96'000)));
    client::Backoff none(0);
    CHECK_FALSE(none.next(at_ms(0)));
}
