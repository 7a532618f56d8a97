#include "wire/compact/push_frames.h"

#include "wire/compact/fields.h"

namespace rivulet::wire::compact {

void encode_subscribe(Writer& out, std::uint64_t correlation, const Subscribe& subscribe) {
    FrameEncoder frame(out, Kind::subscribe, correlation, subscribe.by_alias ? flag::fetch_by_alias : std::uint8_t{0});
    Writer& body = frame.body();
    if (subscribe.by_alias) {
        body.varint(subscribe.alias);
    } else {
        body.text(subscribe.topic);
        body.varint(subscribe.partition);
    }
    body.zigzag_varint(subscribe.offset.value);
    body.zigzag_varint(subscribe.epoch.value);
    body.varint(subscribe.credit);
    frame.finish();
}

Result<Subscribe> decode_subscribe(Bytes bytes, std::uint8_t flags) {
    Reader body(bytes);
    Subscribe subscribe;
    subscribe.by_alias = (flags & flag::fetch_by_alias) != 0;
    if (subscribe.by_alias) {
        subscribe.alias = body.varint();
    } else {
        subscribe.topic = body.text();
        subscribe.partition = body.varint();
    }
    subscribe.offset = Offset(body.zigzag_varint());
    subscribe.epoch = read_epoch(body);
    subscribe.credit = body.varint();
    if (subscribe.offset.value < fetch_earliest) body.invalidate();
    return all_of(body, subscribe);
}

void encode_subscribed(Writer& out, std::uint64_t correlation, const Subscribed& subscribed) {
    FrameEncoder frame(out, Kind::subscribe, correlation, 0);
    Writer& body = frame.body();
    body.varint(0);
    write_offset(body, subscribed.offset);
    body.zigzag_varint(subscribed.epoch.value);
    write_offset(body, subscribed.log_start);
    write_offset(body, subscribed.high_watermark);
    write_offset(body, subscribed.durable_end);
    write_offset(body, subscribed.log_end);
    frame.finish();
}

Result<Subscribed> decode_subscribed(Bytes rest) {
    Reader body(rest);
    Subscribed subscribed;
    subscribed.offset = read_offset(body);
    subscribed.epoch = read_epoch(body);
    subscribed.log_start = read_offset(body);
    subscribed.high_watermark = read_offset(body);
    subscribed.durable_end = read_offset(body);
    subscribed.log_end = read_offset(body);
    return all_of(body, subscribed);
}

void encode_data_head(Writer& out, std::uint64_t correlation, const Data& data, std::size_t batches_bytes) {
    FrameEncoder frame(out, Kind::data, correlation, 0);
    Writer& body = frame.body();
    write_offset(body, data.offset);
    body.varint(unsigned_of(data.high_watermark.value - data.offset.value));
    frame.finish(batches_bytes);
}

Result<Data> decode_data(Bytes bytes) {
    Reader body(bytes);
    Data data;
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

void encode_credit(Writer& out, std::uint64_t correlation, const Credit& credit) {
    FrameEncoder frame(out, Kind::credit, correlation, credit.end ? flag::credit_end : std::uint8_t{0});
    if (!credit.end) frame.body().varint(credit.bytes);
    frame.finish();
}

Result<Credit> decode_credit(Bytes bytes, std::uint8_t flags) {
    Reader body(bytes);
    Credit credit;
    credit.end = (flags & flag::credit_end) != 0;
    if (!credit.end) credit.bytes = body.varint();
    return all_of(body, credit);
}

}  // namespace rivulet::wire::compact
