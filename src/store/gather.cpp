// Gathering: from a log's unflushed batches to extents of the group being built.
#include "store/committer.h"

namespace rivulet::store {

namespace {

// From here on the CRC that a batch has makes that of its extent in less time than to hash the batch once more; and what changed in RAM since it was checked is found out.
constexpr std::size_t known_crc_bytes_min = 4 * 1024;

std::uint8_t extent_flags(const Log& log, const record::BatchHeader& header) {
    std::uint8_t flags = log.clean_part ? extent_relocated | extent_compacted : 0;
    if (header.clock_untrusted()) flags |= extent_clock_untrusted;
    if (header.transactional()) flags |= extent_transactional;
    if (header.control()) flags |= extent_control;
    return flags;
}

}  // namespace

// Takes what fits of a log into the group; true if nothing is left of it.
bool Committer::gather(Log& log) {
    if (!log.has_unflushed() || log.gather_from_ticket > closing_ticket_) return true;
    // A pack that was opened since the commit began goes along: the trailer counts its readings already.
    if (log.pack_open()) {
        ring_.close_pack(log);
        if (log.memory) listener_->on_readable(log);
    }
    if (log.pending_session_count != 0) {
        // Two extents share a block where the one ends and the other begins.
        const std::size_t blocks = ring_.blocks_from(log.flush_from);
        const std::size_t pieces = blocks + extents_per_gather_max;
        env_.charge(blocks * 8);
        if (!writer_.fits(log, extents_per_gather_max, state_.sessions.trailer_bytes_max(log), log.unflushed_bytes, pieces)) return false;
        Writer trailer(trailer_);
        RIVULET_CHECK(state_.sessions.take_trailer(log, trailer));
        RIVULET_CHECK(gather_extents(log, log.unflushed_bytes, trailer.written()));
        return true;
    }
    return gather_extents(log, writer_.payload_room(log), {});
}

// Cuts the unflushed batches into extents of equal flags and epoch, at most byte_limit bytes; the trailer goes with the last. True if nothing is left.
bool Committer::gather_extents(Log& log, std::uint64_t byte_limit, Bytes trailer) {
    Ring::Batch batch;
    ChainPosition position = log.flush_from;
    while (log.flush_offset < log.closed_end) {
        RIVULET_CHECK(ring_.at(log, position, batch));
        Extent extent;
        extent.log = log.id;
        extent.flags = extent_flags(log, batch.header);
        extent.base = batch.header.base_offset;
        extent.epoch = batch.header.leader_epoch;
        extent.max_timestamp = batch.header.max_timestamp;
        if (extent.flags & extent_clock_untrusted) extent.boot = state_.boot;
        extent.crc_known = true;
        const ChainPosition start = batch.at;
        Offset last{-1};
        std::uint8_t producers = 0;  // of any batch: those with and without share an extent
        bool more = true;
        while (more && extent_flags(log, batch.header) == extent.flags && batch.header.leader_epoch == extent.epoch) {
            const std::size_t bytes = batch.header.total_bytes();
            if (bytes > byte_limit) break;
            byte_limit -= bytes;
            extent.bytes += static_cast<std::uint32_t>(bytes);
            extent.crc_known &= bytes >= known_crc_bytes_min;
            if (extent.crc_known) extent.crc = record::crc_with_batch(extent.crc, Bytes(state_.blocks.bytes(batch.at.block) + batch.at.byte, record::batch_header_bytes));
            // What is relocated says nothing new of them.
            if (batch.header.producer_id >= 0 && !log.clean_part) producers = extent_producers;
            if (batch.header.max_timestamp > extent.max_timestamp) extent.max_timestamp = batch.header.max_timestamp;
            last = batch.header.last_offset();
            position = ring_.after(batch);
            env_.charge(record::batch_header_bytes);
            more = last + 1 < log.closed_end && ring_.at(log, position, batch);
        }
        if (extent.bytes == 0) return false;
        extent.offset_span = static_cast<std::uint32_t>(last - extent.base);
        extent.flags |= producers;
        if (last + 1 == log.closed_end && !trailer.empty()) {
            extent.flags |= extent_packed;
            extent.trailer = trailer;
        }
        if (!take(log, extent, start)) return false;
        log.flush_offset = last + 1;
        log.flush_from = position;
    }
    RIVULET_CHECK(log.unflushed_bytes == 0);
    if (log.dirty()) List<Log, DirtyTag>::remove(log);
    return true;
}

// Adds one extent, whose bytes begin at `start`, and pins its blocks until it is written.
bool Committer::take(Log& log, const Extent& extent, ChainPosition start) {
    std::size_t slices = 0;
    const std::size_t pinned_before = pinned_count_;
    const std::size_t room = writer_.pieces_room();
    bool fits = true;
    ring_.slices(start, extent.bytes, [&](BlockIndex block, Bytes bytes) {
        if (slices == room || pinned_count_ == pinned_.size()) {
            fits = false;
            return;
        }
        slices_[slices++] = bytes;
        pinned_[pinned_count_++] = block;
    });
    if (!fits || !writer_.add(log, extent, slices_.first(slices))) {
        pinned_count_ = pinned_before;
        return false;
    }
    for (std::size_t i = pinned_before; i < pinned_count_; ++i) state_.blocks.pin(pinned_[i]);
    log.unflushed_bytes -= extent.bytes;
    state_.unflushed_bytes -= extent.bytes;
    state_.committing_bytes += extent.bytes;
    if (!log.in_commit()) {
        committing_.push_back(log);
        log.commit_from = start.block;
    }
    log.commit_end = extent.last() + 1;
    env_.charge(64 * slices);
    return true;
}

}  // namespace rivulet::store
