// Fields that several frames share, for their codecs alone.
// Errors:   a read that is out of bounds invalidates its Reader; all_of() tells at the end.
// Format:   PROTOCOL.md, section 1.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "base/uuid.h"
#include "wire/compact/frames.h"

namespace rivulet::wire::compact {

inline std::uint64_t unsigned_of(std::int64_t value) { return static_cast<std::uint64_t>(value); }

inline Offset read_offset(Reader& from) {
    const std::uint64_t value = from.varint();
    if (value > static_cast<std::uint64_t>(INT64_MAX)) from.invalidate();
    return Offset(static_cast<std::int64_t>(value));
}

inline void write_offset(Writer& to, Offset offset) { to.varint(unsigned_of(offset.value)); }

inline Epoch read_epoch(Reader& from) {
    const std::int64_t value = from.zigzag_varint();
    if (value < -1 || value > INT32_MAX) from.invalidate();
    return Epoch(static_cast<std::int32_t>(value));
}

inline Uuid read_uuid(Reader& from) {
    Uuid uuid;
    const Bytes bytes = from.bytes(uuid.bytes.size());
    if (from.ok()) copy(bytes, uuid.bytes);
    return uuid;
}

inline std::uint8_t flags_of(const LogPlace& place) { return place.by_alias ? flag::fetch_by_alias : std::uint8_t{0}; }

inline void write_place(Writer& to, const LogPlace& place) {
    if (place.by_alias) {
        to.varint(place.alias);
    } else {
        to.text(place.topic);
        to.varint(place.partition);
    }
    to.zigzag_varint(place.offset.value);
    to.zigzag_varint(place.epoch.value);
}

inline void read_place(Reader& from, std::uint8_t flags, LogPlace& place) {
    place.by_alias = (flags & flag::fetch_by_alias) != 0;
    if (place.by_alias) {
        place.alias = from.varint();
    } else {
        place.topic = from.text();
        place.partition = from.varint();
    }
    place.offset = Offset(from.zigzag_varint());
    if (place.offset.value < fetch_earliest) from.invalidate();
    place.epoch = read_epoch(from);
}

inline void write_state(Writer& to, const LogState& state) {
    write_offset(to, state.offset);
    to.zigzag_varint(state.epoch.value);
    for (const Offset end : {state.log_start, state.high_watermark, state.durable_end, state.log_end}) write_offset(to, end);
}

inline void read_state(Reader& from, LogState& state) {
    state.offset = read_offset(from);
    state.epoch = read_epoch(from);
    for (Offset* const end : {&state.log_start, &state.high_watermark, &state.durable_end, &state.log_end}) *end = read_offset(from);
}

// A complete body, or malformed.
template <class T>
Result<T> all_of(const Reader& reader, const T& value) {
    if (!reader.ok() || !reader.at_end()) return fail(Error::malformed, static_cast<std::int64_t>(reader.position()));
    return value;
}

}  // namespace rivulet::wire::compact
