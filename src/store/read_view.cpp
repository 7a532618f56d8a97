#include "store/read_view.h"

namespace rivulet::store {

using record::batch_header_bytes;

bool ReadView::time_unknown(const std::uint8_t* header) const {
    for (std::size_t i = 0; i < header_count; ++i)
        if (headers[i] == header) return (unknown_times >> i & 1U) != 0;
    return false;
}

ViewBuilder::Verdict ViewBuilder::judge(const BatchSpan& batch) const {
    if (batch.last < view_.next) return Verdict::skip;
    if (batch.first >= limit_) return Verdict::beyond;
    // The first batch is given whole, so that a reader with a small limit gets on (KIP-74).
    if (view_.batches != 0 && (view_.bytes >= bytes_max_ || batch.bytes > bytes_max_ - view_.bytes)) return Verdict::full;
    return Verdict::take;
}

bool ViewBuilder::add_piece(Bytes piece) {
    if (piece.empty()) return true;
    if (view_.piece_count != 0) {
        Bytes& last = view_.pieces[view_.piece_count - 1];
        if (last.data() + last.size() == piece.data()) {
            last = Bytes(last.data(), last.size() + piece.size());
            return true;
        }
    }
    if (view_.piece_count == ReadView::pieces_max) return false;
    view_.pieces[view_.piece_count++] = piece;
    return true;
}

Bytes ViewBuilder::patch_header(Bytes header, const Boots& boots, std::uint32_t boot) {
    const std::size_t index = view_.header_count++;
    std::uint8_t* const copied = view_.headers[index];
    copy(header.first(batch_header_bytes), {copied, batch_header_bytes});
    const BootImage* const known = boots.find(boot);
    const bool fixed = known && known->fixed;
    record::rebase_timestamps({copied, batch_header_bytes}, fixed ? known->offset_ms : 0);
    const unsigned bit = 1U << index;
    view_.unknown_times = static_cast<std::uint8_t>(fixed ? view_.unknown_times & ~bit : view_.unknown_times | bit);
    return {copied, batch_header_bytes};
}

void ViewBuilder::count(const BatchSpan& batch) {
    if (view_.batches++ == 0) view_.first = batch.first;
    view_.bytes += batch.bytes;
    view_.next = batch.last + 1;
}

ViewBuilder::Verdict ViewBuilder::offer(const BatchSpan& batch, Bytes bytes) {
    const Verdict verdict = judge(batch);
    if (verdict != Verdict::take) return verdict;
    if (!add_piece(bytes)) return Verdict::full;
    count(batch);
    return Verdict::take;
}

ViewBuilder::Verdict ViewBuilder::offer_untrusted(const record::BatchHeader& header, Bytes bytes, const Boots& boots, std::uint32_t boot) {
    const Verdict verdict = judge(header);
    if (verdict != Verdict::take) return verdict;
    if (!has_header_room() || view_.piece_count + 2 > ReadView::pieces_max) return Verdict::full;
    add_piece(patch_header(bytes, boots, boot));
    add_piece(bytes.subspan(batch_header_bytes));
    count(header);
    return Verdict::take;
}

}  // namespace rivulet::store
