// Writes checkpoints in slices while appends go on (FORMAT.md, section 8).
// Owns:     one chunk buffer (checkpoint_chunk_bytes), one commit-kind job. Bounds: a slice is at most entries_per_slice entries, under 1 ms on the smallest board, an area checkpoint_area_bytes: if the state is larger the
//           checkpoint is given up with an error in the log, and the limits are wrong (StoreOptions::check prevents it).
// Guarantee: page 0 is written only when everything captured is durable: the commit of what was appended before the capture's end has finished, up to two
//            commits after it.
// Thread:   loop only; encoding on the loop, writing in jobs.
#pragma once

#include "env/env.h"
#include "store/state.h"

namespace rivulet::store {

// Sections of the layer above: encoded entry by entry, in a stable order, while they may change in between.
class CheckpointSource {
public:
    // Encodes entries of `section` from `cursor` (0 at first) into `out` as whole entries until it is full or they end; moves the cursor, returns false at the end of the section.
    // What is about logs from `bound` on was created since the checkpoint's LSN and is left to the replay: beside what was deleted since it could be more than the limits
    // allow, or have its name.
    virtual bool encode_checkpoint(Section section, LogId bound, std::uint64_t& cursor, Writer& out) = 0;
    // Sections above 31 to write, in order.
    virtual std::span<const Section> checkpoint_sections() const = 0;

protected:
    ~CheckpointSource() = default;
};

class CheckpointListener {
public:
    // The capture has ended, or the checkpoint is durable: commits that held back may go on.
    virtual void on_checkpoint_progress() = 0;
    // Committer's, of what is appended now: with it all that a capture that ends now has seen is durable.
    virtual std::uint64_t open_ticket() const = 0;
    virtual void on_checkpoint_failed(Failure failure) = 0;

protected:
    ~CheckpointListener() = default;
};

class Checkpointer : private env::Job {
public:
    Checkpointer(env::Env& env, Arena& arena, State& state, CheckpointSource& source);
    static std::size_t memory_bytes(const StoreOptions& options);
    void start(CheckpointListener& listener) { listener_ = &listener; }

    // Called after each commit: begins a checkpoint if one is due, finishes one whose capture is durable.
    void on_commit(std::uint64_t durable_ticket);
    // At a start, before anything is served: writes one whole, blocking. The journal has been synced up to replay_from, and nothing is beyond; salt and run are those in force there.
    Status write_at_start(env::Disk& disk, Lsn replay_from, std::uint64_t salt, Lsn run_start);
    // Begins one now if none is under way.
    void request();
    bool under_way() const { return phase_ != Phase::idle; }
    // Where replay begins; of a checkpoint that is being sealed already its own point, since that waits for no commit.
    Lsn replay_from() const { return phase_ == Phase::sealing ? header_.replay_from : state_.checkpoint_lsn; }
    // Only commits can bring it further.
    bool gated() const { return phase_ == Phase::gated; }
    bool writing() const { return phase_ == Phase::capturing || phase_ == Phase::sealing; }
    // Bytes handed to the disk by checkpoints, for the flash ledger.
    std::uint64_t bytes_written() const { return bytes_written_; }
    std::uint64_t finished() const { return finished_; }

private:
    // capturing: slices are encoded and written. gated: waits until all that was captured is durable. sealing: page 0 is written.
    enum class Phase : std::uint8_t { idle, capturing, gated, sealing };

    void run(env::Disk& disk) override;
    void done() override;

    bool due() const;
    void begin();
    void describe(Lsn replay_from, std::uint64_t salt, Lsn run_start);
    void finished_one();
    void next_slice();
    bool encode_slice(Writer& out);
    bool take_slice(const Writer& out);
    bool encode_entries(Section section, Writer& out);
    void encode_log(const Log& log, Writer& out);
    void seal();
    void seal_header(Lsn durable);
    void fail_with(Failure failure);

    env::Env& env_;
    State& state_;
    CheckpointSource& source_;
    CheckpointListener* listener_ = nullptr;
    MutableBytes buffer_;            // one chunk
    Phase phase_ = Phase::idle;
    CheckpointHeader header_;
    std::size_t section_ = 0;        // index into the list of sections, ours first
    std::uint64_t cursor_ = 0;       // in it
    Lsn cursor_lsn_;                 // section truncations: of the last entry of log cursor_ that is written
    Bytes slice_;                    // what the job writes
    std::uint64_t slice_position_ = 0;
    std::uint64_t gate_ticket_ = 0;
    std::uint64_t last_size_ = page_bytes;
    std::uint64_t bytes_written_ = 0;
    std::uint64_t finished_ = 0;
    std::uint8_t removed_ = 0;       // files, as the job found
    Status status_;
};

}  // namespace rivulet::store
