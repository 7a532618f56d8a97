// Where readers will go on, as far as it is remembered: at which LSN the reader of a log finds an offset, and whether it is expected there.
// Owns:     a table of fixed size in sets of 4, two of which a reader (log and offset) may be in, and is in the emptier one (Azar et al., "Balanced Allocations",
//           1999); who came back is forgotten before who is expected.
// Bounds:   find(), left(), came(): O(1). expected(): the readers that it calls for.
// Errors:   none: a position that is forgotten is found through the index again, and a reader that is not expected reads as if it were the first.
// Thread:   loop only.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <span>

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
        const Position* const known = look_up(log, offset);
        return known ? known->lsn : Lsn(0);
    }
    // A reader has got what stands before the offset, and will come back for it.
    void left(LogId log, Offset offset, Lsn lsn, Instant now) {
        Position* place = look_up(log, offset);
        if (!place) place = &oldest(sets(log, offset));
        if (place->linked()) List<Position>::remove(*place);
        place->log = log;
        place->offset = offset;
        place->lsn = lsn;
        place->at = now;
        expected_.push_front(*place);
    }
    // It is there.
    void came(LogId log, Offset offset) {
        Position* const known = look_up(log, offset);
        if (known && known->linked()) List<Position>::remove(*known);
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
    static constexpr std::size_t ways = 4;
    using Set = std::span<Position, ways>;

    static std::size_t count(const StoreOptions& options) { return std::bit_ceil(std::clamp<std::size_t>(2 * options.logs_max, 64, 2048)); }
    std::array<Set, 2> sets(LogId log, Offset offset) const {
        const std::uint64_t key = ((log.value * 0x9e3779b97f4a7c15ULL) ^ static_cast<std::uint64_t>(offset.value)) * 0x9e3779b97f4a7c15ULL;
        const std::size_t mask = table_.size() / ways - 1;
        const auto set = [&](std::uint64_t number) { return Set(table_.data() + (static_cast<std::size_t>(number) & mask) * ways, ways); };
        return {set(key >> 32), set(key >> 48)};
    }
    Position* look_up(LogId log, Offset offset) const {
        for (const Set set : sets(log, offset))
            for (Position& position : set)
                if (position.log == log && position.offset == offset) return &position;
        return nullptr;
    }
    // In the set of which fewer are expected, one that is not, if there is one.
    static Position& oldest(const std::array<Set, 2>& sets) {
        const auto expected = [](Set set) { return std::count_if(set.begin(), set.end(), [](const Position& position) { return position.linked(); }); };
        const Set set = sets[expected(sets[1]) < expected(sets[0]) ? 1 : 0];
        return *std::min_element(set.begin(), set.end(), [](const Position& a, const Position& b) { return a.linked() != b.linked() ? b.linked() : a.at < b.at; });
    }

    std::span<Position> table_;
    List<Position> expected_;  // newest first
};

}  // namespace rivulet::store
