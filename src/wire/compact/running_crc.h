// The running sum of one direction of a connection: CRC-32C over its summed frames, of which each carries the low 16 bits.
// Owns:     four bytes of state.
// Bounds:   no allocation; one pass over the bytes.
// Format:   PROTOCOL.md, section 4. A check never covers itself or an earlier check; the first two bytes of the sum are those of OPEN.
#pragma once

#include "base/bytes.h"
#include "base/crc32c.h"

namespace rivulet::wire::compact {

constexpr std::size_t check_bytes = 2;

class RunningCrc {
public:
    // Off: frames other than OPEN carry no check and are not summed (feature::integrity was not asked for).
    void set_on(bool on) { on_ = on; }
    bool on() const { return on_; }

    void add(Bytes frame_without_check) { crc_ = crc32c(frame_without_check, crc_); }
    std::uint16_t check() const { return static_cast<std::uint16_t>(crc_ & 0xffffU); }

private:
    std::uint32_t crc_ = 0;
    bool on_ = true;
};

}  // namespace rivulet::wire::compact
