#include "record/batch_decoder.h"

#include "record/varint.h"

namespace rivulet::record {

namespace {

enum class Taken : std::uint8_t { done, more, bad };

Taken take_varint(Bytes& from, VarintWidth width, std::int64_t& value) {
    VarintDecoder decoder;
    while (!from.empty()) {
        const VarintDecoder::Step step = decoder.push(from.front(), width);
        from = from.subspan(1);
        if (step == VarintDecoder::Step::bad) return Taken::bad;
        if (step == VarintDecoder::Step::done) {
            value = decoder.value();
            return Taken::done;
        }
    }
    return Taken::more;
}

}  // namespace

void BatchDecoder::begin(const BatchHeader& header, What what, std::uint64_t content_bytes_max) {
    header_ = header;
    what_ = what;
    input_ = content_ = {};
    input_left_ = header.body_bytes();
    skip_ = 0;
    records_ = 0;
    last_delta_ = -1;
    ended_ = false;
    error_ = header.record_count < 0 ? Error::invalid_record : Error::none;
    if (const Status status = decompressor_.begin(header.compression(), input_left_, content_bytes_max); !status) error_ = status.error();
}

void BatchDecoder::feed(Bytes piece) {
    RIVULET_CHECK(input_.empty() || error_ != Error::none);
    if (piece.size() > input_left_) refuse(Error::invalid_record);
    else input_left_ -= piece.size();
    input_ = piece;
}

std::optional<DecodedRecord> BatchDecoder::next() {
    while (error_ == Error::none && !ended_) {
        const std::size_t skipped = skip_ < content_.size() ? static_cast<std::size_t>(skip_) : content_.size();
        content_ = content_.subspan(skipped);
        skip_ -= skipped;
        if (records_ < header_.record_count) {
            DecodedRecord found;
            const Got got = take(found);
            if (got == Got::record) return found;
            if (got == Got::bad) return refuse(Error::invalid_record);
        } else if (!content_.empty()) {
            return refuse(Error::invalid_record);  // behind the last record
        }
        if (!more_content()) break;
    }
    return std::nullopt;
}

// The one at the front of the content, and moves behind it.
BatchDecoder::Got BatchDecoder::take(DecodedRecord& out) {
    Bytes rest = content_;
    std::int64_t length = 0;
    const Taken taken = take_varint(rest, VarintWidth::bits32, length);
    if (taken == Taken::more) return Got::more;
    if (taken == Taken::bad || length <= 0) return Got::bad;
    const auto size = static_cast<std::uint64_t>(length);
    const bool whole = size <= rest.size();
    if (what_ == What::records) {
        if (!whole) return Got::more;
        out.raw = content_.first(content_.size() - rest.size() + static_cast<std::size_t>(size));
        RecordReader reader(out.raw, 1);
        const auto record = reader.next();
        if (!record) return Got::bad;
        out.record = *record;
        content_ = content_.subspan(out.raw.size());
    } else {
        const Bytes all = whole ? rest.first(static_cast<std::size_t>(size)) : rest;
        Bytes fields = all.subspan(all.empty() ? 0 : 1);  // behind the attributes, which mean nothing
        const Taken cut = whole ? Taken::bad : Taken::more;
        std::int64_t offset_delta = 0;
        Taken field = take_varint(fields, VarintWidth::bits64, out.record.timestamp_delta);
        if (field == Taken::done) field = take_varint(fields, VarintWidth::bits32, offset_delta);
        if (field == Taken::more) field = cut;
        if (field != Taken::done) return field == Taken::bad ? Got::bad : Got::more;
        out.record.offset_delta = static_cast<std::int32_t>(offset_delta);
        content_ = rest.subspan(all.size());
        skip_ = size - all.size();
    }
    if (out.record.offset_delta <= last_delta_ || out.record.offset_delta > header_.last_offset_delta) return Got::bad;
    last_delta_ = out.record.offset_delta;
    ++records_;
    out.offset = header_.base_offset + last_delta_;
    out.time = header_.timestamp_of(out.record.timestamp_delta);
    return Got::record;
}

// False: it ends here, for now or for good.
bool BatchDecoder::more_content() {
    const std::size_t keep = content_.size();
    const Result<Bytes> more = decompressor_.next(input_, keep);
    if (!more) return refuse(more.error()), false;
    content_ = Bytes(more->data() - keep, keep + more->size());  // what was kept may have moved
    if (!more->empty()) return true;
    if (input_left_ != 0) return false;
    if (records_ < header_.record_count || skip_ != 0 || !decompressor_.complete()) refuse(Error::invalid_record);
    else ended_ = true;
    return false;
}

}  // namespace rivulet::record
