// What a pass does with batches and records.
#include <algorithm>

#include "base/crc32c.h"
#include "broker/broker.h"
#include "broker/view_cursor.h"

namespace rivulet::broker {

namespace {

using record::attribute_delete_horizon;
using record::batch_header_bytes;

// By which a time may become longer when it counts from another one.
constexpr std::size_t time_growth_max = varint_bytes_max - 1;

std::size_t zigzag_size(std::int64_t value) { return varint_size(zigzag(value)); }

// What comes before a record's key, and how many bytes of the record come then.
struct RecordHead {
    std::uint8_t attributes = 0;
    std::int64_t time_delta = 0;
    std::int64_t offset_delta = 0;
    std::int64_t key_bytes = 0;
    std::uint64_t left = 0;
};

// False: no sound record.
bool read_head(ViewCursor& in, RecordHead& head) {
    std::int64_t size = 0;
    if (!in.zigzag(size) || size <= 0) return false;
    const std::uint64_t begin = in.taken();
    if (!in.read({&head.attributes, 1}) || !in.zigzag(head.time_delta) || !in.zigzag(head.offset_delta) || !in.zigzag(head.key_bytes)) return false;
    const std::uint64_t read = in.taken() - begin;
    if (read > static_cast<std::uint64_t>(size)) return false;
    head.left = static_cast<std::uint64_t>(size) - read;
    return head.key_bytes < 0 || static_cast<std::uint64_t>(head.key_bytes) <= head.left;
}

bool opened(const record::BatchHeader& header) { return header.compression() == record::Compression::none && !header.control(); }

}  // namespace

// ---- which keys come again ----

Cleaner::Step Cleaner::map_view() {
    ViewCursor in(broker_, view);
    for (std::size_t i = 0; i < view.batches && offset < end_; ++i) {
        std::uint8_t bytes[batch_header_bytes];
        if (!in.read(bytes)) return Step::failed;
        const record::BatchHeader header = record::decode_header(bytes);
        if (header.base_offset >= end_) {
            offset = end_;
            return Step::done;
        }
        const std::uint64_t behind = in.taken() + header.body_bytes();
        if (opened(header) && !map_batch(in, header)) {
            // The table is full. Keys of this batch that it has are no mistake: the batch stays, wherever it lies.
            const bool first = own_bytes_ == 0;
            end_ = first ? header.last_offset() + 1 : header.base_offset;
            if (first) own_bytes_ = header.total_bytes();
            offset = end_;
            return Step::done;
        }
        if (in.taken() < behind && !in.skip(behind - in.taken())) return Step::failed;
        own_bytes_ += header.total_bytes();
        offset = header.last_offset() + 1;
    }
    return Step::done;
}

// False: there are more keys than the table has room for.
bool Cleaner::map_batch(ViewCursor& in, const record::BatchHeader& header) {
    RecordHead head;
    for (std::int32_t i = 0; i < header.record_count && read_head(in, head); ++i) {
        SipHash128 hash(hash_keys_[0], hash_keys_[1]);
        if (head.key_bytes >= 0) {
            for (auto left = static_cast<std::uint64_t>(head.key_bytes); left != 0;) {
                const Bytes piece = in.take(left);
                if (piece.empty()) return true;
                hash.update(piece);
                left -= piece.size();
            }
            head.left -= static_cast<std::uint64_t>(head.key_bytes);
            // Near the tail the pass goes to the end: of keys that found no room in the table all records stay.
            if (!keys_.put(hash.finish(), header.base_offset + head.offset_delta) && !pressed_) return false;
        }
        if (!in.skip(head.left)) return true;
    }
    return true;
}

// ---- what is kept ----

Cleaner::Step Cleaner::copy_view() {
    const store::State& state = broker_.store().state();
    ViewCursor in(broker_, view);
    for (std::size_t i = 0; i < view.batches; ++i) {
        const bool time_unknown = in.time_unknown();
        std::uint8_t bytes[batch_header_bytes];
        if (!in.read(bytes)) return Step::failed;
        const record::BatchHeader header = record::decode_header(bytes);
        if (header.base_offset >= end_) {
            offset = end_;
            return Step::done;
        }
        // Appends of others come first, as long as they are not held.
        if (!broker_.store().appends_held() && state.unflushed_bytes + state.committing_bytes > state.options.waiting_bytes_max() / 4) return Step::wait;
        const std::uint64_t behind = in.taken() + header.body_bytes();
        const Step step = copy_batch(in, header, time_unknown);
        if (step == Step::again) return Step::done;
        if (step != Step::done) return step;
        if (in.taken() < behind && !in.skip(behind - in.taken())) return Step::failed;
        offset = header.last_offset() + 1;
    }
    return Step::done;
}

// Into a stage of as many bytes as it may come to; what it then has is relocated.
Cleaner::Step Cleaner::copy_batch(ViewCursor& in, const record::BatchHeader& header, bool time_unknown) {
    if (header.last_offset() < start_ || header.base_offset <= last_) return Step::done;
    const bool whole = !opened(header) || whole_for_ == header.base_offset;
    // A batch that cannot take a horizon keeps its tombstones.
    const std::size_t growth = static_cast<std::size_t>(header.record_count) * time_growth_max;
    const bool grows = horizon_for_ == header.base_offset && header.total_bytes() + growth <= broker_.store().state().options.batch_bytes_max;
    // Whoever is held keeps a stage meanwhile, and all of them may have what stages may have.
    const Status begun = broker_.begin_stage(stage_, header.total_bytes() + (grows ? growth : 0), true);
    if (!begun) return begun.error() == Error::busy ? Step::wait : Step::failed;
    const std::uint8_t room[batch_header_bytes] = {};
    stage_.put(room);
    out_ = header;
    // Of a boot whose clock was never right nothing better will be known; of this one it will.
    if (time_unknown && !broker_.clock_trusted()) out_.attributes |= record::attribute_clock_untrusted;
    if (grows) {
        out_.base_timestamp = broker_.wall() + delete_retention_ms_;
        out_.attributes |= attribute_delete_horizon;
    }
    body_crc_ = 0;
    wants_horizon_ = false;
    const bool copied = whole ? copy_body(in, header.body_bytes(), nullptr) : copy_records(in, header);
    Step step = Step::done;
    if (!copied) {
        step = whole ? Step::failed : Step::again;
        whole_for_ = header.base_offset;
    } else if (wants_horizon_ && horizon_for_ != header.base_offset) {
        step = Step::again;
        horizon_for_ = header.base_offset;
    }
    if (step != Step::done || out_.record_count == 0) {
        broker_.drop(stage_);
        return step;
    }
    statistics_.batches_closed += whole;
    out_.batch_length = static_cast<std::uint32_t>(stage_.size() - record::batch_length_end);
    out_.crc = record::batch_crc(out_, body_crc_, stage_.size() - batch_header_bytes);
    record::encode_header(out_, stage_.header());
    broker_.store().fit(stage_);
    step = append();
    if (step == Step::done) last_ = out_.last_offset();
    return step;
}

// False: these are no sound records.
bool Cleaner::copy_records(ViewCursor& in, const record::BatchHeader& header) {
    out_.record_count = 0;
    if (!header.log_append_time()) out_.max_timestamp = Timestamp(-1);
    for (std::int32_t i = 0; i < header.record_count; ++i)
        if (!copy_record(in, header)) return false;
    return true;
}

bool Cleaner::copy_record(ViewCursor& in, const record::BatchHeader& header) {
    RecordHead head;
    if (!read_head(in, head)) return false;
    const store::Stage::Mark mark = stage_.mark();
    const std::uint32_t crc = body_crc_;
    const Offset at = header.base_offset + head.offset_delta;
    const std::int64_t time_delta = head.time_delta + (header.base_timestamp.value - out_.base_timestamp.value);
    const bool keyed = head.key_bytes >= 0;
    std::uint8_t buffer[48];
    Writer prefix(buffer);
    prefix.zigzag_varint(static_cast<std::int64_t>(1 + zigzag_size(time_delta) + zigzag_size(head.offset_delta) + zigzag_size(head.key_bytes) + head.left));
    prefix.u8(head.attributes);
    prefix.zigzag_varint(time_delta);
    prefix.zigzag_varint(head.offset_delta);
    prefix.zigzag_varint(head.key_bytes);
    // Without a key it takes no part in compaction; Kafka drops such records likewise.
    bool keep = keyed && at >= start_;
    if (keep && prefix.size() + head.left > stage_.room()) return false;
    if (keep) {
        put(prefix.written());
        SipHash128 hash(hash_keys_[0], hash_keys_[1]);
        if (!copy_body(in, static_cast<std::uint64_t>(head.key_bytes), &hash)) return false;
        head.left -= static_cast<std::uint64_t>(head.key_bytes);
        keep = keys_.find(hash.finish()) <= at;
    }
    if (keep) {
        // The length of the value, as it is written.
        std::uint8_t length[varint_bytes_max];
        std::size_t n = 0;
        do {
            if (n == sizeof length || n == head.left || !in.read({&length[n], 1})) return false;
        } while ((length[n++] & 0x80) != 0);
        Reader value(Bytes(length, n));
        const bool tombstone = value.zigzag_varint() < 0;
        head.left -= n;
        if (tombstone && tombstones_expired(header)) keep = false;
        else if (tombstone && (out_.attributes & attribute_delete_horizon) == 0 && broker_.clock_trusted()) wants_horizon_ = true;
        put(Bytes(length, n));
    }
    if (!keep) {
        stage_.rewind(mark);
        body_crc_ = crc;
        ++statistics_.records_dropped;
        return in.skip(head.left);
    }
    ++statistics_.records_kept;
    ++out_.record_count;
    const Timestamp time = header.timestamp_of(head.time_delta);
    if (!header.log_append_time() && out_.max_timestamp < time) out_.max_timestamp = time;
    return copy_body(in, head.left, nullptr);
}

bool Cleaner::copy_body(ViewCursor& in, std::uint64_t bytes, SipHash128* hash) {
    while (bytes != 0) {
        const Bytes piece = in.take(bytes);
        if (piece.empty()) return false;
        if (hash) hash->update(piece);
        put(piece);
        bytes -= piece.size();
    }
    return true;
}

void Cleaner::put(Bytes bytes) {
    body_crc_ = crc32c(bytes, body_crc_);
    stage_.put(bytes);
}

bool Cleaner::tombstones_expired(const record::BatchHeader& header) const {
    return (header.attributes & attribute_delete_horizon) != 0 && broker_.clock_trusted() && header.base_timestamp <= broker_.wall();
}

Cleaner::Step Cleaner::append() {
    const std::size_t bytes = stage_.size();
    const Result<std::uint64_t> done = broker_.store().relocate(stage_);
    if (!done) {
        broker_.drop(stage_);
        return done.error() == Error::busy ? Step::wait : Step::failed;
    }
    appended_ += bytes;
    return Step::done;
}

}  // namespace rivulet::broker
