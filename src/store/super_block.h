// The file `super`: identity, geometry, the run, the clean mark.
// Errors:   corrupt (magic, CRC, geometry), store_newer (version).
// Format:   FORMAT.md, section 2.
#pragma once

#include "store/format.h"

namespace rivulet::store {

struct SuperBlock {
    Geometry geometry;
    std::uint64_t sequence = 0;
    bool clean = false;
    std::uint64_t run = 0;
    std::uint64_t salt = 0;
    Lsn run_start;
    Lsn end;  // all below is proved; of the journal, if clean
    bool operator==(const SuperBlock&) const = default;
};

void encode_super(const SuperBlock& super, std::span<std::uint8_t, page_bytes> slot);
Result<SuperBlock> decode_super(std::span<const std::uint8_t, page_bytes> slot);

}  // namespace rivulet::store
