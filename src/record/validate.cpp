#include "record/validate.h"

#include <algorithm>

namespace rivulet::record {

namespace {

// Varints of up to four bytes from a span that ends behind them; ok() is false once one is longer or not there.
class ShortVarints {
public:
    explicit ShortVarints(Bytes bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}
    std::int64_t next() {
        if (end_ - at_ >= 2) [[likely]] {
            const std::uint32_t first = at_[0], second = at_[1];
            if (first < 0x80U) return ++at_, unzigzag(first);
            if (second < 0x80U) return at_ += 2, unzigzag((first & 0x7fU) | second << 7);
        }
        std::uint32_t bits = 0;
        for (unsigned shift = 0; shift < 28 && at_ != end_; shift += 7) {
            const std::uint32_t byte = *at_++;
            bits |= (byte & 0x7fU) << shift;
            if (byte < 0x80U) return unzigzag(bits);
        }
        ok_ = false;
        return 0;
    }
    // Behind a content of that length; -1 = null.
    void pass(std::int64_t length, std::int64_t smallest) {
        ok_ &= length >= smallest && length <= end_ - at_;
        if (ok_ && length > 0) at_ += length;
    }
    // The next bytes are the record's, so many.
    void enter(std::int64_t length) {
        ok_ &= length > 0 && length <= end_ - at_;
        if (ok_) end_ = at_ + length;
    }
    bool ok() const { return ok_; }
    // The last byte is to come, and is that.
    bool ends_with(std::uint8_t byte) const { return end_ - at_ == 1 && *at_ == byte; }
    const std::uint8_t* end() const { return end_; }

private:
    const std::uint8_t* at_;
    const std::uint8_t* end_;
    bool ok_ = true;
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

void Validator::take_records(Bytes piece) {
    // Most records lie in a piece as a whole, are small and have no headers: these at a stroke. What is not plainly right is left to the walk below, which judges.
    const auto take_plain_record = [&] {
        if (records_ == header_.record_count || options_.origin != Origin::producer) return false;
        ShortVarints in(piece);
        in.enter(in.next());
        in.pass(1, 1);  // attributes
        const std::int64_t timestamp_delta = in.next();
        const std::int64_t offset_delta = in.next();
        in.pass(in.next(), options_.key_required ? 0 : -1);
        in.pass(in.next(), -1);
        if (!in.ok() || !in.ends_with(0) || offset_delta != offset_delta_ + 1) return false;
        max_timestamp_ = std::max(max_timestamp_, header_.timestamp_of(timestamp_delta));
        offset_delta_ = offset_delta;
        ++records_;
        piece = piece.subspan(static_cast<std::size_t>(in.end() - piece.data()));
        return true;
    };
    while (!piece.empty() && fields_.ok()) {
        if (field_ == Field::length && varint_.between() && take_plain_record()) continue;
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
