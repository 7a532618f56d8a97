// Group commit: gathers the unflushed bytes of all logs into commit groups, one sync per commit.
// Owns:     the record buffers, the GroupWriter, the one commit job under way.
// Bounds:   one commit at a time; a commit is as many groups as its bytes need, synced once. Records wait in a buffer of records_bytes(); full = busy.
// Errors:   a write or sync that fails puts the store offline for good (never retried); on_offline tells.
// Guarantee: what was appended under ticket t is on flash when durable_ticket() >= t, and not reported before.
// Thread:   loop only, but for hashing, writing and syncing, which the job does.
#pragma once

#include "env/env.h"
#include "store/group_writer.h"
#include "store/ring.h"

namespace rivulet::store {

class CommitListener {
public:
    // Everything with a ticket up to durable_ticket() is durable; blocks may have become free. Called once per commit, on the loop.
    virtual void on_commit() = 0;
    // Readers may see more of this log: its high watermark moved.
    virtual void on_readable(Log& log) = 0;
    virtual void on_offline(Failure failure) = 0;
    // Asked before each commit; false: Committer::retry() comes when that has changed.
    virtual bool may_commit() = 0;

protected:
    ~CommitListener() = default;
};

class Committer : private env::Job {
public:
    Committer(env::Env& env, Arena& arena, State& state, GroupWriter& writer, Ring& ring);
    static std::size_t memory_bytes(const StoreOptions& options);
    // As much as one group takes, at most.
    static std::size_t records_bytes(const StoreOptions& options);
    // Without these not every topic that the options allow could be created.
    static std::size_t records_bytes_min(const StoreOptions& options);
    // LOG_CREATE, and a CEILING for each memory log.
    static constexpr std::size_t catalogue_bytes_max = 512;
    static constexpr std::size_t create_bytes(std::size_t catalogue_bytes, std::uint32_t memory_logs) { return 64 + catalogue_bytes + memory_logs * std::size_t{16}; }

    void start(CommitListener& listener);

    // Ticket of what is appended now.
    std::uint64_t open_ticket() const { return open_ticket_; }
    std::uint64_t durable_ticket() const { return durable_ticket_; }

    // `log` got bytes: due by its commit interval, or at once by commit_bytes or shortage of blocks.
    void note_append(Log& log);
    // Bytes waiting for records: encode into it, then note_records(). Fails with busy if `bytes` are not free, with limit_reached if they never are.
    Result<Writer*> records(std::size_t bytes);
    void note_records(std::int64_t due_in_ns);
    // A commit as soon as possible (busy appends, clean stop).
    void request();
    // The log is about to be dropped, or was cut at `end`.
    void forget(Log& log);
    void note_truncated(Log& log);

    bool idle() const { return phase_ == Phase::idle; }
    // Nothing waits and nothing is under way.
    bool settled() const { return idle() && dirty_.empty() && accumulating_->size() == 0; }
    // No further write: a disk error here or in a checkpoint.
    void go_offline(Failure failure);
    // What waited for a checkpoint or the index may go on.
    void retry();
    // Settled, and no commit from here on, not even a mark: the store is about to say on flash where the journal ends.
    void close();

    struct Statistics {
        std::uint64_t commits = 0;
        std::uint64_t groups = 0;
        std::uint64_t payload_bytes = 0;   // of extents
        std::uint64_t written_bytes = 0;   // handed to the disk
        std::uint64_t segments = 0;
        std::uint64_t marks = 0;
    };
    const Statistics& statistics() const { return statistics_; }

private:
    enum class Phase : std::uint8_t { idle, held, blocked, writing };  // held: may_commit() said no; blocked: next_segment_must_wait()

    struct CommitTimer final : env::Timer {
        explicit CommitTimer(Committer& owner) : owner_(owner) {}
        void on_timer() override { owner_.on_due(); }
        Committer& owner_;
    };
    struct MarkTimer final : env::Timer {
        explicit MarkTimer(Committer& owner) : owner_(owner) {}
        void on_timer() override { owner_.on_mark_due(); }
        Committer& owner_;
    };

    void run(env::Disk& disk) override;
    void done() override;

    void due_at(Instant at);
    bool pressed() const;
    Instant next_begin() const;
    void on_due();
    void on_mark_due();
    void begin_commit(bool mark);
    void next_group();
    bool begin_group();
    bool gather(Log& log);
    // Most extents of one log with a trailer in one gather: Ring refuses more changes of epoch or flags.
    static constexpr std::size_t extents_per_gather_max = Ring::runs_max;
    bool gather_extents(Log& log, std::uint64_t byte_limit, Bytes trailer);
    bool take(Log& log, const Extent& extent, ChainPosition start);
    void complete();
    void finish_log(Log& log);

    env::Env& env_;
    State& state_;
    GroupWriter& writer_;
    Ring& ring_;
    CommitListener* listener_ = nullptr;
    CommitTimer commit_timer_{*this};
    MarkTimer mark_timer_{*this};

    Phase phase_ = Phase::idle;
    bool mark_ = false;            // the commit under way is only a mark
    bool closed_ = false;
    bool first_group_ = false;     // its next group is its first: records go there
    std::uint32_t barren_segments_ = 0;  // entered one after the other without taking a batch
    bool last_group_ = false;      // the job syncs after writing
    Status job_status_;
    std::uint64_t open_ticket_ = 1;
    std::uint64_t durable_ticket_ = 0;
    std::uint64_t closing_ticket_ = 0;
    Instant begun_;                // of the last commit
    Instant gather_until_;
    std::uint64_t appends_ = 0;    // under the open ticket
    std::uint64_t appends_closing_ = 0;
    std::uint64_t appends_expected_ = 0;  // once all whom the last commit acknowledged have sent as much again
    Lsn data_end_{0};              // end of the last group that says something

    List<Log, DirtyTag> dirty_;
    List<Log, CommitTag> committing_;
    std::span<Log*> order_;        // dirty logs of the commit under way, by id; forgotten ones are null
    std::size_t order_count_ = 0;
    std::size_t order_next_ = 0;
    std::span<BlockIndex> pinned_;
    std::size_t pinned_count_ = 0;
    std::span<Bytes> slices_;      // of one extent while it is gathered
    MutableBytes trailer_;
    Writer record_buffers_[2];
    Writer* accumulating_ = &record_buffers_[0];
    Writer* writing_ = &record_buffers_[1];
    Statistics statistics_;
};

}  // namespace rivulet::store
