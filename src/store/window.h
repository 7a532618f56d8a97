// A stretch of the journal in RAM, with a directory of the extents in it by log: what a catch-up read is served from.
// Owns:     a buffer of buffer_bytes(), a directory of entries_max() extents, the job that fills both.
// Bounds:   a load reads load_bytes or scan_bytes at once, more only if a single group needs it, and stays within one segment. Look-ups by log and offset are O(1) for readers that
//           go forward. No allocation after construction.
// Errors:   damage is no error: groups that are gone show in holes(), extents whose CRC does not match are marked `bad`. What looks damaged is read once more, since
//           a bit may have been flipped on the way. A page that cannot be read counts as zeros.
// Guarantee: begin() < end() after a load; every extent in the directory lies in a group whose header and table hold and that is of its run.
// Thread:   run() in a job; the rest on the loop.  Format: FORMAT.md, sections 3, 4 and 9.
#pragma once

#include <algorithm>

#include "base/arena.h"
#include "env/env.h"
#include "store/group.h"
#include "store/state.h"

namespace rivulet::store {

class Window;

class WindowOwner {
public:
    virtual void on_loaded(Window& window) = 0;

protected:
    ~WindowOwner() = default;
};

// What to load: from `begin`, the start of a group or a page in a hole, up to `limit`, the end of what is durable.
struct WindowRequest {
    env::File* journal = nullptr;
    Geometry geometry;
    Lsn begin;
    Lsn limit;
    std::size_t bytes = 0;    // to read at once, as far as they fit into the buffer
    std::uint64_t salt = 0;   // of the current run
    Lsn run_start;            // of the current run: from here on groups have this salt
};

class Window final : private env::Job {
public:
    static constexpr std::size_t load_bytes = 256 * 1024;
    static constexpr std::size_t scan_bytes = 1024 * 1024;  // within a forward scan: fewer and larger answers
    static constexpr std::size_t piece_bytes = 128 * 1024;  // read before it is hashed: small enough to be still in the cache of the processor then
    static constexpr std::size_t holes_max = 8;
    using EntryIndex = std::uint16_t;
    // Whether readers are at a window, or come to it.
    enum class Use : std::uint8_t { none, later, now };
    static constexpr EntryIndex no_entry = 0xffff;

    // An extent. Plain numbers, so that the arena's pages stay untouched until they are needed.
    struct Entry {
        std::uint64_t log;
        std::int64_t base;
        std::uint32_t span;
        std::uint32_t position;    // in the buffer
        std::uint32_t bytes;
        std::uint32_t boot;        // that its times count from; of a plain one, whose times do not: the leader epoch
        std::uint32_t group_page;  // of its group, in pages from begin()
        EntryIndex next;           // of the same log, at the same or a higher LSN
        EntryIndex next_log;       // with the same hash; of a log's first entry
        EntryIndex last;           // of the log; of a log's first entry
        EntryIndex cursor;         // where the last read of the log was; of a log's first entry
        std::uint8_t flags;        // ExtentFlag
        bool bad;                  // CRC does not match
        bool stale;                // of a discarded group: never was part of the log
        bool plain;                // one whole batch, stamped under a trusted clock: what the reader needs to know of it is in here

        Offset first_offset() const { return Offset(base); }
        Offset last_offset() const { return Offset(base + span); }
        Epoch epoch() const { return Epoch(static_cast<std::int32_t>(boot)); }  // of a plain one
    };
    static_assert(sizeof(Entry) == 48);
    struct Hole {
        Lsn from;
        Lsn to;
    };

    Window(Arena& arena, const StoreOptions& options, WindowOwner& owner);
    static std::size_t memory_bytes(const StoreOptions& options);
    static std::size_t buffer_bytes(const StoreOptions& options) { return page_ceil(options.group_bytes_max()) + 2 * page_bytes; }

    void load(env::Env& env, const WindowRequest& request);
    void drop() { state_ = State::empty; }
    bool loading() const { return state_ == State::loading; }
    bool loaded() const { return state_ == State::loaded; }
    Lsn begin() const { return request_.begin; }
    // While loading: as far as it will probably get.
    Lsn end() const { return state_ == State::loading ? planned_end_ : end_; }
    bool covers(Lsn lsn) const { return begin() <= lsn && lsn < end(); }
    std::uint64_t sequence() const { return request_.geometry.sequence(request_.begin); }
    std::uint64_t bytes_read() const { return bytes_read_; }
    std::uint64_t pages_unreadable() const { return pages_unreadable_; }

    // First entry of the log that may hold `from` or what follows it; entry by entry with next().
    EntryIndex find(LogId log, Offset from) const;
    EntryIndex next(EntryIndex index) const { return entries_[index].next; }
    const Entry& entry(EntryIndex index) const { return entries_[index]; }
    // Extents of one log lie far apart: the next one is on its way to the cache while this one is looked at, for whoever sends it too.
    void prefetch(EntryIndex index) const {
        if (index == no_entry) return;
        const Bytes whole = bytes(entries_[index]);
        for (std::size_t i = 0; i < std::min<std::size_t>(whole.size(), 512); i += 64) __builtin_prefetch(whole.data() + i);
        if (entries_[index].next != no_entry) __builtin_prefetch(&entries_[entries_[index].next]);
    }
    Bytes bytes(const Entry& entry) const { return Bytes(buffer_).subspan(entry.position, entry.bytes); }
    Lsn lsn(const Entry& entry) const { return request_.begin + std::uint64_t{entry.group_page} * page_bytes; }
    // Look-ups of its log begin here from now on.
    void set_cursor(EntryIndex index);
    void set_bad(EntryIndex index) { entries_[index].bad = true; }
    void set_stale(EntryIndex index) { entries_[index].stale = true; }

    std::size_t entry_count() const { return entry_count_; }
    bool any_bad() const { return any_bad_; }
    std::span<const Hole> holes() const { return {holes_, hole_count_}; }

    MutableBytes buffer() { return buffer_; }

    // For the Reader.
    std::int32_t number = 0;
    std::uint32_t pins = 0;
    std::uint64_t last_use = 0;
    bool sequential = false;  // begins where another loaded window ended
    bool followed = false;    // what comes next was asked for
    Instant fresh_until;      // waiters were called for it, none has looked at it since, and they have time until then
    Use use = Use::none;      // while a load is planned

private:
    enum class State : std::uint8_t { empty, loading, loaded };
    enum class Take : std::uint8_t { taken, nothing, later };

    std::size_t planned_bytes() const { return std::min(request_.bytes, buffer_.size()); }
    static std::size_t entries_max(const StoreOptions& options);
    static std::size_t buckets(const StoreOptions& options);

    void run(env::Disk& disk) override;
    void done() override;

    void scan(env::Disk& disk);
    Take take_group(env::Disk& disk, Lsn at, std::size_t planned);
    bool of_its_run(const GroupHeader& header) const;
    void drop_stale(const GroupHeader& successor);
    bool take_table(const GroupHeader& header);
    bool add(const Extent& extent, Lsn group, std::uint32_t position);
    void look_into(Entry& entry) const;
    EntryIndex first_of(std::uint64_t log) const;
    std::size_t bucket(std::uint64_t log) const;
    Lsn groups_end(env::Disk& disk, Lsn at);
    void note_hole(Lsn from, Lsn to);
    void fill(env::Disk& disk, std::size_t bytes);
    void fill_piecewise(env::Disk& disk, std::size_t bytes, std::size_t planned);
    void read(env::Disk& disk, Lsn at, MutableBytes into);
    std::uint8_t* at(Lsn lsn) { return buffer_.data() + (lsn - request_.begin); }

    WindowOwner& owner_;
    MutableBytes buffer_;
    std::span<Entry> entries_;
    std::span<EntryIndex> buckets_;
    unsigned shift_;               // 64 - log2 of the number of buckets

    WindowRequest request_;
    State state_ = State::empty;
    Lsn planned_end_;
    Lsn end_;
    std::size_t filled_ = 0;       // bytes of the buffer
    std::size_t entry_count_ = 0;
    Hole holes_[holes_max];
    std::size_t hole_count_ = 0;
    bool any_bad_ = false;
    bool any_group_ = false;       // the last group taken:
    Lsn group_;
    Lsn group_run_start_;
    std::uint64_t group_salt_ = 0;
    std::uint64_t bytes_read_ = 0;
    std::uint64_t pages_unreadable_ = 0;
};

}  // namespace rivulet::store
