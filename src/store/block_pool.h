// The pool of 4 KiB ring blocks: write buffer and read cache of all partitions at once.
// Owns:     the blocks' memory and one entry of book-keeping each, carved from the arena.
// Bounds:   its count, fixed at start; take() evicts the longest flushed block, else says that there is none (busy).
// Guarantee: a block that is not wholly durable, or is pinned, is never given away.
// Thread:   loop only; a commit job reads blocks' bytes that are already written and will not change.
#pragma once

#include "base/arena.h"
#include "base/units.h"

namespace rivulet::store {

using BlockIndex = std::uint32_t;
constexpr BlockIndex no_block = 0xffffffff;
constexpr std::uint32_t block_bytes = 4096;
constexpr std::uint16_t no_batch = 0xffff;

struct Block {
    BlockIndex next = no_block;         // in the log's chain, or in the free list
    BlockIndex lru_next = no_block;     // in the list of evictable blocks, longest flushed first
    BlockIndex lru_previous = no_block;
    std::uint32_t log_slot = 0;
    std::int64_t first_base = 0;        // base offset of the first batch that begins here
    std::uint16_t used = 0;             // bytes
    std::uint16_t first_batch = no_batch;  // position of that batch
    std::uint16_t pins = 0;             // commits in flight and reads that are being sent
    bool evictable = false;             // in the LRU list: all its bytes are durable
    bool orphan = false;                // dropped from its chain while pinned: freed with the last pin
    bool sealed = false;                // takes no more bytes: a truncation cut it while a commit was reading it
};

class BlockPool {
public:
    BlockPool(Arena& arena, std::uint32_t count);
    static std::size_t memory_bytes(std::uint32_t count) { return static_cast<std::size_t>(count) * (block_bytes + sizeof(Block)); }

    // An empty block, or no_block. Never evicts: Ring does, since a block leaves its log's chain from the front.
    BlockIndex take();
    // The block has left its chain: free at once, or with its last pin.
    void give(BlockIndex index);
    void pin(BlockIndex index) { ++blocks_[index].pins; }
    void unpin(BlockIndex index);
    Block& operator[](BlockIndex index) { return blocks_[index]; }
    const Block& operator[](BlockIndex index) const { return blocks_[index]; }
    std::uint8_t* bytes(BlockIndex index) { return memory_.data() + static_cast<std::size_t>(index) * block_bytes; }
    const std::uint8_t* bytes(BlockIndex index) const { return memory_.data() + static_cast<std::size_t>(index) * block_bytes; }

    void make_evictable(BlockIndex index);   // appends to the LRU list
    void keep(BlockIndex index);             // takes it out again
    // The list of evictable blocks, longest flushed first.
    BlockIndex evictable_front() const { return lru_first_; }
    BlockIndex evictable_after(BlockIndex index) const { return blocks_[index].lru_next; }

    std::uint32_t count() const { return static_cast<std::uint32_t>(blocks_.size()); }
    std::uint32_t free() const { return free_; }
    std::uint32_t evictable() const { return evictable_; }

private:
    MutableBytes memory_;
    std::span<Block> blocks_;
    BlockIndex first_free_ = no_block;
    BlockIndex untouched_ = 0;  // blocks from here on were never taken: their pages stay unused
    BlockIndex lru_first_ = no_block;
    BlockIndex lru_last_ = no_block;
    std::uint32_t free_ = 0;
    std::uint32_t evictable_ = 0;
};

}  // namespace rivulet::store
