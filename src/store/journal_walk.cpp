#include "store/journal_walk.h"

#include <algorithm>

#include "base/crc32c.h"
#include "store/journal_record.h"

namespace rivulet::store {

namespace {

constexpr std::size_t read_bytes = 256 * 1024;  // at once; sequential reads of a card gain nothing beyond
constexpr std::size_t salt_at = 8;              // in a group header of any version

}  // namespace

JournalWalk::JournalWalk(env::Disk& disk, env::File& journal, const Geometry& geometry, MutableBytes window, const WalkStart& start,
                         const SuperRun& super)
    : disk_(disk),
      journal_(journal),
      geometry_(geometry),
      window_(window.first(window.size() / page_bytes * page_bytes)),
      start_(start),
      super_(super),
      position_(geometry.first_group(std::max<std::uint64_t>(geometry.sequence(start.position), 1))),
      durable_(start.durable) {
    RIVULET_CHECK(geometry.check().ok() && window.size() >= walk_window_bytes(geometry));
    // Groups of earlier runs may lie before this run's first, so salt_ stays open until one tells or position_ gets there.
    if (start_.run_start != Lsn(0) && position_ >= start_.run_start) {
        salt_ = start_.salt;
        run_start_ = start_.run_start;
    }
}

JournalWalk::Step JournalWalk::next() {
    switch (state_) {
        case State::expecting: return look_here();
        case State::ahead: return look_ahead();
        case State::found: return take();
        case State::at_end: return Step::end;
        case State::failed: break;
    }
    return Step::failed;
}

JournalWalk::Step JournalWalk::take() {
    state_ = State::expecting;
    salt_ = header_.salt;
    run_start_ = header_.run_start_lsn;
    position_ = header_.end();
    durable_ = std::max(durable_, header_.durable);
    // The run of the start is in force from its RUN_START on, even if nothing of it was found up to here.
    if (position_ >= start_.run_start && run_start_ < start_.run_start) {
        salt_ = start_.salt;
        run_start_ = start_.run_start;
    }
    if (header_.lsn + header_.total_bytes > window_lsn_ + window_.size()) slide_to(header_.lsn);
    return Step::group;
}

// At the expected position itself, then where it lies if the segment was sealed.
JournalWalk::Step JournalWalk::look_here() {
    state_ = State::ahead;
    scan_ = position_ + page_bytes;
    lost_to_ = Lsn(0);
    switch (probe(position_)) {
        case Probe::group: return take();
        case Probe::failed: return Step::failed;
        case Probe::table_lost: scan_ = header_.end(); return Step::table_lost;
        case Probe::none: break;
    }
    const Lsn switched = geometry_.first_group(geometry_.sequence(position_) + 1);
    switch (probe(switched)) {
        case Probe::failed: return Step::failed;
        case Probe::group:
            if (header_.previous_end == position_) return take();
            break;
        case Probe::table_lost:
        case Probe::none: break;
    }
    return look_ahead();
}

JournalWalk::Step JournalWalk::look_ahead() {
    for (const Lsn limit = look_ahead_limit(); scan_ < limit; scan_ += page_bytes) {
        if (geometry_.position_in_segment(scan_) == 0) continue;
        switch (probe(scan_)) {
            case Probe::none: continue;
            case Probe::failed: return Step::failed;
            case Probe::table_lost: scan_ = header_.end(); return Step::table_lost;
            case Probe::group: break;
        }
        // What claims to follow something before the expected position is no part of this journal.
        if (header_.previous_end < position_) continue;
        if (header_.previous_end == position_) return take();
        return report_hole(header_.previous_end, State::found);
    }
    if (lost_to_ == Lsn(0)) {
        const Result<Lsn> lost = lost_through();
        if (!lost) refuse(lost.failure());
        if (!lost) return Step::failed;
        lost_to_ = *lost;
        return look_ahead();  // which may reach further now
    }
    if (lost_to_ > durable_ && lost_to_ > position_) lost_tail_ = position_;
    if (const Lsn to = std::max(durable_, lost_to_); to > position_) return report_hole(to, State::at_end);
    state_ = State::at_end;
    return Step::end;
}

JournalWalk::Step JournalWalk::report_hole(Lsn to, State then) {
    hole_from_ = position_;
    hole_to_ = to;
    position_ = to;
    state_ = then;
    return Step::hole;
}

// The end of the segment after the one known to hold something; the ring holds no more than its segments.
Lsn JournalWalk::look_ahead_limit() const {
    const std::uint64_t here = geometry_.sequence(position_);
    const std::uint64_t known = std::max({here, geometry_.sequence(durable_), geometry_.sequence(lost_to_), start_.newest});
    const Lsn limit = geometry_.segment_start(std::min(known + 2, here + geometry_.segment_count));
    return start_.known_end.value != 0 ? std::min(limit, start_.known_end) : limit;
}

// Whether the page cannot be read, or lies beyond the file's end. What is in the window goes.
Result<bool> JournalWalk::lost(Lsn page) {
    filled_ = 0;
    const Result<std::size_t> got = disk_.read(journal_, geometry_.file_position(page), window_.first(page_bytes));
    if (!got && got.error() != Error::io) return got.failure();
    return !got || *got < page_bytes;
}

// Nothing is found beyond position_: where the lost pages end that begin there, or where the next segment's first group would be. They may hold what was acknowledged. No
// segment is written before the tail has passed the replay point in its slot.
Result<Lsn> JournalWalk::lost_through() {
    if (start_.known_end != Lsn(0)) return std::max(position_, start_.known_end);
    if (!any_lost_) return position_;
    const Lsn switched = geometry_.first_group(geometry_.sequence(position_) + 1);
    const Lsn last = geometry_.segment_start(geometry_.sequence(start_.position) + geometry_.segment_count - 1);
    Lsn to = position_;
    for (const Lsn from : {position_, switched}) {
        if (to > position_) break;
        for (Lsn page = from; page < last; page += page_bytes) {
            if (geometry_.position_in_segment(page) == 0) continue;
            RIVULET_TRY_ASSIGN(const bool gone, lost(page));
            if (!gone) break;
            to = page + page_bytes;
        }
    }
    // A segment that would begin here begins with its header, so the one before ends where its footer is.
    if (geometry_.position_in_segment(to) == 0) to = to - page_bytes;
    return std::max(position_, to);
}

JournalWalk::Probe JournalWalk::refuse(Failure failure) {
    failure_ = failure;
    state_ = State::failed;
    return Probe::failed;
}

JournalWalk::Probe JournalWalk::probe(Lsn lsn) {
    Result<Bytes> page = view(lsn, page_bytes);
    if (!page) return refuse(page.failure());
    const auto header = decode_group_header(*page, lsn, geometry_);
    if (!header) {
        const bool newer = header.error() == Error::store_newer && in_force(load_le<std::uint64_t>(page->data() + salt_at));
        return newer ? refuse(header.failure()) : Probe::none;
    }
    if (!belongs(*header)) {
        const Result<bool> later = begins_later_run(*header);
        if (!later) return refuse(later.failure());
        if (!*later) return Probe::none;
    }
    const Result<Bytes> start = view(lsn, group_header_bytes + header->table_bytes);
    if (!start) return refuse(start.failure());
    header_ = *header;
    if (table_crc(header_.salt, table()) == header_.table_crc) return Probe::group;
    durable_ = std::max(durable_, header_.durable);
    return Probe::table_lost;
}

bool JournalWalk::in_force(std::uint64_t salt) const { return salt == salt_ || salt == start_.salt || (super_.known && salt == super_.salt); }

// Whether a group at or beyond the expected position is this journal's, not the rest of a discarded one.
bool JournalWalk::belongs(const GroupHeader& header) const {
    const auto of = [&](std::uint64_t salt, Lsn run_start) { return header.salt == salt && header.run_start_lsn == run_start; };
    if (super_.known && header.lsn >= super_.run_start) return of(super_.salt, super_.run_start);
    const bool run_known = start_.run_start != Lsn(0);
    if (run_known && header.lsn >= start_.run_start) {
        if (header.lsn < start_.position) return of(start_.salt, start_.run_start);
        if (header.run_start_lsn < start_.run_start) return false;
    }
    // The first group of all, of a run that began before the walk.
    if (run_start_ == Lsn(0) && header.run_start_lsn < position_) return run_known || start_.salt == 0 || header.salt == start_.salt;
    return of(salt_, run_start_) || header.run_start_lsn >= position_;
}

// Of a run that `super` does not know of. It names the salt of the run before, which nobody outside knows; and `super` is synced before a run's first group is written, so what it does not
// know was put back or lost since.
Result<bool> JournalWalk::begins_later_run(const GroupHeader& header) {
    if (!super_.known || header.lsn < super_.run_start || !header.run_start || header.previous_end < position_) return false;
    RIVULET_TRY_ASSIGN(const Bytes start, view(header.lsn, group_header_bytes + header.table_bytes));
    const Bytes raw_table = start.subspan(group_header_bytes);
    if (table_crc(header.salt, raw_table) != header.table_crc) return false;
    TableReader extents(header, raw_table);
    Extent records;
    if (!extents.next(records) || records.log != control_log) return false;
    const std::size_t at = header.payload_position() + records.position;
    RIVULET_TRY_ASSIGN(const Bytes group, view(header.lsn, at + records.bytes));
    const Bytes payload = group.subspan(at);
    if (crc32c(payload) != records.crc) return false;
    JournalRecord first;
    if (!RecordsReader(payload).next(first) || first.type != RecordType::run_start) return false;
    const RunStartRecord& run = first.run_start;
    if (run.run <= super_.run || (run.previous_salt != salt_ && run.previous_salt != super_.salt)) return false;
    super_ = {true, header.salt, header.run_start_lsn, run.run};
    start_.known_end = Lsn(0);
    super_outdated_ = true;
    return true;
}

Bytes JournalWalk::table() const {
    return window_.subspan(static_cast<std::size_t>(header_.lsn - window_lsn_) + group_header_bytes, header_.table_bytes);
}

Result<Bytes> JournalWalk::payload() {
    RIVULET_TRY_ASSIGN(const Bytes whole, view(header_.lsn, header_.payload_position() + header_.payload_bytes));
    return whole.subspan(header_.payload_position());
}

Result<bool> JournalWalk::extent_holds(const Extent& extent) {
    const std::uint64_t end = std::uint64_t{extent.position} + extent.bytes;
    RIVULET_CHECK(end <= header_.payload_bytes);
    RIVULET_TRY_ASSIGN(const Bytes start, view(header_.lsn, header_.payload_position() + static_cast<std::size_t>(end)));
    return crc32c(start.last(extent.bytes)) == extent.crc;
}

// Bytes of one segment through the window, which moves on as far as needed. What lay in it stays in place if there is room.
Result<Bytes> JournalWalk::view(Lsn lsn, std::size_t bytes) {
    if (lsn < window_lsn_ || lsn >= window_lsn_ + filled_ || geometry_.sequence(lsn) != geometry_.sequence(window_lsn_)) {
        window_lsn_ = lsn;
        filled_ = 0;
    }
    if (lsn + bytes > window_lsn_ + window_.size()) slide_to(lsn);
    const auto at = static_cast<std::size_t>(lsn - window_lsn_);
    RIVULET_CHECK(at + bytes <= window_.size());
    while (at + bytes > filled_) RIVULET_TRY(read_more(at + bytes - filled_));
    return Bytes(window_.subspan(at, bytes));
}

void JournalWalk::slide_to(Lsn lsn) {
    const auto at = static_cast<std::size_t>(lsn - window_lsn_);
    RIVULET_CHECK(at <= filled_);
    filled_ -= at;
    std::memmove(window_.data(), window_.data() + at, filled_);
    window_lsn_ = lsn;
}

// Appends at least `wanted` bytes (or what is left of the segment, which is never less than a caller asks for) to the window.
Status JournalWalk::read_more(std::size_t wanted) {
    const Lsn from = window_lsn_ + filled_;
    const std::uint64_t left = geometry_.segment_bytes - geometry_.position_in_segment(from);
    const std::size_t room = window_.size() - filled_;
    std::size_t bytes = std::min(room, std::max(read_bytes, static_cast<std::size_t>(page_ceil(wanted))));
    bytes = static_cast<std::size_t>(std::min<std::uint64_t>(bytes, left));
    const MutableBytes into = window_.subspan(filled_, bytes);
    const std::uint64_t at = geometry_.file_position(from);
    Result<std::size_t> got = disk_.read(journal_, at, into);
    if (got) {
        // Beyond the end of a journal that was cut: zeros.
        any_lost_ |= *got < into.size();
        std::fill(into.begin() + static_cast<std::ptrdiff_t>(*got), into.end(), std::uint8_t{0});
    } else {
        if (got.error() != Error::io) return got.failure();
        RIVULET_TRY(read_pages(at, into));
    }
    filled_ += bytes;
    bytes_read_ += bytes;
    return {};
}

// Page by page, so that one that cannot be read costs no more than itself.
Status JournalWalk::read_pages(std::uint64_t file_position, MutableBytes into) {
    for (std::size_t at = 0; at < into.size(); at += page_bytes) {
        const MutableBytes page = into.subspan(at, page_bytes);
        const Result<std::size_t> got = disk_.read(journal_, file_position + at, page);
        if (!got && got.error() != Error::io) return got.failure();
        if (!got) ++pages_unreadable_;
        any_lost_ |= !got || *got < page.size();
        std::fill(page.begin() + static_cast<std::ptrdiff_t>(got ? *got : 0), page.end(), std::uint8_t{0});
    }
    return {};
}

}  // namespace rivulet::store
