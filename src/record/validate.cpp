#include "record/validate.h"

#include <algorithm>

namespace rivulet::record {

namespace {

// The records of a batch one by one, as far as they are plain: in one piece, small, without headers.
class PlainRecords {
public:
    static constexpr std::int64_t delta_max = 1 << 20;  // either way: three bytes of seven bits, zigzag

    explicit PlainRecords(Bytes bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
    // False: the next one is not plain, or not right. What is read behind its end is within the piece, and found out in the end.
    bool next(std::int64_t key_bytes_min) {
        const std::uint8_t* at = at_;
        if (end_ - at < head_bytes_max) return false;
        const std::int64_t length = varint(at);
        if (length <= 0 || length > end_ - at) return false;
        const std::uint8_t* const end = at + length;
        ++at;  // attributes
        timestamp_delta_ = varint(at);
        offset_delta_ = varint(at);
        const std::int64_t key = varint(at);
        if (key < key_bytes_min || bytes_of(key) > end_ - at - varint_bytes_max || timestamp_delta_ == too_long) return false;
        at += bytes_of(key);
        const std::int64_t value = varint(at);
        if (value < -1 || bytes_of(value) != end - at - 1 || end[-1] != 0) return false;
        at_ = end;
        return true;
    }
    std::int64_t timestamp_delta() const { return timestamp_delta_; }
    std::int64_t offset_delta() const { return offset_delta_; }
    // Where the last one ends that was found.
    const std::uint8_t* end() const { return at_; }

private:
    static constexpr std::int64_t varint_bytes_max = 3;
    static constexpr std::int64_t head_bytes_max = 1 + 4 * varint_bytes_max;  // up to the length of the key
    static constexpr std::int64_t too_long = INT64_MIN;                       // more than that, which nothing plain has

    static std::int64_t varint(const std::uint8_t*& at) {
        const std::uint32_t first = at[0];
        if (first < 0x80U) return at += 1, unzigzag(first);
        const std::uint32_t second = at[1];
        if (second < 0x80U) return at += 2, unzigzag((first & 0x7fU) | second << 7);
        const std::uint32_t third = at[2];
        at += varint_bytes_max;
        return third < 0x80U ? unzigzag((first & 0x7fU) | (second & 0x7fU) << 7 | third << 14) : too_long;
    }
    // -1 = null.
    static std::int64_t bytes_of(std::int64_t length) { return length < 0 ? 0 : length; }

    const std::uint8_t* at_;
    const std::uint8_t* end_;
    std::int64_t timestamp_delta_ = 0;
    std::int64_t offset_delta_ = 0;
};

}  // namespace

bool Validator::feed(Bytes piece) {
    if (!framing_.ok()) return false;
    if (piece.size() > options_.framed_bytes - position_) {
        framing_ = fail(Error::invalid_record, static_cast<std::int64_t>(position_));
        return false;
    }
    if (position_ < batch_header_bytes) {
        const std::size_t n = std::min(piece.size(), batch_header_bytes - position_);
        copy(piece.first(n), MutableBytes(header_bytes_).subspan(position_));
        position_ += n;
        piece = piece.subspan(n);
        if (position_ < batch_header_bytes) return true;
        take_header();
        if (!framing_.ok()) return false;
    }
    crc_.update(piece);
    position_ += piece.size();
    if (header_.compression() == Compression::none) take_records(piece);
    return true;
}

void Validator::take_header() {
    header_ = decode_header(header_bytes_);
    framing_ = check_framing(header_, options_.framed_bytes, options_.batch_bytes_max, options_.origin);
    // More than one batch, or bytes that belong to none.
    if (framing_.ok() && header_.total_bytes() != options_.framed_bytes)
        framing_ = fail(Error::invalid_record, header_.batch_length);
    if (!framing_.ok()) return;
    crc_.update(Bytes(header_bytes_).subspan(batch_crc_start));
    fields_ = check_fields(header_, options_.origin);
    if (header_.compression() == Compression::zstd && !options_.zstd_allowed) refuse(Error::unsupported_compression);
    if (header_.compression() != Compression::none && header_.body_bytes() == 0) refuse(Error::invalid_record);
}

bool Validator::records_complete() const {
    if (header_.compression() != Compression::none) return true;
    return records_ == header_.record_count && field_ == Field::length && varint_.between();
}

Status Validator::finish() const {
    if (!framing_.ok()) return framing_;
    if (!has_header() || position_ != options_.framed_bytes)
        return fail(Error::invalid_record, static_cast<std::int64_t>(position_));
    if (crc_.value() != header_.crc) return fail(Error::corrupt_batch, crc_.value());
    if (!fields_.ok()) return fields_;
    if (!records_complete()) return fail(Error::invalid_record, records_);
    return {};
}

// Most records lie in a piece as a whole, are small and have no headers: these at a stroke. What is not plainly right is left to the walk, which judges.
std::size_t Validator::take_plain_records(Bytes piece) {
    // Times that wrap are judged one by one.
    const std::int64_t base = header_.base_timestamp.value;
    if (options_.origin != Origin::producer || base > INT64_MAX - PlainRecords::delta_max || base < INT64_MIN + PlainRecords::delta_max) return 0;
    PlainRecords records(piece);
    const std::int64_t key_bytes_min = options_.key_required ? 0 : -1;
    std::int64_t offset_delta = offset_delta_;
    std::int64_t latest = -PlainRecords::delta_max;
    const std::uint8_t* end = piece.data();
    for (std::int64_t left = header_.record_count - records_; left > 0 && records.next(key_bytes_min) && records.offset_delta() == offset_delta + 1; --left) {
        ++offset_delta;
        latest = std::max(latest, records.timestamp_delta());
        end = records.end();
    }
    if (offset_delta == offset_delta_) return 0;
    max_timestamp_ = std::max(max_timestamp_, header_.timestamp_of(latest));
    records_ += static_cast<std::int32_t>(offset_delta - offset_delta_);
    offset_delta_ = offset_delta;
    return static_cast<std::size_t>(end - piece.data());
}

void Validator::take_records(Bytes piece) {
    while (!piece.empty() && fields_.ok()) {
        if (field_ == Field::length && varint_.between()) {
            if (const std::size_t taken = take_plain_records(piece); taken != 0) {
                piece = piece.subspan(taken);
                continue;
            }
        }
        if (content_left_ != 0) {
            const std::size_t n = std::min(content_left_, piece.size());
            piece = piece.subspan(n);
            content_left_ -= n;
            record_left_ -= n;
            if (content_left_ == 0) after_content();
            continue;
        }
        const std::uint8_t byte = piece.front();
        piece = piece.subspan(1);
        if (field_ != Field::length) {
            if (record_left_ == 0) return refuse(Error::invalid_record);
            --record_left_;
        }
        if (field_ == Field::attributes) {  // mean nothing
            field_ = Field::timestamp_delta;
            continue;
        }
        const VarintWidth width = field_ == Field::timestamp_delta ? VarintWidth::bits64 : VarintWidth::bits32;
        const VarintDecoder::Step step = varint_.push(byte, width);
        if (step == VarintDecoder::Step::bad) return refuse(Error::invalid_record);
        if (step == VarintDecoder::Step::done) take_varint(varint_.value());
    }
}

void Validator::take_varint(std::int64_t value) {
    switch (field_) {
        case Field::length: return start_record(value);
        case Field::timestamp_delta:
            max_timestamp_ = std::max(max_timestamp_, header_.timestamp_of(value));
            field_ = Field::offset_delta;
            return;
        case Field::offset_delta: return take_offset_delta(value);
        case Field::key_length: return take_length(value, Field::key, options_.key_required ? 0 : -1);
        case Field::value_length: return take_length(value, Field::value, -1);
        case Field::header_count:
            // A header takes two bytes at least.
            if (value < 0 || static_cast<std::uint64_t>(value) > record_left_ / 2) return refuse(Error::invalid_record);
            headers_left_ = static_cast<std::int32_t>(value);
            return after_headers();
        case Field::header_key_length: return take_length(value, Field::header_key, 0);
        case Field::header_value_length: return take_length(value, Field::header_value, -1);
        case Field::attributes:
        case Field::key:
        case Field::value:
        case Field::header_key:
        case Field::header_value: break;
    }
    RIVULET_CHECK(false);
}

void Validator::start_record(std::int64_t length) {
    // One that ends behind the batch is found incomplete at the end.
    if (length <= 0 || static_cast<std::uint64_t>(length) > header_.body_bytes() || records_ == header_.record_count)
        return refuse(Error::invalid_record);
    record_left_ = static_cast<std::size_t>(length);
    field_ = Field::attributes;
}

void Validator::take_offset_delta(std::int64_t delta) {
    const bool dense = options_.origin == Origin::producer;
    if (dense ? delta != offset_delta_ + 1 : delta <= offset_delta_ || delta > header_.last_offset_delta)
        return refuse(Error::invalid_record);
    offset_delta_ = delta;
    field_ = Field::key_length;
}

// -1 = null.
void Validator::take_length(std::int64_t value, Field content, std::int64_t smallest) {
    if (value < smallest || value > static_cast<std::int64_t>(record_left_)) return refuse(Error::invalid_record);
    content_left_ = value < 0 ? 0 : static_cast<std::size_t>(value);
    field_ = content;
    if (content_left_ == 0) after_content();
}

void Validator::after_content() {
    switch (field_) {
        case Field::key: field_ = Field::value_length; return;
        case Field::value: field_ = Field::header_count; return;
        case Field::header_key: field_ = Field::header_value_length; return;
        case Field::header_value: --headers_left_; return after_headers();
        default: RIVULET_CHECK(false);
    }
}

void Validator::after_headers() {
    if (headers_left_ > 0) {
        field_ = Field::header_key_length;
    } else if (record_left_ != 0) {
        refuse(Error::invalid_record);
    } else {
        ++records_;
        field_ = Field::length;
    }
}

}  // namespace rivulet::record
