// What a pass does with batches and records.
#include <algorithm>

#include "base/crc32c.h"
#include "broker/broker.h"

namespace rivulet::broker {

namespace {

using record::attribute_delete_horizon;
using record::batch_header_bytes;

// By which a time may become longer when it counts from another one.
constexpr std::size_t time_growth_max = varint_bytes_max - 1;

// As much as a few hundred bytes, in what the simulator counts.
constexpr std::uint64_t record_work = 256;

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

bool hash_key(ViewCursor& in, RecordHead& head, SipHash128& hash) {
    for (auto left = static_cast<std::uint64_t>(head.key_bytes); left != 0;) {
        const Bytes piece = in.take(left);
        if (piece.empty()) return false;
        hash.update(piece);
        left -= piece.size();
    }
    head.left -= static_cast<std::uint64_t>(head.key_bytes);
    return true;
}

bool opened(const record::BatchHeader& header) { return header.compression() == record::Compression::none && !header.control(); }

}  // namespace

// ---- a view, turn by turn ----

void Cleaner::begin_view() {
    in_.emplace(broker_, view);
    batches_left_ = view.batches;
    inside_ = false;
    statistics_.read_bytes += view.bytes;
    go_on();
}

void Cleaner::end_view() {
    if (!in_) return;
    in_.reset();
    broker_.release(view);
}

void Cleaner::go_on() {
    const Step step = under_way() ? go_through() : Step::failed;
    if (step == Step::turn) return broker_.env().arm(retry_, broker_.env().now());
    end_view();
    if (step == Step::wait) return wait_for_room();
    if (step == Step::failed) return give_up();
    next_view();
}

Cleaner::Step Cleaner::go_through() {
    const std::uint64_t begin = in_->taken();
    turn_end_ = begin + turn_bytes;
    turn_left_ = turn_records;
    Step step = Step::more;
    while (step == Step::more) step = !inside_ ? enter() : phase_ == Phase::copying ? copy_on() : read_on();
    broker_.env().charge((in_->taken() - begin) * 4 + (turn_records - turn_left_) * record_work);
    return step;
}

bool Cleaner::turn_is_over() const { return turn_left_ == 0 || in_->taken() >= turn_end_; }

// The next batch.
Cleaner::Step Cleaner::enter() {
    if (batches_left_ == 0 || offset >= limit()) return Step::done;
    if (turn_is_over()) return Step::turn;
    --batches_left_;
    --turn_left_;
    time_unknown_ = in_->time_unknown();
    std::uint8_t bytes[batch_header_bytes];
    if (!in_->read(bytes)) return Step::failed;
    header_ = record::decode_header(bytes);
    if (header_.base_offset >= limit()) {
        offset = limit();
        return Step::done;
    }
    behind_ = in_->taken() + header_.body_bytes();
    records_left_ = header_.record_count;
    if (phase_ == Phase::copying) return begin_batch();
    if (phase_ == Phase::marking) {
        // What lies closed may have older values of all that was deleted behind it.
        if (header_.compression() != record::Compression::none) return end_marking();
        const bool horizon = marks_deletes_ && (header_.attributes & attribute_delete_horizon) != 0 && header_.base_timestamp <= broker_.wall();
        if (!horizon && header_.base_offset < doubled_from_) return leave();
    }
    if (pinned_ || !opened(header_)) return leave();
    inside_ = true;
    return Step::more;
}

Cleaner::Step Cleaner::leave() {
    inside_ = false;
    if (in_->taken() < behind_ && !in_->skip(behind_ - in_->taken())) return Step::failed;
    if (phase_ == Phase::mapping) (pinned_ ? counted_ : own_bytes_) += header_.total_bytes();
    offset = header_.last_offset() + 1;
    return Step::more;
}

// To the end of the batch: marking or mapping.
Cleaner::Step Cleaner::read_on() {
    const bool marks = phase_ == Phase::marking;
    for (; records_left_ > 0; --records_left_, --turn_left_) {
        if (turn_is_over()) return Step::turn;
        const Mapped mapped = marks ? mark_record(*in_) : map_record(*in_);
        if (mapped == Mapped::full) return marks ? end_marking() : end_mapping();
        if (mapped == Mapped::bad) break;
    }
    return leave();
}

// ---- which keys are deleted ----

// The others are for the next passes: what comes since needs room in the table.
Cleaner::Step Cleaner::end_marking() {
    offset = mark_end_;
    inside_ = false;
    return Step::done;
}

// A tombstone goes once it was told for long enough, and with it all that its key had before: a pass that had no room for the key has kept that, and mapping reads only what came since. Likewise what
// a pass that was given up or cut short in between could not know that it had.
Cleaner::Mapped Cleaner::mark_record(ViewCursor& in) {
    RecordHead head;
    if (!read_head(in, head) || head.key_bytes < 0) return Mapped::bad;
    SipHash128 hash(hash_keys_[0], hash_keys_[1]);
    if (!hash_key(in, head, hash)) return Mapped::bad;
    const std::uint64_t begin = in.taken();
    std::int64_t value_bytes = 0;
    if (!in.zigzag(value_bytes) || in.taken() - begin > head.left) return Mapped::bad;
    if (value_bytes < 0 || header_.base_offset >= doubled_from_) {
        if (marks_left_ == 0) return Mapped::full;
        --marks_left_;
        keys_.put(hash.finish(), header_.base_offset + head.offset_delta);
    }
    return in.skip(head.left - (in.taken() - begin)) ? Mapped::done : Mapped::bad;
}

// ---- which keys come again ----

// The table is full. Keys of this batch that it has are no mistake: the batch stays, wherever it lies.
Cleaner::Step Cleaner::end_mapping() {
    const bool first = own_bytes_ == 0;
    end_ = first ? header_.last_offset() + 1 : header_.base_offset;
    if (first) own_bytes_ = header_.total_bytes();
    offset = end_;
    inside_ = false;
    return Step::done;
}

Cleaner::Mapped Cleaner::map_record(ViewCursor& in) {
    RecordHead head;
    if (!read_head(in, head)) return Mapped::bad;
    if (head.key_bytes >= 0) {
        SipHash128 hash(hash_keys_[0], hash_keys_[1]);
        if (!hash_key(in, head, hash)) return Mapped::bad;
        // Near the tail the pass goes to the end: of keys that found no room in the table all records stay.
        if (!keys_.put(hash.finish(), header_.base_offset + head.offset_delta) && !pressed_) return Mapped::full;
    }
    return in.skip(head.left) ? Mapped::done : Mapped::bad;
}

// ---- what is kept ----

// Into a stage of as many bytes as it may come to; what it then has is relocated.
Cleaner::Step Cleaner::begin_batch() {
    const store::State& state = broker_.store().state();
    // Appends of others come first, as long as they are not held.
    if (!broker_.store().appends_held() && state.unflushed_bytes + state.committing_bytes > state.options.waiting_bytes_max() / 4) return Step::wait;
    if (header_.last_offset() < start_ || header_.base_offset <= last_) return leave();
    // Segments of the last pass have old and new together, so these would stay as long as the newest.
    if (header_.max_timestamp.value >= 0 && header_.max_timestamp < too_old_ && !time_unknown_ && !header_.clock_untrusted()) {
        statistics_.records_dropped += static_cast<std::uint64_t>(header_.record_count);
        return leave();
    }
    if (skip_ != 0 && header_.last_offset() + 1 < end_) {
        skip_ -= std::min<std::uint64_t>(skip_, header_.total_bytes());
        start_ = header_.last_offset() + 1;
        return leave();
    }
    if (const Step step = drop_skipped(); step != Step::more) return step;
    whole_ = pinned_ || !opened(header_) || whole_for_ == header_.base_offset;
    // A batch that cannot take a horizon keeps its tombstones.
    const std::size_t growth = static_cast<std::size_t>(header_.record_count) * time_growth_max;
    const bool grows = horizon_for_ == header_.base_offset && header_.total_bytes() + growth <= state.options.batch_bytes_max;
    // Whoever is held keeps a stage meanwhile, and all of them may have what stages may have.
    const std::size_t bytes = header_.total_bytes() + (grows ? growth : 0);
    if (stage_.room() < bytes) {
        broker_.drop(stage_);
        const Status begun = broker_.begin_stage(stage_, bytes, store::StageShare::ahead);
        if (!begun && begun.error() == Error::busy) wanted_bytes_ = bytes;
        if (!begun) return begun.error() == Error::busy ? Step::wait : Step::failed;
    }
    const std::uint8_t room[batch_header_bytes] = {};
    stage_.put(room);
    out_ = header_;
    horizons_ = broker_.clock_trusted();
    tombstones_expired_ = (header_.attributes & attribute_delete_horizon) != 0 && horizons_ && !closed_kept_ && header_.base_timestamp <= broker_.wall();
    // Of a boot whose clock was never right nothing better will be known; of this one it will.
    if (time_unknown_ && !horizons_) out_.attributes |= record::attribute_clock_untrusted;
    if (grows) {
        out_.base_timestamp = broker_.wall() + delete_retention_ms_;
        out_.attributes |= attribute_delete_horizon;
    }
    if (!whole_) {
        out_.record_count = 0;
        if (!header_.log_append_time()) out_.max_timestamp = Timestamp(-1);
    }
    body_crc_ = 0;
    records_dropped_ = 0;
    wants_horizon_ = false;
    inside_ = true;
    return Step::more;
}

// What of a pinned topic is more than its share goes before the rest is written: a pass that goes on later does not know of it.
Cleaner::Step Cleaner::drop_skipped() {
    store::Log* const cleaned = broker_.store().find(log);
    if (!cleaned || start_ <= cleaned->start) return Step::more;
    const Result<std::uint64_t> done = broker_.store().set_start(*cleaned, start_);
    if (!done) return done.error() == Error::busy ? Step::wait : Step::failed;
    tell_dropped(*cleaned, counted_ - quota_);
    return Step::more;
}

Cleaner::Step Cleaner::copy_on() {
    if (whole_) {
        while (in_->taken() < behind_) {
            if (turn_is_over()) return Step::turn;
            const std::uint64_t left = behind_ - in_->taken();
            if (!copy_body(*in_, left < turn_bytes ? left : turn_bytes, nullptr)) return Step::failed;
        }
        return end_batch(true);
    }
    for (; records_left_ > 0; --records_left_, --turn_left_) {
        if (turn_is_over()) return Step::turn;
        if (!copy_record(*in_)) return end_batch(false);
    }
    return end_batch(true);
}

// It is in the stage, as far as it is kept. Not sound: what it has are no records.
Cleaner::Step Cleaner::end_batch(bool sound) {
    const bool horizon = sound && wants_horizon_ && horizon_for_ != header_.base_offset;
    if (!sound || horizon || out_.record_count == 0) broker_.drop(stage_);
    if (!sound || horizon) {
        (sound ? horizon_for_ : whole_for_) = header_.base_offset;
        return Step::done;
    }
    if (out_.record_count == 0) {
        count_batch();
        return leave();
    }
    out_.batch_length = static_cast<std::uint32_t>(stage_.size() - record::batch_length_end);
    out_.crc = record::batch_crc(out_, body_crc_, stage_.size() - batch_header_bytes);
    record::encode_header(out_, stage_.header());
    broker_.store().fit(stage_);
    if (const Step step = append(); step != Step::done) return step;
    count_batch();
    last_ = out_.last_offset();
    deletes_kept_ = deletes_kept_ || (out_.attributes & attribute_delete_horizon) != 0;
    closed_kept_ = closed_kept_ || (whole_ && !header_.control());
    return leave();
}

void Cleaner::count_batch() {
    statistics_.batches_closed += whole_ && !pinned_;
    statistics_.records_kept += whole_ ? 0 : static_cast<std::uint64_t>(out_.record_count);
    statistics_.records_dropped += records_dropped_;
}

bool Cleaner::copy_record(ViewCursor& in) {
    RecordHead head;
    if (!read_head(in, head)) return false;
    const store::Stage::Mark mark = stage_.mark();
    const std::uint32_t crc = body_crc_;
    const Offset at = header_.base_offset + head.offset_delta;
    const std::int64_t time_delta = head.time_delta + (header_.base_timestamp.value - out_.base_timestamp.value);
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
    Offset latest(-1);
    if (keep && prefix.size() + head.left > stage_.room()) return false;
    if (keep) {
        put(prefix.written());
        SipHash128 hash(hash_keys_[0], hash_keys_[1]);
        if (!copy_body(in, static_cast<std::uint64_t>(head.key_bytes), &hash)) return false;
        head.left -= static_cast<std::uint64_t>(head.key_bytes);
        latest = keys_.find(hash.finish());
        keep = latest <= at;
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
        if (tombstone && tombstones_expired_ && latest == at) keep = false;
        else if (tombstone && (out_.attributes & attribute_delete_horizon) == 0 && horizons_) wants_horizon_ = true;
        put(Bytes(length, n));
    }
    if (!keep) {
        stage_.rewind(mark);
        body_crc_ = crc;
        ++records_dropped_;
        return in.skip(head.left);
    }
    ++out_.record_count;
    const Timestamp time = header_.timestamp_of(head.time_delta);
    if (!header_.log_append_time() && out_.max_timestamp < time) out_.max_timestamp = time;
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
