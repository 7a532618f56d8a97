// Random numbers for tests, the same on every machine for the same seed.
#pragma once

#include <cstdint>
#include <random>

namespace rivulet::test {

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t operator()() { return engine_(); }
    // 0 to n - 1.
    std::size_t below(std::size_t n) { return static_cast<std::size_t>(engine_() % n); }

private:
    std::mt19937_64 engine_;
};

}  // namespace rivulet::test
