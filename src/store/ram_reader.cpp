#include "store/ram_reader.h"

namespace rivulet::store {

using record::batch_header_bytes;

std::size_t RamReader::read(const Log& log, Offset from, Offset limit, std::size_t bytes_max, ReadView& view) {
    ViewBuilder builder(view, from, limit, bytes_max);
    Ring::Batch batch;
    std::size_t looked_at = 1;
    if (!ring_.find(log, from, batch)) return looked_at;
    view.log = log.id;
    do {
        ++looked_at;
        if (builder.judge(batch.header) != ViewBuilder::Verdict::take) break;
        if (!add(view, builder, batch)) break;
    } while (!view.more() && ring_.at(log, ring_.after(batch), batch));
    for (std::size_t i = 0; i < view.pinned_count; ++i) state_.blocks.pin(view.pinned[i]);
    return looked_at;
}

// False: no room, and nothing has changed. Of the first batch as much as there is room for.
bool RamReader::add(ReadView& view, ViewBuilder& builder, const Ring::Batch& batch) {
    const std::size_t pieces_before = view.piece_count;
    const std::size_t pinned_before = view.pinned_count;
    const Bytes last_before = pieces_before != 0 ? view.pieces[pieces_before - 1] : Bytes();
    ChainPosition at = batch.at;
    std::size_t left = batch.header.total_bytes();
    if (batch.header.clock_untrusted()) {
        if (!builder.has_header_room() || view.piece_count == ReadView::pieces_max) return false;
        // All that is in RAM was stamped in this boot, or comes from a leader that says so itself.
        builder.add_piece(builder.patch_header({state_.blocks.bytes(at.block) + at.byte, batch_header_bytes}, state_.boots, state_.boot));
        at.byte += static_cast<std::uint32_t>(batch_header_bytes);
        left -= batch_header_bytes;
    }
    ChainPosition rest;
    left = add_slices(view, builder, at, left, rest);
    if (left != 0) {
        if (view.batches != 0) {
            if (batch.header.clock_untrusted()) --view.header_count;
            view.piece_count = pieces_before;
            view.pinned_count = pinned_before;
            view.pieces[pieces_before - 1] = last_before;
            return false;
        }
        keep_rest(view, rest, left);
    }
    builder.count(batch.header);
    return true;
}

std::size_t RamReader::add_slices(ReadView& view, ViewBuilder& builder, ChainPosition at, std::size_t n, ChainPosition& rest) {
    std::size_t left = n;
    bool full = false;
    ring_.slices(at, n, [&](BlockIndex block, Bytes slice) {
        if (full) return;
        const bool pinned = view.pinned_count != 0 && view.pinned[view.pinned_count - 1] == block;
        if ((!pinned && view.pinned_count == ReadView::pieces_max) || !builder.add_piece(slice)) {
            full = true;
            rest = {block, static_cast<std::uint32_t>(slice.data() - state_.blocks.bytes(block))};
            return;
        }
        if (!pinned) view.pinned[view.pinned_count++] = block;
        left -= slice.size();
    });
    return left;
}

// Its first block is pinned, so that all stay; forget() is told before they are dropped otherwise.
void RamReader::keep_rest(ReadView& view, ChainPosition at, std::size_t n) {
    view.more_at = at;
    view.more_bytes = n;
    state_.blocks.pin(at.block);
    unfinished_.push_back(view);
}

void RamReader::drop_rest(ReadView& view) {
    if (!view.linked()) return;
    List<ReadView>::remove(view);
    state_.blocks.unpin(view.more_at.block);
}

bool RamReader::refill(ReadView& view) {
    if (!view.linked()) return false;
    for (std::size_t i = 0; i < view.pinned_count; ++i) state_.blocks.unpin(view.pinned[i]);
    view.piece_count = view.pinned_count = 0;
    const ChainPosition at = view.more_at;
    const std::size_t n = view.more_bytes;
    ViewBuilder builder(view, view.next, view.next, 0);
    ChainPosition rest;
    const std::size_t left = add_slices(view, builder, at, n, rest);
    for (std::size_t i = 0; i < view.pinned_count; ++i) state_.blocks.pin(view.pinned[i]);
    drop_rest(view);
    view.more_bytes = 0;
    if (left != 0) keep_rest(view, rest, left);
    return true;
}

void RamReader::release(ReadView& view) {
    for (std::size_t i = 0; i < view.pinned_count; ++i) state_.blocks.unpin(view.pinned[i]);
    view.pinned_count = 0;
    drop_rest(view);
}

// The views keep `more` set, and refill() refuses.
void RamReader::forget(const Log& log) {
    for (ReadView* view = unfinished_.front(); view;) {
        ReadView* const next = unfinished_.next(*view);
        if (view->log == log.id) drop_rest(*view);
        view = next;
    }
}

}  // namespace rivulet::store
