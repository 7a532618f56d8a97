// Builds one batch out of single readings, without holding its bytes: the caller keeps 61 bytes free for the header, appends
// the pieces of each record, and at last writes the header.
// Owns:     the header fields and a running CRC. Bounds: about 40 bytes, no allocation; a batch of 2^31 - 1 records.
// Errors:   none; the caller holds the batch under its limit by asking size_with() first.
// Thread:   any. Format: uncompressed batch, offset deltas 0, 1, 2...; base timestamp = that of the first record.
#pragma once

#include "record/batch.h"
#include "record/record.h"

namespace rivulet::record {

// One reading to be packed.
struct Reading {
    Timestamp timestamp{-1};  // -1 = none
    bool has_key = false;
    bool has_value = true;
    Bytes key;
    Bytes value;
    Bytes headers_raw;  // see record.h
    std::int32_t header_count = 0;
};

class Pack {
public:
    // attributes: those of the batch to be, such as attribute_clock_untrusted; no compression.
    explicit Pack(std::uint16_t attributes = 0);

    std::int32_t count() const { return count_; }
    bool empty() const { return count_ == 0; }
    Timestamp base_timestamp() const { return base_timestamp_; }
    Timestamp max_timestamp() const { return max_timestamp_; }
    std::uint16_t attributes() const { return attributes_; }
    // Bytes of the batch so far, header included.
    std::size_t bytes() const { return batch_header_bytes + body_bytes_; }
    // Bytes that the reading would add; and of the batch with it.
    std::uint64_t record_size(const Reading& reading) const;
    std::uint64_t size_with(const Reading& reading) const { return bytes() + record_size(reading); }

    // Takes the reading in: the pieces, valid as long as `scratch` and the reading's views, are to be appended to the body.
    RecordPieces add(const Reading& reading, std::span<std::uint8_t, record_scratch_bytes> scratch);
    // The same into contiguous memory; false, and nothing changed, if it does not fit.
    bool add(const Reading& reading, Writer& out);

    // The header of a non-empty batch, with its CRC. The Pack may go on: a later close() covers more records.
    BatchHeader close(Offset base_offset = Offset(0), Epoch leader_epoch = Epoch(-1)) const;
    // Starts over with an empty batch.
    void clear(std::uint16_t attributes = 0) { *this = Pack(attributes); }

private:
    Record record_of(const Reading& reading) const;
    void count_in(const Reading& reading, std::size_t bytes);

    std::uint16_t attributes_;
    std::int32_t count_ = 0;
    Timestamp base_timestamp_{-1};
    Timestamp max_timestamp_{-1};
    std::size_t body_bytes_ = 0;
    std::uint32_t body_crc_ = 0;
};

}  // namespace rivulet::record
