// Who waits for room is told when a reader lets go of what it held.
#include <doctest/doctest.h>

#include "unit/broker/broker_harness.h"

namespace rivulet::test {
namespace {

struct Waiter final : broker::RoomWaiter {
    void on_room() override { ++calls; }
    int calls = 0;
};
struct Reading final : store::ReadWaiter {
    void on_read_ready() override {}
};

TEST_CASE("room: a producer that waits is woken when a slow reader lets go, though no commit is due") {
    ServedBroker served;
    served.run(ns_per_s);
    store::Log& log = served.partition("temps");
    const std::string value(3000, 'v');
    REQUIRE(served.put(log, value) == Error::none);
    served.run(ns_per_s);
    store::ReadView view;
    Reading reading;
    REQUIRE(served.act([&] { return served.broker().store().read(log, Offset(0), 1000, view, reading); }) == store::ReadOutcome::data);
    int refused = 0;
    for (int i = 0; i < 20'000 && refused < 3; ++i) {
        refused = served.put(log, value) == Error::busy ? refused + 1 : 0;
        served.run(refused != 0 ? 2 * ns_per_s : ns_per_ms);
    }
    REQUIRE(refused == 3);
    // Nothing is left to be written, not even a mark.
    served.run(60 * ns_per_s);
    REQUIRE(served.put(log, value) == Error::busy);
    Waiter waiter;
    served.act([&] { return served.broker().wait_for_room(waiter), 0; });
    served.run(60 * ns_per_s);
    CHECK(waiter.calls == 0);
    served.act([&] { return served.broker().release(view), 0; });
    served.run(ns_per_s);
    CHECK(waiter.calls == 1);
    CHECK(served.put(log, value) == Error::none);
}

}  // namespace
}  // namespace rivulet::test
