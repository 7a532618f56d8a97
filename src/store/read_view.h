// What a read gives: whole batches in order, as views of ring blocks or of a window.
// Owns:     pins on what it shows, until Reader::release(). Bounds: pieces_max pieces at a time; about 2 KiB.
// Thread:   loop only.
#pragma once

#include "record/batch.h"
#include "store/log.h"
#include "store/marks.h"

namespace rivulet::store {

struct ReadView : ListNode<ReadView> {
    static constexpr std::size_t pieces_max = 64;
    static constexpr std::size_t patched_headers_max = 8;

    Bytes pieces[pieces_max];
    std::size_t piece_count = 0;
    std::size_t bytes = 0;     // of all batches; the pieces have fewer if `more`
    std::size_t batches = 0;
    Offset first{0};           // base of the first batch
    Offset next{0};            // last offset of the last batch + 1: where to read on

    // A single batch in RAM that has more pieces than fit: they come with Reader::refill(), when these are sent.
    bool more() const { return more_bytes != 0; }
    bool empty() const { return bytes == 0; }
    // The batch whose header is the piece that begins here was stamped under an untrusted clock, and no offset is known for that boot: its times count from the boot.
    bool time_unknown(const std::uint8_t* header) const;
    std::span<const Bytes> views() const { return {pieces, piece_count}; }

    // For the Reader: pins, on the blocks of the pieces and the one with what is to come, or on a window.
    BlockIndex pinned[pieces_max];
    std::size_t pinned_count = 0;
    ChainPosition more_at;
    std::size_t more_bytes = 0;
    LogId log{0};
    std::int32_t window = -1;
    std::uint8_t headers[patched_headers_max][record::batch_header_bytes];
    std::size_t header_count = 0;
    std::uint8_t unknown_times = 0;  // bit i: of headers[i]
    static_assert(patched_headers_max <= 8);
};

// What choosing a batch needs of it.
struct BatchSpan {
    BatchSpan(Offset first_offset, Offset last_offset, std::size_t total_bytes) : first(first_offset), last(last_offset), bytes(total_bytes) {}
    BatchSpan(const record::BatchHeader& header) : BatchSpan(header.base_offset, header.last_offset(), header.total_bytes()) {}
    Offset first;
    Offset last;
    std::size_t bytes;
};

// Fills a view batch by batch, within what the reader asked for.
class ViewBuilder {
public:
    enum class Verdict : std::uint8_t {
        take,
        skip,    // below what was asked for
        full,    // waits for the next read
        beyond,  // at or beyond the limit
    };

    ViewBuilder(ReadView& view, Offset from, Offset limit, std::size_t bytes_max) : view_(view), limit_(limit), bytes_max_(bytes_max) { view.next = from; }

    Verdict judge(const BatchSpan& batch) const;
    // The whole batch at `bytes`, if it is its turn; full also if there is no room, and nothing has changed then.
    Verdict offer(const BatchSpan& batch, Bytes bytes);
    // The same for one that was stamped under an untrusted clock, in boot `boot`.
    Verdict offer_untrusted(const record::BatchHeader& header, Bytes bytes, const Boots& boots, std::uint32_t boot);

    // By parts: a piece, joined to the one before if it lies right behind it; false if there is no room.
    bool add_piece(Bytes piece);
    bool has_header_room() const { return view_.header_count < ReadView::patched_headers_max; }
    // A copy of the header with its times set right and the mark gone.
    Bytes patch_header(Bytes header, const Boots& boots, std::uint32_t boot);
    void count(const BatchSpan& batch);

private:
    ReadView& view_;
    Offset limit_;
    std::size_t bytes_max_;
};

}  // namespace rivulet::store
