// The aliases of all compact connections: a number that stands for a topic and a place in it.
// Owns:     a pool of cells from the arena; a connection has a chain of its aliases, the last used one first. An alias takes one cell,
//           and more for a long default key, one above key_bytes_here.
// Bounds:   one cell for each alias that there may be, and key_cells() for long keys, of which a connection has a quarter at most, but always one longest key's.
//           put() without room for a long key is limit_reached. So long keys take no room from other aliases. A default key of key_bytes_max.
// Thread:   loop only.
#pragma once

#include "base/arena.h"
#include "base/result.h"
#include "base/units.h"
#include "wire/compact/frames.h"

namespace rivulet::server::compact {

using CellIndex = std::uint32_t;
constexpr CellIndex no_cell = 0xffffffff;

struct Alias {
    LogId first_log{0};
    std::uint32_t partitions = 0;
    std::int32_t partition = -1;  // of readings without their own key
    Error error = Error::none;    // puts to it are refused with this
    std::uint16_t id = 0;
    std::uint8_t key_bytes = 0;   // of the default key
    wire::compact::Placement placement = wire::compact::Placement::by_key;
    bool settles_at_once = false;  // acks none, or a memory topic
    bool one_range = true;         // partition p is log first_log + p; otherwise the topic knows
};

class AliasPool {
public:
    static constexpr std::size_t key_bytes_max = 192;
    static constexpr std::size_t key_bytes_here = 24;

    // Of all connections together.
    AliasPool(Arena& arena, std::size_t aliases) : cells_(arena.take_array<Cell>(aliases + key_cells(aliases))), aliases_(aliases) {}
    static std::size_t memory_bytes(std::size_t aliases) { return (aliases + key_cells(aliases)) * sizeof(Cell) + alignof(std::max_align_t); }

    // Moves the alias to the front of the chain; nullptr if there is none of this id.
    const Alias* find(CellIndex& chain, std::uint64_t id);
    // Replaces one of the same id. limit_reached, of a long key only; the chain has then none of this id.
    Status put(CellIndex& chain, const Alias& alias, Bytes key);
    // The default key of the chain's first alias: `scratch` or a view of the cell.
    Bytes key(CellIndex chain, MutableBytes scratch) const;
    void give(CellIndex& chain);

    std::size_t taken() const { return taken_; }
    std::size_t cells() const { return cells_.size(); }

private:
    struct Cell {
        static constexpr std::size_t key_alone = 44;
        CellIndex next;            // the next alias; what the key goes on in
        union {
            struct {
                CellIndex key_next;  // what the key goes on in
                std::uint32_t first_log[2];
                std::uint16_t partitions;  // failed: the error
                std::int16_t partition;
                std::uint16_t id;
                std::uint8_t key_bytes;
                std::uint8_t placement : 2;
                bool settles_at_once : 1;
                bool failed : 1;
                bool one_range : 1;
                std::uint8_t key[key_bytes_here];
            } alias;
            std::uint8_t key[key_alone];
        };
    };
    static_assert(sizeof(Cell) == 48);

    static constexpr std::size_t key_cells_of(std::size_t key_bytes) {
        return key_bytes <= key_bytes_here ? 0 : (key_bytes - key_bytes_here + Cell::key_alone - 1) / Cell::key_alone;
    }
    // 63 bytes for each alias in all.
    static constexpr std::size_t key_cells(std::size_t aliases) {
        constexpr std::size_t least = key_cells_of(key_bytes_max);
        const std::size_t some = aliases * 5 / 16;
        return some < least ? least : some;
    }
    bool key_fits(CellIndex chain, std::size_t key_bytes) const;
    CellIndex take();
    void give_cell(CellIndex index);
    void give_one(CellIndex index);
    Alias& load(CellIndex index);

    std::span<Cell> cells_;
    std::size_t aliases_;
    Alias loaded_;
    CellIndex free_ = no_cell;
    std::size_t untouched_ = 0;
    std::size_t taken_ = 0;
    std::size_t keys_taken_ = 0;  // of these, for long keys
};

}  // namespace rivulet::server::compact
