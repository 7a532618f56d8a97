// A commit group: header and table of extents.
// Owns:     nothing; an Extent's trailer is a view into the table's buffer.
// Errors:   corrupt, store_newer. Decoding trusts nothing: sizes, order and flags are checked.
// Format:   FORMAT.md, section 4.
#pragma once

#include "store/format.h"

namespace rivulet::store {

constexpr std::size_t group_header_bytes = 80;

struct GroupHeader {
    bool run_start = false;
    bool mark = false;
    std::uint64_t salt = 0;
    Lsn lsn;
    Lsn durable;       // all groups below were known to be synced
    Lsn run_start_lsn;  // where the run began: previous_end of its RUN_START group
    Lsn previous_end;
    Timestamp base_timestamp{0};
    std::uint32_t total_bytes = 0;
    std::uint32_t table_bytes = 0;
    std::uint32_t payload_bytes = 0;
    std::uint32_t extent_count = 0;
    std::uint32_t table_crc = 0;
    bool operator==(const GroupHeader&) const = default;

    Lsn end() const { return lsn + total_bytes; }
    // From the group's start.
    std::uint32_t payload_position() const { return static_cast<std::uint32_t>(group_header_bytes) + table_bytes; }
};

// Seals the header with its CRC.
void encode_group_header(const GroupHeader& header, std::span<std::uint8_t, group_header_bytes> out);
// The header at `lsn`: corrupt if magic, CRC, LSN or bounds (the segment's, group_bytes_max) do not fit.
Result<GroupHeader> decode_group_header(Bytes bytes, Lsn lsn, const Geometry& geometry);

enum ExtentFlag : std::uint8_t {
    extent_packed = 1,
    extent_relocated = 2,
    extent_compacted = 4,
    extent_control = 8,
    extent_transactional = 16,
    extent_clock_untrusted = 32,
    extent_producers = 64,  // some batch has a producer id: recovery reads the headers
};

struct Extent {
    LogId log;
    std::uint8_t flags = 0;
    bool crc_known = false;         // by the writer, before it has hashed the bytes
    Offset base;
    std::uint32_t offset_span = 0;  // last - base
    Epoch epoch{0};
    std::uint32_t bytes = 0;
    Timestamp max_timestamp;
    std::uint32_t crc = 0;
    std::uint32_t boot = 0;         // with extent_clock_untrusted
    Bytes trailer;                  // with extent_packed: session_trailer.h

    std::uint32_t position = 0;     // in the payload; set by the reader
    Offset last() const { return base + offset_span; }
    bool operator==(const Extent& other) const;
};

// Appends entries to a buffer in their order. The CRC of an entry is filled in later, where its bytes are hashed off the loop.
class TableWriter {
public:
    explicit TableWriter(MutableBytes buffer, Timestamp base_timestamp) : out_(buffer), base_timestamp_(base_timestamp) {}
    // False (and nothing written) if the buffer is full. Entries come sorted by log id, then by offset. Returns through crc_at where in the table the CRC goes.
    bool add(const Extent& extent, std::uint32_t& crc_at);
    std::size_t bytes() const { return out_.size(); }
    std::uint32_t count() const { return count_; }

private:
    Writer out_;
    Timestamp base_timestamp_;
    LogId previous_{0};
    std::uint32_t count_ = 0;
};

// CRC field of the header for a finished table.
std::uint32_t table_crc(std::uint64_t salt, Bytes table);

// Reads the entries of a table whose CRC the caller has checked or not: every entry is bounded either way.
class TableReader {
public:
    TableReader(const GroupHeader& header, Bytes table) : in_(table), header_(header) {}
    // False at the end or at a malformed entry; error() tells them apart. Sum of bytes and count must match the header's.
    bool next(Extent& out);
    Error error() const { return error_; }

private:
    bool refuse(Error error);

    Reader in_;
    GroupHeader header_;
    LogId previous_{0};
    Offset previous_last_{-1};
    std::uint32_t seen_ = 0;
    std::uint32_t position_ = 0;
    Error error_ = Error::none;
};

}  // namespace rivulet::store
