// Batches that come in pieces: from loose blocks into their log's chain.
#include "store/stage.h"

#include <algorithm>
#include <utility>

#include "store/ring.h"

namespace rivulet::store {

namespace {

std::uint32_t blocks_for(std::size_t bytes) { return static_cast<std::uint32_t>((bytes + block_bytes - 1) / block_bytes); }

}  // namespace

void Stage::put(Bytes bytes) {
    while (!bytes.empty()) {
        const MutableBytes place = extend(bytes.size());
        copy(bytes.first(place.size()), place);
        bytes = bytes.subspan(place.size());
    }
}

void Stage::take(Stage& other) {
    RIVULET_CHECK(!active() && other.lent_ == 0);
    pool_ = other.pool_;
    first_ = std::exchange(other.first_, no_block);
    last_ = std::exchange(other.last_, no_block);
    blocks_ = std::exchange(other.blocks_, 0U);
    share_ = other.share_;
    bytes_ = std::exchange(other.bytes_, 0U);
    size_ = std::exchange(other.size_, 0U);
}

std::size_t Stage::lend(std::span<MutableBytes> pieces) {
    RIVULET_CHECK(active());
    std::size_t count = 0;
    std::size_t left = room();
    for (BlockIndex at = last_; left != 0 && count != pieces.size(); at = (*pool_)[at].next) {
        const std::size_t used = (*pool_)[at].used;
        const std::size_t n = left < block_bytes - used ? left : block_bytes - used;
        if (n != 0) pieces[count++] = {pool_->bytes(at) + used, n};
        left -= n;
    }
    lent_ = static_cast<std::uint32_t>(room() - left);
    return count;
}

MutableBytes Stage::extend(std::size_t bytes) {
    RIVULET_CHECK(active() && bytes <= room());
    if ((*pool_)[last_].used == block_bytes && bytes != 0) last_ = (*pool_)[last_].next;
    Block& block = (*pool_)[last_];
    const std::size_t left = block_bytes - block.used;
    const std::size_t n = bytes < left ? bytes : left;
    const MutableBytes place(pool_->bytes(last_) + block.used, n);
    block.used = static_cast<std::uint16_t>(block.used + n);
    size_ += n;
    return place;
}

void Stage::rewind(const Mark& mark) {
    const BlockIndex end = (*pool_)[last_].next;
    last_ = mark.block;
    (*pool_)[last_].used = mark.used;
    for (BlockIndex i = (*pool_)[last_].next; i != end; i = (*pool_)[i].next) (*pool_)[i].used = 0;
    size_ = mark.size;
}

std::uint32_t Ring::stage_blocks_max() const {
    const std::uint32_t half = state_.blocks.count() / 2;
    const std::uint32_t largest = blocks_for(state_.options.batch_bytes_max);
    return half < largest ? largest : half;
}

std::uint32_t Ring::slow_stage_blocks_max() const {
    const std::uint32_t most = stage_blocks_max();
    const std::uint32_t largest = blocks_for(state_.options.batch_bytes_max);
    return most - std::min(most - largest, std::max(largest, most / 4));
}

bool Ring::stage_fits(std::size_t bytes, StageShare share) {
    const std::uint32_t blocks = blocks_for(bytes);
    if (share == StageShare::ahead) return true;
    const bool fits = state_.staged_blocks + blocks <= stage_blocks_max();
    const bool fits_slow = share == StageShare::whole || state_.slowly_staged_blocks + blocks <= slow_stage_blocks_max();
    stages_wanted_ |= !fits;
    slow_stages_wanted_ |= !fits_slow;
    return fits && fits_slow;
}

Status Ring::begin(Stage& stage, std::size_t bytes, StageShare share) {
    RIVULET_CHECK(!stage.active());
    if (bytes < record::batch_header_bytes) return fail(Error::invalid_record, static_cast<std::int64_t>(bytes));
    if (bytes > state_.options.batch_bytes_max) return fail(Error::batch_too_large, static_cast<std::int64_t>(bytes));
    const std::uint32_t count = blocks_for(bytes);
    if (!stage_fits(bytes, share)) return fail(Error::busy);
    if (!make_room(count)) return fail(Error::busy);
    stage.pool_ = &state_.blocks;
    stage.blocks_ = count;
    stage.share_ = share;
    stage.bytes_ = bytes;
    stage.size_ = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const BlockIndex block = state_.blocks.take();
        RIVULET_CHECK(block != no_block);
        (i == 0 ? stage.first_ : state_.blocks[stage.last_].next) = block;
        stage.last_ = block;
    }
    stage.last_ = stage.first_;
    count_staged(stage, count);
    return {};
}

// More, or with a negative number in two's complement, fewer.
void Ring::count_staged(const Stage& stage, std::uint32_t blocks) {
    state_.staged_blocks += blocks;
    if (stage.share_ == StageShare::slow) state_.slowly_staged_blocks += blocks;
}

void Ring::fit(Stage& stage) {
    RIVULET_CHECK(stage.size_ >= record::batch_header_bytes);
    Block& last = state_.blocks[stage.last_];
    for (BlockIndex i = last.next; i != no_block;) {
        const BlockIndex next = state_.blocks[i].next;
        state_.blocks.give(i);
        --stage.blocks_;
        count_staged(stage, -std::uint32_t{1});
        i = next;
    }
    last.next = no_block;
    stage.bytes_ = stage.size_;
}

void Ring::end_stage(Stage& stage) {
    count_staged(stage, -stage.blocks_);
    stages_wanted_ = slow_stages_wanted_ = false;
    stage.first_ = stage.last_ = no_block;
    stage.blocks_ = stage.lent_ = 0;
    stage.bytes_ = stage.size_ = 0;
}

void Ring::drop(Stage& stage) {
    if (!stage.active()) return;
    for (BlockIndex i = stage.first_; i != no_block;) {
        const BlockIndex next = state_.blocks[i].next;
        state_.blocks.give(i);
        i = next;
    }
    end_stage(stage);
}

Status Ring::append(Log& log, Stage& stage, const AppendTime& time) {
    RIVULET_CHECK(!log.pack_open() && stage.active() && stage.room() == 0);
    // What fits the log's last block is copied: a block for each small batch would leave the others no room.
    if (log.last_block != no_block && stage.size() <= room_in(state_.blocks[log.last_block])) {
        RIVULET_TRY(append(log, Bytes(state_.blocks.bytes(stage.first_), stage.size()), time));
        drop(stage);
        return {};
    }
    const record::BatchHeader header = record::decode_header(stage.header());
    RIVULET_TRY(fits_commit(log, stage.size(), stamped_attributes(header, time), header.last_offset_delta));
    Block& first = state_.blocks[stage.first_];
    first.first_batch = 0;
    first.first_base = log.end.value;
    for (BlockIndex i = stage.first_; i != no_block; i = state_.blocks[i].next) state_.blocks[i].log_slot = log.slot;
    (log.last_block == no_block ? log.first_block : state_.blocks[log.last_block].next) = stage.first_;
    log.last_block = stage.last_;
    take_batch(log, {stage.first_, 0}, stage.size(), time);
    end_stage(stage);
    return {};
}

}  // namespace rivulet::store
