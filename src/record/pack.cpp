#include "record/pack.h"

#include <limits>

#include "base/crc32c.h"

namespace rivulet::record {

namespace {

std::int64_t wrapping_difference(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

}  // namespace

Pack::Pack(std::uint16_t attributes) : attributes_(attributes) { RIVULET_CHECK((attributes & attribute_compression_mask) == 0); }

Record Pack::record_of(const Reading& reading) const {
    Record record;
    record.timestamp_delta = empty() ? 0 : wrapping_difference(reading.timestamp.value, base_timestamp_.value);
    record.offset_delta = count_;
    record.has_key = reading.has_key;
    record.has_value = reading.has_value;
    record.key = reading.key;
    record.value = reading.value;
    record.headers_raw = reading.headers_raw;
    record.header_count = reading.header_count;
    return record;
}

std::uint64_t Pack::record_size(const Reading& reading) const { return encoded_size(record_of(reading)); }

void Pack::count_in(const Reading& reading, std::size_t bytes) {
    RIVULET_CHECK(count_ < std::numeric_limits<std::int32_t>::max());
    if (empty()) base_timestamp_ = max_timestamp_ = reading.timestamp;
    if (reading.timestamp > max_timestamp_) max_timestamp_ = reading.timestamp;
    body_bytes_ += bytes;
    ++count_;
}

RecordPieces Pack::add(const Reading& reading, std::span<std::uint8_t, record_scratch_bytes> scratch) {
    const RecordPieces pieces = encode_pieces(scratch, record_of(reading));
    for (const Bytes piece : pieces) body_crc_ = crc32c(piece, body_crc_);
    count_in(reading, pieces.total);
    return pieces;
}

bool Pack::add(const Reading& reading, Writer& out) {
    if (!out.ok()) return false;
    const std::size_t before = out.size();
    encode_record(out, record_of(reading));
    if (!out.ok()) {
        out.rewind(before);
        return false;
    }
    const Bytes record = out.written().subspan(before);
    body_crc_ = crc32c(record, body_crc_);
    count_in(reading, record.size());
    return true;
}

BatchHeader Pack::close(Offset base_offset, Epoch leader_epoch) const {
    RIVULET_CHECK(!empty());
    RIVULET_CHECK(bytes() <= 0x7fffffffU);
    BatchHeader header;
    header.base_offset = base_offset;
    header.batch_length = static_cast<std::uint32_t>(bytes() - batch_length_end);
    header.leader_epoch = leader_epoch;
    header.attributes = attributes_;
    header.last_offset_delta = count_ - 1;
    header.base_timestamp = base_timestamp_;
    header.max_timestamp = max_timestamp_;
    header.record_count = count_;
    header.crc = batch_crc(header, body_crc_, body_bytes_);
    return header;
}

}  // namespace rivulet::record
