// XXH32, the hash in LZ4's frames, over pieces.
// Owns:     its state. Bounds: no allocation. Thread: any.
// Format:   xxHash of seed 0, 32 bits.
#pragma once

#include "base/bytes.h"

namespace rivulet::record {

class Xxh32 {
public:
    void update(Bytes piece);
    std::uint32_t value() const;

private:
    static constexpr std::uint32_t prime1 = 0x9e3779b1U;
    static constexpr std::uint32_t prime2 = 0x85ebca77U;
    static constexpr std::uint32_t prime3 = 0xc2b2ae3dU;
    static constexpr std::uint32_t prime4 = 0x27d4eb2fU;
    static constexpr std::uint32_t prime5 = 0x165667b1U;

    void take_stripe(const std::uint8_t* stripe);

    std::uint32_t lanes_[4] = {prime1 + prime2, prime2, 0, 0U - prime1};
    std::uint8_t rest_[16];
    std::uint32_t total_ = 0;  // of a length beyond 32 bits the low ones count
    bool long_ = false;
};

}  // namespace rivulet::record
