// Reads record batches for consumers and followers: the tail from ring blocks, older data from flash through windows.
// Owns:     StoreOptions::windows windows (window.h: a buffer of a largest group and a directory of extents each), a table of positions, the index loader.
// Bounds:   a view holds ReadView::pieces_max pieces; what does not fit waits for the next read. A call looks into each window at most once. One scan serves all lagging
//           readers: a window that is loaded feeds every reader whose position is in it.
// Errors:   damage met at a read is fenced (state.fences, state.damage, log line) and the next readable batch is served, as after compaction; I/O errors likewise, page-wise.
// Guarantee: no byte of an extent is served before its CRC was checked in the read job; void extents (truncations), other logs' bytes, offsets below log.start and batches at or
//           beyond the limit never. Batches stamped under an untrusted clock are served with a patched copy of their header (FORMAT.md, section 4).
// Thread:   loop only; loading, hashing and building directories run in jobs.
#pragma once

#include "store/index_loader.h"
#include "store/ram_reader.h"
#include "store/window_set.h"

namespace rivulet::store {

enum class ReadOutcome : std::uint8_t {
    data,          // view holds at least one batch
    end,           // nothing at or beyond `from` below the limit
    pending,       // being read from flash: the waiter is called
    out_of_range,  // below log.start or above log.end
};

class IndexListener {
public:
    // More of the index is there; state.index_loaded_from says how much.
    virtual void on_index_loaded() = 0;

protected:
    ~IndexListener() = default;
};

class Reader final : private WindowSetOwner, private IndexLoaderOwner {
public:
    Reader(env::Env& env, Arena& arena, State& state);
    static std::size_t memory_bytes(const StoreOptions& options);

    // Batches from the one that holds `from` (or the next readable one) while their base is below `limit` and the view stays within bytes_max; the first
    // batch whole even beyond bytes_max (KIP-74). `waiter` must be on no list; it is used only if the outcome is pending. `view` must have been released.
    // Without `waits` nothing is loaded: pending means that it is not at hand.
    ReadOutcome read(Log& log, Offset from, Offset limit, std::size_t bytes_max, ReadView& view, ReadWaiter& waiter, bool waits = true);
    // Where in the journal a read of this offset begins, as far as that is known. Lsn(0): it is not, or the offset is in RAM.
    Lsn whereabouts(const Log& log, Offset from) const;
    // The next pieces of a view with more(), when those before are sent. False: the rest is gone (its log was truncated or deleted), so what was promised
    // cannot be sent: close the connection.
    bool refill(ReadView& view) { return ram_.refill(view); }
    void release(ReadView& view);
    void cancel(ReadWaiter& waiter);
    // A window's buffer, for recovery: before load_index() alone.
    MutableBytes scratch() { return windows_.scratch(); }
    // A log's blocks or extents are about to be dropped (truncation, deletion). Windows need not be told: they hold no pointers to logs, ids are never used again, and
    // what a truncation voids is left out at each read.
    void forget(Log& log) { ram_.forget(log); }

    // Loads index samples of older segments from their footers, newest first, one job after the other, until state.index_loaded_from is the tail. Reads that
    // need an older one wait. Started once after recovery.
    void load_index(IndexListener& listener);

    struct Statistics {
        std::uint64_t windows_loaded = 0;
        std::uint64_t bytes_read = 0;     // from flash
        std::uint64_t bytes_served = 0;   // from windows
        std::uint64_t footers_rebuilt = 0;
    };
    const Statistics& statistics() const { return statistics_; }
    bool windows_wanted() const { return windows_.wanted(); }

private:
    // What a read asks for.
    struct Wish {
        Log& log;
        Offset from;
        Offset limit;
        std::size_t bytes_max;
        bool waits = true;
    };
    enum class Served : std::uint8_t { some, nothing, beyond };

    void on_window_loaded(Window& window) override;
    void on_segment_indexed() override;

    ReadOutcome read_ram(const Wish& wish, ReadView& view);
    ReadOutcome read_flash(const Wish& wish, ReadView& view, ReadWaiter& waiter);
    Lsn place(const Wish& wish, ReadWaiter& waiter) const;
    Served serve(Window& window, const Wish& wish, ReadView& view);
    ViewBuilder::Verdict add_extent(const Log& log, Window& window, Window::EntryIndex index, Offset voided, ViewBuilder& builder);
    Lsn behind(const Log& log, const Window& window) const;
    Lsn onward(const Log& log, Lsn lsn) const;
    std::uint64_t head_sequence() const { return state_.geometry.sequence(state_.head.next); }

    void report_hole(const Window::Hole& hole);
    void report_extent(const Window& window, const Window::Entry& entry);
    void report_gap(const Log& log, Offset from, Offset to);

    env::Env& env_;
    State& state_;
    RamReader ram_;
    ReaderPositions positions_;
    WindowSet windows_;
    IndexLoader loader_;
    IndexListener* listener_ = nullptr;
    List<ReadWaiter> index_waiters_;
    // Holes that were reported, so that each counts once; the oldest is overwritten.
    static constexpr std::size_t reported_max = 32;
    Lsn reported_[reported_max];
    std::size_t reported_count_ = 0;
    Lsn recovered_from_{0};  // recovery walked from here to this run's start and reported the holes that it met
    Statistics statistics_;
};

}  // namespace rivulet::store
