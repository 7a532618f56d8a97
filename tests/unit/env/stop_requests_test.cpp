#include "env/stop_requests.h"

#include <doctest/doctest.h>

using namespace rivulet;
using env::StopRequests;

TEST_CASE("stop requests: repeats within half a second of the first are the same request") {
    StopRequests requests;
    const Instant first(-3 * ns_per_s);  // any instant, before the clock's zero too
    CHECK(requests.count() == 0);
    CHECK(requests.take(first));
    CHECK_FALSE(requests.take(first));
    CHECK_FALSE(requests.take(first + 3 * ns_per_ms));
    CHECK_FALSE(requests.take(first + (StopRequests::repeat_ns - 1)));
    CHECK(requests.count() == 1);
    CHECK(requests.take(first + StopRequests::repeat_ns));
    CHECK(requests.take(first + (StopRequests::repeat_ns + 1)));
    CHECK(requests.count() == 3);
}
