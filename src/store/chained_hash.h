// What the tables of sessions and of producers share: their number of buckets, their hash, and memory that stays untouched until it is used.
// Thread:   any. Algorithm: separate chaining with a fixed multiplicative hash; order never leaks into behaviour.
#pragma once

#include <bit>

#include "base/arena.h"

namespace rivulet::store {

// A power of two.
inline std::size_t bucket_count(std::uint32_t capacity) { return std::bit_ceil(std::size_t{capacity} < 2 ? 2 : std::size_t{capacity}); }
// 64 - log2 of that number: a hash, shifted so far, is a bucket.
inline unsigned bucket_shift(std::uint32_t capacity) { return 64U - static_cast<unsigned>(std::countr_zero(bucket_count(capacity))); }

// Fibonacci hashing (Knuth, volume 3, 6.4): the upper bits of a product with 2^64 / phi.
constexpr std::uint64_t mix(std::uint64_t v) { return v * 0x9e3779b97f4a7c15ULL; }

// Memory that is constructed when it is first used.
template <class T>
std::span<T> room_for(Arena& arena, std::uint32_t capacity) {
    return {reinterpret_cast<T*>(arena.take_bytes(capacity * sizeof(T), alignof(T)).data()), capacity};
}

}  // namespace rivulet::store
