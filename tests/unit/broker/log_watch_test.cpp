#include "broker/log_watch.h"

#include <doctest/doctest.h>

#include <functional>
#include <vector>

using namespace rivulet;
using namespace rivulet::broker;

namespace {

struct Watch final : LogWatch {
    void on_readable() override {
        ++fired;
        if (then) then();
    }
    int fired = 0;
    std::function<void()> then;
};

struct Fixture {
    std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(LogWatches::memory_bytes(4) + 64);
    Arena arena{memory};
    LogWatches watches{arena, 4};
    int fire_all() {
        int n = 0;
        while (watches.fire()) ++n;
        return n;
    }
};

}  // namespace

TEST_CASE("watches of a log fire once each, in the order in which they came, and none of another log") {
    Fixture f;
    Watch a, b, other;
    f.watches.watch(1, a);
    f.watches.watch(1, b);
    f.watches.watch(3, other);
    CHECK_FALSE(f.watches.note(0));
    CHECK(f.fire_all() == 0);
    CHECK(f.watches.note(1));
    CHECK(a.fired == 0);  // not from within
    CHECK(f.watches.fire());
    CHECK(a.fired == 1);
    CHECK(b.fired == 0);
    CHECK(f.fire_all() == 1);
    CHECK(b.fired == 1);
    CHECK_FALSE(f.watches.note(1));
    CHECK(f.watches.note(3));
    CHECK(f.fire_all() == 1);
    CHECK(other.fired == 1);
    CHECK_FALSE(a.linked());
}

TEST_CASE("a watch is cancelled while it waits, and once it is due") {
    Fixture f;
    Watch waiting, due, none;
    f.watches.watch(0, waiting);
    LogWatches::cancel(waiting);
    CHECK_FALSE(f.watches.note(0));
    f.watches.watch(0, due);
    CHECK(f.watches.note(0));
    LogWatches::cancel(due);
    CHECK(f.fire_all() == 0);
    CHECK(due.fired == 0);
    LogWatches::cancel(none);
}

TEST_CASE("who watches again when it fires waits for what comes next") {
    Fixture f;
    Watch again, neighbour;
    again.then = [&] {
        f.watches.watch(2, again);
        LogWatches::cancel(neighbour);
    };
    f.watches.watch(2, again);
    f.watches.watch(2, neighbour);
    CHECK(f.watches.note(2));
    CHECK(f.fire_all() == 1);
    CHECK(again.fired == 1);
    CHECK(neighbour.fired == 0);
    CHECK(f.watches.note(2));
    CHECK(f.fire_all() == 1);
    CHECK(again.fired == 2);
    LogWatches::cancel(again);
}
