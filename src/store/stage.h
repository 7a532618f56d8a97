// A record batch that comes in pieces, as a producer's request is read: loose ring blocks that belong to no log yet.
// Owns:     the blocks of one batch, from Ring::begin until the batch is appended (its blocks go into the log's chain, without a copy) or the stage is dropped. One of these has to
//           come before the stage goes away.
// Bounds:   all blocks that the batch will need are taken at once, so that two halves cannot wait for each other; Ring::stage_blocks_max() for all stages together, but for one that is begun ahead of them, and less for slow ones.
// Guarantee: readers and commits see nothing of a stage before it is appended. The batch's header is contiguous.
// Thread:   loop; a job that has it for itself may put(), and read its Pieces.
#pragma once

#include <utility>

#include "record/batch.h"
#include "store/block_pool.h"

namespace rivulet::store {

// What a stage may have with all others together.
enum class StageShare : std::uint8_t {
    slow,   // its batch may take long to come: leaves a quarter, or a largest batch if that is more, to the others, as far as room for one slow largest batch remains
    whole,  // Ring::stage_blocks_max()
    ahead,  // more, for a batch that others wait for
};

class Stage {
public:
    Stage() = default;
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

    // It holds blocks.
    bool active() const { return first_ != no_block; }
    // Bytes so far, and those that are to come.
    std::size_t size() const { return size_; }
    std::size_t room() const { return bytes_ - size_; }
    // The next bytes of the batch, at most room().
    void put(Bytes bytes);
    // Where they go, for who writes them there itself: as many `pieces` as there are, or room() needs, in order; returns how many.
    std::size_t lend(std::span<MutableBytes> pieces);
    StageShare share() const { return share_; }  // of one that is active
    std::size_t lent() const { return lent_; }  // bytes of these
    std::size_t take_back() { return std::exchange(lent_, 0); }
    // The next bytes of the batch are what lies in the first of these places, at most so many, which are returned.
    MutableBytes extend(std::size_t bytes);
    // The batch's header, once it is there.
    Bytes header() const { return {pool_->bytes(first_), record::batch_header_bytes}; }
    MutableBytes header() { return {pool_->bytes(first_), record::batch_header_bytes}; }
    // A place to go back to: what was put since is forgotten.
    struct Mark {
        BlockIndex block = no_block;
        std::uint16_t used = 0;
        std::size_t size = 0;
    };
    // What another has, which has nothing then; this one has to have nothing.
    void take(Stage& other);
    // Its bytes, block by block, for whoever has it to himself, in a job too.
    class Pieces {
    public:
        explicit Pieces(const Stage& stage) : pool_(stage.pool_), next_(stage.first_) {}
        // Empty: the end of what was put.
        Bytes next() {
            if (next_ == no_block || (*pool_)[next_].used == 0) return {};
            const BlockIndex block = next_;
            next_ = (*pool_)[block].next;
            return {pool_->bytes(block), (*pool_)[block].used};
        }

    private:
        const BlockPool* pool_;
        BlockIndex next_;
    };
    Mark mark() const { return {last_, (*pool_)[last_].used, size_}; }
    void rewind(const Mark& mark);

private:
    friend class Ring;

    BlockPool* pool_ = nullptr;
    BlockIndex first_ = no_block;
    BlockIndex last_ = no_block;      // that is being filled
    std::uint32_t blocks_ = 0;
    std::uint32_t lent_ = 0;
    StageShare share_ = StageShare::whole;
    std::size_t bytes_ = 0;           // of the whole batch
    std::size_t size_ = 0;
};

}  // namespace rivulet::store
