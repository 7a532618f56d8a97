#include "record/batch.h"

#include <limits>

#include "base/crc32c.h"

namespace rivulet::record {

namespace {

constexpr std::size_t at_base_offset = 0;
constexpr std::size_t at_batch_length = 8;
constexpr std::size_t at_leader_epoch = 12;
constexpr std::size_t at_magic = 16;
constexpr std::size_t at_crc = 17;
constexpr std::size_t at_attributes = 21;
constexpr std::size_t at_last_offset_delta = 23;
constexpr std::size_t at_base_timestamp = 27;
constexpr std::size_t at_max_timestamp = 35;
constexpr std::size_t at_producer_id = 43;
constexpr std::size_t at_producer_epoch = 51;
constexpr std::size_t at_base_sequence = 53;
constexpr std::size_t at_record_count = 57;
static_assert(at_batch_length + 4 == batch_length_end && at_attributes == batch_crc_start);
static_assert(at_record_count + 4 == batch_header_bytes);

constexpr std::int64_t time_max = std::numeric_limits<std::int64_t>::max();

std::int64_t wrapping_add(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

std::int64_t move_time(std::int64_t time, std::int64_t delta) {
    if (time < 0) return time;
    if (delta > time_max - time) return time_max;
    return time + delta < 0 ? 0 : time + delta;
}

Bytes covered(Bytes header) { return header.subspan(batch_crc_start, batch_header_bytes - batch_crc_start); }

// Applies a change to the covered part of the header, and to the CRC what that changes: CRCs are linear, so the difference of
// the header's two CRCs, moved past the body, is the difference of the batch's.
template <class Change>
void change_covered(MutableBytes header, Change change) {
    RIVULET_CHECK(header.size() >= batch_header_bytes);
    const std::size_t body_bytes = decode_header(header).body_bytes();
    const std::uint32_t before = crc32c(covered(header));
    change(header.data());
    const std::uint32_t after = crc32c(covered(header));
    const std::uint32_t crc = load_be<std::uint32_t>(header.data() + at_crc);
    store_be(header.data() + at_crc, crc32c_combine(before ^ after, crc, body_bytes));
}

}  // namespace

std::size_t BatchHeader::total_bytes() const {
    const std::uint64_t total = std::uint64_t{batch_length} + batch_length_end;
    constexpr std::size_t largest = std::numeric_limits<std::size_t>::max();
    return total > largest ? largest : static_cast<std::size_t>(total);
}

std::size_t BatchHeader::body_bytes() const {
    constexpr std::size_t behind_length = batch_header_bytes - batch_length_end;
    return batch_length < behind_length ? 0 : batch_length - behind_length;
}

Offset BatchHeader::last_offset() const { return Offset(wrapping_add(base_offset.value, last_offset_delta)); }

Timestamp BatchHeader::timestamp_of(std::int64_t timestamp_delta) const {
    return log_append_time() ? max_timestamp : Timestamp(wrapping_add(base_timestamp.value, timestamp_delta));
}

BatchHeader decode_header(Bytes header) {
    RIVULET_CHECK(header.size() >= batch_header_bytes);
    const std::uint8_t* const at = header.data();
    BatchHeader h;
    h.base_offset = Offset(load_be<std::int64_t>(at + at_base_offset));
    h.batch_length = load_be<std::uint32_t>(at + at_batch_length);
    h.leader_epoch = Epoch(load_be<std::int32_t>(at + at_leader_epoch));
    h.magic = load_be<std::int8_t>(at + at_magic);
    h.crc = load_be<std::uint32_t>(at + at_crc);
    h.attributes = load_be<std::uint16_t>(at + at_attributes);
    h.last_offset_delta = load_be<std::int32_t>(at + at_last_offset_delta);
    h.base_timestamp = Timestamp(load_be<std::int64_t>(at + at_base_timestamp));
    h.max_timestamp = Timestamp(load_be<std::int64_t>(at + at_max_timestamp));
    h.producer_id = load_be<std::int64_t>(at + at_producer_id);
    h.producer_epoch = load_be<std::int16_t>(at + at_producer_epoch);
    h.base_sequence = load_be<std::int32_t>(at + at_base_sequence);
    h.record_count = load_be<std::int32_t>(at + at_record_count);
    return h;
}

void encode_header(const BatchHeader& header, MutableBytes out) {
    RIVULET_CHECK(out.size() >= batch_header_bytes);
    std::uint8_t* const at = out.data();
    store_be(at + at_base_offset, header.base_offset.value);
    store_be(at + at_batch_length, header.batch_length);
    store_be(at + at_leader_epoch, header.leader_epoch.value);
    store_be(at + at_magic, header.magic);
    store_be(at + at_crc, header.crc);
    store_be(at + at_attributes, header.attributes);
    store_be(at + at_last_offset_delta, header.last_offset_delta);
    store_be(at + at_base_timestamp, header.base_timestamp.value);
    store_be(at + at_max_timestamp, header.max_timestamp.value);
    store_be(at + at_producer_id, header.producer_id);
    store_be(at + at_producer_epoch, header.producer_epoch);
    store_be(at + at_base_sequence, header.base_sequence);
    store_be(at + at_record_count, header.record_count);
}

Status check_framing(const BatchHeader& header, std::size_t bytes_available, std::size_t batch_bytes_max, Origin origin) {
    const Error bad_frame = origin == Origin::producer ? Error::invalid_record : Error::corrupt_batch;
    if (header.batch_length < batch_header_bytes - batch_length_end || header.batch_length > 0x7fffffffU)
        return fail(Error::corrupt_batch, header.batch_length);
    if (header.total_bytes() > batch_bytes_max) return fail(Error::batch_too_large, header.batch_length);
    if (header.total_bytes() > bytes_available) return fail(bad_frame, header.batch_length);
    // The message sets of magic 0 and 1 are well formed, but too old.
    if (header.magic == 0 || header.magic == 1) return fail(bad_frame, header.magic);
    if (header.magic != batch_magic) return fail(Error::corrupt_batch, header.magic);
    if (origin == Origin::producer ? header.base_offset.value != 0 : header.base_offset.value < 0)
        return fail(bad_frame, header.base_offset.value);
    return {};
}

Status check_fields(const BatchHeader& header, Origin origin) {
    const std::int64_t offsets = std::int64_t{header.last_offset_delta} + 1;
    if (header.compression() > Compression::zstd) return fail(Error::unsupported_compression, header.attributes);
    if (origin == Origin::stored) {
        if (header.last_offset_delta < 0 || header.record_count < 0 || header.record_count > offsets ||
            header.last_offset() < header.base_offset)
            return fail(Error::invalid_record, header.record_count);
        return {};
    }
    if (header.record_count <= 0 || header.record_count != offsets) return fail(Error::invalid_record, header.record_count);
    if (header.compression() != Compression::none && header.record_count > compressed_records_per_byte_max * static_cast<std::int64_t>(header.body_bytes()))
        return fail(Error::invalid_record, header.record_count);
    if (header.control() || header.clock_untrusted()) return fail(Error::invalid_record, header.attributes);
    if (header.log_append_time()) return fail(Error::invalid_timestamp, header.attributes);
    if (header.producer_id >= 0 && (header.base_sequence < 0 || header.producer_epoch < 0)) return fail(Error::invalid_record, header.base_sequence);
    return {};
}

Status check_header(const BatchHeader& header, std::size_t bytes_available, std::size_t batch_bytes_max, Origin origin) {
    RIVULET_TRY(check_framing(header, bytes_available, batch_bytes_max, origin));
    return check_fields(header, origin);
}

void patch_base_offset(std::uint8_t* header, Offset base_offset) { store_be(header + at_base_offset, base_offset.value); }

void patch_leader_epoch(std::uint8_t* header, Epoch leader_epoch) { store_be(header + at_leader_epoch, leader_epoch.value); }

void patch_attributes(MutableBytes header, std::uint16_t attributes) {
    change_covered(header, [&](std::uint8_t* at) { store_be(at + at_attributes, attributes); });
}

void rebase_timestamps(MutableBytes header, std::int64_t delta_ms) {
    change_covered(header, [&](std::uint8_t* at) {
        const BatchHeader old = decode_header(header);
        store_be(at + at_attributes, static_cast<std::uint16_t>(old.attributes & ~attribute_clock_untrusted));
        store_be(at + at_base_timestamp, move_time(old.base_timestamp.value, delta_ms));
        store_be(at + at_max_timestamp, move_time(old.max_timestamp.value, delta_ms));
    });
}

void stamp_log_append_time(MutableBytes header, Timestamp now, bool clock_untrusted) {
    change_covered(header, [&](std::uint8_t* at) {
        const auto old = load_be<std::uint16_t>(at + at_attributes);
        store_be(at + at_attributes, static_cast<std::uint16_t>(old | attribute_log_append_time | (clock_untrusted ? attribute_clock_untrusted : 0)));
        store_be(at + at_max_timestamp, now.value);
    });
}

void BatchCrc::update(Bytes piece) { crc_ = crc32c(piece, crc_); }

std::uint32_t crc_with_batch(std::uint32_t crc, Bytes header) {
    const BatchHeader fields = decode_header(header);
    return crc32c_combine(crc32c(header.first(batch_crc_start), crc), fields.crc, fields.total_bytes() - batch_crc_start);
}

std::uint32_t batch_crc(const BatchHeader& header, std::uint32_t body_crc, std::size_t body_bytes) {
    std::uint8_t bytes[batch_header_bytes];
    encode_header(header, bytes);
    return crc32c_combine(crc32c(covered(bytes)), body_crc, body_bytes);
}

}  // namespace rivulet::record
