// Records of the store's own log (log 0).
// Owns:     nothing; blocks are views into the payload.
// Errors:   corrupt (malformed body), store_newer (unknown type below 32).  Format: FORMAT.md, section 7.
#pragma once

#include "store/checkpoint_file.h"

namespace rivulet::store {

enum class RecordType : std::uint8_t {
    run_start = 1,
    log_create = 2,
    log_delete = 3,
    log_start = 4,
    truncate = 5,
    ceiling = 6,
    retire = 7,
    clock = 8,
    fence = 9,
    epoch = 10,
    jump = 11,
    log_cleaned = 12,
    topic = 32,  // this and above: the layer above
};

struct RunStartRecord {
    std::uint64_t run = 0;
    std::uint64_t previous_salt = 0;
    Lsn previous_end;
    Uuid boot_id;
    std::uint32_t boot = 0;
    bool previous_clean = false;
};
struct LogCreateRecord {
    LogId first;
    std::uint32_t count = 0;
    bool memory = false;
    Bytes catalogue;
};
struct LogDeleteRecord {
    LogId first;
    std::uint32_t count = 0;
};
struct LogStartRecord {
    LogId log;
    Offset start;
};
struct TruncateRecord {
    LogId log;
    Offset end;
    Epoch epoch{0};
};
struct CeilingRecord {
    LogId log;
    Offset ceiling;
};
struct ClockRecord {
    std::uint32_t boot = 0;
    std::int64_t offset_ms = 0;
};
struct EpochRecord {
    LogId log;
    Epoch epoch{0};
    Offset start;
};
struct JumpRecord {
    LogId log;
    Offset from;
    Offset to;
};
struct LogCleanedRecord {
    LogId log;
    LogId clean;
    Offset end;
};
// n x (log id, start offset), ascending; the writer is given them one by one, the reader walks them.
struct RetireRecord {
    std::uint64_t first_live = 0;
    std::uint32_t count = 0;
    Bytes entries;  // encoded: n x (varint log id difference, varint start offset)
};
class RetireReader {
public:
    explicit RetireReader(const RetireRecord& record) : in_(record.entries), left_(record.count) {}
    bool next(LogStartRecord& out);  // false at the end or when malformed
    bool ok() const { return in_.ok(); }

private:
    Reader in_;
    std::uint32_t left_;
    LogId previous_{0};
};
void append_retire_entry(Writer& out, LogId& previous, const LogStartRecord& entry);  // previous starts as LogId(0)

// Each appends type, length and body; when the writer overflows, rewind() it.
void encode(const RunStartRecord& record, Writer& out);
void encode(const LogCreateRecord& record, Writer& out);
void encode(const LogDeleteRecord& record, Writer& out);
void encode(const LogStartRecord& record, Writer& out);
void encode(const TruncateRecord& record, Writer& out);
void encode(const CeilingRecord& record, Writer& out);
void encode(const ClockRecord& record, Writer& out);
void encode(const FenceImage& record, Writer& out);  // type fence
void encode(const EpochRecord& record, Writer& out);
void encode(const JumpRecord& record, Writer& out);
void encode(const LogCleanedRecord& record, Writer& out);
void encode(const RetireRecord& record, Writer& out);
// Types 32 to 63: the body as it is (that of TOPIC is a block, whose length is part of the body).
void encode_passed(RecordType type, Bytes body, Writer& out);

// One decoded record: `type` says which member holds.
struct JournalRecord {
    RecordType type{};
    RunStartRecord run_start;
    LogCreateRecord log_create;
    LogDeleteRecord log_delete;
    LogStartRecord log_start;
    TruncateRecord truncate;
    CeilingRecord ceiling;
    RetireRecord retire;
    ClockRecord clock;
    FenceImage fence;
    EpochRecord epoch;
    JumpRecord jump;
    LogCleanedRecord log_cleaned;
    Bytes passed;
};

class RecordsReader {
public:
    explicit RecordsReader(Bytes payload) : in_(payload) {}
    // False at the end or at an error.
    bool next(JournalRecord& out);
    Error error() const { return error_; }

private:
    Reader in_;
    Error error_ = Error::none;
};

}  // namespace rivulet::store
