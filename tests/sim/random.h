// Pseudo-random numbers from a seed: xoshiro256**.
// Owns:     32 bytes of state. Bounds: no allocation; integers only, so that a seed gives the same run on every machine.
// Guarantee: split(name) depends on the seed alone, never on what was drawn, so one more draw here disturbs nothing there.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace rivulet::sim {

class Random {
public:
    explicit Random(std::uint64_t seed);

    // An independent stream, named after its use.
    Random split(std::string_view name, std::uint64_t number = 0) const;

    std::uint64_t next();
    // 0 .. n - 1; n >= 1.
    std::uint64_t below(std::uint64_t n);
    // low .. high, both included.
    std::uint64_t between(std::uint64_t low, std::uint64_t high) { return low + (high - low == UINT64_MAX ? next() : below(high - low + 1)); }
    // True `numerator` times in `denominator`.
    bool chance(std::uint64_t numerator, std::uint64_t denominator) { return below(denominator) < numerator; }
    void fill(MutableBytes into);
    std::uint64_t seed() const { return seed_; }

private:
    std::uint64_t seed_;
    std::uint64_t state_[4];
};

// A running 64-bit hash of what happened: same seed, same hash.
class TraceHash {
public:
    void add(std::uint64_t value) {
        hash_ = (hash_ ^ value) * 0x9fb21c651e98df25ULL;
        hash_ ^= hash_ >> 32;
    }
    void add(Bytes bytes);
    void add(std::string_view text) { add(as_bytes(text)); }
    std::uint64_t value() const { return hash_; }

private:
    std::uint64_t hash_ = 0x243f6a8885a308d3ULL;
};

}  // namespace rivulet::sim
