#include "wire/compact/push_frames.h"

#include "wire/compact/fields.h"

namespace rivulet::wire::compact {

void encode_subscribe(Writer& out, std::uint64_t correlation, const Subscribe& subscribe) {
    FrameEncoder frame(out, Kind::subscribe, correlation, flags_of(subscribe));
    write_place(frame.body(), subscribe);
    frame.body().varint(subscribe.credit);
    frame.finish();
}

Result<Subscribe> decode_subscribe(Bytes bytes, std::uint8_t flags) {
    Reader body(bytes);
    Subscribe subscribe;
    read_place(body, flags, subscribe);
    subscribe.credit = body.varint();
    return all_of(body, subscribe);
}

void encode_subscribed(Writer& out, std::uint64_t correlation, const LogState& state) {
    FrameEncoder frame(out, Kind::subscribe, correlation, 0);
    frame.body().varint(0);
    write_state(frame.body(), state);
    frame.finish();
}

Result<LogState> decode_subscribed(Bytes rest) {
    Reader body(rest);
    LogState state;
    read_state(body, state);
    return all_of(body, state);
}

void encode_data_head(Writer& out, std::uint64_t correlation, const Data& data, std::size_t batches_bytes) {
    FrameEncoder frame(out, Kind::data, correlation, data.slot ? flag::data_slot : std::uint8_t{0});
    Writer& body = frame.body();
    if (data.slot) body.varint(*data.slot);
    write_offset(body, data.offset);
    body.varint(unsigned_of(data.high_watermark.value - data.offset.value));
    frame.finish(batches_bytes);
}

Result<Data> decode_data(Bytes bytes, std::uint8_t flags) {
    Reader body(bytes);
    Data data;
    if ((flags & flag::data_slot) != 0) data.slot = body.varint();
    data.offset = read_offset(body);
    const std::uint64_t ahead = body.varint();
    if (ahead > unsigned_of(INT64_MAX - data.offset.value)) body.invalidate();
    data.high_watermark = Offset(static_cast<std::int64_t>(unsigned_of(data.offset.value) + ahead));
    data.batches = body.rest();
    if (data.batches.empty()) body.invalidate();
    return all_of(body, data);
}

void encode_data_end(Writer& out, std::uint64_t correlation, Failure why) {
    FrameEncoder frame(out, Kind::data, correlation, flag::data_end);
    Writer& body = frame.body();
    body.varint(static_cast<std::uint64_t>(why.error));
    if (why.error != Error::none) {
        body.zigzag_varint(why.detail);
        body.text("");
    }
    frame.finish();
}

Position Position::read(Reader& from) {
    Position position;
    position.slot = from.varint();
    position.offset = read_offset(from);
    return position;
}

void encode_credit(Writer& out, std::uint64_t correlation, const Credit& credit, std::span<const Position> positions) {
    const unsigned flags = (credit.end ? flag::credit_end : 0U) | (credit.processed ? flag::credit_processed : 0U);
    FrameEncoder frame(out, Kind::credit, correlation, static_cast<std::uint8_t>(flags));
    Writer& body = frame.body();
    if (!credit.end) body.varint(credit.bytes);
    for (const Position& position : positions) {
        body.varint(position.slot);
        write_offset(body, position.offset);
    }
    frame.finish();
}

Result<Credit> decode_credit(Bytes bytes, std::uint8_t flags) {
    Reader body(bytes);
    Credit credit;
    credit.end = (flags & flag::credit_end) != 0;
    credit.processed = (flags & flag::credit_processed) != 0;
    if (!credit.end) credit.bytes = body.varint();
    if (credit.processed) credit.positions = List<Position>::to_end(body);
    return all_of(body, credit);
}

}  // namespace rivulet::wire::compact
