// When a partition is cleaned, and how a pass goes on.
#include "broker/cleaner.h"

#include <algorithm>

#include "broker/broker.h"
#include "broker/groups/coordinator.h"
#include "env/log.h"

namespace rivulet::broker {

namespace {

constexpr std::int64_t again_ns = 10 * ns_per_s;   // after a pass that failed
constexpr std::int64_t retry_ns = 10 * ns_per_ms;
// No pass is worth less: of the ring, one part in so many.
constexpr std::uint64_t least_share = 256;

}  // namespace

Cleaner::Cleaner(Broker& broker, Arena& arena, std::uint32_t keys_max) : broker_(broker), keys_max_(keys_max), keys_(arena, keys_max) {}

bool Cleaner::cleans(const Topic& topic) { return topic.config.cleanup_policy != config::CleanupPolicy::remove && !Coordinator::is_internal(topic.name.view()); }

void Cleaner::start() {
    std::uint8_t random[16];
    broker_.env().entropy(random);
    hash_keys_[0] = load_le<std::uint64_t>(random);
    hash_keys_[1] = load_le<std::uint64_t>(random + 8);
}

void Cleaner::stop() {
    phase_ = Phase::idle;
    broker_.cancel(static_cast<Fetch&>(*this));
    broker_.cancel(static_cast<RoomWaiter&>(*this));
    broker_.env().disarm(retry_);
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

void Cleaner::look() {
    const store::State& state = broker_.store().state();
    if (keys_max_ == 0 || state.index_loaded_from > state.head.first_live || broker_.stopping()) return;
    head_ = state.geometry.sequence(state.head.previous_end - 1);
    std::uint64_t alive = 0;
    std::uint64_t kept = 0;
    std::uint64_t least_left = UINT64_MAX;
    std::uint64_t looked = 0;
    const std::uint64_t near = reach();
    std::uint64_t pressing = phase_ != Phase::idle ? remaining() : 0;
    due_ = LogId(0);
    due_left_ = UINT64_MAX;
    due_own_bytes_ = 0;
    for (std::uint32_t rank = 0; rank < broker_.topics().count(); ++rank) {
        const Topic& topic = broker_.topics().at(rank);
        if (!cleans(topic)) continue;
        for (std::uint32_t p = 0; p < topic.partitions; ++p) {
            store::Log* const part = broker_.partition(topic, p);
            if (!part || part->start >= part->durable_end) continue;
            const store::Store::Parts parts = broker_.store().parts_of(*part);
            alive += parts.clean_bytes + parts.own_bytes;
            kept += parts.clean_bytes;
            least_left = std::min(least_left, parts.segments_left);
            if (parts.segments_left < near && (phase_ == Phase::idle || part->id != log)) pressing += parts.clean_bytes + parts.own_bytes;
            decide(*part, parts);
            ++looked;
        }
    }
    broker_.env().charge(looked * 512 + broker_.topics().count() * 16);
    alive_bytes_ = alive;
    kept_bytes_ = kept;
    const std::uint64_t share = journal_bytes() / live_share;
    const bool crowded = alive > 3 * share && phase_ != Phase::idle;
    take_in(kept > share ? store::Log::Intake::refused : crowded ? store::Log::Intake::held : store::Log::Intake::open);
    if (phase_ == Phase::idle && due_.value != 0 && broker_.env().now() >= begin_at_)
        if (store::Log* const chosen = broker_.store().find(due_)) begin(*chosen);
    hold(least_left, pressing);
}

void Cleaner::take_in(store::Log::Intake intake) {
    if (intake == intake_) return;
    if (intake == store::Log::Intake::refused)
        env::LogLine(broker_.env(), env::LogLevel::error) << "compacted topics have " << kept_bytes_ << " bytes of latest records, more than a " << live_share
                                                          << "th of storage.size: they take no more until some of it is deleted";
    if (intake_ == store::Log::Intake::refused) env::LogLine(broker_.env(), env::LogLevel::info) << "compacted topics take records again";
    intake_ = intake;
    broker_.set_intake(intake);
}

// The nearer to the ring's tail, the more pressing; then the more there is to clean.
void Cleaner::decide(const store::Log& part, const store::Store::Parts& parts) {
    if (part.id == failed_ && broker_.env().now() < again_at_) return;
    const Topic& topic = broker_.topics().at_slot(part.owner);
    if (parts.segments_left < reach()) {
        if (parts.segments_left >= due_left_) return;
        due_ = part.id;
        due_left_ = parts.segments_left;
        return;
    }
    if (due_left_ != UINT64_MAX) return;
    const std::uint64_t all = parts.clean_bytes + parts.own_bytes;
    const bool worth = parts.own_bytes >= journal_bytes() / least_share;
    const bool dirty = worth && parts.own_bytes * 1000 >= all * topic.config.min_cleanable_dirty_permille;
    const bool crowded = worth && alive_bytes_ > 2 * (journal_bytes() / live_share);
    const store::Log* const clean = broker_.store().clean_of(part);
    const bool cut = intake_ == store::Log::Intake::refused && clean && part.start > clean->start;  // records were deleted: that makes room
    if ((!dirty && !crowded && !cut) || parts.own_bytes < due_own_bytes_) return;
    due_ = part.id;
    due_own_bytes_ = parts.own_bytes;
}

// What waits to be written when appends are held, in segments.
std::uint64_t Cleaner::margin() const {
    const store::State& state = broker_.store().state();
    return std::min<std::uint64_t>(state.options.commit_segments_max() + 1, state.geometry.segment_count / 3);
}

// All that is alive may have to be written anew before the tail comes.
std::uint64_t Cleaner::reach() const {
    const store::Geometry& geometry = broker_.store().state().geometry;
    return std::min<std::uint64_t>(geometry.segment_count / 2, margin() + 2 + alive_bytes_ / geometry.segment_bytes);
}

// While a pass runs: whatever is that near is written, one pass after the other, before the nearest may go.
void Cleaner::hold(std::uint64_t segments_left, std::uint64_t bytes) {
    const std::uint64_t segment_bytes = broker_.store().state().geometry.segment_bytes;
    broker_.hold_appends(phase_ != Phase::idle && segments_left < margin() + (bytes + segment_bytes - 1) / segment_bytes);
}

void Cleaner::begin(store::Log& cleaned) {
    const Status begun = broker_.store().begin_clean(cleaned);
    if (!begun) {
        begin_at_ = broker_.env().now() + again_ns;
        if (begun.error() == Error::limit_reached && !std::exchange(room_told_, true))
            env::LogLine(broker_.env(), env::LogLevel::error) << "limits.partitions = " << broker_.store().state().logs.capacity() << " leaves no room to clean a partition of a compacted topic";
        return;
    }
    room_told_ = false;
    const store::Store::Parts parts = broker_.store().parts_of(cleaned);
    const config::TopicConfig& config = broker_.topics().at_slot(cleaned.owner).config;
    delete_retention_ms_ = config.delete_retention_ms;
    const bool ages = config.cleanup_policy == config::CleanupPolicy::both && config.retention_ms >= 0 && broker_.clock_trusted();
    too_old_ = Timestamp(ages ? broker_.wall().value - config.retention_ms : -1);
    pass_bytes_ = parts.clean_bytes + parts.own_bytes;
    pressed_ = parts.segments_left < reach();
    appended_ = own_bytes_ = 0;
    horizon_for_ = whole_for_ = last_ = Offset(-1);
    start_ = cleaned.start;
    end_ = all_end_ = cleaned.durable_end;
    all_bytes_ = parts.own_bytes;
    keys_.clear();
    view_due_ = false;
    log = cleaned.id;
    mark_end_ = cleaned.own_start();
    marks_left_ = keys_max_ - keys_max_ / 2;
    deletes_kept_ = closed_kept_ = false;
    phase_ = cleaned.deletes_kept && broker_.clock_trusted() && start_ < mark_end_ ? Phase::marking : Phase::mapping;
    offset = phase_ == Phase::marking ? start_ : mark_end_;
    next_view();
}

void Cleaner::next_view() {
    if (phase_ == Phase::marking && offset >= mark_end_) {
        phase_ = Phase::mapping;
        offset = mark_end_;
    }
    if (phase_ == Phase::mapping && offset >= end_) {
        phase_ = Phase::copying;
        offset = start_;
    }
    if (phase_ == Phase::copying && offset >= end_) return end_copying();
    // On a turn of its own: what is in memory comes within this one.
    view_due_ = true;
    broker_.env().arm(retry_, broker_.env().now());
}

void Cleaner::give_up() {
    phase_ = Phase::idle;
    broker_.drop(stage_);
    broker_.store().drop_clean();
    failed_ = log;
    again_at_ = broker_.env().now() + again_ns;
    // Others may be as near to the tail, and appends are held for them.
    look();
}

void Cleaner::on_fetched(Failure outcome) {
    if (outcome.error == Error::offset_out_of_range && Offset(outcome.detail) > offset) {
        // Its start has moved meanwhile.
        start_ = offset = Offset(outcome.detail);
        return next_view();
    }
    if (outcome.error != Error::none || broker_.store().state().making.value == 0) {
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

void Cleaner::on_retry() {
    if (in_) return go_on();
    if (std::exchange(view_due_, false)) {
        bytes_max = slice_bytes;
        return broker_.fetch(*this);
    }
    if (phase_ == Phase::durable) return try_finish();
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
    if (!cleaned || broker_.store().state().making.value == 0) return give_up();
    if (end_ <= cleaned->start) return give_up();
    if (last_ < end_ - 1) {
        // Nothing of the last batch is alive: one without records, as Kafka keeps it, holds the place, so that readers come to the end.
        record::BatchHeader header;
        header.base_offset = end_ - 1;
        header.leader_epoch = std::max(Epoch(0), cleaned->epoch_at(end_ - 1));
        const Status begun = broker_.begin_stage(stage_, record::batch_header_bytes, true);
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
    if (!cleaned || broker_.store().state().making.value == 0) return give_up();
    const Result<std::uint64_t> done = broker_.store().finish_clean(*cleaned, end_, end_ == all_end_ ? all_bytes_ : own_bytes_);
    if (!done && done.error() != Error::busy) return give_up();
    if (done) cleaned->deletes_kept = deletes_kept_;
    if (!done) return broker_.env().arm(retry_, broker_.env().now() + retry_ns);
    broker_.env().disarm(retry_);
    phase_ = Phase::idle;
    ++statistics_.passes;
    statistics_.written_bytes += appended_;
    const Topic& topic = broker_.topics().at_slot(cleaned->owner);
    env::LogLine(broker_.env(), env::LogLevel::debug) << "topic " << topic.name.view() << ", partition " << topic.partition_of(cleaned->id) << ": cleaned up to offset " << end_.value << ", "
                                                      << appended_ << " of " << pass_bytes_ << " bytes are kept";
    pass_bytes_ = appended_ = 0;
    look();
}

}  // namespace rivulet::broker
