#include "env/timer_queue.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <vector>

#include "unit/base/death.h"
#include "unit/base/random.h"

using namespace rivulet;
using namespace rivulet::env;

namespace {

struct TestTimer final : Timer {
    void on_timer() override {}
};

constexpr std::uint64_t any_order = ~std::uint64_t{0};

Instant at(std::int64_t n) { return Instant(n); }

}  // namespace

TEST_CASE("timer queue: by time, then by order of arming") {
    std::array<Timer*, 4> slots{};
    TimerQueue queue(slots);
    TestTimer a, b, c, d;
    CHECK(queue.earliest() == nullptr);
    CHECK(queue.pop_due(at(1000), any_order) == nullptr);
    queue.arm(a, at(30));
    queue.arm(b, at(10));
    queue.arm(c, at(10));
    queue.arm(d, at(20));
    CHECK(queue.earliest() == &b);
    CHECK(queue.pop_due(at(9), any_order) == nullptr);
    CHECK(queue.pop_due(at(10), any_order) == &b);
    CHECK_FALSE(b.armed());
    CHECK(queue.pop_due(at(10), any_order) == &c);
    CHECK(queue.pop_due(at(10), any_order) == nullptr);
    queue.arm(a, at(5));  // moves an armed timer
    CHECK(queue.pop_due(at(100), any_order) == &a);
    queue.disarm(d);
    queue.disarm(d);
    CHECK(queue.earliest() == nullptr);
    CHECK_FALSE(d.armed());
}

TEST_CASE("timer queue: what a callback arms waits for the next turn, and holds nothing else up") {
    std::array<Timer*, 4> slots{};
    TimerQueue queue(slots);
    TestTimer again, other;
    queue.arm(again, at(10));
    queue.arm(other, at(50));
    const std::uint64_t limit = queue.order();
    CHECK(queue.pop_due(at(100), limit) == &again);
    queue.arm(again, at(20));  // overdue already, and earlier than the other
    CHECK(queue.pop_due(at(100), limit) == &other);
    CHECK(queue.pop_due(at(100), limit) == nullptr);
    CHECK(queue.pop_due(at(100), queue.order()) == &again);
}

TEST_CASE("timer queue: one more than it holds aborts") {
    std::array<Timer*, 1> slots{};
    TimerQueue queue(slots);
    TestTimer a, b;
    queue.arm(a, at(1));
    queue.arm(a, at(2));
    CHECK(test::aborts([&] { queue.arm(b, at(1)); }));
}

TEST_CASE("timer queue: random operations against a plain list") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        test::Random random(seed);
        std::array<Timer*, 40> slots{};
        TimerQueue queue(slots);
        std::deque<TestTimer> timers(slots.size());
        struct Entry {
            Timer* timer;
            std::int64_t due;
            std::uint64_t order;
        };
        std::vector<Entry> model;
        std::uint64_t order = 0;
        const auto before = [](const Entry& a, const Entry& b) { return a.due != b.due ? a.due < b.due : a.order < b.order; };
        for (int step = 0; step < 3000; ++step) {
            Timer& timer = timers[random.below(timers.size())];
            const auto entry = std::find_if(model.begin(), model.end(), [&](const Entry& e) { return e.timer == &timer; });
            switch (random.below(4)) {
                case 0:
                case 1: {
                    const auto due = static_cast<std::int64_t>(random.below(100));
                    if (entry != model.end()) model.erase(entry);
                    model.push_back({&timer, due, order++});
                    queue.arm(timer, at(due));
                    break;
                }
                case 2:
                    if (entry != model.end()) model.erase(entry);
                    queue.disarm(timer);
                    break;
                case 3: {
                    const auto now = static_cast<std::int64_t>(random.below(120));
                    const std::uint64_t recent = std::min<std::uint64_t>(order, random.below(20));
                    const std::uint64_t limit = random.below(2) == 0 ? any_order : order - recent;
                    auto best = model.end();
                    for (auto e = model.begin(); e != model.end(); ++e)
                        if (e->due <= now && e->order < limit && (best == model.end() || before(*e, *best))) best = e;
                    Timer* const want = best == model.end() ? nullptr : best->timer;
                    if (best != model.end()) model.erase(best);
                    REQUIRE(queue.pop_due(at(now), limit) == want);
                    break;
                }
            }
            REQUIRE(queue.order() == order);
            const auto first = std::min_element(model.begin(), model.end(), before);
            REQUIRE(queue.earliest() == (first == model.end() ? nullptr : first->timer));
            for (TestTimer& t : timers)
                REQUIRE(t.armed() == std::any_of(model.begin(), model.end(), [&](const Entry& e) { return e.timer == &t; }));
        }
    }
}
