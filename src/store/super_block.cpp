#include "store/super_block.h"

#include "store/page.h"

namespace rivulet::store {

namespace {

constexpr std::string_view magic = "RVLSUPER";
constexpr std::size_t flags_at = 10;
constexpr std::size_t checkpoint_area_bytes_at = 12;
constexpr std::size_t sequence_at = 16;
constexpr std::size_t store_id_at = 24;
constexpr std::size_t segment_bytes_at = 40;
constexpr std::size_t segment_count_at = 48;
constexpr std::size_t group_bytes_max_at = 52;
constexpr std::size_t run_at = 56;
constexpr std::size_t salt_at = 64;
constexpr std::size_t run_start_at = 72;
constexpr std::size_t end_at = 80;
constexpr std::size_t reserved_at = 88;
static_assert(store_id_at + sizeof(Uuid) == segment_bytes_at && end_at + 8 == reserved_at && reserved_at < page_crc_at);

constexpr std::uint16_t flag_clean = 1;

}  // namespace

void encode_super(const SuperBlock& super, PageOut slot) {
    RIVULET_CHECK(super.geometry.check().ok());
    begin_page(slot, magic);
    std::uint8_t* const at = slot.data();
    store_le(at + flags_at, super.clean ? flag_clean : std::uint16_t{0});
    store_le(at + checkpoint_area_bytes_at, super.geometry.checkpoint_area_bytes);
    store_le(at + sequence_at, super.sequence);
    store_uuid(at + store_id_at, super.geometry.store_id);
    store_le(at + segment_bytes_at, super.geometry.segment_bytes);
    store_le(at + segment_count_at, super.geometry.segment_count);
    store_le(at + group_bytes_max_at, super.geometry.group_bytes_max);
    store_le(at + run_at, super.run);
    store_le(at + salt_at, super.salt);
    store_le(at + run_start_at, super.run_start.value);
    store_le(at + end_at, super.end.value);
    seal_page(slot);
}

Result<SuperBlock> decode_super(PageIn slot) {
    RIVULET_TRY(check_page(slot, magic));
    const std::uint8_t* const at = slot.data();
    const auto flags = load_le<std::uint16_t>(at + flags_at);
    if ((flags & ~flag_clean) != 0) return fail(Error::store_newer, flags);
    SuperBlock super;
    super.clean = (flags & flag_clean) != 0;
    super.geometry.checkpoint_area_bytes = load_le<std::uint32_t>(at + checkpoint_area_bytes_at);
    super.sequence = load_le<std::uint64_t>(at + sequence_at);
    super.geometry.store_id = load_uuid(at + store_id_at);
    super.geometry.segment_bytes = load_le<std::uint64_t>(at + segment_bytes_at);
    super.geometry.segment_count = load_le<std::uint32_t>(at + segment_count_at);
    super.geometry.group_bytes_max = load_le<std::uint32_t>(at + group_bytes_max_at);
    super.run = load_le<std::uint64_t>(at + run_at);
    super.salt = load_le<std::uint64_t>(at + salt_at);
    super.run_start = Lsn(load_le<std::uint64_t>(at + run_start_at));
    super.end = Lsn(load_le<std::uint64_t>(at + end_at));
    RIVULET_TRY(super.geometry.check());
    return super;
}

}  // namespace rivulet::store
