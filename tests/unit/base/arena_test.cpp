#include "base/arena.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "unit/base/death.h"

using namespace rivulet;

TEST_CASE("arena: carves disjoint, aligned parts") {
    std::vector<std::uint8_t> memory(1000, 0xaa);
    Arena arena(MutableBytes(memory).subspan(1));  // a badly aligned start
    CHECK(arena.size() == 999);
    const MutableBytes a = arena.take_bytes(3, 1);
    std::uint64_t& number = arena.make<std::uint64_t>(std::uint64_t{42});
    const MutableBytes page = arena.take_bytes(100, 64);
    const std::span<std::uint32_t> numbers = arena.make_array<std::uint32_t>(10);
    const std::span<std::uint16_t> untouched = arena.take_array<std::uint16_t>(4);
    CHECK(reinterpret_cast<std::uintptr_t>(&number) % alignof(std::uint64_t) == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(page.data()) % 64 == 0);
    CHECK(reinterpret_cast<std::uintptr_t>(numbers.data()) % alignof(std::uint32_t) == 0);
    CHECK(a.data() + 3 <= reinterpret_cast<std::uint8_t*>(&number));
    CHECK(reinterpret_cast<std::uint8_t*>(&number + 1) <= page.data());
    CHECK(page.data() + 100 <= reinterpret_cast<std::uint8_t*>(numbers.data()));
    CHECK(number == 42);
    CHECK(a[0] == 0xaa);
    CHECK(numbers.size() == 10);
    for (const std::uint32_t n : numbers) CHECK(n == 0);
    CHECK(untouched[3] == 0xaaaa);
}

TEST_CASE("arena: to the last byte and not beyond") {
    alignas(16) std::uint8_t memory[64];
    Arena arena(memory);
    CHECK(arena.take_bytes(60, 1).size() == 60);
    CHECK(arena.used() == 60);
    CHECK(test::aborts([&arena] { arena.take_bytes(5, 1); }));
    CHECK(test::aborts([&arena] { arena.take_bytes(1, 16); }));
    CHECK(test::aborts([&arena] { arena.take_bytes(std::numeric_limits<std::size_t>::max(), 1); }));
    CHECK(arena.take_bytes(4, 1).size() == 4);
    CHECK(arena.take_bytes(0, 1).empty());
    CHECK(arena.used() == arena.size());
}

TEST_CASE("arena: an array whose size overflows is refused") {
    alignas(16) std::uint8_t memory[64];
    Arena arena(memory);
    constexpr std::size_t too_many = std::numeric_limits<std::size_t>::max() / 8 + 2;  // times 8 is 8
    CHECK(test::aborts([&arena] { arena.take_array<std::uint64_t>(too_many); }));
}

TEST_CASE("arena: sealed") {
    alignas(16) std::uint8_t memory[64];
    Arena arena(memory);
    arena.take_bytes(1);
    CHECK_FALSE(arena.sealed());
    arena.seal();
    CHECK(arena.sealed());
    CHECK(test::aborts([&arena] { arena.take_bytes(1); }));
    CHECK(test::aborts([&arena] { arena.make<int>(1); }));
}
