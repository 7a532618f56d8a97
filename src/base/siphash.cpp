#include "base/siphash.h"

#include <bit>

namespace rivulet {

SipHash128::SipHash128(std::uint64_t key0, std::uint64_t key1)
    : v_{key0 ^ 0x736f6d6570736575ULL, key1 ^ 0x646f72616e646f6dULL ^ 0xee, key0 ^ 0x6c7967656e657261ULL, key1 ^ 0x7465646279746573ULL} {}

void SipHash128::round() {
    auto& [v0, v1, v2, v3] = v_;
    v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
}

void SipHash128::take(std::uint64_t word) {
    v_[3] ^= word;
    round();
    round();
    v_[0] ^= word;
}

void SipHash128::update(Bytes piece) {
    for (const std::uint8_t byte : piece) {
        tail_ |= std::uint64_t{byte} << (bytes_ % 8 * 8);
        if (++bytes_ % 8 != 0) continue;
        take(tail_);
        tail_ = 0;
    }
}

Hash128 SipHash128::finish() {
    take(tail_ | bytes_ << 56);
    v_[2] ^= 0xee;
    Hash128 hash;
    for (int i = 0; i < 4; ++i) round();
    hash.low = v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
    v_[1] ^= 0xdd;
    for (int i = 0; i < 4; ++i) round();
    hash.high = v_[0] ^ v_[1] ^ v_[2] ^ v_[3];
    return hash;
}

}  // namespace rivulet
