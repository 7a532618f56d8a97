// The first page of a segment.
// Errors:   corrupt, store_newer.  Format: FORMAT.md, section 3.
#pragma once

#include "store/format.h"

namespace rivulet::store {

struct SegmentHeader {
    Geometry geometry;
    std::uint64_t sequence = 0;
    std::uint64_t run = 0;
    std::uint64_t salt = 0;
    Lsn previous_end;
    bool operator==(const SegmentHeader&) const = default;
};

void encode_segment_header(const SegmentHeader& header, std::span<std::uint8_t, page_bytes> page);
Result<SegmentHeader> decode_segment_header(std::span<const std::uint8_t, page_bytes> page);

}  // namespace rivulet::store
