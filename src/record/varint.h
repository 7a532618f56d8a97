// One zigzag varint of a record, byte by byte: fields may be cut anywhere by the pieces in which a batch lies.
// Owns:     its state. Bounds: at most 5 bytes for a 32-bit field and 10 for a 64-bit one.
// Errors:   a longer form, or bits beyond the field, is `bad`. Padded forms are read, as Kafka's own reader does.
// Thread:   any. Format: as in Protocol Buffers (sint32, sint64).
#pragma once

#include "base/bytes.h"

namespace rivulet::record {

enum class VarintWidth : std::uint8_t { bits32, bits64 };

class VarintDecoder {
public:
    enum class Step : std::uint8_t { more, done, bad };

    // After `done`, value() holds until the next push(), which starts the next varint.
    Step push(std::uint8_t byte, VarintWidth width) {
        if (shift_ == 0) bits_ = 0;
        const bool wide = width == VarintWidth::bits64;
        const std::uint64_t group = byte & 0x7fU;
        const bool last = shift_ == (wide ? 63U : 28U);
        if (last && ((byte & 0x80U) != 0 || group > (wide ? 0x01U : 0x0fU))) return Step::bad;
        bits_ |= group << shift_;
        if ((byte & 0x80U) != 0) { shift_ += 7; return Step::more; }
        shift_ = 0;
        return Step::done;
    }
    std::int64_t value() const { return unzigzag(bits_); }
    bool between() const { return shift_ == 0; }  // not within a varint

private:
    std::uint64_t bits_ = 0;
    unsigned shift_ = 0;
};

}  // namespace rivulet::record
