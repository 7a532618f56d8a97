// The trailer of a packed extent: which sensor sessions have readings in it, and up to where.
// Errors:   a malformed trailer makes its extent corrupt.  Format: FORMAT.md, section 6.
#pragma once

#include "store/format.h"

namespace rivulet::store {

constexpr std::size_t trailer_entry_bytes_max = 8 + 4 + varint_bytes_max;

struct TrailerEntry {
    std::uint64_t session = 0;
    std::uint32_t incarnation = 0;
    std::uint64_t last_sequence = 0;
    bool operator==(const TrailerEntry&) const = default;
};

void encode_trailer_count(std::uint32_t count, Writer& out);
void encode_trailer_entry(const TrailerEntry& entry, Writer& out);

class TrailerReader {
public:
    explicit TrailerReader(Bytes trailer);
    bool next(TrailerEntry& out);  // false at the end or when malformed
    bool ok() const { return in_.ok(); }

private:
    Reader in_;
    std::uint64_t left_ = 0;
};

}  // namespace rivulet::store
