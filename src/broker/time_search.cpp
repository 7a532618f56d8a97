#include "broker/time_search.h"

#include "broker/view_cursor.h"

namespace rivulet::broker {

namespace {

std::optional<TimeFound> find_record(ViewCursor& in, const record::BatchHeader& header, Offset from, Timestamp at) {
    for (std::int32_t i = 0; i < header.record_count; ++i) {
        std::int64_t bytes = 0;
        if (!in.zigzag(bytes)) return std::nullopt;
        const std::uint64_t begin = in.taken();
        std::int64_t time_delta = 0;
        std::int64_t offset_delta = 0;
        if (!in.skip(1) || !in.zigzag(time_delta) || !in.zigzag(offset_delta)) return std::nullopt;
        const Offset offset = header.base_offset + offset_delta;
        const Timestamp time = header.timestamp_of(time_delta);
        if (offset >= from && time >= at) return TimeFound{offset, time};
        const std::uint64_t head = in.taken() - begin;
        if (bytes < 0 || static_cast<std::uint64_t>(bytes) < head || !in.skip(static_cast<std::uint64_t>(bytes) - head)) return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

std::optional<TimeFound> find_time(Broker& broker, store::ReadView& view, Offset from, Timestamp at) {
    ViewCursor in(broker, view);
    std::optional<TimeFound> found;
    for (std::size_t i = 0; i < view.batches && !found; ++i) {
        const bool unknown = in.time_unknown();
        std::uint8_t bytes[record::batch_header_bytes];
        if (!in.read(bytes)) break;
        const record::BatchHeader header = record::decode_header(bytes);
        const std::uint64_t end = in.taken() + header.body_bytes();
        const bool candidate = !unknown && header.max_timestamp >= at && header.last_offset() >= from && !header.control();
        const Offset first = header.base_offset < from ? from : header.base_offset;
        if (candidate && header.log_append_time()) found = TimeFound{first, header.max_timestamp};
        else if (candidate && header.compression() != record::Compression::none) found = TimeFound{first, header.base_timestamp, true, header.base_offset, header.last_offset() + 1};
        else if (candidate) found = find_record(in, header, from, at);
        if (!found && !in.skip(end - in.taken())) break;
    }
    broker.env().charge(in.taken());
    return found;
}

bool search_batch(Broker& broker, RecordWaiter& waiter, LogId log, const TimeFound& closed, Offset from, Timestamp at) {
    waiter.sought = {log, closed.batch, closed.behind, from, at, closed.offset, closed.time};
    return broker.search(waiter);
}

std::optional<TimeFound> find_newest(Broker& broker, store::ReadView& view, Offset from, Timestamp above) {
    ViewCursor in(broker, view);
    std::optional<TimeFound> found;
    for (std::size_t i = 0; i < view.batches; ++i) {
        const bool unknown = in.time_unknown();
        std::uint8_t bytes[record::batch_header_bytes];
        if (!in.read(bytes)) break;
        const record::BatchHeader header = record::decode_header(bytes);
        if (!unknown && header.max_timestamp > above && header.last_offset() >= from && !header.control()) {
            above = header.max_timestamp;
            found = TimeFound{header.base_offset < from ? from : header.base_offset, above};
        }
        if (!in.skip(header.body_bytes())) break;
    }
    broker.env().charge(in.taken());
    return found;
}

}  // namespace rivulet::broker
