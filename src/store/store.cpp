#include "store/store.h"

#include "env/log.h"
#include "store/store_files.h"

namespace rivulet::store {

namespace {

// A memory log asks for the next ceiling when it is this near to the last.
constexpr std::int64_t ceiling_margin = 16 * 1024;
constexpr std::int64_t ceiling_step = 64 * 1024;
// Batches that an idempotent producer may have under way for one log (KIP-98).
constexpr std::uint8_t producer_under_way_max = 5;
// A look at each block of a batch, in the units of env::Env::charge.
std::size_t stage_work(std::size_t bytes) { return bytes / block_bytes * 32; }
// Sessions with readings in one log between two commits.
std::uint32_t pending_sessions_max(const StoreOptions& options) {
    return static_cast<std::uint32_t>(options.table_bytes_max() / 4 / trailer_entry_bytes_max);
}

}  // namespace

Store::Store(env::Env& env, Arena& arena, const StoreOptions& options, CheckpointSource& source)
    : env_(env),
      state_(arena, options),
      ring_(state_),
      writer_(arena, state_),
      committer_(env, arena, state_, writer_, ring_),
      reader_(env, arena, state_),
      checkpointer_(env, arena, state_, source),
      zeroer_(env, arena, state_) {}

std::size_t Store::memory_bytes(const StoreOptions& options) {
    return State::memory_bytes(options) + GroupWriter::memory_bytes(options) + Committer::memory_bytes(options) + Reader::memory_bytes(options) +
           Checkpointer::memory_bytes(options) + Zeroer::memory_bytes() + sizeof(Store);
}

Result<OpenReport> Store::open(RecoveryListener& listener) { return open_store(env_, state_, writer_, checkpointer_, reader_.scratch(), listener); }

void Store::serve(StoreListener& listener) {
    listener_ = &listener;
    state_.serving = true;
    committer_.start(*this);
    checkpointer_.start(*this);
    reader_.load_index(*this);
    zeroer_.start(*this);
}

void Store::stop() {
    stopping_ = true;
    zeroer_.stop();
    if (state_.offline) return listener_->on_stopped(fail(Error::store_offline));
    committer_.request();
    close_if_settled();
}

void Store::on_commit() {
    checkpointer_.on_commit(committer_.durable_ticket());
    if (!closing_) listener_->on_commit();
    if (!stopping_) write_clock();
    close_if_settled();
}

void Store::close_if_settled() {
    if (!stopping_ || closing_ || state_.offline) return;
    if (!committer_.settled()) return;  // a write of zeros may be under way: it touches nothing that is in use
    // A capture that ended waits for a ticket that no commit may bring any more: it is given up, the one before stays valid.
    if (checkpointer_.writing()) return;
    closing_ = true;
    committer_.close();
    env_.submit(close_job_);
}

// A checkpoint must finish before the tail reaches the replay point of the last one; its slices and a commit share the one commit slot, and its last step waits for the
// commits of what it captured: that under way and the one after it. So a commit begins only if it and one more will find room, but for the commit that the checkpoint
// waits for; at that time there is room for it, since none has begun without.
bool Store::may_commit() {
    if (checkpointer_.gated()) return true;
    const Geometry& geometry = state_.geometry;
    const std::uint64_t head = geometry.sequence(state_.head.previous_end - 1);
    const std::uint64_t last = geometry.sequence(checkpointer_.replay_from()) + geometry.segment_count - 2;
    std::uint64_t needed = 2 * state_.options.commit_segments_max();
    if (needed > geometry.segment_count - 2) needed = geometry.segment_count - 2;
    if (head + needed <= last) return true;
    checkpointer_.request();
    return checkpointer_.gated();
}

void Store::CloseJob::run(env::Disk& disk) {
    status_ = close_store(disk, store_.state_);
    removed_ = find_removed(disk, store_.state_);
}

void Store::CloseJob::done() {
    report_removed(store_.env_, store_.state_, removed_);
    const bool lost = store_.state_.removed != 0;
    store_.listener_->on_stopped(status_ && lost ? Status(fail(Error::not_found)) : status_);
}

void Store::on_progress() {
    committer_.retry();
    close_if_settled();
}

void Store::on_offline(Failure failure) {
    env::LogLine(env_, env::LogLevel::error) << "log offline after a disk error (" << error_info(failure.error).text << ", " << failure.detail
                                             << "): read-only until restarted";
    listener_->on_offline(failure);
    if (stopping_ && !closing_) {
        closing_ = true;
        listener_->on_stopped(failure);
    }
}

std::uint32_t Store::batch_limit(const Log& log) const {
    return log.batch_bytes_max < state_.options.batch_bytes_max ? log.batch_bytes_max : state_.options.batch_bytes_max;
}

bool Store::stored(const Log& log, const record::BatchHeader& header) {
    if (header.producer_id < 0) return false;
    const Result<const ProducerBatch*> judged = state_.producers.judge(header, log.id);
    return judged && *judged;
}

Status Store::writable(const Log&) const {
    if (state_.offline) return fail(Error::store_offline);
    if (stopping_) return fail(Error::shutting_down);
    return {};
}

Status Store::room_to_wait(std::uint64_t bytes) const {
    return state_.unflushed_bytes + state_.committing_bytes + bytes <= state_.options.waiting_bytes_max() ? Status() : Status(fail(Error::busy));
}

// What is short now is short until a commit: hasten it.
Failure Store::busy(Failure failure) {
    if (failure.error == Error::busy) committer_.request();
    return failure;
}

Result<std::uint64_t> Store::create_logs(std::uint32_t count, bool memory, Bytes catalogue) {
    if (stopping_) return fail(Error::shutting_down);
    if (state_.logs.count() + count > state_.logs.capacity()) return fail(Error::limit_reached);
    RIVULET_TRY_ASSIGN(Writer * records, committer_.records(Committer::create_bytes(catalogue.size(), memory ? count : 0)));
    const LogId first = state_.next_log_id;
    encode(LogCreateRecord{first, count, memory, catalogue}, *records);
    for (std::uint32_t i = 0; i < count; ++i) {
        const Result<Log*> log = state_.logs.create(first + i, memory);
        RIVULET_CHECK(log.ok());
        log.value()->epoch = Epoch(static_cast<std::int32_t>(state_.head.run));
        if (!memory) continue;
        log.value()->ceiling_asked = Offset(ceiling_step);
        log.value()->ceiling_ticket = committer_.open_ticket();
        encode(CeilingRecord{first + i, Offset(ceiling_step)}, *records);
    }
    state_.next_log_id = first + count;
    committer_.note_records(0);
    return committer_.open_ticket();
}

void Store::delete_log(Log& log) {
    if (Log* const clean = state_.clean_of(log)) delete_log(*clean);
    if (Log* const made = state_.made_of(log)) delete_log(*made);
    committer_.forget(log);
    reader_.forget(log);
    ring_.drop(log);
    state_.remove_log(log);
}

void Store::drop_clean_of(Log& log) {
    if (Log* const clean = state_.clean_of(log)) delete_log(*clean);
    log.clean = LogId(0);
}

Result<std::uint64_t> Store::delete_logs(std::span<const LogRange> ranges) {
    RIVULET_TRY_ASSIGN(Writer * records, committer_.records(ranges.size() * 64));
    for (const LogRange& range : ranges) {
        encode(LogDeleteRecord{range.first, range.count}, *records);
        for (std::uint32_t i = 0; i < range.count; ++i)
            if (Log* log = state_.logs.find(range.first + i)) delete_log(*log);
    }
    committer_.note_records(0);
    return committer_.open_ticket();
}

void Store::claim_logs(LogId first, std::uint32_t count, bool memory) {
    const LogId end = first + count;
    for (std::uint32_t rank = state_.logs.rank_from(first); rank < state_.logs.count() && state_.logs.at(rank).id < end; ++rank) state_.logs.at(rank).orphan = false;
    // Created since the checkpoint, nothing of them is older. Without one their records may have left the ring, and offsets would be given out twice.
    bool room = state_.checkpoint_sequence != 0;
    for (LogId id = std::max(first, state_.recovered_log_id); room && id < end; id = id + 1) room = state_.logs.find(id) || state_.logs.create(id, memory);
    if (state_.next_log_id < end) state_.next_log_id = end;
}

void Store::forget_logs(LogId first, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i)
        if (Log* const log = state_.logs.find(first + i)) state_.remove_log(*log);
}

void Store::move_start(Log& log, Offset start) {
    log.start = start;
    state_.fences.raise_start(log.id, start);
    if (start >= log.clean_end) drop_clean_of(log);
}

Result<std::uint64_t> Store::set_start(Log& log, Offset start) {
    if (start > log.high_watermark()) return fail(Error::offset_out_of_range, start.value);
    RIVULET_TRY_ASSIGN(Writer * records, committer_.records(64));
    if (start <= log.start) return log.start_ticket;
    encode(LogStartRecord{log.id, start}, *records);
    move_start(log, start);
    log.start_ticket = committer_.open_ticket();
    committer_.note_records(log.commit_interval_ns);
    return committer_.open_ticket();
}

Result<std::uint64_t> Store::truncate(Log& log, Offset end, Epoch epoch) {
    RIVULET_TRY(writable(log));
    RIVULET_TRY_ASSIGN(Writer * records, committer_.records(64));
    ring_.close_pack(log);
    if (end < log.own_start() || end > log.end) return fail(Error::offset_out_of_range, end.value);
    // Records act before the extents of their group: one that cuts at `end` must find what lies below it in an earlier group. It also keeps its ticket so.
    if (log.has_unflushed() && log.flush_offset < end) return busy(fail(Error::busy));
    RIVULET_TRY(state_.truncations.add(log.id, end, state_.head.next));
    if (Log* const made = state_.made_of(log); made && made->end > end) delete_log(*made);
    encode(TruncateRecord{log.id, end, epoch}, *records);
    reader_.forget(log);
    ring_.truncate(log, end);
    if (log.durable_end > end) log.durable_end = end;
    if (log.epoch < epoch) log.epoch = epoch;
    state_.fences.truncate(log.id, end);
    // What sessions had in what is gone is not known: they start over, at least once.
    state_.sessions.forget_log(log);
    state_.producers.truncate(log.id, end);
    committer_.note_truncated(log);
    committer_.note_records(0);
    return committer_.open_ticket();
}

Result<std::uint64_t> Store::append_record(RecordType type, Bytes body) {
    RIVULET_CHECK(type >= RecordType::topic);
    RIVULET_TRY_ASSIGN(Writer * records, committer_.records(body.size() + 32));
    encode_passed(type, body, *records);
    committer_.note_records(0);
    return committer_.open_ticket();
}

// A memory log gives out no offset at or above its durable ceiling.
Status Store::ensure_ceiling(Log& log, std::int64_t records) {
    if (!log.memory) return {};
    if (log.end + (records + ceiling_margin) > log.ceiling_asked) {
        RIVULET_TRY_ASSIGN(Writer * out, committer_.records(32));
        const Offset ceiling = log.end + (records + ceiling_margin + ceiling_step);
        encode(CeilingRecord{log.id, ceiling}, *out);
        log.ceiling_asked = ceiling;
        log.ceiling_ticket = committer_.open_ticket();
        committer_.note_records(0);
    }
    if (log.ceiling < log.ceiling_asked && log.ceiling_ticket <= committer_.durable_ticket()) log.ceiling = log.ceiling_asked;
    return log.end + records > log.ceiling ? Status(fail(Error::busy)) : Status();
}

Status Store::room_for(const Log& log, std::uint64_t bytes) {
    RIVULET_TRY(writable(log));
    if (log.intake == Log::Intake::held || appends_held_) return busy(fail(Error::busy));
    if (Status status = room_to_wait(bytes); !status) return busy(status.failure());
    return {};
}

// gap: by what is known of its producer, which may be nothing. What was sent behind a batch before that was refused must not be taken without it, even if there is room again: clients have
// given it up, or send it again (src/DESIGN.md). What is sent later by who numbers nothing anew, may.
Status Store::behind_refused(Log& log, const record::BatchHeader& header, bool gap) {
    const bool full = log.intake == Log::Intake::refused;
    const bool behind = log.refused.before(header);
    if (full && behind) log.refused.under_way = producer_under_way_max - 1;
    if (full && (gap || behind)) return fail(Error::limit_reached);
    const bool passes = behind ? log.refused.under_way == 0 : !gap;
    if (behind && !passes) --log.refused.under_way;
    return passes ? Status() : Status(fail(Error::out_of_order_sequence, header.base_sequence));
}

// Batch: Bytes or Stage.
template <class Batch>
Result<Appended> Store::append_batch(Log& log, Batch& batch, std::size_t bytes, record::BatchHeader header, const AppendTime& time) {
    RIVULET_TRY(writable(log));
    const bool idempotent = header.producer_id >= 0;
    if (idempotent) {
        // What was stored under a larger limit stays stored.
        const Result<const ProducerBatch*> judged = state_.producers.judge(header, log.id);
        if (judged && *judged) return Appended{(*judged)->base, (*judged)->base + std::int64_t{(*judged)->span}, (*judged)->ticket, Timestamp(-1), true};
        const bool gap = judged.error() == Error::out_of_order_sequence;
        if (!judged && !gap) return judged.failure();
        if (Status status = behind_refused(log, header, gap); !status) return status.failure();
    }
    if (bytes > batch_limit(log)) return fail(Error::batch_too_large, static_cast<std::int64_t>(bytes));
    if (log.intake == Log::Intake::refused) {
        if (idempotent) log.refused = {header.producer_id, header.base_sequence, header.producer_epoch, producer_under_way_max - 1};
        return fail(Error::limit_reached);
    }
    RIVULET_TRY(room_for(log, bytes));
    if (Status status = ensure_ceiling(log, std::int64_t{header.last_offset_delta} + 1); !status) return busy(status.failure());
    if (idempotent) {
        const Status room = state_.producers.make_room(header.producer_id, log.id, committer_.durable_ticket());
        env_.charge(state_.producers.work() * 64);
        if (!room) return busy(room.failure());
    }
    ring_.close_pack(log);
    header.base_offset = log.end;
    if (Status status = ring_.append(log, batch, time); !status) return busy(status.failure());
    if (idempotent) {
        state_.producers.note(header, log.id, committer_.open_ticket());
        if (log.refused.producer == header.producer_id) log.refused = {};
    }
    committer_.note_append(log);
    if (log.memory) listener_->on_readable(log);
    return Appended{header.base_offset, log.end - 1, committer_.open_ticket(), time.time};
}

Result<Appended> Store::append(Log& log, Bytes batch, const AppendTime& time) {
    const Result<Appended> done = append_batch(log, batch, batch.size(), record::decode_header(batch), time);
    if (done && !done->duplicate) env_.charge(batch.size());
    return done;
}

Result<Appended> Store::append(Log& log, Stage& stage, const AppendTime& time) {
    const std::size_t bytes = stage.size();
    const Result<Appended> done = append_batch(log, stage, bytes, record::decode_header(stage.header()), time);
    if (done && done->duplicate) ring_.drop(stage);
    // Its blocks are linked; what is smaller than one may be copied.
    if (done) env_.charge(bytes < block_bytes ? bytes : stage_work(bytes));
    return done;
}

Status Store::begin_stage(Stage& stage, std::size_t bytes, StageShare share) {
    RIVULET_CHECK(!stage.active());
    if (state_.offline) return fail(Error::store_offline);
    if (stopping_) return fail(Error::shutting_down);
    const Status begun = ring_.begin(stage, bytes, share);
    if (!begun) return busy(begun.failure());
    env_.charge(stage_work(bytes));
    return {};
}

// The run is durable before anything is served, and none has the number of another.
Result<std::int64_t> Store::new_producer_id() {
    constexpr std::uint64_t ids_per_run = std::uint64_t{1} << 32;
    constexpr std::uint64_t runs_max = std::uint64_t{1} << 31;
    if (producer_ids_ == ids_per_run || state_.head.run >= runs_max) return fail(Error::limit_reached);
    return static_cast<std::int64_t>(state_.head.run * ids_per_run + producer_ids_++);
}

Result<Appended> Store::append(Log& log, const record::Reading& reading, bool untrusted, const SessionReading& session) {
    RIVULET_TRY(writable(log));
    std::uint16_t attributes = untrusted ? record::attribute_clock_untrusted : 0;
    if (log.log_append_time) attributes |= record::attribute_log_append_time;
    const std::uint64_t alone = record::Pack(attributes).size_with(reading);
    if (alone > batch_limit(log)) {
        const Session* const known = session.session != 0 ? state_.sessions.find(session.session, session.incarnation, log.id) : nullptr;
        // What was stored under a larger limit stays stored. What was refused once is refused again, whatever has been stored since.
        const bool stored = known && session.sequence <= known->judged_before && alone <= log.batch_bytes_before;
        if (stored) return Appended{Offset(-1), Offset(-1), known->ticket};
        return fail(Error::batch_too_large, static_cast<std::int64_t>(alone));
    }
    Session* known = nullptr;
    if (session.session != 0) {
        const Result<Session*> opened = state_.sessions.open(session.session, session.incarnation, log.id, session.sequence, session.hold);
        env_.charge(state_.sessions.work() * 64);
        if (!opened) return busy(opened.failure());
        known = *opened;
        if (session.sequence <= known->last_sequence) return Appended{Offset(-1), Offset(-1), known->ticket};
        if (log.pending_session_count >= pending_sessions_max(state_.options)) return busy(fail(Error::busy));
        // The trailer that counts it goes into one group with all that waits, also with what came without a session.
        if (log.unflushed_bytes + alone > state_.options.group_payload_max()) return busy(fail(Error::busy));
    }
    if (log.keys_required && !reading.has_key) return fail(Error::invalid_record);
    // What may pass is no refusal.
    if (log.intake != Log::Intake::open || appends_held_) return busy(fail(Error::busy));
    if (Status status = room_to_wait(alone); !status) return busy(status.failure());
    if (Status status = ensure_ceiling(log, 1); !status) return busy(status.failure());
    const Offset base = log.end;
    if (Status status = ring_.add_reading(log, reading, attributes, batch_limit(log)); !status) return busy(status.failure());
    if (known) {
        state_.sessions.advance(*known, log, session.sequence);
        known->ticket = committer_.open_ticket();
    }
    env_.charge(reading.value.size() + 128);
    committer_.note_append(log);
    if (log.memory && !pack_timer_.armed()) env_.arm(pack_timer_, env_.now() + log.pack_interval_ns);
    return Appended{base, base, committer_.open_ticket()};
}

void Store::set_batch_limit(Log& log, std::uint32_t bytes) {
    // Before serve() it is not known under which limit its readings came.
    if (listener_ && bytes < log.batch_bytes_max) {
        log.batch_bytes_before = batch_limit(log);
        state_.sessions.note_limit(log);
        env_.charge(state_.sessions.work() * 64);
    }
    log.batch_bytes_max = bytes;
}

SessionTable::Known Store::resume_session(std::uint64_t session, std::uint32_t incarnation, std::uint64_t base_sequence, SessionHold& hold) {
    const SessionTable::Known known = state_.sessions.resume(session, incarnation, base_sequence, hold);
    env_.charge(64 + state_.sessions.work() * 64);
    return known;
}

void Store::close_memory_packs() {
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) {
        Log& log = state_.logs.at(rank);
        if (!log.memory || !log.pack_open()) continue;
        ring_.close_pack(log);
        listener_->on_readable(log);
    }
    env_.charge(state_.logs.count() * 16);
}

void Store::apply_retention(std::int64_t now_ms) {
    if (state_.offline || stopping_) return;
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) {
        Log& log = state_.logs.at(rank);
        // Compacted or pinned before: the ring has taken all that was kept of the older part.
        if (const Log* const clean = state_.clean_of(log); clean && clean->start >= clean->durable_end) {
            if (log.start < log.clean_end) (void)set_start(log, log.clean_end);
            else drop_clean_of(log);
        }
        if (log.retention_ms < 0 && log.retention_bytes < 0) continue;
        const Offset start = retention_start(state_, log, now_ms);
        // Without room for the record the start moves in RAM only, and again at the next pass after a restart.
        if (start > log.start && !set_start(log, start)) move_start(log, start);
    }
    env_.charge(state_.logs.count() * 64);
}

void Store::trust_clock(std::int64_t now_ms, std::int64_t offset_ms) {
    // What the index does not know yet comes later.
    state_.unknown_time = sample_time(Timestamp(now_ms));
    state_.index.settle_unknown_times(state_.logs, state_.unknown_time);
    clock_due_ = state_.boots.fix(state_.boot, offset_ms);
    write_clock();
}

// Again after the next commit, if there is no room now: it is told once.
void Store::write_clock() {
    if (!clock_due_) return;
    const Result<Writer*> records = committer_.records(32);
    if (!records) return;
    clock_due_ = false;
    encode(ClockRecord{state_.boot, state_.boots.find(state_.boot)->offset_ms}, **records);
    committer_.note_records(ns_per_s);
}

}  // namespace rivulet::store
