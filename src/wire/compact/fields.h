// Fields that several frames share, for their codecs alone.
// Errors:   a read that is out of bounds invalidates its Reader; all_of() tells at the end.
// Format:   PROTOCOL.md, section 1.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "base/uuid.h"

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

// A complete body, or malformed.
template <class T>
Result<T> all_of(const Reader& reader, const T& value) {
    if (!reader.ok() || !reader.at_end()) return fail(Error::malformed, static_cast<std::int64_t>(reader.position()));
    return value;
}

}  // namespace rivulet::wire::compact
