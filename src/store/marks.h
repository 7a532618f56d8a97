// Small bounded tables of what overrules extents: truncations, fences, and the boots whose clocks stamped records.
// Owns:     truncations: an array from the arena; the others: fixed arrays inside the object.
// Bounds:   stated per table; a full table of truncations refuses (limit_reached), and recovery then does without (run_start.cpp); fences merge with the nearest of their
//           log, else the oldest entry of all goes and is counted; the oldest boot goes first.
// Thread:   loop only; the small copies that a read job needs are taken by value.
#pragma once

#include "base/arena.h"
#include "store/checkpoint_file.h"

namespace rivulet::store {

class Truncations {
    struct Entry {
        TruncationImage mark;
        bool proposed = false;
    };

public:
    // One for each log, as a start may need after a commit that was lost whole, and some.
    static constexpr std::size_t capacity_for(std::uint32_t logs_max) { return 512 + std::size_t{logs_max}; }
    static std::size_t memory_bytes(std::uint32_t logs_max) { return capacity_for(logs_max) * sizeof(Entry) + alignof(Entry); }

    Truncations(Arena& arena, std::uint32_t logs_max) : entries_(arena.make_array<Entry>(capacity_for(logs_max))) {}

    // From now on extents of `log` below `lsn` are void from `offset` on. Entries that this one covers go.
    Status add(LogId log, Offset offset, Lsn lsn);
    // Recovery has met such a record and does not know yet whether it voids anything: taken if there is room, and the first to go when there is none. It stays
    // if it is confirmed: void_at() has found it to void something, or it is added.
    void propose(LogId log, Offset offset, Lsn lsn);
    // void_from(), for an extent that recovery meets: the mark that voids it or a part of it is confirmed.
    Offset void_at(LogId log, Lsn lsn, Offset last);
    void drop_proposed(LogId log, Lsn lsn);  // the record itself was reached: what it voids lies before it
    void drop_proposed();
    // First offset of an extent at `lsn` that is void; Offset(INT64_MAX) if none.
    Offset void_from(LogId log, Lsn lsn) const;
    void retire(Lsn first_live);   // entries below the tail have nothing left to overrule
    void remove_log(LogId log);
    std::size_t count() const { return count_; }
    std::size_t capacity() const { return entries_.size(); }
    const TruncationImage& at(std::size_t index) const { return entries_[index].mark; }
    // Index of the first entry behind (log, lsn).
    std::size_t first_above(LogId log, Lsn lsn) const;

private:
    Status put(LogId log, Offset offset, Lsn lsn, bool proposed);
    template <class Gone>
    void drop(Gone gone);

    std::span<Entry> entries_;  // by (log, LSN)
    std::size_t count_ = 0;
};

class Fences {
public:
    static constexpr std::size_t capacity = 256;
    // Overlapping ranges of a log become one, under the cause of the widest; so do neighbours of one cause.
    void add(LogId log, Offset from, Offset to, FenceCause cause);
    // Bytes of the journal that a start found missing of an unproved commit: the last unproved_max of them; others would be told as damage when somebody comes there.
    static constexpr std::size_t unproved_max = 64;
    void add_unproved(Lsn from, Lsn to);
    bool covers_unproved(Lsn from, Lsn to) const;
    void retire_unproved(Lsn first_live);
    void raise_start(LogId log, Offset start);  // what lies below is gone anyway
    void truncate(LogId log, Offset end);
    void remove_log(LogId log);
    std::size_t count() const { return count_; }
    std::size_t count(LogId log) const;
    // Whether one entry holds all of [from, to).
    bool covers(LogId log, Offset from, Offset to) const;
    const FenceImage& at(std::size_t index) const { return entries_[index].fence; }
    std::uint64_t forgotten() const { return forgotten_; }

private:
    struct Entry {
        FenceImage fence;
        std::uint64_t age = 0;  // order of coming
    };
    static bool touches(const FenceImage& left, const FenceImage& right);
    std::size_t first_of(LogId log, Offset offset) const;  // index of the first that ends beyond it
    bool widen_nearest(std::size_t at, const FenceImage& fence);
    void make_room();

    Entry entries_[capacity];  // by (log, from)
    std::size_t count_ = 0;
    std::uint64_t age_ = 0;
    std::uint64_t forgotten_ = 0;
};

class Boots {
public:
    static constexpr std::size_t capacity = 64;
    // Index of a boot id, new if it is not known.
    std::uint32_t index_of(const Uuid& boot_id);
    // What a checkpoint or a RUN_START says; an offset that is known already stays.
    void restore(const BootImage& image);
    // The first offset for a boot rules; false if it has one already or is not known.
    bool fix(std::uint32_t index, std::int64_t offset_ms);
    const BootImage* find(std::uint32_t index) const;
    std::size_t count() const { return count_; }
    const BootImage& at(std::size_t i) const { return entries_[i]; }

private:
    BootImage entries_[capacity];  // ascending index
    std::size_t count_ = 0;
    std::uint32_t next_ = 1;
};

}  // namespace rivulet::store
