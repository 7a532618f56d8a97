// Where readers will go on, as far as it is remembered: at which LSN the reader of a log finds an offset, and whether it is expected there.
// Owns:     a table of fixed size, by a hash of log and offset; what falls on the same place is forgotten. 56 bytes each.
// Bounds:   find(), left(), came(): O(1). expected(): the readers that it calls for.
// Errors:   none: a position that is forgotten is found through the index again, and a reader that is not expected reads as if it were the first.
// Thread:   loop only.
#pragma once

#include <algorithm>
#include <bit>

#include "base/arena.h"
#include "base/list.h"
#include "store/state.h"

namespace rivulet::store {

class ReaderPositions {
public:
    ReaderPositions(Arena& arena, const StoreOptions& options) : table_(arena.make_array<Position>(count(options))) {}
    static std::size_t memory_bytes(const StoreOptions& options) { return count(options) * sizeof(Position); }

    // At or before the group with the offset; Lsn(0): not known.
    Lsn find(LogId log, Offset offset) const {
        const Position& known = table_[place(log, offset)];
        return known.log == log && known.offset == offset ? known.lsn : Lsn(0);
    }
    // A reader has got what stands before the offset, and will come back for it.
    void left(LogId log, Offset offset, Lsn lsn, Instant now) {
        Position& known = table_[place(log, offset)];
        if (known.linked()) List<Position>::remove(known);
        known.log = log;
        known.offset = offset;
        known.lsn = lsn;
        known.at = now;
        expected_.push_front(known);
    }
    // It is there.
    void came(LogId log, Offset offset) {
        Position& known = table_[place(log, offset)];
        if (known.linked() && known.log == log && known.offset == offset) List<Position>::remove(known);
    }
    // Calls `seen(lsn)` for each reader that has left at `since` or later and has not come back.
    template <class Seen>
    void expected(Instant since, Seen seen) {
        for (Position* position = expected_.front(); position && position->at >= since; position = expected_.next(*position)) seen(position->lsn);
    }

private:
    struct Position : ListNode<Position> {
        LogId log{0};
        Offset offset{0};
        Lsn lsn{0};
        Instant at;
    };
    static std::size_t count(const StoreOptions& options) { return std::bit_ceil(std::clamp<std::size_t>(2 * options.logs_max, 64, 2048)); }
    std::size_t place(LogId log, Offset offset) const {
        const std::uint64_t key = (log.value * 0x9e3779b97f4a7c15ULL) ^ static_cast<std::uint64_t>(offset.value);
        const auto shift = 64U - static_cast<unsigned>(std::countr_zero(table_.size()));
        return static_cast<std::size_t>((key * 0x9e3779b97f4a7c15ULL) >> shift);
    }

    std::span<Position> table_;
    List<Position> expected_;  // newest first
};

}  // namespace rivulet::store
