// The latest offset of each key, in fixed memory: what a cleaning pass tells live records from dead ones by.
// Owns:     an open table from the arena, keys_max keys at three quarters of its slots. Keys are told apart by 96 bits of a keyed hash: of a million keys two are taken for one
//           with a probability below 2^-56, and strangers cannot choose such a pair.
// Bounds:   put() says no when it is full. clear() is O(1).
// Thread:   loop only.
#pragma once

#include "base/arena.h"
#include "base/siphash.h"
#include "base/units.h"

namespace rivulet::broker {

class KeyOffsets {
public:
    KeyOffsets(Arena& arena, std::uint32_t keys_max) : entries_(arena.make_array<Entry>(slots(keys_max))), keys_max_(keys_max) {}
    static std::size_t memory_bytes(std::uint32_t keys_max) { return slots(keys_max) * sizeof(Entry) + alignof(Entry); }

    void clear() {
        ++generation_;
        count_ = 0;
    }
    // False: it is a new key, and there is no room.
    bool put(const Hash128& key, Offset offset) {
        Entry& entry = slot_of(key);
        if (entry.generation != generation_) {
            if (count_ == keys_max_) return false;
            ++count_;
            entry = {key.low, static_cast<std::uint32_t>(key.high), generation_, offset.value};
        } else if (entry.offset < offset.value) {
            entry.offset = offset.value;
        }
        return true;
    }
    // Offset(-1): the key is not there.
    Offset find(const Hash128& key) {
        const Entry& entry = slot_of(key);
        return Offset(entry.generation == generation_ ? entry.offset : -1);
    }
    std::uint32_t count() const { return count_; }

private:
    // Plain numbers, so that the arena's pages stay untouched until they are needed.
    struct Entry {
        std::uint64_t low;
        std::uint32_t high;
        std::uint32_t generation;  // another than the table's: free
        std::int64_t offset;
    };
    static_assert(sizeof(Entry) == 24);
    static std::size_t slots(std::uint32_t keys_max) { return keys_max + std::size_t{keys_max} / 3 + 1; }

    // Where it is, or belongs. One slot at least is free.
    Entry& slot_of(const Hash128& key) {
        for (std::size_t i = static_cast<std::size_t>(key.high >> 32) % entries_.size();; i = i + 1 == entries_.size() ? 0 : i + 1) {
            Entry& entry = entries_[i];
            if (entry.generation != generation_ || (entry.low == key.low && entry.high == static_cast<std::uint32_t>(key.high))) return entry;
        }
    }

    std::span<Entry> entries_;
    std::uint32_t keys_max_;
    std::uint32_t count_ = 0;
    std::uint32_t generation_ = 1;
};

}  // namespace rivulet::broker
