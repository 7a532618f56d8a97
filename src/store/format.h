// Constants of the store's format, shared by writer, recovery, reader and the offline tools.
// Format:   FORMAT.md.
#pragma once

#include <concepts>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "base/uuid.h"

namespace rivulet::store {

constexpr std::uint16_t format_version = 1;
constexpr std::size_t page_bytes = 4096;  // the format's own unit, whatever the pages of machine and flash
constexpr std::size_t super_slots = 2;
constexpr std::size_t super_bytes = super_slots * page_bytes;
constexpr std::uint32_t segment_count_min = 4;
constexpr std::uint64_t segment_bytes_min = 64 * 1024;
constexpr std::uint64_t segment_bytes_max = std::uint64_t{1} << 30;  // positions in a segment fit 32 bits
constexpr LogId control_log{0};
constexpr LogId quorum_log{1};
constexpr LogId first_user_log{16};
constexpr std::size_t lost_record_bytes_min = 7;  // the smallest record (FORMAT.md, section 9, step 4)

// What creation fixed.
struct Geometry {
    Uuid store_id;
    std::uint64_t segment_bytes = 0;
    std::uint32_t segment_count = 0;
    std::uint32_t checkpoint_area_bytes = 0;
    std::uint32_t group_bytes_max = 0;
    bool operator==(const Geometry&) const = default;

    std::uint64_t journal_bytes() const { return segment_bytes * segment_count; }
    std::uint64_t sequence(Lsn lsn) const { return lsn.value / segment_bytes; }
    std::uint64_t position_in_segment(Lsn lsn) const { return lsn.value % segment_bytes; }
    Lsn segment_start(std::uint64_t sequence) const { return Lsn(sequence * segment_bytes); }
    Lsn first_group(std::uint64_t sequence) const { return segment_start(sequence) + page_bytes; }
    // Byte in the file `journal` where this LSN lies.
    std::uint64_t file_position(Lsn lsn) const { return sequence(lsn) % segment_count * segment_bytes + position_in_segment(lsn); }
    // Oldest live segment when `head` is the newest.
    std::uint64_t first_live(std::uint64_t head) const { return head + 2 > segment_count ? head + 2 - segment_count : 1; }
    // Structure only: powers, bounds. corrupt if it cannot be a geometry.
    Status check() const;
};

template <std::unsigned_integral N>
constexpr N page_ceil(N n) {
    return static_cast<N>((n + page_bytes - 1) / page_bytes * page_bytes);
}

}  // namespace rivulet::store
