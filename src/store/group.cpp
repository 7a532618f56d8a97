#include "store/group.h"

#include <limits>

#include "base/crc32c.h"

namespace rivulet::store {

namespace {

constexpr std::string_view magic = "RVLG";
constexpr std::size_t version_at = 4;
constexpr std::size_t flags_at = 5;
constexpr std::size_t salt_at = 8;
constexpr std::size_t lsn_at = 16;
constexpr std::size_t durable_at = 24;
constexpr std::size_t run_start_at = 32;
constexpr std::size_t previous_end_at = 40;
constexpr std::size_t base_timestamp_at = 48;
constexpr std::size_t total_bytes_at = 56;
constexpr std::size_t table_bytes_at = 60;
constexpr std::size_t payload_bytes_at = 64;
constexpr std::size_t extent_count_at = 68;
constexpr std::size_t table_crc_at = 72;
constexpr std::size_t header_crc_at = 76;
static_assert(header_crc_at + 4 == group_header_bytes && group_header_bytes <= page_bytes);

constexpr std::uint8_t flag_run_start = 1;
constexpr std::uint8_t flag_mark = 2;

constexpr std::uint8_t extent_flags_known = extent_packed | extent_relocated | extent_compacted | extent_control |
                                            extent_transactional | extent_clock_untrusted | extent_producers;
// Seven fields of at least one byte and the CRC.
constexpr std::size_t entry_bytes_min = 7 + 4;

constexpr std::uint64_t offset_max = std::numeric_limits<std::int64_t>::max() - 1;  // of a record: the log ends behind it
constexpr std::uint64_t epoch_max = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t u32_max = std::numeric_limits<std::uint32_t>::max();

std::uint32_t salted_crc(std::uint64_t salt, Bytes bytes) {
    std::uint8_t seed[8];
    store_le(seed, salt);
    return crc32c(bytes, crc32c(seed));
}

GroupHeader load(const std::uint8_t* at) {
    GroupHeader header;
    header.run_start = (at[flags_at] & flag_run_start) != 0;
    header.mark = (at[flags_at] & flag_mark) != 0;
    header.salt = load_le<std::uint64_t>(at + salt_at);
    header.lsn = Lsn(load_le<std::uint64_t>(at + lsn_at));
    header.durable = Lsn(load_le<std::uint64_t>(at + durable_at));
    header.run_start_lsn = Lsn(load_le<std::uint64_t>(at + run_start_at));
    header.previous_end = Lsn(load_le<std::uint64_t>(at + previous_end_at));
    header.base_timestamp = Timestamp(load_le<std::int64_t>(at + base_timestamp_at));
    header.total_bytes = load_le<std::uint32_t>(at + total_bytes_at);
    header.table_bytes = load_le<std::uint32_t>(at + table_bytes_at);
    header.payload_bytes = load_le<std::uint32_t>(at + payload_bytes_at);
    header.extent_count = load_le<std::uint32_t>(at + extent_count_at);
    header.table_crc = load_le<std::uint32_t>(at + table_crc_at);
    return header;
}

// Position of the first field that does not fit, or 0.
std::size_t misfit(const GroupHeader& header, Lsn lsn, const Geometry& geometry) {
    if (header.lsn != lsn) return lsn_at;
    const std::uint64_t position = geometry.position_in_segment(lsn);
    if (position < page_bytes || position % page_bytes != 0) return lsn_at;
    const std::uint64_t used = std::uint64_t{group_header_bytes} + header.table_bytes + header.payload_bytes;
    if (header.total_bytes != page_ceil(used)) return total_bytes_at;
    if (header.total_bytes > geometry.group_bytes_max || header.total_bytes > geometry.segment_bytes - page_bytes - position) return total_bytes_at;
    if (header.extent_count > header.table_bytes / entry_bytes_min) return extent_count_at;
    if (header.extent_count == 0 && (header.table_bytes != 0 || header.payload_bytes != 0)) return extent_count_at;
    if (header.durable > lsn) return durable_at;
    // Groups follow each other without a gap; only the first of a segment has its forerunner elsewhere.
    if (header.previous_end > lsn || (header.previous_end != lsn && position != page_bytes)) return previous_end_at;
    // A run begins at the end of the group before it.
    if (header.run_start ? header.run_start_lsn != header.previous_end : header.run_start_lsn >= header.previous_end) return run_start_at;
    return 0;
}

}  // namespace

std::uint32_t table_crc(std::uint64_t salt, Bytes table) { return salted_crc(salt, table); }

void encode_group_header(const GroupHeader& header, std::span<std::uint8_t, group_header_bytes> out) {
    std::memset(out.data(), 0, out.size());
    std::uint8_t* const at = out.data();
    copy(as_bytes(magic), out);
    at[version_at] = static_cast<std::uint8_t>(format_version);
    at[flags_at] = static_cast<std::uint8_t>((header.run_start ? flag_run_start : 0) | (header.mark ? flag_mark : 0));
    store_le(at + salt_at, header.salt);
    store_le(at + lsn_at, header.lsn.value);
    store_le(at + durable_at, header.durable.value);
    store_le(at + run_start_at, header.run_start_lsn.value);
    store_le(at + previous_end_at, header.previous_end.value);
    store_le(at + base_timestamp_at, header.base_timestamp.value);
    store_le(at + total_bytes_at, header.total_bytes);
    store_le(at + table_bytes_at, header.table_bytes);
    store_le(at + payload_bytes_at, header.payload_bytes);
    store_le(at + extent_count_at, header.extent_count);
    store_le(at + table_crc_at, header.table_crc);
    store_le(at + header_crc_at, salted_crc(header.salt, out.first(header_crc_at)));
}

Result<GroupHeader> decode_group_header(Bytes bytes, Lsn lsn, const Geometry& geometry) {
    if (bytes.size() < group_header_bytes || !equal(bytes.first(magic.size()), as_bytes(magic))) return fail(Error::corrupt, 0);
    const std::uint8_t* const at = bytes.data();
    const auto salt = load_le<std::uint64_t>(at + salt_at);
    // The CRC first: a flipped bit is not a newer version.
    if (load_le<std::uint32_t>(at + header_crc_at) != salted_crc(salt, bytes.first(header_crc_at))) return fail(Error::corrupt, header_crc_at);
    if (load_le<std::uint64_t>(at + lsn_at) != lsn.value) return fail(Error::corrupt, lsn_at);
    if (at[version_at] != format_version) return fail(Error::store_newer, at[version_at]);
    if ((at[flags_at] & ~(flag_run_start | flag_mark)) != 0) return fail(Error::store_newer, at[flags_at]);
    const GroupHeader header = load(at);
    if (const std::size_t field = misfit(header, lsn, geometry); field != 0) return fail(Error::corrupt, static_cast<std::int64_t>(field));
    return header;
}

bool Extent::operator==(const Extent& other) const {
    return log == other.log && flags == other.flags && base == other.base && offset_span == other.offset_span && epoch == other.epoch &&
           bytes == other.bytes && max_timestamp == other.max_timestamp && crc == other.crc && boot == other.boot &&
           equal(trailer, other.trailer) && position == other.position;
}

bool TableWriter::add(const Extent& extent, std::uint32_t& crc_at) {
    RIVULET_CHECK(extent.log >= previous_ && extent.bytes > 0 && extent.base.value >= 0 && extent.epoch.value >= 0);
    RIVULET_CHECK((extent.flags & ~extent_flags_known) == 0);
    RIVULET_CHECK(extent.offset_span <= offset_max - static_cast<std::uint64_t>(extent.base.value));
    const std::size_t start = out_.size();
    out_.varint(extent.log - previous_);
    out_.u8(extent.flags);
    out_.varint(static_cast<std::uint64_t>(extent.base.value));
    out_.varint(extent.offset_span);
    out_.varint(static_cast<std::uint64_t>(extent.epoch.value));
    out_.varint(extent.bytes);
    const auto timestamp = static_cast<std::uint64_t>(extent.max_timestamp.value) - static_cast<std::uint64_t>(base_timestamp_.value);
    out_.zigzag_varint(static_cast<std::int64_t>(timestamp));
    const std::size_t crc_position = out_.size();
    out_.le(extent.crc);
    if ((extent.flags & extent_clock_untrusted) != 0) out_.varint(extent.boot);
    if ((extent.flags & extent_packed) != 0) out_.block(extent.trailer);
    if (!out_.ok()) {
        out_.rewind(start);
        return false;
    }
    crc_at = static_cast<std::uint32_t>(crc_position);
    previous_ = extent.log;
    ++count_;
    return true;
}

bool TableReader::refuse(Error error) {
    in_.invalidate();
    error_ = error;
    return false;
}

bool TableReader::next(Extent& out) {
    if (error_ != Error::none) return false;
    if (seen_ == header_.extent_count) {
        if (!in_.at_end() || position_ != header_.payload_bytes) return refuse(Error::corrupt);
        return false;
    }
    out = Extent{};
    const std::uint64_t difference = in_.varint();
    out.flags = in_.u8();
    const std::uint64_t base = in_.varint();
    const std::uint64_t span = in_.varint();
    const std::uint64_t epoch = in_.varint();
    const std::uint64_t bytes = in_.varint();
    const auto timestamp = static_cast<std::uint64_t>(in_.zigzag_varint());
    out.crc = in_.le<std::uint32_t>();
    if (!in_.ok()) return refuse(Error::corrupt);
    if ((out.flags & ~extent_flags_known) != 0) return refuse(Error::store_newer);
    const std::uint64_t boot = (out.flags & extent_clock_untrusted) != 0 ? in_.varint() : 0;
    if ((out.flags & extent_packed) != 0) out.trailer = in_.block();

    if (!in_.ok() || difference > std::numeric_limits<std::uint64_t>::max() - previous_.value) return refuse(Error::corrupt);
    if (base > offset_max || span > u32_max || span > offset_max - base || epoch > epoch_max || boot > u32_max) return refuse(Error::corrupt);
    if (bytes == 0 || bytes > header_.payload_bytes - position_) return refuse(Error::corrupt);
    out.log = previous_ + difference;
    out.base = Offset(static_cast<std::int64_t>(base));
    if (seen_ != 0 && difference == 0 && out.base <= previous_last_) return refuse(Error::corrupt);
    if (out.log == control_log && (base != 0 || span != 0 || epoch != 0 || out.flags != extent_control)) return refuse(Error::corrupt);
    out.offset_span = static_cast<std::uint32_t>(span);
    out.epoch = Epoch(static_cast<std::int32_t>(epoch));
    out.bytes = static_cast<std::uint32_t>(bytes);
    out.max_timestamp = Timestamp(static_cast<std::int64_t>(timestamp + static_cast<std::uint64_t>(header_.base_timestamp.value)));
    out.boot = static_cast<std::uint32_t>(boot);
    out.position = position_;
    position_ += out.bytes;
    previous_ = out.log;
    previous_last_ = out.last();
    ++seen_;
    return true;
}

}  // namespace rivulet::store
