#include "wire/compact/put_state.h"

namespace rivulet::wire::compact {

namespace {

bool is_summed(const RunningCrc& sum) { return sum.on(); }

std::uint8_t attributes_of(const Reading& reading) {
    unsigned attributes = 0;
    if (reading.has_key) attributes |= attribute::key;
    if (!reading.headers.empty()) attributes |= attribute::headers;
    if (!reading.has_value) attributes |= attribute::null_value;
    return static_cast<std::uint8_t>(attributes);
}

std::uint8_t put_flags(bool same_alias, bool stamped, std::uint8_t attributes) {
    unsigned flags = 0;
    if (same_alias) flags |= flag::put_same_alias;
    if (!stamped) flags |= flag::put_unstamped;
    if (attributes != 0) flags |= flag::put_attributes;
    return static_cast<std::uint8_t>(flags);
}

std::size_t block_bytes(std::size_t n) { return varint_size(n) + n; }

// All of a reading but its value.
std::size_t reading_head_bytes(const Reading& reading, std::int64_t change) {
    std::size_t n = 0;
    if (reading.stamped) n += varint_size(zigzag(change));
    if (reading.has_key) n += block_bytes(reading.key.size());
    if (!reading.headers.empty()) n += varint_size(reading.headers.size()) + reading.headers.encoded().size();
    return n;
}

void write_reading_head(Writer& body, const Reading& reading, std::int64_t change) {
    if (reading.stamped) body.zigzag_varint(change);
    if (reading.has_key) body.block(reading.key);
    if (!reading.headers.empty()) {
        body.varint(reading.headers.size());
        body.bytes(reading.headers.encoded());
    }
}

}  // namespace

// The private side of PutState, for encoders and decoders alike.
class PutCodec {
public:
    static bool same_alias(const PutState& state, std::uint64_t alias) { return state.alias_known_ && state.alias_ == alias; }
    static const TimeCode& time(const PutState& state) { return state.time_; }
    static void sent_or_received(PutState& state, std::uint64_t alias, std::size_t frame_bytes, std::size_t readings, const TimeCode& time) {
        RIVULET_CHECK(frame_bytes <= state.credit_);
        state.credit_ -= frame_bytes;
        state.sequence_next_ += readings;
        state.alias_ = alias;
        state.alias_known_ = true;
        state.time_ = time;
    }
    static void acked(PutState& state, std::uint64_t sequence) { state.acked_ = sequence; }
    static Result<Puts> decode(const FrameView& frame, PutState& state);

private:
    static bool read_form(Reader& body, std::uint8_t flags, Readings& readings);
    static bool walk(Reader& body, Readings& readings, TimeCode& time);
};

Header Header::read(Reader& from) {
    Header header;
    const std::int64_t key_bytes = from.zigzag_varint();
    if (key_bytes < 0 || key_bytes > INT32_MAX) from.invalidate();
    header.key = as_text(from.bytes(static_cast<std::uint64_t>(key_bytes)));
    const std::int64_t value_bytes = from.zigzag_varint();
    if (value_bytes < -1 || value_bytes > INT32_MAX) from.invalidate();
    header.has_value = value_bytes >= 0;
    if (header.has_value) header.value = from.bytes(static_cast<std::uint64_t>(value_bytes));
    return header;
}

List<Header> encode_headers(Writer& out, std::span<const Header> headers) {
    const std::size_t start = out.size();
    for (const Header& header : headers) {
        out.zigzag_varint(static_cast<std::int64_t>(header.key.size()));
        out.bytes(as_bytes(header.key));
        out.zigzag_varint(header.has_value ? static_cast<std::int64_t>(header.value.size()) : -1);
        if (header.has_value) out.bytes(header.value);
    }
    if (!out.ok()) return {};
    return List<Header>::over(out.written().subspan(start), headers.size());
}

PutState::PutState(const Open& open) : sequence_next_(open.base_sequence), acked_(open.base_sequence - 1), time_(open.base_time) {}

void PutState::grant(std::uint64_t credit) {
    credit_ = credit <= UINT64_MAX - credit_ ? credit_ + credit : UINT64_MAX;
}

std::size_t put_frame_bytes(const RunningCrc& sum, const PutState& state, std::uint64_t alias, const Reading& reading) {
    std::size_t n = 1;
    if (!PutCodec::same_alias(state, alias)) n += varint_size(alias);
    if (attributes_of(reading) != 0) n += 1;
    n += reading_head_bytes(reading, PutCodec::time(state).change_to(reading.time));
    if (reading.has_value) n += reading.value.size();
    if (is_summed(sum)) n += check_bytes;
    return varint_size(n) + n;
}

Status encode_put(Writer& out, RunningCrc& sum, PutState& state, std::uint64_t alias, const Reading& reading) {
    const std::size_t frame_bytes = put_frame_bytes(sum, state, alias, reading);
    if (frame_bytes > state.credit()) return fail(Error::credit_exceeded);
    if (!out.ok() || frame_bytes > out.room()) return fail(Error::busy);

    const std::size_t start = out.size();
    TimeCode time = PutCodec::time(state);
    const std::int64_t change = time.change_to(reading.time);
    const bool same = PutCodec::same_alias(state, alias);
    const std::uint8_t attributes = attributes_of(reading);
    FrameEncoder frame(out, Kind::put, put_flags(same, reading.stamped, attributes));
    Writer& body = frame.body();
    if (!same) body.varint(alias);
    if (attributes != 0) body.u8(attributes);
    write_reading_head(body, reading, change);
    if (reading.has_value) body.bytes(reading.value);
    frame.finish(sum);
    RIVULET_CHECK(out.ok() && out.size() - start == frame_bytes);
    if (reading.stamped) time.advance(change);
    PutCodec::sent_or_received(state, alias, frame_bytes, 1, time);
    return {};
}

PackedPutEncoder::PackedPutEncoder(Writer& out, RunningCrc& sum, PutState& state, std::uint64_t alias, std::size_t frame_bytes_max)
    : out_(out), sum_(sum), state_(state), alias_(alias), start_(out.size()), out_was_ok_(out.ok()),
      frame_bytes_max_(frame_bytes_max), frame_(out, Kind::put_packed), time_(PutCodec::time(state)) {
    if (state.credit() < frame_bytes_max_) frame_bytes_max_ = static_cast<std::size_t>(state.credit());
    const std::size_t room = out.buffer().size() - start_;
    if (room < frame_bytes_max_) frame_bytes_max_ = room;
    const std::size_t check = is_summed(sum) ? check_bytes : 0;
    frame_bytes_max_ -= check < frame_bytes_max_ ? check : frame_bytes_max_;
}

void PackedPutEncoder::write_start(const Reading& reading) {
    stamped_ = reading.stamped;
    attributes_ = attributes_of(reading);
    const bool same = PutCodec::same_alias(state_, alias_);
    frame_.set_flags(put_flags(same, stamped_, attributes_));
    if (!same) out_.varint(alias_);
    if (attributes_ != 0) out_.u8(attributes_);
}

bool PackedPutEncoder::add(const Reading& reading) {
    if (!out_.ok() || (!reading.has_value && !reading.has_key)) return false;
    if (count_ != 0 && (reading.stamped != stamped_ || attributes_of(reading) != attributes_)) return false;
    const std::size_t before = out_.size();
    if (count_ == 0) write_start(reading);
    const std::int64_t change = time_.change_to(reading.time);
    write_reading_head(out_, reading, change);
    if (reading.has_value) out_.block(reading.value);
    // The length prefix grows with the check: both counted.
    const std::size_t check = is_summed(sum_) ? check_bytes : 0;
    const std::size_t after_length = out_.size() - start_ - 1;
    if (!out_.ok() || varint_size(after_length + check) + after_length > frame_bytes_max_) {
        out_.rewind(before);
        return false;
    }
    if (reading.stamped) time_.advance(change);
    ++count_;
    return true;
}

void PackedPutEncoder::finish() {
    if (count_ == 0) {
        if (out_was_ok_) out_.rewind(start_);
        return;
    }
    frame_.finish(sum_);
    RIVULET_CHECK(out_.ok());
    PutCodec::sent_or_received(state_, alias_, out_.size() - start_, count_, time_);
}

Status encode_put_regular(Writer& out, RunningCrc& sum, PutState& state, std::uint64_t alias, bool stamped, Timestamp first, std::int64_t step,
                          std::size_t value_bytes, Bytes values) {
    if (value_bytes == 0 || values.empty() || values.size() % value_bytes != 0) return fail(Error::invalid_argument);
    const bool same = PutCodec::same_alias(state, alias);
    const std::size_t count = values.size() / value_bytes;
    TimeCode time = PutCodec::time(state);
    const std::int64_t change_first = time.change_to(first);
    std::int64_t change_second = 0;
    if (stamped) {
        time.advance(change_first);
        const Timestamp second(static_cast<std::int64_t>(static_cast<std::uint64_t>(first.value) + static_cast<std::uint64_t>(step)));
        if (count > 1) change_second = time.change_to(second);
        for (std::size_t i = 1; i < count; ++i) time.advance(i == 1 ? change_second : 0);
    }
    std::size_t frame_bytes = 2 + varint_size(value_bytes) + values.size();
    if (!same) frame_bytes += varint_size(alias);
    if (stamped) frame_bytes += varint_size(zigzag(change_first)) + varint_size(zigzag(change_second));
    if (is_summed(sum)) frame_bytes += check_bytes;
    frame_bytes += varint_size(frame_bytes);
    if (frame_bytes > state.credit()) return fail(Error::credit_exceeded);
    if (!out.ok() || frame_bytes > out.room()) return fail(Error::busy);

    const std::size_t start = out.size();
    FrameEncoder frame(out, Kind::put_packed, put_flags(same, stamped, attribute::regular));
    Writer& body = frame.body();
    if (!same) body.varint(alias);
    body.u8(attribute::regular);
    if (stamped) {
        body.zigzag_varint(change_first);
        body.zigzag_varint(change_second);
    }
    body.varint(value_bytes);
    body.bytes(values);
    frame.finish(sum);
    RIVULET_CHECK(out.ok() && out.size() - start == frame_bytes);
    PutCodec::sent_or_received(state, alias, frame_bytes, count, time);
    return {};
}

void Readings::read(Reader& from, TimeCode& time, std::size_t index, Reading& reading) const {
    const bool regular = (attributes_ & attribute::regular) != 0;
    reading.stamped = (flags_ & flag::put_unstamped) == 0;
    if (reading.stamped) {
        const std::int64_t change = !regular ? from.zigzag_varint() : index == 0 ? change_first_ : index == 1 ? change_second_ : 0;
        reading.time = time.advance(change);
    }
    reading.has_key = (attributes_ & attribute::key) != 0;
    if (reading.has_key) reading.key = from.block();
    if ((attributes_ & attribute::headers) != 0) reading.headers = List<Header>::counted(from);
    reading.has_value = (attributes_ & attribute::null_value) == 0;
    if (reading.has_value) reading.value = !packed_ ? from.rest() : from.bytes(regular ? value_bytes_ : from.varint());
}

Readings::Iterator::Iterator(const Readings& readings, std::size_t left)
    : readings_(&readings), reader_(readings.bytes_), time_(readings.time_), left_(left) {
    load();
}

void Readings::Iterator::load() {
    if (left_ != 0) readings_->read(reader_, time_, readings_->count_ - left_, reading_);
}

// What stands before the first reading: attributes and the regular form.
bool PutCodec::read_form(Reader& body, std::uint8_t flags, Readings& readings) {
    readings.flags_ = flags;
    if ((flags & flag::put_attributes) == 0) return body.ok();
    readings.attributes_ = body.u8();
    const bool regular = readings.attributes_ == attribute::regular;
    constexpr unsigned plain = attribute::key | attribute::headers | attribute::null_value;
    if (readings.attributes_ == 0 || (!regular && (readings.attributes_ & ~plain) != 0)) return false;
    if (regular) {
        if (!readings.packed_) return false;
        if ((flags & flag::put_unstamped) == 0) {
            readings.change_first_ = body.zigzag_varint();
            readings.change_second_ = body.zigzag_varint();
        }
        readings.value_bytes_ = body.varint();
        return body.ok() && readings.value_bytes_ != 0;
    }
    // A packed tombstone without a key would take no bytes.
    const bool null_value = (readings.attributes_ & attribute::null_value) != 0;
    return body.ok() && !(readings.packed_ && null_value && (readings.attributes_ & attribute::key) == 0);
}

// Reads every reading once, so that the range cannot fail later.
bool PutCodec::walk(Reader& body, Readings& readings, TimeCode& time) {
    readings.time_ = time;
    const Reader start = body;
    Reading reading;
    do {
        readings.read(body, time, readings.count_++, reading);
    } while (readings.packed_ && body.ok() && !body.at_end());
    if (!body.ok() || !body.at_end()) return false;
    readings.bytes_ = Reader(start).rest();
    return true;
}

Result<Puts> PutCodec::decode(const FrameView& frame, PutState& state) {
    if (frame.raw.size() > state.credit_) return fail(Error::credit_exceeded);
    Puts puts;
    puts.sequence_first = state.sequence_next_;
    puts.readings.packed_ = frame.kind == Kind::put_packed;
    Reader body(frame.body);
    if ((frame.flags & flag::put_same_alias) == 0) puts.alias = body.varint();
    else if (state.alias_known_) puts.alias = state.alias_;
    else return fail(Error::unknown_alias);
    TimeCode time = state.time_;
    if (!read_form(body, frame.flags, puts.readings) || !walk(body, puts.readings, time)) return fail(Error::malformed);
    sent_or_received(state, puts.alias, frame.raw.size(), puts.readings.size(), time);
    return puts;
}

Result<Puts> decode_puts(const FrameView& frame, PutState& state) { return PutCodec::decode(frame, state); }

void encode_ack(Writer& out, RunningCrc& sum, PutState& state, const Ack& ack) {
    RIVULET_CHECK(ack.sequence >= state.acked() && ack.sequence < state.sequence_next());
    const bool refused = ack.refusal.count != 0;
    FrameEncoder frame(out, Kind::ack, refused ? flag::ack_refusal : std::uint8_t{0});
    Writer& body = frame.body();
    body.varint(ack.sequence - state.acked());
    body.varint(ack.credit);
    if (refused) {
        RIVULET_CHECK(ack.refusal.first > state.acked() && ack.refusal.count <= state.sequence_next() - ack.refusal.first);
        body.varint(ack.refusal.first - state.acked());
        body.varint(ack.refusal.count);
        body.varint(static_cast<std::uint64_t>(ack.refusal.error));
    }
    frame.finish(sum);
    if (!out.ok()) return;
    PutCodec::acked(state, ack.sequence);
    state.grant(ack.credit);
}

Result<Ack> decode_ack(const FrameView& frame, PutState& state) {
    Reader body(frame.body);
    const std::uint64_t outstanding = state.sequence_next() - 1 - state.acked();
    const std::uint64_t settled = body.varint();
    Ack ack;
    ack.credit = body.varint();
    if ((frame.flags & flag::ack_refusal) != 0) {
        const std::uint64_t first = body.varint();
        ack.refusal.count = body.varint();
        ack.refusal.error = error_from_number(body.varint());
        if (first == 0 || first > outstanding || ack.refusal.count == 0 || ack.refusal.count > outstanding - first + 1) body.invalidate();
        ack.refusal.first = state.acked() + first;
    }
    if (!body.ok() || !body.at_end() || settled > outstanding) return fail(Error::malformed);
    ack.sequence = state.acked() + settled;
    PutCodec::acked(state, ack.sequence);
    state.grant(ack.credit);
    return ack;
}

}  // namespace rivulet::wire::compact
