// Checks one batch on arrival, as it comes in pieces of any size.
// Owns:     the header's 61 bytes and a position. Bounds: about 300 bytes, no allocation, one pass over the bytes.
// Errors:   corrupt_batch (CRC), invalid_record, batch_too_large, unsupported_compression, invalid_timestamp.
// Thread:   any, one batch each.
// Format:   batch.h, record.h. The records of a compressed batch stay closed: CRC and header are all that is checked of it.
#pragma once

#include "record/batch.h"
#include "record/varint.h"

namespace rivulet::record {

struct ValidateOptions {
    std::size_t framed_bytes = 0;  // length of the field that holds the batch, which must fill it
    std::size_t batch_bytes_max = 0;
    Origin origin = Origin::producer;
    bool zstd_allowed = true;   // Produce below version 7: false
    bool key_required = false;  // compacted topics; of uncompressed batches alone
};

class Validator {
public:
    explicit Validator(const ValidateOptions& options) : options_(options) {}

    // The next bytes. False once the batch is refused for what its framing says, so that the rest need not be kept; a fault in
    // what the CRC covers waits for finish(), where a wrong CRC has precedence. Never more than framed_bytes.
    bool feed(Bytes piece);
    // The verdict, after the last piece.
    Status finish() const;

    // The header has arrived; it is to be trusted after finish() alone.
    bool has_header() const { return position_ >= batch_header_bytes; }
    const BatchHeader& header() const { return header_; }
    const ValidateOptions& options() const { return options_; }
    // Of the records of an uncompressed batch: producers do not always set the header's field right. -1 = none.
    Timestamp max_timestamp() const { return max_timestamp_; }

private:
    enum class Field : std::uint8_t {
        length, attributes, timestamp_delta, offset_delta, key_length, key, value_length, value,
        header_count, header_key_length, header_key, header_value_length, header_value,
    };

    void take_header();
    bool records_complete() const;
    std::size_t take_plain_records(Bytes piece);
    void take_records(Bytes piece);
    void take_varint(std::int64_t value);
    void take_length(std::int64_t value, Field content, std::int64_t smallest);
    void after_content();
    void after_headers();
    void start_record(std::int64_t length);
    void take_offset_delta(std::int64_t delta);
    void refuse(Error error) { if (fields_.ok()) fields_ = fail(error, static_cast<std::int64_t>(position_)); }

    ValidateOptions options_;
    BatchHeader header_;
    std::uint8_t header_bytes_[batch_header_bytes];
    std::size_t position_ = 0;  // bytes fed
    BatchCrc crc_;
    Status framing_;  // final at once
    Status fields_;   // final unless the CRC is wrong

    Field field_ = Field::length;
    VarintDecoder varint_;
    std::size_t record_left_ = 0;   // bytes of the record behind the current position
    std::size_t content_left_ = 0;  // bytes of the key, value or header at the current position
    std::int32_t records_ = 0;
    std::int32_t headers_left_ = 0;
    std::int64_t offset_delta_ = -1;
    Timestamp max_timestamp_{-1};
};

}  // namespace rivulet::record
