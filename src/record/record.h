// One record of an uncompressed batch body: encode in pieces, read without copying.
// Owns:     nothing; views point into the caller's bytes. Bounds: no allocation.
// Errors:   the readers: invalid_record, once, then they end. Encoding: a record of 2 GiB or more is a broken invariant.
// Thread:   any.
// Format:   varints are zigzag (varint.h); -1 = null:
//             length, attributes (1 byte, 0), timestamp_delta (64 bits), offset_delta, key length, key, value length, value,
//             header count, then per header: key length, key, value length, value.
#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"

namespace rivulet::record {

struct Record {
    std::int64_t timestamp_delta = 0;
    std::int32_t offset_delta = 0;
    bool has_key = false;  // false: null, which is not the same as empty
    bool has_value = false;
    Bytes key;
    Bytes value;
    Bytes headers_raw;  // the encoded headers behind their count
    std::int32_t header_count = 0;
};

struct Header {
    Bytes key;
    bool has_value = false;
    Bytes value;
};

// Bytes behind the length prefix. Asked for with every reading, like encoded_size().
inline std::uint64_t content_size(const Record& record) {
    const auto zigzag_size = [](std::int64_t v) { return std::uint64_t{varint_size(zigzag(v))}; };
    const auto field_size = [zigzag_size](bool present, Bytes bytes) { return present ? zigzag_size(static_cast<std::int64_t>(bytes.size())) + bytes.size() : zigzag_size(-1); };
    return 1 + zigzag_size(record.timestamp_delta) + zigzag_size(record.offset_delta) + field_size(record.has_key, record.key) +
           field_size(record.has_value, record.value) + zigzag_size(record.header_count) + record.headers_raw.size();
}
// Bytes of the record as encoded, its length prefix included; 64 bits, as a caller asks before it knows that the record fits.
inline std::uint64_t encoded_size(std::uint64_t content) { return varint_size(zigzag(static_cast<std::int64_t>(content))) + content; }
inline std::uint64_t encoded_size(const Record& record) { return encoded_size(content_size(record)); }
void encode_record(Writer& out, const Record& record);
// One entry of headers_raw.
void encode_record_header(Writer& out, const Header& header);

// A record as the pieces to be written one behind the other: key, value and headers stay where they are.
constexpr std::size_t record_scratch_bytes = 64;
struct RecordPieces {
    std::array<Bytes, 6> pieces;
    std::size_t count = 0;
    std::size_t total = 0;
    const Bytes* begin() const { return pieces.data(); }
    const Bytes* end() const { return pieces.data() + count; }
    // Of a named object only: in `for (... : encode_pieces(...).all())` the temporary would be gone; iterate over it directly.
    std::span<const Bytes> all() const& { return {pieces.data(), count}; }
    void all() const&& = delete;
};
// The pieces point into `scratch` and the record's views.
RecordPieces encode_pieces(std::span<std::uint8_t, record_scratch_bytes> scratch, const Record& record);

// Over the whole body (behind the 61 bytes) of an uncompressed batch. It accepts what the Validator (validate.h) accepts of
// record structure; the sequence of offset deltas is not checked here.
class RecordReader {
public:
    RecordReader(Bytes body, std::int32_t record_count) : body_(body), left_(record_count) {}

    // Nothing at the end and after an error.
    std::optional<Record> next();
    Error error() const { return error_; }  // invalid_record: damaged, or bytes left behind the last record

private:
    std::optional<Record> refuse() { error_ = Error::invalid_record; return std::nullopt; }

    Bytes body_;
    std::int32_t left_;
    Error error_ = Error::none;
};

// Over headers_raw of a record.
class HeaderReader {
public:
    HeaderReader(Bytes headers_raw, std::int32_t header_count) : raw_(headers_raw), left_(header_count) {}
    explicit HeaderReader(const Record& record) : HeaderReader(record.headers_raw, record.header_count) {}

    std::optional<Header> next();
    Error error() const { return error_; }

private:
    std::optional<Header> refuse() { error_ = Error::invalid_record; return std::nullopt; }

    Bytes raw_;
    std::int32_t left_;
    Error error_ = Error::none;
};

}  // namespace rivulet::record
