// A 128-bit identifier (RFC 9562): of a store, a topic. All zero = none.
// Bounds:   16 raw bytes on flash and wire, in the order of the text form.
#pragma once

#include <array>

#include "base/text.h"

namespace rivulet {

struct Uuid {
    std::array<std::uint8_t, 16> bytes{};
    bool operator==(const Uuid&) const = default;
    bool is_nil() const { return *this == Uuid{}; }
};

// Makes 16 bytes of entropy a version 4 UUID.
inline Uuid uuid_from_random(std::array<std::uint8_t, 16> random) {
    random[6] = static_cast<std::uint8_t>((random[6] & 0x0fU) | 0x40U);
    random[8] = static_cast<std::uint8_t>((random[8] & 0x3fU) | 0x80U);
    return {random};
}

inline Text& operator<<(Text& out, const Uuid& uuid) {
    for (std::size_t i = 0; i < 16; ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) out << '-';
        out.hex(uuid.bytes[i], 2);
    }
    return out;
}

}  // namespace rivulet
