#include "server/receive_pool.h"

#include <doctest/doctest.h>

#include <vector>

using namespace rivulet;
using server::BufferPool;
using server::ReceivePool;

namespace {

struct Waiter final : server::BufferWaiter {
    explicit Waiter(std::vector<int>& served_order, int name) : order(served_order), number(name) {}
    void on_granted(MutableBytes buffer) override {
        granted = buffer;
        order.push_back(number);
    }
    std::vector<int>& order;
    int number;
    MutableBytes granted;
};

struct Memory {
    explicit Memory(std::size_t bytes) : block(bytes), arena(block) {}
    std::vector<std::uint8_t> block;
    Arena arena;
};

}  // namespace

TEST_CASE("buffers come back to those that wait, in order; the last given is lent first") {
    Memory memory(BufferPool::memory_bytes(2, 256));
    BufferPool pool(memory.arena, 2, 256);
    CHECK(memory.arena.used() <= BufferPool::memory_bytes(2, 256));
    const MutableBytes first = pool.take();
    const MutableBytes second = pool.take();
    CHECK(first.size() == 256);
    CHECK(second.data() == first.data() + 256);
    CHECK(pool.take().empty());
    std::vector<int> order;
    Waiter a(order, 1);
    Waiter b(order, 2);
    Waiter c(order, 3);
    for (Waiter* waiter : {&a, &b, &c}) pool.wait(*waiter);
    CHECK(pool.starving());
    BufferPool::cancel(b);
    pool.give(second);
    pool.give(first);
    CHECK(order == std::vector<int>{1, 3});
    CHECK(a.granted.data() == second.data());
    CHECK(pool.lent() == 2);
    CHECK_FALSE(pool.starving());
    pool.give(first);
    pool.give(second);
    CHECK(pool.lent() == 0);
    CHECK(pool.take().data() == second.data());
}

TEST_CASE("classes: half of the bytes for whole frames, the rest small; or one class where there is no room for two") {
    for (const std::size_t total : {16U << 10, 64U << 10, 128U << 10, 1U << 20, 16U << 20}) {
        for (const std::size_t frame : {1U << 10, 3U << 10, 8U << 10, 16U << 10, 64U << 10, 1U << 20}) {
            if (frame > total) continue;
            const server::ReceivePoolOptions options{total, frame, 304};
            const std::size_t bytes = ReceivePool::memory_bytes(options);
            Memory memory(bytes);
            ReceivePool pool(memory.arena, options);
            CHECK(memory.arena.used() <= bytes);
            CHECK(bytes <= total + frame + 8192 + total / 256);
            CHECK(pool.large_buffers().count() >= 1);
            CHECK(pool.large_buffers().bytes() >= frame + 304);
            CHECK(pool.small_buffers().count() >= 1);
            const MutableBytes small = pool.small_buffers().take();
            const MutableBytes large = pool.large_buffers().take();
            CHECK_FALSE(small.empty());
            pool.give(small, true);
            if (!large.empty()) pool.give(large, true);
            CHECK(pool.small_buffers().lent() == 0);
            CHECK(pool.large_buffers().lent() == 0);
        }
    }
}

TEST_CASE("large buffers: newcomers have half, and take turns with the proven; a buffer is wanted if it can be handed on") {
    const server::ReceivePoolOptions options{128 << 10, 15 << 10, 304};
    Memory memory(ReceivePool::memory_bytes(options));
    ReceivePool pool(memory.arena, options);
    REQUIRE(pool.large_buffers().count() == 4);
    REQUIRE(pool.newcomers_max() == 2);
    const MutableBytes first = pool.take_large(false);
    const MutableBytes second = pool.take_large(false);
    CHECK(pool.take_large(false).empty());
    std::vector<int> order;
    Waiter a(order, 1);
    Waiter b(order, 2);
    Waiter c(order, 3);
    Waiter d(order, 4);
    pool.wait_large(a, false);
    const MutableBytes third = pool.take_large(true);
    const MutableBytes fourth = pool.take_large(true);
    REQUIRE_FALSE(fourth.empty());
    CHECK_FALSE(pool.wanted(third, true));
    CHECK(pool.wanted(first, false));
    pool.wait_large(b, true);
    CHECK(pool.wanted(third, true));
    pool.give(third, true);
    CHECK(order == std::vector<int>{2});
    pool.wait_large(c, true);
    pool.wait_large(d, false);
    pool.give(first, false);
    pool.give(second, false);
    pool.give(fourth, true);
    CHECK(order == std::vector<int>{2, 1, 3, 4});
    CHECK(pool.large_buffers().lent() == 4);
    CHECK(pool.take_large(false).empty());
    pool.prove();
    pool.give(b.granted, true);
    CHECK_FALSE(pool.take_large(false).empty());
}
