#include "store/journal_record.h"

#include <limits>

namespace rivulet::store {

namespace {

constexpr std::uint64_t offset_max = std::numeric_limits<std::int64_t>::max();
constexpr std::uint64_t epoch_max = std::numeric_limits<std::int32_t>::max();
constexpr std::uint64_t u32_max = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t u64_max = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t type_max = 63;
constexpr std::uint8_t flag_previous_clean = 1;
constexpr std::uint8_t flag_memory = 1;
constexpr std::size_t retire_entry_bytes_min = 2;

// The fields of a body before its block, if any: at most RUN_START's.
class Body {
public:
    Body() : out_(buffer_) {}
    Writer& operator*() { return out_; }
    Writer* operator->() { return &out_; }
    void offset(Offset offset) {
        RIVULET_CHECK(offset.value >= 0);
        out_.varint(static_cast<std::uint64_t>(offset.value));
    }
    void epoch(Epoch epoch) {
        RIVULET_CHECK(epoch.value >= 0);
        out_.varint(static_cast<std::uint64_t>(epoch.value));
    }
    // Type and length, these fields, then `rest`.
    void finish(RecordType type, Writer& to, Bytes rest = {}) {
        RIVULET_CHECK(out_.ok());
        to.varint(static_cast<std::uint64_t>(type));
        to.varint(out_.size() + rest.size());
        to.bytes(out_.written());
        to.bytes(rest);
    }

private:
    std::uint8_t buffer_[64] = {};
    Writer out_;
};

std::uint32_t take_u32(Reader& in) {
    const std::uint64_t value = in.varint();
    if (value > u32_max) in.invalidate();
    return static_cast<std::uint32_t>(value);
}
Offset take_offset(Reader& in) {
    const std::uint64_t value = in.varint();
    if (value > offset_max) in.invalidate();
    return Offset(static_cast<std::int64_t>(value));
}
Epoch take_epoch(Reader& in) {
    const std::uint64_t value = in.varint();
    if (value > epoch_max) in.invalidate();
    return Epoch(static_cast<std::int32_t>(value));
}
LogId take_log(Reader& in) {
    const std::uint64_t value = in.varint();
    if (value == control_log.value) in.invalidate();
    return LogId(value);
}
bool take_flag(Reader& in, std::uint8_t flag) {
    const std::uint8_t flags = in.u8();
    if ((flags & ~flag) != 0) in.invalidate();
    return (flags & flag) != 0;
}
// A first log id and how many follow it.
void take_logs(Reader& in, LogId& first, std::uint32_t& count) {
    first = take_log(in);
    count = take_u32(in);
    if (count == 0 || count > u64_max - first.value) in.invalidate();
}

void decode(Reader& in, RunStartRecord& out) {
    out.run = in.varint();
    out.previous_salt = in.le<std::uint64_t>();
    out.previous_end = Lsn(in.varint());
    const Bytes boot_id = in.bytes(out.boot_id.bytes.size());
    copy(boot_id, out.boot_id.bytes);
    out.boot = take_u32(in);
    out.previous_clean = take_flag(in, flag_previous_clean);
}
void decode(Reader& in, LogCreateRecord& out) {
    take_logs(in, out.first, out.count);
    out.memory = take_flag(in, flag_memory);
    out.catalogue = in.block();
}
void decode(Reader& in, LogDeleteRecord& out) { take_logs(in, out.first, out.count); }
void decode(Reader& in, LogStartRecord& out) {
    out.log = take_log(in);
    out.start = take_offset(in);
}
void decode(Reader& in, TruncateRecord& out) {
    out.log = take_log(in);
    out.end = take_offset(in);
    out.epoch = take_epoch(in);
}
void decode(Reader& in, CeilingRecord& out) {
    out.log = take_log(in);
    out.ceiling = take_offset(in);
}
void decode(Reader& in, RetireRecord& out) {
    out.first_live = in.varint();
    out.count = take_u32(in);
    out.entries = in.rest();
    if (out.count > out.entries.size() / retire_entry_bytes_min) return in.invalidate();
    RetireReader entries(out);
    LogStartRecord entry;
    while (entries.next(entry)) {}
    if (!entries.ok()) in.invalidate();
}
void decode(Reader& in, ClockRecord& out) {
    out.boot = take_u32(in);
    out.offset_ms = in.le<std::int64_t>();
}
void decode(Reader& in, FenceImage& out) {
    if (!decode_fence(in, out)) in.invalidate();
}
void decode(Reader& in, EpochRecord& out) {
    out.log = take_log(in);
    out.epoch = take_epoch(in);
    out.start = take_offset(in);
}
void decode(Reader& in, JumpRecord& out) {
    out.log = take_log(in);
    out.from = take_offset(in);
    out.to = take_offset(in);
    if (out.from >= out.to) in.invalidate();
}
void decode(Reader& in, LogCleanedRecord& out) {
    out.log = take_log(in);
    out.clean = take_log(in);
    out.end = take_offset(in);
    if (out.clean == out.log) in.invalidate();
}

Error decode(Bytes body, JournalRecord& out) {
    Reader in(body);
    switch (out.type) {
        case RecordType::run_start: decode(in, out.run_start); break;
        case RecordType::log_create: decode(in, out.log_create); break;
        case RecordType::log_delete: decode(in, out.log_delete); break;
        case RecordType::log_start: decode(in, out.log_start); break;
        case RecordType::truncate: decode(in, out.truncate); break;
        case RecordType::ceiling: decode(in, out.ceiling); break;
        case RecordType::retire: decode(in, out.retire); break;
        case RecordType::clock: decode(in, out.clock); break;
        case RecordType::fence: decode(in, out.fence); break;
        case RecordType::epoch: decode(in, out.epoch); break;
        case RecordType::jump: decode(in, out.jump); break;
        case RecordType::log_cleaned: decode(in, out.log_cleaned); break;
        default:
            if (out.type < RecordType::topic) return Error::store_newer;
            out.passed = in.rest();
    }
    return in.ok() && in.at_end() ? Error::none : Error::corrupt;
}

}  // namespace

bool RetireReader::next(LogStartRecord& out) {
    if (!in_.ok()) return false;
    if (left_ == 0) {
        if (!in_.at_end()) in_.invalidate();
        return false;
    }
    const std::uint64_t difference = in_.varint();
    out.start = take_offset(in_);
    if (difference == 0 || difference > u64_max - previous_.value) in_.invalidate();
    if (!in_.ok()) return false;
    out.log = previous_ + difference;
    previous_ = out.log;
    --left_;
    return true;
}

void append_retire_entry(Writer& out, LogId& previous, const LogStartRecord& entry) {
    RIVULET_CHECK(entry.log > previous && entry.start.value >= 0);
    out.varint(entry.log - previous);
    out.varint(static_cast<std::uint64_t>(entry.start.value));
    previous = entry.log;
}

void encode(const RunStartRecord& record, Writer& out) {
    Body body;
    body->varint(record.run);
    body->le(record.previous_salt);
    body->varint(record.previous_end.value);
    body->bytes(record.boot_id.bytes);
    body->varint(record.boot);
    body->u8(record.previous_clean ? flag_previous_clean : 0);
    body.finish(RecordType::run_start, out);
}

void encode(const LogCreateRecord& record, Writer& out) {
    RIVULET_CHECK(record.first != control_log && record.count > 0);
    Body body;
    body->varint(record.first.value);
    body->varint(record.count);
    body->u8(record.memory ? flag_memory : 0);
    body->varint(record.catalogue.size());
    body.finish(RecordType::log_create, out, record.catalogue);
}

void encode(const LogDeleteRecord& record, Writer& out) {
    RIVULET_CHECK(record.first != control_log && record.count > 0);
    Body body;
    body->varint(record.first.value);
    body->varint(record.count);
    body.finish(RecordType::log_delete, out);
}

void encode(const LogStartRecord& record, Writer& out) {
    Body body;
    body->varint(record.log.value);
    body.offset(record.start);
    body.finish(RecordType::log_start, out);
}

void encode(const TruncateRecord& record, Writer& out) {
    Body body;
    body->varint(record.log.value);
    body.offset(record.end);
    body.epoch(record.epoch);
    body.finish(RecordType::truncate, out);
}

void encode(const CeilingRecord& record, Writer& out) {
    Body body;
    body->varint(record.log.value);
    body.offset(record.ceiling);
    body.finish(RecordType::ceiling, out);
}

void encode(const ClockRecord& record, Writer& out) {
    Body body;
    body->varint(record.boot);
    body->le(record.offset_ms);
    body.finish(RecordType::clock, out);
}

void encode(const FenceImage& record, Writer& out) {
    Body body;
    encode_fence(record, *body);
    body.finish(RecordType::fence, out);
}

void encode(const EpochRecord& record, Writer& out) {
    Body body;
    body->varint(record.log.value);
    body.epoch(record.epoch);
    body.offset(record.start);
    body.finish(RecordType::epoch, out);
}

void encode(const JumpRecord& record, Writer& out) {
    RIVULET_CHECK(record.from < record.to);
    Body body;
    body->varint(record.log.value);
    body.offset(record.from);
    body.offset(record.to);
    body.finish(RecordType::jump, out);
}

void encode(const LogCleanedRecord& record, Writer& out) {
    Body body;
    body->varint(record.log.value);
    body->varint(record.clean.value);
    body.offset(record.end);
    body.finish(RecordType::log_cleaned, out);
}

void encode(const RetireRecord& record, Writer& out) {
    Body body;
    body->varint(record.first_live);
    body->varint(record.count);
    body.finish(RecordType::retire, out, record.entries);
}

void encode_passed(RecordType type, Bytes body, Writer& out) {
    RIVULET_CHECK(type >= RecordType::topic && static_cast<std::uint64_t>(type) <= type_max);
    Body nothing;
    nothing.finish(type, out, body);
}

bool RecordsReader::next(JournalRecord& out) {
    if (error_ != Error::none || in_.at_end()) return false;
    const std::uint64_t type = in_.varint();
    const Bytes body = in_.block();
    if (!in_.ok() || type == 0) error_ = Error::corrupt;
    else if (type > type_max) error_ = Error::store_newer;
    if (error_ != Error::none) return false;
    out.type = static_cast<RecordType>(type);
    error_ = decode(body, out);
    return error_ == Error::none;
}

}  // namespace rivulet::store
