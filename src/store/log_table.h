// All logs of a store, found by id or slot.
// Owns:     limits.partitions Log objects from the arena. Bounds: create() past that is limit_reached.
// Guarantee: iteration is in ascending order of log id, whatever the history (no hash order).
// Thread:   loop only.
#pragma once

#include "base/arena.h"
#include "store/log.h"

namespace rivulet::store {

class LogTable {
public:
    LogTable(Arena& arena, std::uint32_t capacity);
    static std::size_t memory_bytes(std::uint32_t capacity) { return capacity * (sizeof(Log) + sizeof(std::uint32_t)) + 64; }

    // A fresh log of this id, which must be above all live ones or at least not there.
    Result<Log*> create(LogId id, bool memory);
    void remove(Log& log);            // its blocks and samples must be gone
    Log* find(LogId id);              // nullptr if there is none
    Log& at_slot(std::uint32_t slot) { return logs_[slot]; }
    std::uint32_t count() const { return count_; }
    std::uint32_t capacity() const { return static_cast<std::uint32_t>(logs_.size()); }
    // Live logs in ascending order of id: at(0) .. at(count() - 1).
    Log& at(std::uint32_t rank) { return logs_[order_[rank]]; }
    // Rank of the first live log with an id >= `id`.
    std::uint32_t rank_from(LogId id) const;

private:
    std::span<Log> logs_;             // those in use are constructed: the others' pages stay untouched
    std::span<std::uint32_t> order_;  // slots by id; those behind count_ are free
    std::uint32_t count_ = 0;
    std::uint32_t found_ = 0;         // rank of what find() was asked for last: looked at first
};

}  // namespace rivulet::store
