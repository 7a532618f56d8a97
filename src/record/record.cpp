#include "record/record.h"

#include "record/varint.h"

namespace rivulet::record {

namespace {

constexpr std::uint64_t record_bytes_max = 0x7fffffff;

std::size_t zigzag_size(std::int64_t v) { return varint_size(zigzag(v)); }

std::int64_t length_of(bool present, Bytes bytes) { return present ? static_cast<std::int64_t>(bytes.size()) : -1; }

std::uint64_t field_size(bool present, Bytes bytes) {
    return zigzag_size(length_of(present, bytes)) + (present ? std::uint64_t{bytes.size()} : 0);
}

// Bytes behind the length prefix.
std::uint64_t content_size(const Record& r) {
    return 1 + zigzag_size(r.timestamp_delta) + zigzag_size(r.offset_delta) + field_size(r.has_key, r.key) +
           field_size(r.has_value, r.value) + zigzag_size(r.header_count) + std::uint64_t{r.headers_raw.size()};
}

bool take_varint(Bytes& from, VarintWidth width, std::int64_t& value) {
    VarintDecoder decoder;
    while (!from.empty()) {
        const VarintDecoder::Step step = decoder.push(from.front(), width);
        from = from.subspan(1);
        if (step == VarintDecoder::Step::bad) return false;
        if (step == VarintDecoder::Step::done) {
            value = decoder.value();
            return true;
        }
    }
    return false;
}

// A length and as many bytes; null (-1) only where `present` is given.
bool take_field(Bytes& from, bool* present, Bytes& field) {
    std::int64_t length = 0;
    if (!take_varint(from, VarintWidth::bits32, length) || length < (present ? -1 : 0)) return false;
    if (present) *present = length >= 0;
    const std::uint64_t n = length < 0 ? 0 : static_cast<std::uint64_t>(length);
    if (n > from.size()) return false;
    field = from.first(static_cast<std::size_t>(n));
    from = from.subspan(static_cast<std::size_t>(n));
    return true;
}

bool headers_sound(const Record& record) {
    HeaderReader headers(record);
    while (headers.next()) {}
    return headers.error() == Error::none;
}

}  // namespace

std::uint64_t encoded_size(const Record& record) {
    const std::uint64_t content = content_size(record);
    return zigzag_size(static_cast<std::int64_t>(content)) + content;
}

RecordPieces encode_pieces(std::span<std::uint8_t, record_scratch_bytes> scratch, const Record& record) {
    const std::uint64_t content = content_size(record);
    RIVULET_CHECK(content <= record_bytes_max);
    Writer small(scratch);
    RecordPieces out;
    std::size_t start = 0;
    const auto append = [&out](Bytes piece) {
        if (piece.empty()) return;
        out.pieces[out.count++] = piece;
        out.total += piece.size();
    };
    const auto append_small = [&] {
        append(small.written().subspan(start));
        start = small.size();
    };
    small.zigzag_varint(static_cast<std::int64_t>(content));
    small.u8(0);
    small.zigzag_varint(record.timestamp_delta);
    small.zigzag_varint(record.offset_delta);
    small.zigzag_varint(length_of(record.has_key, record.key));
    append_small();
    if (record.has_key) append(record.key);
    small.zigzag_varint(length_of(record.has_value, record.value));
    append_small();
    if (record.has_value) append(record.value);
    small.zigzag_varint(record.header_count);
    append_small();
    append(record.headers_raw);
    RIVULET_CHECK(small.ok());
    return out;
}

void encode_record(Writer& out, const Record& record) {
    std::uint8_t scratch[record_scratch_bytes];
    for (const Bytes piece : encode_pieces(scratch, record)) out.bytes(piece);
}

void encode_record_header(Writer& out, const Header& header) {
    RIVULET_CHECK(header.key.size() <= record_bytes_max && header.value.size() <= record_bytes_max);
    out.zigzag_varint(length_of(true, header.key));
    out.bytes(header.key);
    out.zigzag_varint(length_of(header.has_value, header.value));
    if (header.has_value) out.bytes(header.value);
}

std::optional<Record> RecordReader::next() {
    if (error_ != Error::none) return std::nullopt;
    if (left_ == 0 && body_.empty()) return std::nullopt;
    if (left_ <= 0) return refuse();

    std::int64_t length = 0;
    if (!take_varint(body_, VarintWidth::bits32, length)) return refuse();
    if (length <= 0 || static_cast<std::uint64_t>(length) > body_.size()) return refuse();
    Bytes rest = body_.first(static_cast<std::size_t>(length)).subspan(1);  // behind the attributes, which mean nothing
    body_ = body_.subspan(static_cast<std::size_t>(length));

    Record record;
    std::int64_t offset_delta = 0;
    std::int64_t header_count = 0;
    if (!take_varint(rest, VarintWidth::bits64, record.timestamp_delta)) return refuse();
    if (!take_varint(rest, VarintWidth::bits32, offset_delta)) return refuse();
    if (!take_field(rest, &record.has_key, record.key)) return refuse();
    if (!take_field(rest, &record.has_value, record.value)) return refuse();
    if (!take_varint(rest, VarintWidth::bits32, header_count) || header_count < 0) return refuse();
    record.offset_delta = static_cast<std::int32_t>(offset_delta);
    record.header_count = static_cast<std::int32_t>(header_count);
    record.headers_raw = rest;
    if (!headers_sound(record)) return refuse();
    --left_;
    // What lies behind the last record shows with the next call.
    return record;
}

std::optional<Header> HeaderReader::next() {
    if (error_ != Error::none) return std::nullopt;
    if (left_ == 0 && raw_.empty()) return std::nullopt;
    if (left_ <= 0) return refuse();
    Header header;
    if (!take_field(raw_, nullptr, header.key)) return refuse();
    if (!take_field(raw_, &header.has_value, header.value)) return refuse();
    --left_;
    return header;
}

}  // namespace rivulet::record
