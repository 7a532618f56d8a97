// The aliases of all compact connections: a number that stands for a topic and a place in it.
// Owns:     a pool of cells from the arena; a connection has a chain of its aliases, the last used one first. An alias takes one cell,
//           and more for a long default key.
// Bounds:   cells given at construction; put() without one is limit_reached; a default key of key_bytes_max.
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
};

class AliasPool {
public:
    static constexpr std::size_t key_bytes_max = 192;

    AliasPool(Arena& arena, std::size_t cells) : cells_(arena.take_array<Cell>(cells)) {}
    static std::size_t memory_bytes(std::size_t cells) { return cells * sizeof(Cell) + alignof(std::max_align_t); }

    // Moves the alias to the front of the chain; nullptr if there is none of this id.
    const Alias* find(CellIndex& chain, std::uint64_t id);
    // Replaces one of the same id. limit_reached; the chain has then none of this id.
    Status put(CellIndex& chain, const Alias& alias, Bytes key);
    // The default key of the chain's first alias: `scratch` or a view of the cell.
    Bytes key(CellIndex chain, MutableBytes scratch) const;
    void give(CellIndex& chain);

    std::size_t taken() const { return taken_; }
    std::size_t cells() const { return cells_.size(); }

private:
    struct Cell {
        static constexpr std::size_t key_here = 24;  // beside an alias
        static constexpr std::size_t key_alone = 56;
        CellIndex next;        // the next alias
        CellIndex key_next;    // what the key goes on in
        union {
            struct {
                std::uint64_t first_log;
                std::uint32_t partitions;
                std::int32_t partition;
                std::uint16_t error;
                std::uint16_t id;
                std::uint8_t key_bytes;
                std::uint8_t placement;
                bool settles_at_once;
                std::uint8_t key[key_here];
            } alias;
            std::uint8_t key[key_alone];
        };
    };
    static_assert(sizeof(Cell) == 64);

    CellIndex take();
    void give_one(CellIndex index);
    Alias& load(CellIndex index);

    std::span<Cell> cells_;
    Alias loaded_;
    CellIndex free_ = no_cell;
    std::size_t untouched_ = 0;
    std::size_t taken_ = 0;
};

}  // namespace rivulet::server::compact
