// Builds one commit group at the head of the journal, and what a change of segment brings along: footer, new segment header, RETIRE.
// Owns:     a table buffer, a footer buffer, a header page, a list of pieces, from the arena. Payload pieces are views into ring blocks or the caller's buffers,
//           which stand until written() or abandon().
// Bounds:   StoreOptions::group_bytes_max, table_bytes_max; pieces_max() pieces. add() says false when the group is full, and the group is then complete without it.
// Thread:   begin(), add*(), finish() on the loop; seal_and_write() in a job (or at start-up, blocking); nothing else meanwhile.
// Format:   FORMAT.md, sections 3 to 5 and 7.
#pragma once

#include "env/disk.h"
#include "store/footer.h"
#include "store/segment_header.h"
#include "store/state.h"

namespace rivulet::store {

// Of an extent in a group's table, without trailer (FORMAT.md, section 4).
constexpr std::size_t extent_entry_bytes_max = 64;

class GroupWriter {
public:
    // Views that make up a group: any one log's bytes that fit an empty group do so, whatever blocks they lie in.
    static std::size_t pieces_max(const StoreOptions& options);

    GroupWriter(Arena& arena, State& state);
    static std::size_t memory_bytes(const StoreOptions& options);

    // Starts a group at state.head.next. `records` (may be empty) become log 0's extent: they must stand until written. False: not even these fit
    // in the room of the segment; enter_next_segment() then, and begin again.
    bool begin(Timestamp base_timestamp, Bytes records, bool run_start, bool mark);
    // Adds an extent whose payload is `pieces` one after the other; extent.crc, unless it is known, is computed off the loop. False: full. What it says about the log (index, footer) is
    // noted at once: a group that is begun is written, or the log goes offline.
    bool add(Log& log, const Extent& extent, std::span<const Bytes> pieces);
    // Whether `count` more extents of one log with a trailer and payload of these sizes fit.
    bool fits(const Log& log, std::size_t count, std::size_t trailer_bytes, std::uint64_t payload_bytes, std::size_t pieces) const;
    std::uint64_t payload_room(const Log& log) const;  // bytes that one further extent of it may have; 0 if none fits
    std::size_t pieces_room() const { return pieces_.size() - piece_count_; }
    std::size_t extent_count() const { return extent_count_; }
    std::uint64_t payload_bytes() const { return payload_bytes_; }
    // Completes the group and moves state.head.next past it.
    GroupHeader finish();

    // Seals the head segment (footer from Log::in_head) and goes to the next: its header page is written with the next group. Moves the tail, if the index knows enough: appends
    // a RETIRE record for the caller to begin the next group with. `records` must have retire_bytes_max() of room.
    void enter_next_segment(Writer& records);
    // Moves the tail to where the head's segment allows. No-op when nothing is due (recovery may leave it due) or the index does not know enough yet.
    void retire(Writer& records);
    static std::size_t retire_bytes_max(std::uint32_t logs_max) { return 32 + std::size_t{logs_max} * 20; }
    // The next segment must wait: for a checkpoint, whose replay point the tail would pass, for the index, which does not yet know where logs begin behind the tail, or for
    // a write of zeros to it that has not ended.
    bool next_segment_must_wait() const;

    // Hashes extents, table and header; writes footer and segment header if due, then the group. Does not sync, but for this: before a segment is begun, the beginning of the
    // one before it is synced, since its RETIRE record must be durable before what it gives up is overwritten.
    Status seal_and_write(env::Disk& disk);
    // All that was written has been synced.
    void synced() { begun_unsynced_ = false; }

private:
    struct ExtentPieces {
        std::uint32_t crc_at;      // in the table
        std::uint32_t first_piece;
        std::uint32_t piece_count;  // 0: the CRC is there
    };

    bool add_extent(const Extent& extent, std::span<const Bytes> pieces);
    std::uint64_t total_limit() const;
    void seal_segment(std::uint64_t sequence);
    bool is_overtaken(const Log& clean) const;
    void move_tail(std::uint64_t sequence, Writer& records);
    std::uint64_t head_sequence() const;  // of the segment that head.next or the last group lies in

    State& state_;
    MutableBytes table_;           // header and table
    MutableBytes footer_;
    MutableBytes retire_entries_;
    MutableBytes segment_page_;
    std::span<Bytes> pieces_;      // [0] header and table, then payload, then padding
    std::span<ExtentPieces> extents_;
    std::size_t piece_count_ = 0;
    std::size_t extent_count_ = 0;
    std::uint64_t payload_bytes_ = 0;
    std::uint64_t limit_ = 0;      // total bytes that this group may have
    GroupHeader header_;
    TableWriter table_writer_;
    Bytes footer_due_;             // to be written with the next group, empty if none
    std::uint64_t footer_position_ = 0;
    bool segment_page_due_ = false;
    bool begun_unsynced_ = false;  // a segment was begun since the last sync
    std::uint64_t segment_page_position_ = 0;
    std::uint64_t group_position_ = 0;
};

}  // namespace rivulet::store
