// The store: logs that survive a power cut, in one journal of fixed size. The only header of this folder that the layers above need.
// Owns:     everything under StoreOptions::dir, and all tables and buffers, from the arena.
// Bounds:   memory_bytes(); no allocation after construction. Full pools: Error::busy, and a retry may succeed after the next StoreListener::on_commit().
// Errors:   open(): see opening.h. Appends: busy, batch_too_large, too_many_sessions, store_offline, limit_reached, shutting_down; of batches with a producer id also
//           out_of_order_sequence, invalid_producer_epoch, duplicate_sequence.
// Guarantee: an offset is durable only after the disk reported the sync of its group: on_commit() with its ticket. Records below a log's durable_end are readable until retention.
// Thread:   loop only. Format: FORMAT.md.
#pragma once

#include "store/checkpointer.h"
#include "store/committer.h"
#include "store/opening.h"
#include "store/reader.h"
#include "store/retention.h"
#include "store/zeroing.h"

namespace rivulet::store {

class StoreListener {
public:
    // durable_ticket() has moved, or blocks have become free.
    virtual void on_commit() = 0;
    // The high watermark of this log has moved: parked fetches may have something.
    virtual void on_readable(Log& log) = 0;
    // A disk error: appends fail from now on, reads go on.
    virtual void on_offline(Failure failure) = 0;
    // stop() is complete.
    virtual void on_stopped(Status status) = 0;

protected:
    ~StoreListener() = default;
};

struct Appended {
    Offset base{0};
    Offset last{0};
    std::uint64_t ticket = 0;  // durable when Store::durable_ticket() has reached it
    Timestamp log_append_time{-1};  // that it was stamped with; -1: its sender's times stand (or, of a duplicate, it is not known any more)
    bool duplicate = false;    // of an idempotent producer: nothing was appended, the rest is that of the batch that is stored already
};

// A sensor session's reading: whose, and which.
struct SessionReading {
    std::uint64_t session = 0;      // 0: none, at least once
    std::uint32_t incarnation = 0;
    std::uint64_t sequence = 0;
    SessionHold* hold = nullptr;    // the connection's
};

class Store final : private CommitListener, private CheckpointListener, private IndexListener, private ZeroingListener {
public:
    Store(env::Env& env, Arena& arena, const StoreOptions& options, CheckpointSource& source);
    static std::size_t memory_bytes(const StoreOptions& options);

    // Blocking, before Env::serving().
    Result<OpenReport> open(RecoveryListener& listener);
    // The loop runs from here on.
    void serve(StoreListener& listener);
    // Commits what is there, marks the store clean, then on_stopped(). Appends fail with shutting_down.
    void stop();

    // --- Logs. Each call becomes a journal record, durable with the returned ticket.
    LogId next_log_id() const { return state_.next_log_id; }
    // `count` logs with ids from next_log_id(); `catalogue` is kept in the record for the layer above.
    Result<std::uint64_t> create_logs(std::uint32_t count, bool memory, Bytes catalogue);
    // All of them with one commit, or none.
    Result<std::uint64_t> delete_logs(std::span<const LogRange> ranges);
    Result<std::uint64_t> delete_logs(LogId first, std::uint32_t count) {
        const LogRange range{first, count};
        return delete_logs({&range, 1});
    }
    // Up to the high watermark. Where the log starts there or later already, the ticket is that of the record which said so.
    Result<std::uint64_t> set_start(Log& log, Offset start);
    // Cuts the log at `end`, a batch's base; what is appended afterwards has at least `epoch`. busy until a commit has taken what lies below `end`.
    Result<std::uint64_t> truncate(Log& log, Offset end, Epoch epoch);
    // A record of the layer above.
    Result<std::uint64_t> append_record(RecordType type, Bytes body);
    Log* find(LogId id) { return state_.logs.find(id); }
    // From a RecoveryListener, within open(): these belong to a topic, though what created them may be lost.
    void claim_logs(LogId first, std::uint32_t count, bool memory);
    // The same: these were deleted, though the record of it is lost.
    void forget_logs(LogId first, std::uint32_t count);
    std::uint32_t log_count() const { return state_.logs.count(); }
    Log& log_at(std::uint32_t rank) { return state_.logs.at(rank); }

    // --- Appends.
    // One whole record batch, already validated (record/validate.h). Base offset, leader epoch and `time` are set in the log's copy alone. A batch with a producer id is
    // checked against what that producer has appended before (producer_table.h); its exact repeat is not appended again.
    Result<Appended> append(Log& log, Bytes batch, const AppendTime& time = {});
    // The same for a batch that comes in pieces: begin_stage(), Stage::put() for each, and append() once it is complete and valid, which empties the stage, also where the
    // batch is a duplicate. On failure the stage stays as it is, to be tried again (busy) or dropped.
    Status begin_stage(Stage& stage, std::size_t bytes, StageShare share = StageShare::whole);
    // The stages of now would leave it room. If not, whoever asks waits: blocks_wanted(), until one of them ends.
    bool stage_fits(std::size_t bytes, StageShare share) { return ring_.stage_fits(bytes, share); }
    Result<Appended> append(Log& log, Stage& stage, const AppendTime& time = {});
    // What append() says to all batches of so many bytes that are not stored yet: store_offline, shutting_down, busy.
    Status room_for(const Log& log, std::uint64_t bytes);
    void drop(Stage& stage) { ring_.drop(stage); }
    void fit(Stage& stage) { ring_.fit(stage); }
    // For a producer that asks for an id: never given out before by this store, and never again. limit_reached: 2^32 in one run.
    Result<std::int64_t> new_producer_id();
    // One reading, packed with others. untrusted: its timestamp comes from our own clock, which is not trusted yet. A reading that its session has appended
    // before is not appended again: base is then -1 and the ticket that of the latest commit that may hold it.
    Result<Appended> append(Log& log, const record::Reading& reading, bool untrusted, const SessionReading& session);
    std::uint64_t open_ticket() const override { return committer_.open_ticket(); }
    std::uint64_t durable_ticket() const { return committer_.durable_ticket(); }

    // Of the topic. What the log's sessions have stored so far is known when it comes again, though it may be too large by now.
    void set_batch_limit(Log& log, std::uint32_t bytes);
    // Of one batch: the topic's limit, and what a commit group can take.
    std::uint32_t batch_limit(const Log& log) const;
    // Whether a producer's batch is, by its header, one that the log has: then it may be larger than that, if the rest of it proves sound.
    bool stored(const Log& log, const record::BatchHeader& header);

    // --- Cleaning: what is to be kept of a log's older part is appended anew, as a log of its own id, and takes the place of that part at once (FORMAT.md, section 7,
    // LOG_CLEANED). One log at a time: what was begun for another log and not finished is given up. Returns what it becomes; if it was begun before, by an earlier run, too, with what it has,
    // which ends at an offset that is not beyond the log's.
    // limit_reached: no log is free for it; busy: no room for the record; unsupported: it is a memory log.
    Result<const Log*> begin_clean(Log& log);
    // Whether it was begun and neither finished nor given up.
    bool clean_begun(const Log& log) { return state_.made_of(log) != nullptr; }
    // Of a log that starts behind what was written: a start gives that up as well.
    void give_up_clean(Log& log);
    // A whole batch with offsets beyond those before it, which it keeps, as it does its leader epoch. Durable with the ticket. On failure the stage stays as it is.
    Result<std::uint64_t> relocate(Stage& stage);
    // From now on the log has below `end`, a batch's, what was relocated, and that before is gone. `own_bytes`: what the log's own part had below. busy: not all of it is durable, or a
    // commit is under way; offset_out_of_range: the ring has taken all that was relocated.
    Result<std::uint64_t> finish_clean(Log& log, Offset end, std::uint64_t own_bytes);
    // Appends that are no relocation find the store busy: the ring must not come to what is being relocated.
    void hold_appends(bool hold) { appends_held_ = hold; }
    bool appends_held() const { return appends_held_; }
    // What lies on flash of a log, as far as it is alive, and in how many segments from now the ring takes the oldest of it (UINT64_MAX: nothing is there).
    struct Parts {
        std::uint64_t clean_bytes = 0;
        std::uint64_t own_bytes = 0;
        std::uint64_t segments_left = UINT64_MAX;
    };
    Parts parts_of(const Log& log);
    // What records from the start on have on flash, about; whatever the passes would leave out.
    std::uint64_t alive_bytes(const Log& log);
    // What has to go first if less is to be kept: as many bytes, up to that offset; the log's start where there is no more than that.
    struct Front {
        std::uint64_t bytes = 0;
        Offset end{0};
    };
    Front front_of(const Log& log);
    // Bytes on flash of both parts.
    std::uint64_t bytes_of(const Log& log);
    const Log* clean_of(const Log& log) { return state_.clean_of(log); }

    // --- Reads.
    ReadOutcome read(Log& log, Offset from, std::size_t bytes_max, ReadView& view, ReadWaiter& waiter, bool waits = true);
    Lsn whereabouts(const Log& log, Offset from);
    // Where to begin to look for a record of that time or a later one: none of them lies before.
    Offset time_hint(const Log& log, Timestamp at);
    // The same for the record with the largest time.
    Offset newest_hint(const Log& log);
    void release(ReadView& view) { reader_.release(view); }
    bool refill(ReadView& view) { return reader_.refill(view); }
    void cancel(ReadWaiter& waiter) { reader_.cancel(waiter); }

    // --- Time.
    // One pass over all logs; now_ms = -1 while the clock is not trusted.
    void apply_retention(std::int64_t now_ms);
    // The wall clock is right from now on: offset_ms is what to add to times stamped in this boot.
    void trust_clock(std::int64_t now_ms, std::int64_t offset_ms);

    bool offline() const { return state_.offline; }
    bool stopping() const { return stopping_; }
    const State& state() const { return state_; }
    const SessionTable& sessions() const { return state_.sessions; }
    const ProducerTable& producers() const { return state_.producers; }
    // What OPEN is told of a session, which the connection holds from now on.
    SessionTable::Known resume_session(std::uint64_t session, std::uint32_t incarnation, std::uint64_t base_sequence, SessionHold& hold);
    const Committer::Statistics& commit_statistics() const { return committer_.statistics(); }
    const Reader::Statistics& read_statistics() const { return reader_.statistics(); }
    // The last append or stage found no block: those not being written are pinned by views or held by stages. Or a stage waits for what others hold.
    bool blocks_wanted() const { return blocks_wanted(StageShare::slow); }
    // What a stage of that share holds would help.
    bool blocks_wanted(StageShare of) const { return short_of_blocks() || ring_.stages_wanted(of); }
    // What readers pin would help.
    bool short_of_blocks() const { return ring_.short_of_blocks(); }
    // Some read waits, or waited until just now, for a window: views hold them, or readers are at them.
    bool windows_wanted() const { return reader_.windows_wanted(); }
    std::uint64_t checkpoint_bytes() const { return checkpointer_.bytes_written(); }

private:
    struct CloseJob final : env::Job {
        explicit CloseJob(Store& store) : Job(env::JobKind::commit), store_(store) {}
        void run(env::Disk& disk) override;
        void done() override;
        Store& store_;
        std::uint8_t removed_ = 0;
        Status status_;
    };
    struct PackTimer final : env::Timer {
        explicit PackTimer(Store& store) : store_(store) {}
        void on_timer() override { store_.close_memory_packs(); }
        Store& store_;
    };

    void on_commit() override;
    bool may_commit() override;
    void on_checkpoint_progress() override { on_progress(); }
    void on_checkpoint_failed(Failure failure) override { committer_.go_offline(failure); }
    void on_index_loaded() override { on_progress(); }
    void on_zeros_written() override { on_progress(); }
    // A checkpoint, the index or zeroing got further: what a commit waited for may be there.
    void on_progress();
    void on_readable(Log& log) override { listener_->on_readable(log); }
    void on_offline(Failure failure) override;
    Status writable(const Log& log) const;
    Status room_to_wait(std::uint64_t bytes) const;  // busy: what is not durable yet is all that one commit may have
    Status ensure_ceiling(Log& log, std::int64_t records);
    Status behind_refused(Log& log, const record::BatchHeader& header, bool gap);
    template <class Batch>
    Result<Appended> append_batch(Log& log, Batch& batch, std::size_t bytes, record::BatchHeader header, const AppendTime& time);
    Failure busy(Failure failure);
    void close_if_settled();
    void close_memory_packs();
    void write_clock();
    void delete_log(Log& log);
    void move_start(Log& log, Offset start);
    void drop_clean_of(Log& log);
    Offset find_time(const Log& log, std::uint32_t seconds);

    env::Env& env_;
    State state_;
    Ring ring_;
    GroupWriter writer_;
    Committer committer_;
    Reader reader_;
    Checkpointer checkpointer_;
    Zeroer zeroer_;
    StoreListener* listener_ = nullptr;
    CloseJob close_job_{*this};
    PackTimer pack_timer_{*this};
    std::uint64_t producer_ids_ = 0;  // given out in this run
    bool appends_held_ = false;
    bool clock_due_ = false;  // the CLOCK record of this boot is still to be written
    bool stopping_ = false;
    bool closing_ = false;
};

}  // namespace rivulet::store
