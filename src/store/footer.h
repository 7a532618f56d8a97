// The footer of a sealed segment: what each log has in it.
// Errors:   corrupt. Derived data: a bad footer is rebuilt from the segment.  Format: FORMAT.md, section 5.
#pragma once

#include "store/format.h"

namespace rivulet::store {

constexpr std::size_t footer_tail_bytes = 64;
constexpr std::size_t footer_entry_bytes_max = 80;

struct FooterEntry {
    LogId log;
    Offset first;
    Offset last;
    std::uint32_t extents = 0;
    std::uint32_t bytes = 0;
    std::uint32_t page = 0;  // position in the segment of the first group that has it, in pages
    Timestamp min_timestamp;
    Timestamp max_timestamp;
    bool clock_untrusted = false;
    bool operator==(const FooterEntry&) const = default;
};

struct FooterTail {
    std::uint64_t sequence = 0;
    Lsn end;
    std::uint64_t salt = 0;
    std::uint32_t log_count = 0;
    std::uint32_t body_bytes = 0;
    std::uint32_t body_crc = 0;
    bool partial = false;        // logs are left out that were deleted before the segment was sealed: their deletion may not have become durable
    std::uint32_t end_page = 0;  // position of `end` in the segment, in pages: set by decode_footer_tail, bounds the entries' pages
    bool operator==(const FooterTail&) const = default;
};

// Room to keep at the end of a segment that holds `logs` logs; a multiple of page_bytes.
constexpr std::size_t footer_room(std::size_t logs) { return page_ceil(footer_tail_bytes + logs * footer_entry_bytes_max); }

// Writes entries in ascending order of log id.
class FooterWriter {
public:
    explicit FooterWriter(MutableBytes buffer) : out_(buffer) {}
    bool add(const FooterEntry& entry);
    // Moves the body to the end of the buffer's first `room` bytes (a multiple of page_bytes, enough for body and tail), adds the
    // tail and zeros before; returns the bytes to write at segment_end - their size.
    Bytes finish(std::uint64_t sequence, Lsn end, std::uint64_t salt, bool partial);

private:
    Writer out_;
    LogId previous_{0};
    std::uint32_t count_ = 0;
};

Result<FooterTail> decode_footer_tail(Bytes last_64_bytes, std::uint64_t sequence, const Geometry& geometry);

class FooterReader {
public:
    // `body` as long as the tail says. corrupt shows in error() when the CRC or an entry does not hold.
    FooterReader(const FooterTail& tail, Bytes body);
    bool next(FooterEntry& out);
    Error error() const { return error_; }

private:
    bool refuse();

    Reader in_;
    std::uint32_t left_ = 0;
    std::uint32_t end_page_ = 0;
    LogId previous_{0};
    Error error_ = Error::none;
};

}  // namespace rivulet::store
