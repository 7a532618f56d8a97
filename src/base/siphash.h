// SipHash-2-4 with 128 bits: a keyed hash of bytes that come in pieces, for tables whose keys strangers choose.
// Owns:     its state. Bounds: no allocation. Thread: any, one object each.
// Source:   Aumasson, Bernstein: "SipHash: a fast short-input PRF"; the 128-bit variant of its reference code.
#pragma once

#include "base/bytes.h"

namespace rivulet {

struct Hash128 {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    bool operator==(const Hash128&) const = default;
};

class SipHash128 {
public:
    SipHash128(std::uint64_t key0, std::uint64_t key1);
    void update(Bytes piece);
    Hash128 finish();

private:
    void round();
    void take(std::uint64_t word);

    std::uint64_t v_[4];
    std::uint64_t tail_ = 0;  // bytes that make no word yet
    std::uint64_t bytes_ = 0;
};

}  // namespace rivulet
