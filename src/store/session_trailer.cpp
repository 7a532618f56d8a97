#include "store/session_trailer.h"

namespace rivulet::store {

namespace {

constexpr std::size_t entry_bytes_min = 8 + 4 + 1;

}  // namespace

void encode_trailer_count(std::uint32_t count, Writer& out) { out.varint(count); }

void encode_trailer_entry(const TrailerEntry& entry, Writer& out) {
    out.le(entry.session);
    out.le(entry.incarnation);
    out.varint(entry.last_sequence);
}

TrailerReader::TrailerReader(Bytes trailer) : in_(trailer), left_(in_.varint()) {
    if (left_ > in_.remaining() / entry_bytes_min) in_.invalidate();
}

bool TrailerReader::next(TrailerEntry& out) {
    if (!in_.ok()) return false;
    if (left_ == 0) {
        if (!in_.at_end()) in_.invalidate();
        return false;
    }
    out.session = in_.le<std::uint64_t>();
    out.incarnation = in_.le<std::uint32_t>();
    out.last_sequence = in_.varint();
    --left_;
    return in_.ok();
}

}  // namespace rivulet::store
