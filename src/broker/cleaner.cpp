// How a pass goes on.
#include "broker/cleaner.h"

#include <algorithm>

#include "broker/broker.h"
#include "broker/groups/coordinator.h"
#include "env/log.h"

namespace rivulet::broker {

namespace {

constexpr std::int64_t again_ns = 10 * ns_per_s;   // after a pass that failed

}  // namespace

Cleaner::Cleaner(Broker& broker, Arena& arena, std::uint32_t keys_max) : broker_(broker), keys_max_(keys_max), keys_(arena, keys_max) {}

bool Cleaner::keeps(const Topic& topic) { return topic.config.outlives_ring() && topic.config.durability != config::Durability::memory && !Coordinator::is_internal(topic.name.view()); }
bool Cleaner::cleans(const Topic& topic) { return keeps(topic) && topic.config.cleanup_policy != config::CleanupPolicy::remove; }
bool Cleaner::pins(const Topic& topic) { return keeps(topic) && !cleans(topic); }
bool Cleaner::refuses(const Topic& topic) { return pins(topic) && topic.config.overflow == config::Overflow::reject; }

void Cleaner::start() {
    std::uint8_t random[16];
    broker_.env().entropy(random);
    hash_keys_[0] = load_le<std::uint64_t>(random);
    hash_keys_[1] = load_le<std::uint64_t>(random + 8);
}

void Cleaner::stop() {
    phase_ = Phase::idle;
    view_due_ = false;
    broker_.cancel(static_cast<Fetch&>(*this));
    broker_.cancel(static_cast<RoomWaiter&>(*this));
    broker_.env().disarm(retry_);
    broker_.hold_offsets(false);
    end_view();
    broker_.drop(stage_);
}

std::uint64_t Cleaner::journal_bytes() const { return broker_.store().state().geometry.journal_bytes(); }

void Cleaner::on_commit() {
    if (broker_.offline()) return stop();
    if (phase_ == Phase::durable) try_finish();
    const store::State& state = broker_.store().state();
    if (const std::uint64_t head = state.geometry.sequence(state.head.previous_end - 1); head != head_) look();
}

void Cleaner::on_tick() {
    if (!broker_.offline()) look();
}

void Cleaner::begin(store::Log& cleaned, std::uint64_t quota) {
    const Result<const store::Log*> begun = broker_.store().begin_clean(cleaned);
    if (!begun) {
        if (begun.error() == Error::busy) return broker_.env().arm(retry_, broker_.env().now() + retry_ns);
        begin_at_ = broker_.env().now() + again_ns;
        if (begun.error() == Error::limit_reached && !std::exchange(room_told_, true))
            env::LogLine(broker_.env(), env::LogLevel::error) << "limits.partitions = " << broker_.store().state().logs.capacity() << " leaves no room to clean a partition of a compacted or pinned topic";
        return;
    }
    room_told_ = false;
    const store::Log& made = **begun;
    const bool resumed = made.end > Offset(0);
    const store::Store::Parts parts = broker_.store().parts_of(cleaned);
    const Topic& topic = broker_.topics().at_slot(cleaned.owner);
    const config::TopicConfig& config = topic.config;
    delete_retention_ms_ = config.delete_retention_ms;
    // Likewise what is too old stays: what it had before may be older.
    const bool ages = !resumed && config.cleanup_policy == config::CleanupPolicy::both && config.retention_ms >= 0 && broker_.clock_trusted();
    too_old_ = Timestamp(ages ? broker_.wall().value - config.retention_ms : -1);
    pass_bytes_ = parts.clean_bytes + parts.own_bytes;
    pressed_ = parts.segments_left < reach();
    appended_ = resumed_bytes_ = made.bytes + made.unflushed_bytes;
    own_bytes_ = skip_ = wanted_bytes_ = 0;
    horizon_for_ = whole_for_ = Offset(-1);
    last_ = made.end - 1;
    start_ = cleaned.start;
    end_ = all_end_ = cleaned.durable_end;
    all_bytes_ = parts.own_bytes;
    keys_.clear();
    view_due_ = false;
    log = cleaned.id;
    mark_end_ = cleaned.own_start();
    marks_left_ = keys_max_ - keys_max_ / 2;
    // Of what a pass that goes on has kept before it does not know the keys: it marks no deletions, so no tombstone goes.
    deletes_kept_ = resumed;
    closed_kept_ = false;
    marks_deletes_ = !resumed && cleaned.deletes_kept && broker_.clock_trusted();
    doubled_from_ = resumed ? made.end : cleaned.doubled_from;
    const Offset mark_from = marks_deletes_ ? start_ : std::max(start_, doubled_from_);
    phase_ = !resumed && mark_from < mark_end_ ? Phase::marking : Phase::mapping;
    offset = phase_ == Phase::marking ? mark_from : std::max(mark_end_, made.end);
    pinned_ = pins(topic);
    quota_ = quota;
    if (pinned_) begin_pinned(cleaned, made);
    next_view();
}

// All of it stays. Where it is more than may, a first reading tells how much that is, to the byte, unless what may stay was begun to be written before.
void Cleaner::begin_pinned(const store::Log& cleaned, const store::Log& made) {
    const std::uint64_t alive = broker_.store().alive_bytes(cleaned);
    const bool resumed = made.end > Offset(0);
    counted_ = 0;
    pass_bytes_ = resumed ? alive : std::min(alive, quota_);
    phase_ = alive > quota_ && !resumed ? Phase::mapping : Phase::copying;
    offset = std::max(start_, made.end);
}

// Its topic may have gone meanwhile, and what it has written with it.
bool Cleaner::under_way() const {
    const store::Log* const cleaned = broker_.store().find(log);
    return cleaned && broker_.store().clean_begun(*cleaned);
}

void Cleaner::next_view() {
    if (phase_ == Phase::marking && offset >= mark_end_) {
        phase_ = Phase::mapping;
        offset = mark_end_;
    }
    if (phase_ == Phase::mapping && offset >= end_) {
        phase_ = Phase::copying;
        if (pinned_ && counted_ > quota_) skip_ = counted_ - quota_;
        offset = std::max(start_, last_ + 1);
    }
    // On a turn of its own: what is in memory comes within this one.
    view_due_ = true;
    broker_.env().arm(retry_, broker_.env().now());
}

void Cleaner::give_up(bool failed) {
    phase_ = Phase::idle;
    view_due_ = false;
    broker_.drop(stage_);
    if (store::Log* const cleaned = broker_.store().find(log); cleaned && end_ <= cleaned->start) broker_.store().give_up_clean(*cleaned);
    if (failed) {
        Failed& first = *std::ranges::min_element(failed_, {}, &Failed::again_at);
        // With more of them than there are places all wait, until the first of these is free.
        begin_at_ = std::max(begin_at_, first.again_at);
        first = {log, broker_.env().now() + again_ns};
    }
    // Others may be as near to the tail, and appends are held for them.
    look();
}

void Cleaner::on_fetched(Failure outcome) {
    if (outcome.error == Error::offset_out_of_range && Offset(outcome.detail) > offset) {
        // Its start has moved meanwhile.
        start_ = offset = Offset(outcome.detail);
        return next_view();
    }
    if (outcome.error != Error::none || !under_way()) {
        broker_.release(view);
        return give_up();
    }
    if (view.empty()) {
        // Nothing more is there below the end.
        offset = limit();
        return next_view();
    }
    begin_view();
}

// What it lacked may have been its own view's, and then nobody else makes room.
void Cleaner::wait_for_room() {
    if (!static_cast<RoomWaiter&>(*this).linked()) broker_.wait_for_room(*this);
    broker_.env().arm(retry_, broker_.env().now() + retry_ns);
}

// For the batch that found none, before a view is taken: what that holds cannot make room. The stage is kept for it.
bool Cleaner::make_room() {
    if (wanted_bytes_ == 0) return true;
    const Status begun = broker_.begin_stage(stage_, wanted_bytes_, store::StageShare::ahead);
    if (!begun && begun.error() == Error::busy) return false;
    wanted_bytes_ = 0;
    return true;
}

void Cleaner::on_retry() {
    if (in_) return go_on();
    if (std::exchange(view_due_, false)) {
        if (phase_ == Phase::copying && offset >= end_) return end_copying();
        if (!make_room()) return wait_for_room();
        bytes_max = turn_bytes;
        return broker_.fetch(*this);
    }
    if (phase_ == Phase::durable) return try_finish();
    if (phase_ == Phase::idle) return look();
    if (!static_cast<RoomWaiter&>(*this).linked()) return;
    broker_.cancel(static_cast<RoomWaiter&>(*this));
    on_room();
}

void Cleaner::on_room() {
    broker_.env().disarm(retry_);
    if (phase_ == Phase::copying) next_view();
}

// The last batch is relocated.
void Cleaner::end_copying() {
    store::Log* const cleaned = broker_.store().find(log);
    if (!under_way()) return give_up();
    if (end_ <= cleaned->start) return give_up(false);
    broker_.drop(stage_);
    if (last_ < end_ - 1) {
        // Nothing of the last batch is alive: one without records, as Kafka keeps it, holds the place, so that readers come to the end.
        record::BatchHeader header;
        header.base_offset = end_ - 1;
        header.leader_epoch = std::max(Epoch(0), cleaned->epoch_at(end_ - 1));
        const Status begun = broker_.begin_stage(stage_, record::batch_header_bytes, store::StageShare::ahead);
        if (begun) {
            std::uint8_t bytes[record::batch_header_bytes];
            header.crc = record::batch_crc(header, 0, 0);
            record::encode_header(header, bytes);
            stage_.put(bytes);
        }
        const Step step = begun ? append() : begun.error() == Error::busy ? Step::wait : Step::failed;
        if (step == Step::wait) return wait_for_room();
        if (step == Step::failed) return give_up();
    }
    phase_ = Phase::durable;
    try_finish();
}

void Cleaner::try_finish() {
    store::Log* const cleaned = broker_.store().find(log);
    if (!under_way()) return give_up();
    // Records were deleted meanwhile, all that it has gone through.
    if (end_ <= cleaned->start) return give_up(false);
    const Result<std::uint64_t> done = broker_.store().finish_clean(*cleaned, end_, end_ == all_end_ ? all_bytes_ : own_bytes_);
    if (!done && done.error() != Error::busy) return give_up();
    if (done) {
        cleaned->deletes_kept = deletes_kept_;
        cleaned->doubled_from = resumed_bytes_ != 0 ? doubled_from_ : Offset(INT64_MAX);
    }
    if (!done) return broker_.env().arm(retry_, broker_.env().now() + retry_ns);
    broker_.env().disarm(retry_);
    phase_ = Phase::idle;
    ++statistics_.passes;
    statistics_.passes_resumed += resumed_bytes_ != 0;
    statistics_.written_bytes += appended_ - resumed_bytes_;
    const Topic& topic = broker_.topics().at_slot(cleaned->owner);
    env::LogLine(broker_.env(), env::LogLevel::debug) << "topic " << topic.name.view() << ", partition " << topic.partition_of(cleaned->id) << ": cleaned up to offset " << end_.value << ", "
                                                      << appended_ << " of " << pass_bytes_ << " bytes are kept";
    pass_bytes_ = appended_ = 0;
    look();
}

}  // namespace rivulet::broker
