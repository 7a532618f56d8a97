// The header of a record batch: decode, check, encode, and the few patches that a stored batch may get.
// Owns:     nothing. Bounds: no allocation; a header is 61 contiguous bytes, the body is never needed here.
// Errors:   check_header: corrupt_batch, invalid_record, batch_too_large, unsupported_compression, invalid_timestamp.
// Thread:   any.
// Format:   Kafka's record batch of magic 2 (KIP-98), big-endian. CRC-32C over everything behind the crc field:
//             0 base_offset      8 | 17 crc                 4 | 43 producer_id    8
//             8 batch_length     4 | 21 attributes          2 | 51 producer_epoch 2
//            12 leader_epoch     4 | 23 last_offset_delta   4 | 53 base_sequence  4
//            16 magic            1 | 27 base_timestamp      8 | 57 record_count   4
//                                  | 35 max_timestamp       8 | 61 records (record.h), or one compressed block of them
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"

namespace rivulet::record {

constexpr std::size_t batch_header_bytes = 61;
// batch_length counts the bytes behind itself: those behind these.
constexpr std::size_t batch_length_end = 12;
// The first byte that the CRC covers.
constexpr std::size_t batch_crc_start = 21;
constexpr std::int8_t batch_magic = 2;

enum class Compression : std::uint8_t { none, gzip, snappy, lz4, zstd };  // 5 to 7 are undefined

constexpr std::uint16_t attribute_compression_mask = 0x0007;
constexpr std::uint16_t attribute_log_append_time = 0x0008;
constexpr std::uint16_t attribute_transactional = 0x0010;
constexpr std::uint16_t attribute_control = 0x0020;
constexpr std::uint16_t attribute_delete_horizon = 0x0040;
// Our own mark on stored batches whose times come from an untrusted clock (DESIGN.md, "Clock"); never on the wire.
constexpr std::uint16_t attribute_clock_untrusted = 0x8000;

// Of a compressed batch, for each byte behind its header: who claims more is refused. What a lost group may have held is bounded by it.
constexpr std::int64_t compressed_records_per_byte_max = 1024;

struct BatchHeader {
    Offset base_offset{0};
    std::uint32_t batch_length = batch_header_bytes - batch_length_end;  // bytes behind this field
    Epoch leader_epoch{-1};
    std::int8_t magic = batch_magic;
    std::uint32_t crc = 0;
    std::uint16_t attributes = 0;
    std::int32_t last_offset_delta = 0;
    Timestamp base_timestamp{-1};
    Timestamp max_timestamp{-1};
    std::int64_t producer_id = -1;
    std::int16_t producer_epoch = -1;
    std::int32_t base_sequence = -1;
    std::int32_t record_count = 0;

    // 12 + batch_length; the largest std::size_t where that does not fit (an unchecked header on a 32-bit machine).
    std::size_t total_bytes() const;
    // Bytes behind the header; 0 if the length is too small for one.
    std::size_t body_bytes() const;
    Offset last_offset() const;  // wraps in an unchecked header
    Compression compression() const { return static_cast<Compression>(attributes & attribute_compression_mask); }
    bool log_append_time() const { return (attributes & attribute_log_append_time) != 0; }
    bool transactional() const { return (attributes & attribute_transactional) != 0; }
    bool control() const { return (attributes & attribute_control) != 0; }
    bool clock_untrusted() const { return (attributes & attribute_clock_untrusted) != 0; }
    // The time of a record: base + delta, or the batch's one time under LogAppendTime. Wraps.
    Timestamp timestamp_of(std::int64_t timestamp_delta) const;

    bool operator==(const BatchHeader&) const = default;
};

// Where a batch comes from: a producer's must be dense, from offset 0 and free of broker-only marks; one from a store or a
// leader may be anywhere, have gaps or no records (compaction), be a control batch.
enum class Origin : std::uint8_t { producer, stored };

// From the first 61 bytes of a batch, whatever they hold. Fewer are a broken invariant.
BatchHeader decode_header(Bytes header);

// What the header alone can tell. bytes_available: the bytes at hand from the batch's first, of which it may use fewer.
// In this order: batch_too_large, bad framing (invalid_record of a producer, else corrupt_batch), magic, then fields that the
// CRC covers, for which corrupt_batch may be the truer answer (validate.h gives it).
Status check_header(const BatchHeader& header, std::size_t bytes_available, std::size_t batch_bytes_max,
                    Origin origin = Origin::stored);
// The two halves of check_header: fields outside the CRC (framing, magic, base offset), and inside.
Status check_framing(const BatchHeader& header, std::size_t bytes_available, std::size_t batch_bytes_max, Origin origin);
Status check_fields(const BatchHeader& header, Origin origin);

// The crc field is written as it is in `header`.
void encode_header(const BatchHeader& header, MutableBytes out);

// Not covered by the CRC.
void patch_base_offset(std::uint8_t* header, Offset base_offset);
void patch_leader_epoch(std::uint8_t* header, Epoch leader_epoch);

// Covered by the CRC, which these repair without the body; what was a wrong CRC stays wrong.
void patch_attributes(MutableBytes header, std::uint16_t attributes);
// Moves base and max timestamp by delta_ms, saturating at 0 and the largest time (-1 = none stays none), and clears the
// untrusted mark: on a copy of a stored header, for serving.
void rebase_timestamps(MutableBytes header, std::int64_t delta_ms);
// KIP-32: sets the type bit and the max timestamp, which is then the time of every record; and the untrusted mark, if `now` is of such a clock.
void stamp_log_append_time(MutableBytes header, Timestamp now, bool clock_untrusted = false);

// The CRC of a batch that lies in several places: update() with the bytes from batch_crc_start on, in order.
class BatchCrc {
public:
    void update(Bytes piece);
    std::uint32_t value() const { return crc_; }

private:
    std::uint32_t crc_ = 0;
};
// The CRC of bytes of that CRC followed by a whole batch, of which the header is at hand and has the right CRC: the body is not looked at. As long as it takes to hash some KiB.
std::uint32_t crc_with_batch(std::uint32_t crc, Bytes header);
// The CRC of a header of these fields followed by a body of that CRC and length.
std::uint32_t batch_crc(const BatchHeader& header, std::uint32_t body_crc, std::size_t body_bytes);

}  // namespace rivulet::record
