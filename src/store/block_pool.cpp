#include "store/block_pool.h"

namespace rivulet::store {

BlockPool::BlockPool(Arena& arena, std::uint32_t count)
    : memory_(arena.take_bytes(static_cast<std::size_t>(count) * block_bytes)), free_(count) {
    blocks_ = {reinterpret_cast<Block*>(arena.take_bytes(count * sizeof(Block), alignof(Block)).data()), count};
}

BlockIndex BlockPool::take() {
    BlockIndex index = first_free_;
    if (index != no_block) {
        first_free_ = blocks_[index].next;
    } else if (untouched_ < blocks_.size()) {
        index = untouched_++;
    } else {
        return no_block;
    }
    --free_;
    ::new (static_cast<void*>(&blocks_[index])) Block();
    return index;
}

void BlockPool::give(BlockIndex index) {
    Block& block = blocks_[index];
    if (block.evictable) keep(index);
    if (block.pins != 0) {
        block.orphan = true;
        return;
    }
    block.next = first_free_;
    first_free_ = index;
    ++free_;
}

void BlockPool::unpin(BlockIndex index) {
    Block& block = blocks_[index];
    RIVULET_CHECK(block.pins != 0);
    if (--block.pins == 0 && block.orphan) give(index);
}

void BlockPool::make_evictable(BlockIndex index) {
    Block& block = blocks_[index];
    if (block.evictable) return;
    block.evictable = true;
    block.lru_next = no_block;
    block.lru_previous = lru_last_;
    (lru_last_ == no_block ? lru_first_ : blocks_[lru_last_].lru_next) = index;
    lru_last_ = index;
    ++evictable_;
}

void BlockPool::keep(BlockIndex index) {
    Block& block = blocks_[index];
    if (!block.evictable) return;
    (block.lru_previous == no_block ? lru_first_ : blocks_[block.lru_previous].lru_next) = block.lru_next;
    (block.lru_next == no_block ? lru_last_ : blocks_[block.lru_next].lru_previous) = block.lru_previous;
    block.evictable = false;
    --evictable_;
}

}  // namespace rivulet::store
