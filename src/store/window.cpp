#include "store/window.h"

#include <algorithm>
#include <bit>

#include "base/crc32c.h"
#include "store/footer.h"

namespace rivulet::store {

static_assert(std::is_trivially_default_constructible_v<Window::Entry>);

// The densest that our writer makes: a table of table_bytes_max, or a buffer of extents that are one batch header and a record each.
std::size_t Window::entries_max(const StoreOptions& options) {
    constexpr std::size_t entry_bytes_min = 11;  // of a table
    constexpr std::size_t extent_bytes_min = record::batch_header_bytes + lost_record_bytes_min;
    const std::size_t in_load = std::min(scan_bytes, buffer_bytes(options)) / (extent_bytes_min + entry_bytes_min);
    return std::max<std::size_t>(options.table_bytes_max() / entry_bytes_min, std::min<std::size_t>(in_load, 3072)) + 1;
}

std::size_t Window::buckets(const StoreOptions& options) { return std::bit_ceil(std::clamp<std::size_t>(options.logs_max, 16, 1024)); }

std::size_t Window::memory_bytes(const StoreOptions& options) {
    return sizeof(Window) + buffer_bytes(options) + entries_max(options) * sizeof(Entry) + buckets(options) * sizeof(EntryIndex) + 64;
}

Window::Window(Arena& arena, const StoreOptions& options, WindowOwner& owner)
    : Job(env::JobKind::read),
      owner_(owner),
      buffer_(arena.take_bytes(buffer_bytes(options))),
      entries_(arena.take_array<Entry>(entries_max(options))),
      buckets_(arena.take_array<EntryIndex>(buckets(options))),
      shift_(64U - static_cast<unsigned>(std::countr_zero(buckets(options)))) {
    RIVULET_CHECK(entries_.size() < no_entry);
}

void Window::load(env::Env& env, const WindowRequest& request) {
    RIVULET_CHECK(state_ != State::loading && pins == 0 && request.begin < request.limit);
    request_ = request;
    state_ = State::loading;
    followed = false;
    const Lsn segment_end = request.geometry.segment_start(sequence() + 1);
    planned_end_ = std::min({request.begin + planned_bytes(), request.limit, segment_end});
    env.submit(*this);
}

void Window::done() {
    state_ = State::loaded;
    owner_.on_loaded(*this);
}

void Window::run(env::Disk& disk) {
    bytes_read_ = 0;
    scan(disk);
    if (any_bad_ || hole_count_ != 0) scan(disk);
}

// ---- the scan ----
// Group by group; where there is none, page by page until there is one, or the segment's groups end (FORMAT.md, section 9, step 2).

void Window::scan(env::Disk& disk) {
    entry_count_ = hole_count_ = filled_ = 0;
    any_bad_ = any_group_ = false;
    pages_unreadable_ = 0;
    std::fill(buckets_.begin(), buckets_.end(), no_entry);

    const Lsn segment_end = request_.geometry.segment_start(sequence() + 1);
    Lsn stop = std::min(request_.limit, segment_end);
    const auto planned = static_cast<std::size_t>(std::min<std::uint64_t>(planned_bytes(), stop - request_.begin));
    Lsn here = request_.begin;
    Lsn hole = here;  // [hole, here): no group was found there
    bool end_known = request_.limit < segment_end;
    while (here < stop && here - request_.begin + page_bytes <= planned) {
        const Take take = take_group(disk, here, planned);
        if (take == Take::later) break;
        if (take == Take::taken) {
            note_hole(hole, here);
            here = hole = end_;
            continue;
        }
        if (!end_known) {
            end_known = true;
            stop = std::min(stop, groups_end(disk, here));
        } else {
            here += page_bytes;
        }
    }
    here = std::min(here, stop);
    note_hole(hole, here);
    end_ = here == stop && stop < request_.limit ? request_.geometry.first_group(sequence() + 1) : here;
}

// The group at `at`, whose end is end_ then. later: it takes the next load.
Window::Take Window::take_group(env::Disk& disk, Lsn lsn, std::size_t planned) {
    const auto offset = static_cast<std::size_t>(lsn - request_.begin);
    fill_piecewise(disk, offset + page_bytes, planned);
    const auto header = decode_group_header(Bytes(at(lsn), group_header_bytes), lsn, request_.geometry);
    if (!header || !of_its_run(*header) || header->end() > request_.limit) return Take::nothing;
    if (any_group_ && header->run_start_lsn != group_run_start_) drop_stale(*header);
    if (offset + header->total_bytes > planned) {
        if (offset != 0) return Take::later;
        if (header->total_bytes > buffer_.size()) return Take::nothing;
        fill(disk, header->total_bytes);
    }
    fill_piecewise(disk, offset + header->total_bytes, planned);
    if (table_crc(header->salt, Bytes(at(lsn) + group_header_bytes, header->table_bytes)) != header->table_crc) return Take::nothing;
    if (entry_count_ + header->extent_count > entries_.size() && offset != 0) return Take::later;
    const std::size_t before = entry_count_;
    if (!take_table(*header)) {
        for (std::size_t i = before; i < entry_count_; ++i) entries_[i].stale = true;
        return Take::nothing;
    }
    any_group_ = true;
    group_ = lsn;
    group_run_start_ = header->run_start_lsn;
    group_salt_ = header->salt;
    end_ = header->end();
    return Take::taken;
}

// Flash may show what a run that was cut off wrote and the next run discarded, where a later write got lost. Salts tell runs apart: each group names its run's
// start, and from there on no older run's group counts.
bool Window::of_its_run(const GroupHeader& header) const {
    if (header.lsn >= request_.run_start && (header.salt != request_.salt || header.run_start_lsn != request_.run_start)) return false;
    if (!any_group_) return true;
    if (header.run_start_lsn == group_run_start_) return header.salt == group_salt_;
    return header.run_start_lsn > group_run_start_;
}

// A group of a newer run shows that groups behind its run's start and before it were discarded ones.
void Window::drop_stale(const GroupHeader& successor) {
    if (successor.run_start_lsn > group_) return;
    Lsn from = group_;
    for (std::size_t i = 0; i < entry_count_; ++i) {
        const Lsn group = lsn(entries_[i]);
        if (group < successor.run_start_lsn) continue;
        entries_[i].stale = true;
        from = std::min(from, group);
    }
    note_hole(from, successor.lsn);
}

bool Window::take_table(const GroupHeader& header) {
    TableReader table(header, Bytes(at(header.lsn) + group_header_bytes, header.table_bytes));
    const auto payload = static_cast<std::uint32_t>(header.lsn - request_.begin) + header.payload_position();
    Extent extent;
    while (table.next(extent))
        if (extent.log != control_log && !add(extent, header.lsn, payload + extent.position)) return false;
    return table.error() == Error::none;
}

// ---- the directory ----

std::size_t Window::bucket(std::uint64_t log) const { return static_cast<std::size_t>((log * 0x9e3779b97f4a7c15ULL) >> shift_); }

Window::EntryIndex Window::first_of(std::uint64_t log) const {
    EntryIndex i = buckets_[bucket(log)];
    while (i != no_entry && entries_[i].log != log) i = entries_[i].next_log;
    return i;
}

bool Window::add(const Extent& extent, Lsn group, std::uint32_t position) {
    if (entry_count_ == entries_.size()) return false;
    const auto index = static_cast<EntryIndex>(entry_count_++);
    Entry& entry = entries_[index];
    entry = Entry{};
    entry.log = extent.log.value;
    entry.base = extent.base.value;
    entry.span = extent.offset_span;
    entry.position = position;
    entry.bytes = extent.bytes;
    entry.boot = extent.boot;
    entry.group_page = static_cast<std::uint32_t>((group - request_.begin) / page_bytes);
    entry.next = no_entry;
    entry.flags = extent.flags;
    entry.bad = crc32c(bytes(entry)) != extent.crc;
    any_bad_ |= entry.bad;
    if (!entry.bad) look_into(entry);
    const EntryIndex first = first_of(entry.log);
    if (first == no_entry) {
        EntryIndex& head = buckets_[bucket(entry.log)];
        entry.next_log = head;
        entry.last = entry.cursor = head = index;
    } else {
        entries_[entries_[first].last].next = index;
        entries_[first].last = index;
    }
    return true;
}

// Here, where its bytes are at hand: readers, who come later and one by one, need not touch them.
void Window::look_into(Entry& entry) const {
    const Bytes whole = bytes(entry);
    if (whole.size() < record::batch_header_bytes) return;
    const record::BatchHeader header = record::decode_header(whole);
    entry.plain = header.total_bytes() == whole.size() && header.base_offset == entry.first_offset() && header.last_offset() == entry.last_offset() && !header.clock_untrusted();
    if (entry.plain) entry.boot = static_cast<std::uint32_t>(header.leader_epoch.value);
}

// Extents of a log ascend, but where it was truncated: what then follows is lower and overrules what stands before, so whoever begins at an entry at or below `from`
// misses nothing. Relocated extents come later at any lower offset: their writer must see to it that the cursor is not used where one is (flag relocated), and
// that of two that hold an offset the one at the higher LSN is taken.
Window::EntryIndex Window::find(LogId log, Offset from) const {
    const EntryIndex first = first_of(log.value);
    if (first == no_entry) return no_entry;
    const EntryIndex cursor = entries_[first].cursor;
    return entries_[cursor].first_offset() <= from ? cursor : first;
}

void Window::set_cursor(EntryIndex index) { entries_[first_of(entries_[index].log)].cursor = index; }

// ---- reading ----

// Where the groups of this sealed segment end, seen from `from` on, where there is none: what the next segment's first group says, else the footer.
Lsn Window::groups_end(env::Disk& disk, Lsn from) {
    const Geometry& geometry = request_.geometry;
    const Lsn segment_end = geometry.segment_start(sequence() + 1);
    const Lsn next = geometry.first_group(sequence() + 1);
    std::uint8_t bytes[group_header_bytes];
    if (next < request_.limit) {
        read(disk, next, bytes);
        const auto header = decode_group_header(bytes, next, geometry);
        if (header && geometry.sequence(header->previous_end) == sequence()) return std::max(from, header->previous_end);
    }
    static_assert(footer_tail_bytes <= sizeof bytes);
    const MutableBytes tail_bytes(bytes, footer_tail_bytes);
    read(disk, segment_end - footer_tail_bytes, tail_bytes);
    const auto tail = decode_footer_tail(tail_bytes, sequence(), geometry);
    return tail ? std::max(from, tail->end) : segment_end;
}

void Window::note_hole(Lsn from, Lsn to) {
    if (from >= to) return;
    if (hole_count_ != 0 && holes_[hole_count_ - 1].to >= from) {
        holes_[hole_count_ - 1].to = std::max(holes_[hole_count_ - 1].to, to);
    } else if (hole_count_ < holes_max) {
        holes_[hole_count_++] = {from, to};
    }
}

// Makes the first `bytes` of the buffer valid, and what follows up to a whole piece, of `planned` in all.
void Window::fill_piecewise(env::Disk& disk, std::size_t bytes, std::size_t planned) {
    if (bytes > filled_) fill(disk, std::min(planned, (bytes + piece_bytes - 1) / piece_bytes * piece_bytes));
}

// Makes the first `bytes` of the buffer valid.
void Window::fill(env::Disk& disk, std::size_t bytes) {
    if (bytes <= filled_) return;
    read(disk, request_.begin + filled_, buffer_.subspan(filled_, bytes - filled_));
    filled_ = bytes;
}

void Window::read(env::Disk& disk, Lsn from, MutableBytes into) {
    const std::uint64_t position = request_.geometry.file_position(from);
    bytes_read_ += into.size();
    const Result<std::size_t> whole = disk.read(*request_.journal, position, into);
    if (whole) {
        if (*whole < into.size()) std::memset(into.data() + *whole, 0, into.size() - *whole);
        return;
    }
    for (std::size_t done = 0; done < into.size(); done += page_bytes) {
        const MutableBytes page = into.subspan(done, std::min(page_bytes, into.size() - done));
        const Result<std::size_t> n = disk.read(*request_.journal, position + done, page);
        const std::size_t valid = n ? *n : 0;
        if (!n) ++pages_unreadable_;
        if (valid < page.size()) std::memset(page.data() + valid, 0, page.size() - valid);
    }
}

}  // namespace rivulet::store
