// A log that is truncated while a commit of several groups is under way.
#include <doctest/doctest.h>

#include "support/log_model.h"

namespace rivulet::test {
namespace {

// Fills log `first` with so much that a commit has several groups, and appends four batches to the log behind it, which come last. Returns in the middle of the commit.
std::uint64_t begin_commit(StoreHarness& h, Driver& driver, LogId first) {
    h.log(first).commit_interval_ns = h.log(first + 1).commit_interval_ns = 60 * ns_per_s;
    std::uint64_t ticket = 0;
    for (int i = 0; i < 4; ++i) ticket = driver.append(first + 1, 5, 100);
    REQUIRE(ticket != 0);
    for (int i = 0; i < 9; ++i) REQUIRE(driver.append(first, 1, 6000) == ticket);
    const std::uint64_t groups = h.store().commit_statistics().groups;
    REQUIRE(h.run_until([&] { return h.store().commit_statistics().groups == groups + 2; }));
    REQUIRE(h.log(first + 1).flush_offset == Offset(0));
    return ticket;
}

// Until the store takes it.
void truncate(StoreHarness& h, Driver& driver, LogId id, Offset end) {
    for (int i = 0; i < 1000 && driver.truncate(id, end) == 0 && driver.last_error == Error::busy; ++i) h.run_for(ns_per_ms);
    REQUIRE(driver.last_error == Error::none);
}

TEST_CASE("truncate: what lies below the cut is durable with its ticket, though the commit was under way") {
    StoreHarness h;
    REQUIRE(h.boot());
    Driver driver(h);
    REQUIRE(h.settle(driver.create(2)));
    const LogId first = driver.last_created();
    const std::uint64_t ticket = begin_commit(h, driver, first);
    CHECK(driver.truncate(first + 1, Offset(15)) == 0);
    CHECK(driver.last_error == Error::busy);
    truncate(h, driver, first + 1, Offset(15));
    REQUIRE(h.settle(ticket));
    History history = driver.moment();
    h.cut();
    REQUIRE(h.boot());
    CHECK(h.log(first + 1).end >= Offset(15));
    CHECK(verify(h, history, FaultClass::a) == "");
}

TEST_CASE("commit: what is appended between its groups and goes along is durable with it, whether as a batch or packed; what comes behind its log waits for the next") {
    for (const bool packed : {false, true}) {
        CAPTURE(packed);
        StoreHarness h;
        REQUIRE(h.boot());
        Driver driver(h);
        REQUIRE(h.settle(driver.create(2)));
        const LogId first = driver.last_created();
        const std::uint64_t ticket = begin_commit(h, driver, first);
        const std::uint64_t late = packed ? driver.put(first + 1, 50, 77) : driver.append(first + 1, 1, 100);
        REQUIRE(late == ticket + 1);
        REQUIRE(h.settle(ticket));
        CHECK(h.log(first + 1).durable_end == h.log(first + 1).end);
        CHECK(h.store().durable_ticket() >= late);
    }
    StoreHarness h;
    REQUIRE(h.boot());
    Driver driver(h);
    REQUIRE(h.settle(driver.create(3)));
    const LogId first = driver.last_created();
    h.log(first).commit_interval_ns = 60 * ns_per_s;
    REQUIRE(driver.append(first, 1, 100) != 0);
    const std::uint64_t ticket = begin_commit(h, driver, first + 1);
    const std::uint64_t late = driver.append(first, 1, 100);  // behind what was gathered first
    REQUIRE(late == ticket + 1);
    REQUIRE(h.settle(ticket));
    CHECK(h.store().durable_ticket() < late);
    REQUIRE(h.settle(late));
}

TEST_CASE("truncate: a log keeps what lies below the cut, though it waits for the commit that the record goes into") {
    for (const std::int64_t end : {0, 5, 10}) {
        CAPTURE(end);
        StoreHarness h;
        REQUIRE(h.boot());
        Driver driver(h);
        REQUIRE(h.settle(driver.create(1)));
        const LogId id = driver.last_created();
        REQUIRE(driver.append(id, 5, 100) != 0);
        REQUIRE(driver.append(id, 5, 100) != 0);
        truncate(h, driver, id, Offset(end));
        const std::uint64_t last = driver.append(id, 2, 100);
        REQUIRE(last != 0);
        REQUIRE(h.settle(last));
        History history = driver.moment();
        h.cut();
        REQUIRE(h.boot());
        CHECK(h.log(id).end == Offset(end + 2));
        CHECK(verify(h, history, FaultClass::a) == "");
    }
}

TEST_CASE("truncate: what is appended after the cut comes behind its record, also if the log is cut again") {
    for (int cuts = 1; cuts <= 3; ++cuts) {
        for (const bool now : {true, false}) {
            CAPTURE(cuts);
            CAPTURE(now);
            StoreHarness h;
            REQUIRE(h.boot());
            Driver driver(h);
            REQUIRE(h.settle(driver.create(2)));
            const LogId first = driver.last_created();
            const std::uint64_t ticket = begin_commit(h, driver, first);
            truncate(h, driver, first + 1, Offset(10));
            for (int i = 0; i < 3; ++i) REQUIRE(driver.append(first + 1, 5, 100) != 0);
            if (cuts > 1) truncate(h, driver, first + 1, Offset(cuts == 2 ? 20 : 10));
            REQUIRE(driver.put(first + 1, 50, 77) != 0);
            const std::uint64_t last = driver.put(first + 1, 50, 78);
            REQUIRE(last != 0);
            REQUIRE(h.settle(now ? ticket : last));
            History history = driver.moment();
            const Offset end = h.log(first + 1).end;
            h.cut();
            REQUIRE(h.boot());
            CHECK(h.log(first + 1).end >= (now ? Offset(10) : end));
            CHECK(verify(h, history, FaultClass::a) == "");
        }
    }
}

TEST_CASE("truncate: what lies below a cut within an extent is served again and again, also after a start") {
    StoreHarness h;
    Driver driver(h);
    REQUIRE(h.boot());
    REQUIRE(h.settle(driver.create(1)));
    const LogId log = driver.last_created();
    for (int i = 0; i < 6; ++i) REQUIRE(driver.append(log, 2, 100) != 0);
    REQUIRE(h.settle());
    // In a later epoch the offsets from there on are others'.
    REQUIRE(h.settle(driver.truncate(log, Offset(6), Epoch(2))));
    for (int i = 0; i < 3; ++i) REQUIRE(driver.append(log, 2, 100) != 0);
    REQUIRE(h.settle());
    for (int start = 0; start < 2; ++start) {
        h.cut();
        REQUIRE(h.boot());
        for (int time = 0; time < 3; ++time) {
            CAPTURE(time);
            CHECK(h.read(log).size() == 6);
            driver.note_now();
            History moment = driver.history;
            CHECK(verify(h, moment, FaultClass::a) == "");
        }
    }
}

}  // namespace
}  // namespace rivulet::test
