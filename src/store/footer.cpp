#include "store/footer.h"

#include <limits>

#include "base/crc32c.h"

namespace rivulet::store {

namespace {

constexpr std::string_view magic = "RVLFOOTR";
constexpr std::size_t sequence_at = 8;
constexpr std::size_t end_at = 16;
constexpr std::size_t salt_at = 24;
constexpr std::size_t log_count_at = 32;
constexpr std::size_t body_bytes_at = 36;
constexpr std::size_t body_crc_at = 40;
constexpr std::size_t flags_at = 44;
constexpr std::size_t reserved_at = 45;
constexpr std::size_t tail_crc_at = 60;
static_assert(reserved_at + 15 == tail_crc_at && tail_crc_at + 4 == footer_tail_bytes);

constexpr std::uint8_t tail_flag_partial = 1;
constexpr std::uint8_t flag_clock_untrusted = 1;
constexpr std::size_t entry_bytes_min = 10;  // ten fields of at least one byte
constexpr std::size_t aborted_bytes_min = 3;
static_assert(2 * varint_bytes_max + 3 * 5 + 4 * varint_bytes_max + 1 <= footer_entry_bytes_max);

constexpr std::uint64_t offset_max = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t u32_max = std::numeric_limits<std::uint32_t>::max();

}  // namespace

bool FooterWriter::add(const FooterEntry& entry) {
    RIVULET_CHECK(entry.log > previous_ && entry.first.value >= 0 && entry.last >= entry.first && entry.extents > 0);
    const std::size_t start = out_.size();
    out_.varint(entry.log - previous_);
    out_.varint(static_cast<std::uint64_t>(entry.first.value));
    out_.varint(static_cast<std::uint64_t>(entry.last - entry.first));
    out_.varint(entry.extents);
    out_.varint(entry.bytes);
    out_.varint(entry.page);
    out_.zigzag_varint(entry.min_timestamp.value);
    const auto width = static_cast<std::uint64_t>(entry.max_timestamp.value) - static_cast<std::uint64_t>(entry.min_timestamp.value);
    out_.zigzag_varint(static_cast<std::int64_t>(width));
    out_.u8(entry.clock_untrusted ? flag_clock_untrusted : 0);
    out_.varint(0);  // aborted ranges
    if (!out_.ok() || page_ceil(out_.size() + footer_tail_bytes) > out_.buffer().size()) {
        out_.rewind(start);
        return false;
    }
    previous_ = entry.log;
    ++count_;
    return true;
}

Bytes FooterWriter::finish(std::uint64_t sequence, Lsn end, std::uint64_t salt, bool partial) {
    const std::size_t body_bytes = out_.size();
    const std::size_t room = page_ceil(body_bytes + footer_tail_bytes);
    RIVULET_CHECK(room <= out_.buffer().size());
    std::uint8_t* const start = out_.buffer().data();
    std::uint8_t* const tail = start + room - footer_tail_bytes;
    std::memmove(tail - body_bytes, start, body_bytes);
    std::memset(start, 0, static_cast<std::size_t>(tail - body_bytes - start));
    std::memset(tail, 0, footer_tail_bytes);
    copy(as_bytes(magic), {tail, magic.size()});
    store_le(tail + sequence_at, sequence);
    store_le(tail + end_at, end.value);
    store_le(tail + salt_at, salt);
    store_le(tail + log_count_at, count_);
    store_le(tail + body_bytes_at, static_cast<std::uint32_t>(body_bytes));
    store_le(tail + body_crc_at, crc32c({tail - body_bytes, body_bytes}));
    tail[flags_at] = partial ? tail_flag_partial : 0;
    store_le(tail + tail_crc_at, crc32c({tail, tail_crc_at}));
    return {start, room};
}

Result<FooterTail> decode_footer_tail(Bytes last_64_bytes, std::uint64_t sequence, const Geometry& geometry) {
    if (last_64_bytes.size() != footer_tail_bytes) return fail(Error::corrupt);
    const std::uint8_t* const at = last_64_bytes.data();
    if (!equal(last_64_bytes.first(magic.size()), as_bytes(magic))) return fail(Error::corrupt, 0);
    if (load_le<std::uint32_t>(at + tail_crc_at) != crc32c({at, tail_crc_at})) return fail(Error::corrupt, tail_crc_at);
    FooterTail tail;
    tail.sequence = load_le<std::uint64_t>(at + sequence_at);
    tail.end = Lsn(load_le<std::uint64_t>(at + end_at));
    tail.salt = load_le<std::uint64_t>(at + salt_at);
    tail.log_count = load_le<std::uint32_t>(at + log_count_at);
    tail.body_bytes = load_le<std::uint32_t>(at + body_bytes_at);
    tail.body_crc = load_le<std::uint32_t>(at + body_crc_at);
    if (tail.sequence != sequence) return fail(Error::corrupt, sequence_at);
    if (geometry.sequence(tail.end) != sequence || tail.end.value % page_bytes != 0) return fail(Error::corrupt, end_at);
    const std::uint64_t groups_end = geometry.position_in_segment(tail.end);
    if (groups_end < page_bytes || groups_end > geometry.segment_bytes - page_bytes) return fail(Error::corrupt, end_at);
    if (tail.body_bytes > geometry.segment_bytes - footer_tail_bytes - groups_end) return fail(Error::corrupt, body_bytes_at);
    if (tail.log_count > tail.body_bytes / entry_bytes_min) return fail(Error::corrupt, log_count_at);
    if ((at[flags_at] & ~tail_flag_partial) != 0) return fail(Error::corrupt, flags_at);
    tail.partial = (at[flags_at] & tail_flag_partial) != 0;
    tail.end_page = static_cast<std::uint32_t>(groups_end / page_bytes);
    return tail;
}

FooterReader::FooterReader(const FooterTail& tail, Bytes body) : in_(body), left_(tail.log_count), end_page_(tail.end_page) {
    if (body.size() != tail.body_bytes || crc32c(body) != tail.body_crc) error_ = Error::corrupt;
}

bool FooterReader::refuse() {
    error_ = Error::corrupt;
    return false;
}

bool FooterReader::next(FooterEntry& out) {
    if (error_ != Error::none) return false;
    if (left_ == 0) return in_.at_end() ? false : refuse();
    const std::uint64_t difference = in_.varint();
    const std::uint64_t first = in_.varint();
    const std::uint64_t span = in_.varint();
    const std::uint64_t extents = in_.varint();
    const std::uint64_t bytes = in_.varint();
    const std::uint64_t page = in_.varint();
    const std::int64_t min_timestamp = in_.zigzag_varint();
    const auto width = static_cast<std::uint64_t>(in_.zigzag_varint());
    const std::uint8_t flags = in_.u8();
    std::uint64_t aborted = in_.varint();
    if (!in_.ok() || aborted > in_.remaining() / aborted_bytes_min) return refuse();
    for (; aborted != 0; --aborted) {
        in_.zigzag_varint();
        in_.varint();
        in_.varint();
    }
    if (!in_.ok() || difference == 0 || difference > std::numeric_limits<std::uint64_t>::max() - previous_.value) return refuse();
    if (first > offset_max || span > offset_max - first || extents == 0 || extents > u32_max || bytes > u32_max) return refuse();
    if (page == 0 || page >= end_page_ || (flags & ~flag_clock_untrusted) != 0) return refuse();
    out.log = previous_ + difference;
    out.first = Offset(static_cast<std::int64_t>(first));
    out.last = out.first + static_cast<std::int64_t>(span);
    out.extents = static_cast<std::uint32_t>(extents);
    out.bytes = static_cast<std::uint32_t>(bytes);
    out.page = static_cast<std::uint32_t>(page);
    out.min_timestamp = Timestamp(min_timestamp);
    out.max_timestamp = Timestamp(static_cast<std::int64_t>(static_cast<std::uint64_t>(min_timestamp) + width));
    out.clock_untrusted = (flags & flag_clock_untrusted) != 0;
    previous_ = out.log;
    --left_;
    return true;
}

}  // namespace rivulet::store
