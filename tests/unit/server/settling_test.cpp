#include "server/compact/settling.h"

#include <doctest/doctest.h>

using rivulet::server::compact::Settling;

TEST_CASE("readings settle in order, with their commits") {
    Settling settling(11);
    CHECK(settling.settled() == 10);
    settling.take(11, 0, 5);  // needs none
    CHECK(settling.settled() == 11);
    settling.take(12, 6, 5);
    settling.take(13, 6, 5);
    settling.take(14, 0, 5);  // waits for those before it
    settling.spend(100);
    settling.take(15, 7, 5);
    settling.spend(20);
    CHECK(settling.settled() == 11);
    CHECK(settling.waiting());
    CHECK(settling.ticket() == 6);
    CHECK(settling.credit() == 0);
    CHECK(settling.settle(6));
    CHECK(settling.settled() == 14);
    CHECK(settling.grant() == 100);
    CHECK(settling.grant() == 0);
    settling.take(16, 6, 6);  // a repeated reading of an older commit
    CHECK(settling.settled() == 14);
    CHECK_FALSE(settling.settle(6));
    CHECK(settling.settle(9));
    CHECK(settling.settled() == 16);
    CHECK(settling.credit() == 20);
    CHECK_FALSE(settling.waiting());
}

TEST_CASE("two commits are remembered; a third can only come when the first is durable") {
    Settling settling(1);
    for (std::uint64_t ticket = 1; ticket <= 100; ++ticket) settling.take(ticket, ticket, ticket < 3 ? 0 : ticket - 2);
    CHECK(settling.settled() == 98);
    settling.settle(99);
    CHECK(settling.settled() == 99);
}
