#include "record/record.h"

#include "record/varint.h"

namespace rivulet::record {

namespace {

constexpr std::uint64_t record_bytes_max = 0x7fffffff;

std::int64_t length_of(bool present, Bytes bytes) { return present ? static_cast<std::int64_t>(bytes.size()) : -1; }

// The fields in their order, for whoever takes them.
template <class Out>
void write(Out& out, const Record& record, std::uint64_t content) {
    out.zigzag_varint(static_cast<std::int64_t>(content));
    out.u8(0);
    out.zigzag_varint(record.timestamp_delta);
    out.zigzag_varint(record.offset_delta);
    out.zigzag_varint(length_of(record.has_key, record.key));
    if (record.has_key) out.bytes(record.key);
    out.zigzag_varint(length_of(record.has_value, record.value));
    if (record.has_value) out.bytes(record.value);
    out.zigzag_varint(record.header_count);
    out.bytes(record.headers_raw);
}

std::uint64_t checked_content_size(const Record& record) {
    const std::uint64_t content = content_size(record);
    RIVULET_CHECK(content <= record_bytes_max);
    return content;
}

// Into room that was measured. A Writer would look at its room, and reload it, with every field.
class PlainWriter {
public:
    explicit PlainWriter(MutableBytes room) : at_(room.data()) {}
    void u8(std::uint8_t value) { *at_++ = value; }
    void zigzag_varint(std::int64_t value) { at_ = store_varint(at_, zigzag(value)); }
    void bytes(Bytes field) {
        if (!field.empty()) std::memcpy(at_, field.data(), field.size());
        at_ += field.size();
    }

private:
    std::uint8_t* at_;
};

// Numbers go to the scratch, longer fields stay where they are.
class PieceWriter {
public:
    explicit PieceWriter(MutableBytes scratch) : small_(scratch) {}
    void u8(std::uint8_t value) { small_.u8(value); }
    void zigzag_varint(std::int64_t value) { small_.zigzag_varint(value); }
    void bytes(Bytes field) {
        if (field.empty()) return;
        cut();
        append(field);
    }
    RecordPieces finish() {
        cut();
        RIVULET_CHECK(small_.ok());
        return pieces_;
    }

private:
    void cut() {
        if (small_.size() != start_) append(small_.written().subspan(start_));
        start_ = small_.size();
    }
    void append(Bytes piece) {
        pieces_.pieces[pieces_.count++] = piece;
        pieces_.total += piece.size();
    }

    Writer small_;
    std::size_t start_ = 0;
    RecordPieces pieces_;
};

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

RecordPieces encode_pieces(std::span<std::uint8_t, record_scratch_bytes> scratch, const Record& record) {
    PieceWriter out(scratch);
    write(out, record, checked_content_size(record));
    return out.finish();
}

void encode_record(Writer& out, const Record& record) {
    const std::uint64_t content = checked_content_size(record);
    const MutableBytes room = out.claim(static_cast<std::size_t>(encoded_size(content)));
    if (room.empty()) return;
    PlainWriter plain(room);
    write(plain, record, content);
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
