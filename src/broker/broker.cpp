#include "broker/broker.h"

#include <algorithm>

#include "broker/groups/coordinator.h"
#include "env/log.h"

namespace rivulet::broker {

namespace {

// The clock is looked at so often, and retention when it is due.
constexpr std::int64_t tick_ns = ns_per_s;
constexpr std::uint64_t wakes_per_turn = 256;

}  // namespace

Broker::Broker(env::Env& env, Arena& arena, const BrokerOptions& options)
    : env_(env),
      options_(options),
      store_(env, arena, options.store, *this),
      topics_(arena, options.topics_max),
      watches_(arena, options.store.logs_max),
      opener_(env, arena, options.decode_bytes),
      record_search_(*this, opener_),
      unpacker_(*this, opener_),
      catalogue_bytes_max_(catalogue_bytes_max(options.store)),
      clock_(options.clock_trust, options.clock_floor),
      cleaner_(*this, arena, options.compact_keys) {}

std::size_t Broker::memory_bytes(const BrokerOptions& options) {
    return sizeof(Broker) - sizeof(store::Store) + store::Store::memory_bytes(options.store) + TopicTable::memory_bytes(options.topics_max) +
           LogWatches::memory_bytes(options.store.logs_max) + BatchOpener::memory_bytes(options.decode_bytes) + Cleaner::memory_bytes(options.compact_keys);
}

Result<store::OpenReport> Broker::open() {
    RIVULET_TRY_ASSIGN(store::OpenReport report, store_.open(*this));
    name_unnamed_logs();
    // Possible where limits were raised since: better said now than by a checkpoint that does not fit.
    if (topics_.catalogue_bytes() > catalogue_bytes_max_) {
        env::LogLine(env_, env::LogLevel::error) << "the names and settings of " << topics_.count() << " topics take " << topics_.catalogue_bytes() << " bytes, a checkpoint has "
                                                 << catalogue_bytes_max_ << " for them: limits.partitions, limits.sessions and limits.producers take the rest of storage.checkpoint_bytes_max";
        return fail(Error::limit_reached);
    }
    for (std::uint32_t rank = 0; rank < topics_.count(); ++rank) {
        Topic& topic = topics_.at(rank);
        char buffer[240];
        Text why(buffer);
        if (!check_goes_together(topic, why)) {
            // As what the defaults were before is not known.
            config::TopicConfig own = topic.config;
            config::follow(own, config::TopicConfig());
            keep_policy(topic, own, why.view());
        }
        if (Cleaner::cleans(topic) && !cleaner_.possible()) {
            env::LogLine(env_, env::LogLevel::error) << "topic " << topic.name.view() << " has cleanup.policy = compact, and limits.compact_keys is 0";
            return fail(Error::limit_reached);
        }
        apply_config(topic);
    }
    return report;
}

void Broker::serve(BrokerListener& listener) {
    listener_ = &listener;
    store_.serve(*this);
    cleaner_.start();
    retention_due_ = env_.now() + options_.retention_check_ns;
    on_tick();
}

void Broker::stop() {
    env_.disarm(tick_);
    cleaner_.stop();
    store_.stop();
}

void Broker::reload(const config::TopicSection& defaults, std::int64_t retention_check_ns, config::ClockTrust clock_trust) {
    options_.defaults = defaults;
    options_.retention_check_ns = retention_check_ns;
    clock_.set_mode(clock_trust);
    for (std::uint32_t rank = 0; rank < topics_.count(); ++rank) {
        Topic& topic = topics_.at(rank);
        // Durability is fixed at creation: the journal knows it.
        const config::Durability durability = topic.config.durability;
        Topic planned = topic;
        config::follow(planned.config, defaults.config);
        planned.config.durability = durability;
        char buffer[240];
        Text why(buffer);
        if (!check_followed(topic, planned, why)) keep_policy(planned, topic.config, why.view());
        topic.config = planned.config;
        apply_config(topic);
    }
}

// Which records stay, as it was.
void Broker::keep_policy(Topic& topic, const config::TopicConfig& before, std::string_view why) {
    env::LogLine(env_, env::LogLevel::error) << "topic " << topic.name.view() << " does not follow [defaults] in cleanup.policy, pinned and overflow: " << why;
    topic.config.cleanup_policy = before.cleanup_policy;
    topic.config.pinned = before.pinned;
    topic.config.overflow = before.overflow;
}

// What the topic has set itself, and what it has from the defaults.
Status Broker::check_goes_together(const Topic& topic, Text& why) {
    if (Coordinator::is_internal(topic.name.view()) || !topic.config.outlives_ring()) return {};
    return config::check_contradictions(topic.config, why);
}

// Whether a topic can be what it would be by other defaults.
Status Broker::check_followed(const Topic& topic, const Topic& planned, Text& why) {
    RIVULET_TRY(check_goes_together(planned, why));
    if (!Cleaner::keeps(planned)) return {};
    RIVULET_TRY(check_policy(planned.config, why));
    if (!Cleaner::keeps(topic)) RIVULET_TRY(check_logs(0, planned, why));
    return check_room(topic, planned, why);
}

void Broker::apply_config(Topic& topic) {
    for (std::uint32_t p = 0; p < topic.partitions; ++p) {
        store::Log* const log = partition(topic, p);
        if (!log) continue;
        log->log_append_time = topic.config.timestamp_type == config::TimestampType::log_append_time;
        log->commit_interval_ns = topic.config.commit_interval_ms() * ns_per_ms;
        log->pack_interval_ns = topic.config.pack_ms * ns_per_ms;
        store_.set_batch_limit(*log, topic.config.max_message_bytes);
        const bool cleaned = Cleaner::cleans(topic);
        const bool for_good = cleaned && topic.config.cleanup_policy == config::CleanupPolicy::compact;
        log->retention_ms = for_good ? -1 : topic.config.retention_ms;
        log->retention_bytes = for_good ? -1 : topic.config.retention_bytes;
        log->keys_required = cleaned;
        log->intake = cleaner_.intake_of(topic);
        log->owner = topics_.slot(topic);
    }
}

store::AppendTime Broker::append_time(const store::Log& log) const {
    if (!log.log_append_time) return {};
    return {clock_.stamp(env_), !clock_.trusted()};
}

Result<store::Appended> Broker::append(store::Log& log, store::Stage& stage) {
    Result<store::Appended> done = store_.append(log, stage, append_time(log));
    if (done && !room_waiters_.empty()) wake_soon();
    return done;
}

void Broker::drop(store::Stage& stage) {
    if (!stage.active()) return;
    store_.drop(stage);
    if (!room_waiters_.empty()) wake_soon();
}

Result<store::Appended> Broker::append(store::Log& log, const record::Reading& reading, const store::SessionReading& session) {
    if (reading.timestamp.value >= 0 && !log.log_append_time) return store_.append(log, reading, false, session);
    record::Reading stamped = reading;
    stamped.timestamp = clock_.stamp(env_);
    return store_.append(log, stamped, !clock_.trusted(), session);
}

Result<store::Appended> Broker::append_held(store::Log& log, const record::Reading& reading) {
    const bool held = store_.appends_held();
    store_.hold_appends(false);
    const Result<store::Appended> appended = append(log, reading, {});
    store_.hold_appends(held);
    return appended;
}

void Broker::on_tick() {
    const Instant now = env_.now();
    if (clock_.update(env_)) {
        env::LogLine(env_, env::LogLevel::info) << "the wall clock is trusted from now on";
        store_.trust_clock(env_.wall().value, clock_.offset_ms(env_));
    }
    if (now >= retention_due_) {
        store_.apply_retention(clock_.trusted() ? env_.wall().value : -1);
        retention_due_ = now + options_.retention_check_ns;
    }
    cleaner_.on_tick();
    env_.arm(tick_, now + tick_ns);
}

// --- Waiting

void Broker::wake_soon() {
    if (!wake_.armed()) env_.arm(wake_, env_.now());
}

void Broker::wait_for_commit(CommitWaiter& waiter) {
    // Tickets of one session only grow, but sessions may wait for an older one than the last in line.
    CommitWaiter* after = commit_waiters_.back();
    if (!after || after->ticket <= waiter.ticket) {
        commit_waiters_.push_back(waiter);
    } else {
        CommitWaiter* next = commit_waiters_.front();
        while (next->ticket <= waiter.ticket) next = commit_waiters_.next(*next);
        commit_waiters_.insert_before(*next, waiter);
    }
    if (waiter.ticket <= store_.durable_ticket() || store_.offline()) wake_soon();
}

void Broker::wait_for_room(RoomWaiter& waiter) {
    room_waiters_.push_back(waiter);
    if (store_.offline() || store_.stopping()) wake_soon();
}

void Broker::cancel(CommitWaiter& waiter) {
    if (waiter.linked()) List<CommitWaiter>::remove(waiter);
}

void Broker::cancel(RoomWaiter& waiter) {
    if (waiter.linked()) List<RoomWaiter>::remove(waiter);
}

void Broker::on_commit() {
    cleaner_.on_commit();
    on_wake();
}

void Broker::set_intake() {
    for (std::uint32_t rank = 0; rank < topics_.count(); ++rank) {
        const Topic& topic = topics_.at(rank);
        for (std::uint32_t p = 0; Cleaner::keeps(topic) && p < topic.partitions; ++p)
            if (store::Log* const log = partition(topic, p)) log->intake = cleaner_.intake_of(topic);
    }
    if (!room_waiters_.empty()) wake_soon();
}

void Broker::hold_appends(Holder holder, bool hold) {
    const auto bit = static_cast<unsigned>(holder);
    holders_ = static_cast<std::uint8_t>(hold ? holders_ | bit : holders_ & ~bit);
    if ((holders_ != 0) == store_.appends_held()) return;
    store_.hold_appends(holders_ != 0);
    if (!room_waiters_.empty()) wake_soon();
}

std::uint64_t Broker::margin() const {
    const store::State& state = store_.state();
    return std::min<std::uint64_t>(state.options.commit_segments_max() + 1, state.geometry.segment_count / 3);
}

// Wakes whom it can in one turn; the rest on the next.
void Broker::on_wake() {
    std::uint64_t left = wakes_per_turn;
    while (left > 0) {
        CommitWaiter* const waiter = commit_waiters_.front();
        if (!waiter || (waiter->ticket > store_.durable_ticket() && !store_.offline())) break;
        List<CommitWaiter>::remove(*waiter);
        --left;
        waiter->on_committed(waiter->ticket <= store_.durable_ticket() ? Error::none : Error::store_offline);
    }
    // Those that wait again while they are woken come behind the last of now.
    RoomWaiter* const last = room_waiters_.back();
    for (bool more = last != nullptr; more && left > 0; --left) {
        RoomWaiter* const waiter = room_waiters_.pop_front();
        more = waiter != last;
        waiter->on_room();
    }
    while (left > 0 && watches_.fire()) --left;
    while (left > 0) {
        Fetch* const fetch = fresh_.pop_front();
        if (!fetch) break;
        --left;
        try_fetch(*fetch);
    }
    if (left == 0) wake_soon();
}

void Broker::on_offline(Failure failure) {
    wake_soon();
    if (listener_) listener_->on_offline(failure);
}

void Broker::on_stopped(Status status) { listener_->on_stopped(status); }

}  // namespace rivulet::broker
