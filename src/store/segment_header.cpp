#include "store/segment_header.h"

#include <limits>

#include "store/page.h"

namespace rivulet::store {

namespace {

constexpr std::string_view magic = "RVLSEGMT";
constexpr std::size_t segment_count_at = 12;
constexpr std::size_t store_id_at = 16;
constexpr std::size_t sequence_at = 32;
constexpr std::size_t segment_bytes_at = 40;
constexpr std::size_t run_at = 48;
constexpr std::size_t salt_at = 56;
constexpr std::size_t previous_end_at = 64;
constexpr std::size_t checkpoint_area_bytes_at = 72;
constexpr std::size_t group_bytes_max_at = 76;
constexpr std::size_t reserved_at = 80;
static_assert(store_id_at + sizeof(Uuid) == sequence_at && group_bytes_max_at + 4 == reserved_at && reserved_at < page_crc_at);

}  // namespace

void encode_segment_header(const SegmentHeader& header, PageOut page) {
    RIVULET_CHECK(header.geometry.check().ok() && header.sequence >= 1);
    begin_page(page, magic);
    std::uint8_t* const at = page.data();
    store_le(at + segment_count_at, header.geometry.segment_count);
    store_uuid(at + store_id_at, header.geometry.store_id);
    store_le(at + sequence_at, header.sequence);
    store_le(at + segment_bytes_at, header.geometry.segment_bytes);
    store_le(at + run_at, header.run);
    store_le(at + salt_at, header.salt);
    store_le(at + previous_end_at, header.previous_end.value);
    store_le(at + checkpoint_area_bytes_at, header.geometry.checkpoint_area_bytes);
    store_le(at + group_bytes_max_at, header.geometry.group_bytes_max);
    seal_page(page);
}

Result<SegmentHeader> decode_segment_header(PageIn page) {
    RIVULET_TRY(check_page(page, magic));
    const std::uint8_t* const at = page.data();
    SegmentHeader header;
    header.geometry.segment_count = load_le<std::uint32_t>(at + segment_count_at);
    header.geometry.store_id = load_uuid(at + store_id_at);
    header.sequence = load_le<std::uint64_t>(at + sequence_at);
    header.geometry.segment_bytes = load_le<std::uint64_t>(at + segment_bytes_at);
    header.run = load_le<std::uint64_t>(at + run_at);
    header.salt = load_le<std::uint64_t>(at + salt_at);
    header.previous_end = Lsn(load_le<std::uint64_t>(at + previous_end_at));
    header.geometry.checkpoint_area_bytes = load_le<std::uint32_t>(at + checkpoint_area_bytes_at);
    header.geometry.group_bytes_max = load_le<std::uint32_t>(at + group_bytes_max_at);
    RIVULET_TRY(header.geometry.check());
    const std::uint64_t sequence_max = std::numeric_limits<std::uint64_t>::max() / header.geometry.segment_bytes - 1;
    if (header.sequence < 1 || header.sequence > sequence_max) return fail(Error::corrupt, sequence_at);
    if (header.previous_end > header.geometry.first_group(header.sequence)) return fail(Error::corrupt, previous_end_at);
    return header;
}

}  // namespace rivulet::store
