// Structures that are told their version by an int16 in front of them: keys and values of records, metadata of group members.
// Such a structure has `static constexpr StructureVersions versions`, and describe(Codec&).
// Bounds:   codec.h.
// Errors:   decode_versioned: malformed; unsupported_version, with the version.
// Thread:   any.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

struct StructureVersions {
    std::int16_t lowest = 0;
    std::int16_t highest = 0;
    std::int16_t written = 0;
    std::int16_t flexible_from = INT16_MAX;
    bool open = false;  // a version above the highest is read as the highest, and what follows is ignored
};

// What is left behind the version, which is held against `versions`.
Result<Codec> begin_versioned(Bytes bytes, const StructureVersions& versions);

template <class T>
Result<T> decode_versioned(Bytes bytes) {
    const Result<Codec> begun = begin_versioned(bytes, T::versions);
    if (!begun) return begun.failure();
    Codec codec = begun.value();
    T value{};
    value.describe(codec);
    if (!codec.ok() || (!codec.at_end() && !T::versions.open)) return fail(Error::malformed, static_cast<std::int64_t>(codec.position()));
    return value;
}

template <class T>
void encode_versioned(Writer& out, T& value, std::int16_t version = T::versions.written) {
    out.be(version);
    Codec codec(out, version, version >= T::versions.flexible_from);
    value.describe(codec);
}

}  // namespace rivulet::wire::kafka
