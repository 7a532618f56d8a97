// The tail of each log in RAM: batches, verbatim, in a chain of pool blocks. Write buffer and read cache at once.
// Owns:     nothing; works on the logs and blocks of a State.
// Bounds:   append, reserve and begin take blocks from the pool, evicting the longest flushed; busy if too few are free or evictable, and nothing has changed then.
// Guarantee: a batch header is contiguous within a block; a body continues through the blocks that follow, of which any may end early. Bytes before Block::used never change once
//           their batch is closed.
// Thread:   loop only.
#pragma once

#include "record/batch.h"
#include "store/stage.h"
#include "store/state.h"

namespace rivulet::store {

// When a batch arrived, for logs that say so instead of its sender (KIP-32, LogAppendTime).
struct AppendTime {
    Timestamp time{-1};      // -1: the sender's times stay
    bool untrusted = false;  // from a clock that is not trusted
};

class Ring {
public:
    // Changes of flags or epoch that a log with sessions may have between two commits.
    static constexpr std::uint32_t runs_max = 16;

    explicit Ring(State& state) : state_(state) {}

    // A whole batch; its base offset, epoch and stamp are set in RAM, and log.end, closed_end move past it. Any open pack was closed before.
    Status append(Log& log, Bytes batch, const AppendTime& time = {});
    // The same of a stage that is full. On success it is empty again: its blocks are the log's, or free where the batch fitted the log's last one.
    Status append(Log& log, Stage& stage, const AppendTime& time = {});
    // Takes all blocks for a batch of that many bytes: batch_too_large, invalid_record (less than a header), busy.
    Status begin(Stage& stage, std::size_t bytes, StageShare share = StageShare::whole);
    void drop(Stage& stage);
    // The batch is as long as what is there: blocks beyond are given back.
    void fit(Stage& stage);
    // A stage was refused for what others hold that have this share, and none has ended since.
    bool stages_wanted(StageShare of) const { return stages_wanted_ || (of == StageShare::slow && slow_stages_wanted_); }
    // Of all stages together: half of the ring, and one largest batch in any case.
    std::uint32_t stage_blocks_max() const;
    // Of the slow ones: less, but never less than one largest batch.
    std::uint32_t slow_stage_blocks_max() const;
    // What stages hold leaves room for one more; if not, it is wanted from now on.
    bool stage_fits(std::size_t bytes, StageShare share);
    // One reading into the log's open pack. A new one is begun if there is none, or it has other attributes or no room within the limit. Only log.end moves.
    Status add_reading(Log& log, const record::Reading& reading, std::uint16_t attributes, std::size_t batch_limit);
    // Writes the pack's header: its records become a closed batch. No-op without an open pack.
    void close_pack(Log& log);

    // Drops everything from `end` on, a batch's base (TRUNCATE).
    void truncate(Log& log, Offset end);
    // Drops the whole chain (deletion).
    void drop(Log& log);

    // Makes at least `count` blocks free, evicting; false if that cannot be.
    bool make_room(std::uint32_t count);
    // The last make_room() failed.
    bool short_of_blocks() const { return short_of_blocks_; }
    // Blocks that could be had now.
    std::uint32_t available() const { return state_.blocks.free() + state_.blocks.evictable(); }

    // A closed batch and where it lies.
    struct Batch {
        ChainPosition at;
        record::BatchHeader header;
    };
    // The closed batch that holds `offset` or is the next after it; false if there is none in RAM.
    bool find(const Log& log, Offset offset, Batch& out) const;
    // The batch at a position (corrected to the next block where a block ends); false behind the last closed one.
    bool at(const Log& log, ChainPosition position, Batch& out) const;
    ChainPosition after(const Batch& batch) const { return advance(batch.at, batch.header.total_bytes()); }
    // Moves on by n bytes of batches.
    ChainPosition advance(ChainPosition position, std::size_t n) const;
    // Blocks from a position to the end of the chain.
    std::size_t blocks_from(ChainPosition position) const;
    // Calls visit(BlockIndex, Bytes) for the n bytes from a position, block by block.
    template <class Visit>
    void slices(ChainPosition position, std::size_t n, Visit visit) const {
        while (n != 0) {
            const Block& block = state_.blocks[position.block];
            const std::size_t here = block.used - position.byte < n ? block.used - position.byte : n;
            if (here != 0) visit(position.block, Bytes(state_.blocks.bytes(position.block) + position.byte, here));
            n -= here;
            position = {block.next, 0};
        }
    }

private:
    static std::size_t room_in(const Block& block) { return block.sealed ? 0 : block_bytes - block.used; }
    static std::uint16_t stamped_attributes(const record::BatchHeader& header, const AppendTime& time) {
        return static_cast<std::uint16_t>(header.attributes | (time.untrusted ? record::attribute_clock_untrusted : 0));
    }
    // What the commit of a log with sessions bears: busy beyond.
    Status fits_commit(const Log& log, std::size_t n, std::uint16_t attributes, std::int32_t last_offset_delta) const;
    Status reserve(Log& log, std::size_t contiguous, std::size_t n, std::uint16_t attributes, std::int32_t last_offset_delta = 0);
    // Blocks to take so that `n` bytes can be appended, the first `contiguous` of them in one block.
    std::uint32_t blocks_needed(const Log& log, std::size_t contiguous, std::size_t n) const;
    BlockIndex extend(Log& log);
    std::uint64_t bytes_between(ChainPosition from, ChainPosition to) const;
    // Opens a batch: room for its header in one block; notes it in the block.
    ChainPosition begin_batch(Log& log, Offset base);
    void put(Log& log, Bytes bytes);
    // A whole batch of n bytes lies there, the log's last: its header is set, and the ends move.
    void take_batch(Log& log, ChainPosition at, std::size_t n, const AppendTime& time);
    void put_record(Log& log, const record::Reading& reading, std::size_t size);
    void drop_front(Log& log);
    // Its blocks have gone elsewhere.
    void end_stage(Stage& stage);
    void count_staged(const Stage& stage, std::uint32_t blocks);
    void note_unflushed(Log& log, ChainPosition at, Offset base, std::uint16_t attributes);

    State& state_;
    bool short_of_blocks_ = false;
    bool stages_wanted_ = false;
    bool slow_stages_wanted_ = false;  // for what slow ones hold
};

}  // namespace rivulet::store
