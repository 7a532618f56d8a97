#include "store/group_writer.h"

#include "base/crc32c.h"

namespace rivulet::store {

namespace {

constexpr std::size_t pieces_min = 1536;  // so that many logs share a group
constexpr std::size_t pieces_extra = 32;  // header and table, records, padding; of one log: extents and where its chain was cut
alignas(64) constexpr std::uint8_t zeros[page_bytes] = {};

}  // namespace

GroupWriter::GroupWriter(Arena& arena, State& state)
    : state_(state),
      table_(arena.take_bytes(group_header_bytes + state.options.table_bytes_max())),
      footer_(arena.take_bytes(footer_room(state.options.logs_max))),
      retire_entries_(arena.take_bytes(retire_bytes_max(state.options.logs_max))),
      segment_page_(arena.take_bytes(page_bytes)),
      pieces_(arena.make_array<Bytes>(pieces_max(state.options))),
      extents_(arena.make_array<ExtentPieces>(pieces_max(state.options))),
      table_writer_({}, Timestamp(0)) {}

// Two blocks that follow each other hold as much as one, but for less than a batch header: a stage goes behind a block that has no room for its batch.
std::size_t GroupWriter::pieces_max(const StoreOptions& options) {
    const std::size_t wanted = 2 * (options.group_bytes_max() / (block_bytes - record::batch_header_bytes)) + pieces_extra;
    return wanted < pieces_min ? pieces_min : wanted;
}

std::size_t GroupWriter::memory_bytes(const StoreOptions& options) {
    return group_header_bytes + options.table_bytes_max() + footer_room(options.logs_max) +
           retire_bytes_max(options.logs_max) + page_bytes +
           pieces_max(options) * (sizeof(Bytes) + sizeof(ExtentPieces)) + 64;
}

bool GroupWriter::begin(Timestamp base_timestamp, Bytes records, bool run_start, bool mark) {
    header_ = {};
    header_.run_start = run_start;
    header_.mark = mark;
    header_.base_timestamp = base_timestamp;
    table_writer_ = TableWriter(table_.subspan(group_header_bytes), base_timestamp);
    piece_count_ = 1;  // [0]: header and table
    extent_count_ = 0;
    payload_bytes_ = 0;
    limit_ = state_.geometry.group_bytes_max;
    if (group_header_bytes + records.size() + extent_entry_bytes_max > total_limit()) return false;
    if (!records.empty()) {
        Extent extent;
        extent.log = control_log;
        extent.flags = extent_control;
        extent.bytes = static_cast<std::uint32_t>(records.size());
        extent.max_timestamp = base_timestamp;
        RIVULET_CHECK(add_extent(extent, std::span<const Bytes>(&records, 1)));
    }
    return true;
}

std::uint64_t GroupWriter::total_limit() const {
    const std::uint64_t room = state_.room(0);
    return room < limit_ ? room : limit_;
}

bool GroupWriter::fits(const Log& log, std::size_t count, std::size_t trailer_bytes, std::uint64_t payload_bytes, std::size_t pieces) const {
    const std::size_t table = count * extent_entry_bytes_max + trailer_bytes;
    if (table_writer_.bytes() + table > table_.size() - group_header_bytes) return false;
    // One piece stays for the padding.
    if (pieces + 1 > pieces_.size() - piece_count_ || extent_count_ + count > extents_.size()) return false;
    const std::uint64_t room = state_.room(log.in_head.extents == 0 ? 1 : 0);
    const std::uint64_t limit = room < limit_ ? room : limit_;
    return page_ceil(group_header_bytes + table_writer_.bytes() + table + payload_bytes_ + payload_bytes) <= limit;
}

std::uint64_t GroupWriter::payload_room(const Log& log) const {
    if (!fits(log, 1, 0, 0, 1)) return 0;
    const std::uint64_t room = state_.room(log.in_head.extents == 0 ? 1 : 0);
    const std::uint64_t limit = room < limit_ ? room : limit_;
    return limit - (group_header_bytes + table_writer_.bytes() + extent_entry_bytes_max + payload_bytes_);
}

bool GroupWriter::add_extent(const Extent& extent, std::span<const Bytes> pieces) {
    if (pieces.size() + 1 > pieces_.size() - piece_count_ || extent_count_ == extents_.size()) return false;
    std::uint32_t crc_at = 0;
    if (!table_writer_.add(extent, crc_at)) return false;
    extents_[extent_count_++] = {crc_at, static_cast<std::uint32_t>(piece_count_), extent.crc_known ? 0 : static_cast<std::uint32_t>(pieces.size())};
    for (const Bytes piece : pieces) pieces_[piece_count_++] = piece;
    payload_bytes_ += extent.bytes;
    return true;
}

bool GroupWriter::add(Log& log, const Extent& extent, std::span<const Bytes> pieces) {
    if (!fits(log, 1, extent.trailer.size(), extent.bytes, pieces.size())) return false;
    RIVULET_CHECK(add_extent(extent, pieces));
    state_.note_extent(log, extent, state_.head.next);
    return true;
}

GroupHeader GroupWriter::finish() {
    Head& head = state_.head;
    header_.salt = head.salt;
    header_.lsn = head.next;
    header_.durable = head.durable;
    header_.run_start_lsn = head.run_start;
    header_.previous_end = head.previous_end;
    header_.table_bytes = static_cast<std::uint32_t>(table_writer_.bytes());
    header_.payload_bytes = static_cast<std::uint32_t>(payload_bytes_);
    header_.extent_count = static_cast<std::uint32_t>(extent_count_);
    const std::uint64_t used = group_header_bytes + table_writer_.bytes() + payload_bytes_;
    header_.total_bytes = static_cast<std::uint32_t>(page_ceil(used));
    RIVULET_CHECK(header_.total_bytes <= limit_);
    RIVULET_CHECK(state_.geometry.position_in_segment(head.next) + header_.total_bytes <= state_.geometry.segment_bytes);
    pieces_[0] = table_.first(group_header_bytes + table_writer_.bytes());
    if (header_.total_bytes != used) pieces_[piece_count_++] = Bytes(zeros, static_cast<std::size_t>(header_.total_bytes - used));
    group_position_ = state_.geometry.file_position(head.next);
    head.next = head.previous_end = header_.end();
    return header_;
}

// previous_end is the end of a group, or of the header page of an empty segment: the byte before it lies in the head segment.
std::uint64_t GroupWriter::head_sequence() const { return state_.geometry.sequence(state_.head.previous_end - 1); }

bool GroupWriter::next_segment_must_wait() const {
    const std::uint64_t first_live = state_.geometry.first_live(head_sequence() + 1);
    if (state_.zeroing == head_sequence() + 1) return true;
    return first_live > state_.geometry.sequence(state_.checkpoint_lsn) || first_live < state_.index_loaded_from;
}

void GroupWriter::enter_next_segment(Writer& records) {
    Head& head = state_.head;
    const std::uint64_t sealed = head_sequence();
    const std::uint64_t sequence = sealed + 1;
    seal_segment(sealed);
    encode_segment_header({state_.geometry, sequence, head.run, head.salt, head.previous_end}, segment_page_.first<page_bytes>());
    segment_page_due_ = true;
    segment_page_position_ = state_.geometry.file_position(state_.geometry.segment_start(sequence));
    head.next = state_.geometry.first_group(sequence);
    move_tail(sequence, records);
}

void GroupWriter::retire(Writer& records) { move_tail(state_.geometry.sequence(state_.head.next), records); }

void GroupWriter::seal_segment(std::uint64_t sequence) {
    FooterWriter footer(footer_);
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) {
        Log& log = state_.logs.at(rank);
        const InSegment& in = log.in_head;
        if (in.extents == 0) continue;
        RIVULET_CHECK(footer.add({log.id, in.first, in.last, in.extents, in.bytes, in.page, in.min_timestamp, in.max_timestamp, in.clock_untrusted}));
        log.in_head = {};
    }
    footer_due_ = footer.finish(sequence, state_.head.previous_end, state_.head.salt, state_.deleted_in_head);
    state_.logs_in_head = 0;
    state_.deleted_in_head = false;
    footer_position_ = state_.geometry.file_position(state_.geometry.segment_start(sequence)) + state_.geometry.segment_bytes - footer_due_.size();
}

// A clean log that lies further ahead than some that came behind it, which the ring has taken: the oldest go first. Of a compacted log it stays. What a fence has of the gap was lost otherwise.
bool GroupWriter::is_overtaken(const Log& clean) const {
    // The log itself, of a lower id, has had its turn.
    const Log* const of = clean.clean_part ? state_.logs.find(clean.clean_of) : nullptr;
    if (!of || of->clean != clean.id || of->clean_end <= clean.end || of->keys_required || !state_.serving) return false;
    return !state_.fences.covers(of->id, clean.end, of->clean_end);
}

void GroupWriter::move_tail(std::uint64_t sequence, Writer& records) {
    const std::uint64_t first_live = state_.geometry.first_live(sequence);
    if (first_live <= state_.head.first_live || first_live < state_.index_loaded_from) return;
    state_.head.first_live = first_live;
    RetireRecord record;
    record.first_live = first_live;
    Writer entries(retire_entries_);
    LogId previous{0};
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) {
        Log& log = state_.logs.at(rank);
        Offset start = state_.index.retire(log, state_.geometry, first_live, sequence);
        if (is_overtaken(log)) start = log.end;
        // What its clean log has stays.
        Offset& begin = log.clean.value != 0 ? log.clean_end : log.start;
        if (start <= begin) continue;
        begin = start;
        state_.fences.raise_start(log.id, log.start);
        state_.follow_start(log);
        append_retire_entry(entries, previous, {log.id, start});
        ++record.count;
    }
    RIVULET_CHECK(entries.ok());
    record.entries = entries.written();
    encode(record, records);
    RIVULET_CHECK(records.ok());
    state_.truncations.retire(state_.geometry.segment_start(first_live));
    state_.fences.retire_unproved(state_.geometry.segment_start(first_live));
}

Status GroupWriter::seal_and_write(env::Disk& disk) {
    std::uint8_t* const table = table_.data() + group_header_bytes;
    for (std::size_t i = 0; i < extent_count_; ++i) {
        if (extents_[i].piece_count == 0) continue;
        std::uint32_t crc = 0;
        for (std::uint32_t k = 0; k < extents_[i].piece_count; ++k) crc = crc32c(pieces_[extents_[i].first_piece + k], crc);
        store_le(table + extents_[i].crc_at, crc);
    }
    header_.table_crc = table_crc(header_.salt, Bytes(table, header_.table_bytes));
    encode_group_header(header_, table_.first<group_header_bytes>());
    env::File& journal = *state_.journal;
    if (!footer_due_.empty()) RIVULET_TRY(disk.write(journal, footer_position_, footer_due_));
    if (segment_page_due_) {
        if (begun_unsynced_) RIVULET_TRY(disk.sync(journal));
        begun_unsynced_ = true;
        RIVULET_TRY(disk.write(journal, segment_page_position_, Bytes(segment_page_)));
    }
    footer_due_ = {};
    segment_page_due_ = false;
    return disk.write(journal, group_position_, std::span<const Bytes>(pieces_.data(), piece_count_));
}

}  // namespace rivulet::store
