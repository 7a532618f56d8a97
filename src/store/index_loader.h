// Fills the segment index from the footers of older segments, newest first, while the store already serves.
// Owns:     a buffer for one footer or one group's table, the entries of a segment that is being rebuilt, one read job.
// Bounds:   entries_at_once entries enter the index per turn of the loop. A bad footer costs one pass over the segment's headers and tables per rebuilt_max logs in it.
// Errors:   none: what cannot be read is not in the index, and reads then find nothing there.
// Guarantee: never waits for a reader, since the ring's tail waits for the index.
// Thread:   loop only, but for run().  Format: FORMAT.md, section 5.
#pragma once

#include <optional>

#include "env/env.h"
#include "store/footer.h"
#include "store/state.h"

namespace rivulet::store {

class IndexLoaderOwner {
public:
    // One more segment is in the index.
    virtual void on_segment_indexed() = 0;

protected:
    ~IndexLoaderOwner() = default;
};

class IndexLoader final : private env::Job {
public:
    static constexpr std::uint32_t entries_at_once = 128;
    static constexpr std::size_t rebuilt_max = 256;

    IndexLoader(env::Env& env, Arena& arena, State& state, IndexLoaderOwner& owner);
    static std::size_t memory_bytes(const StoreOptions& options);

    void start();
    bool complete() const { return state_.index_loaded_from <= state_.head.first_live; }
    std::uint64_t footers_rebuilt() const { return footers_rebuilt_; }
    std::uint64_t bytes_read() const { return bytes_read_; }

private:
    enum class Phase : std::uint8_t { idle, footer, rebuild, pause };

    static std::size_t buffer_bytes(const StoreOptions& options);

    void run(env::Disk& disk) override;
    void done() override;

    void next_segment();
    void submit(Phase phase);
    bool apply_some();
    bool next_entry(FooterEntry& entry);
    void apply(const FooterEntry& entry);
    void raise_starts();

    bool read_footer(env::Disk& disk);
    void rebuild(env::Disk& disk);
    Lsn rebuild_group(env::Disk& disk, Lsn at);
    void count_in(const Extent& extent, Lsn group);
    FooterEntry* entry_of(LogId log);
    bool read(env::Disk& disk, Lsn at, MutableBytes into);

    env::Env& env_;
    State& state_;
    IndexLoaderOwner& owner_;
    MutableBytes buffer_;
    std::span<FooterEntry> rebuilt_;     // by log id

    Phase phase_ = Phase::idle;
    std::uint64_t segment_ = 0;          // being loaded
    // What the job works on, copied for it.
    env::File* journal_ = nullptr;
    Geometry geometry_;

    bool footer_good_ = false;
    bool footer_partial_ = false;        // it says itself that the segment knows more
    bool exact_ = true;                  // so far no footer did
    std::optional<FooterReader> footer_; // of a good footer, being applied
    std::size_t rebuilt_count_ = 0;
    std::size_t rebuilt_applied_ = 0;
    LogId rebuild_from_{0};              // this pass takes logs from here on
    bool rebuild_cut_ = false;           // and found more than it had room for
    std::uint64_t footers_rebuilt_ = 0;
    std::uint64_t job_bytes_ = 0;        // read by the job
    std::uint64_t bytes_read_ = 0;
};

}  // namespace rivulet::store
