#include "store/index_loader.h"

#include <algorithm>

#include "env/log.h"
#include "store/group.h"

namespace rivulet::store {

IndexLoader::IndexLoader(env::Env& env, Arena& arena, State& state, IndexLoaderOwner& owner)
    : Job(env::JobKind::read),
      env_(env),
      state_(state),
      owner_(owner),
      buffer_(arena.take_bytes(buffer_bytes(state.options))),
      rebuilt_(arena.make_array<FooterEntry>(rebuilt_max)) {}

// A footer of as many logs as there can be, or a group's header and table.
std::size_t IndexLoader::buffer_bytes(const StoreOptions& options) {
    return std::max<std::size_t>(footer_room(options.logs_max), page_ceil(group_header_bytes + options.table_bytes_max()));
}

std::size_t IndexLoader::memory_bytes(const StoreOptions& options) {
    return buffer_bytes(options) + rebuilt_max * sizeof(FooterEntry) + 64;
}

void IndexLoader::start() {
    journal_ = state_.journal;
    geometry_ = state_.geometry;
    segment_ = state_.index_loaded_from;
    next_segment();
}

void IndexLoader::next_segment() {
    phase_ = Phase::idle;
    if (complete() || segment_ == 0) return;
    segment_ = state_.index_loaded_from - 1;
    submit(Phase::footer);
}

void IndexLoader::submit(Phase phase) {
    phase_ = phase;
    env_.submit(*this);
}

void IndexLoader::run(env::Disk& disk) {
    if (phase_ == Phase::footer) {
        footer_partial_ = false;
        footer_good_ = read_footer(disk);
        rebuild_from_ = LogId(0);
    }
    if (phase_ == Phase::rebuild || (phase_ == Phase::footer && !footer_good_)) rebuild(disk);
}

void IndexLoader::done() {
    bytes_read_ += job_bytes_;
    job_bytes_ = 0;
    if (phase_ == Phase::footer && !footer_good_) {
        ++footers_rebuilt_;
        env::LogLine(env_, env::LogLevel::warning) << "footer of segment " << segment_ << " is damaged; its index is rebuilt from the segment";
    }
    if (apply_some()) return submit(Phase::pause);
    if (footer_good_ && footer_partial_) {
        // The segment's own groups tell of the logs that are not in it.
        footer_good_ = false;
        exact_ = false;
        return submit(Phase::rebuild);
    }
    if (!footer_good_ && rebuild_cut_) {
        rebuild_from_ = rebuilt_[rebuilt_count_ - 1].log + 1;
        return submit(Phase::rebuild);
    }
    state_.index_loaded_from = segment_;
    if (complete()) raise_starts();
    next_segment();
    owner_.on_segment_indexed();
}

// ---- on the loop ----

// True: there is more.
bool IndexLoader::apply_some() {
    FooterEntry entry;
    for (std::uint32_t i = 0; i < entries_at_once; ++i) {
        if (!next_entry(entry)) return false;
        env_.charge(128);
        apply(entry);
    }
    return true;
}

bool IndexLoader::next_entry(FooterEntry& entry) {
    if (footer_good_) return footer_->next(entry);
    if (rebuilt_applied_ == rebuilt_count_) return false;
    entry = rebuilt_[rebuilt_applied_++];
    return true;
}

// Footers and tables name logs that are deleted by now, and extents below a log's start.
void IndexLoader::apply(const FooterEntry& entry) {
    Log* const log = state_.logs.find(entry.log);
    if (!log || entry.last < log->own_start()) return;
    const Sample* const oldest = footer_partial_ ? state_.index.first(*log) : nullptr;
    if (oldest && SegmentIndex::sequence_of(*oldest, state_.geometry.sequence(state_.head.next)) == segment_) return;
    const std::uint32_t time = entry.clock_untrusted ? state_.unknown_time : sample_time(entry.max_timestamp);
    state_.index.prepend(state_.logs, *log, segment_, entry.page, entry.first, entry.bytes, time);
}

// A merged sample kept a log's start low while the ring's tail took what it stood for; footers are exact. Where one had to be rebuilt, what is missing may be damage.
void IndexLoader::raise_starts() {
    if (footers_rebuilt_ != 0 || !exact_) return;
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) {
        Log& log = state_.logs.at(rank);
        const Sample* const oldest = state_.index.first(log);
        if (!oldest || log.clean.value != 0 || log.start >= oldest->first() || oldest->first() > log.durable_end || state_.fences.count(log.id) != 0) continue;
        log.start = oldest->first();
        if (!log.clean_part || state_.fences.count(log.clean_of) == 0) state_.follow_start(log);
    }
    env_.charge(state_.logs.count() * 16);
}

// ---- in the job ----

bool IndexLoader::read(env::Disk& disk, Lsn at, MutableBytes into) {
    job_bytes_ += into.size();
    const Result<std::size_t> n = disk.read(*journal_, geometry_.file_position(at), into);
    return n && *n == into.size();
}

bool IndexLoader::read_footer(env::Disk& disk) {
    const Lsn end = geometry_.segment_start(segment_ + 1);
    const MutableBytes last = buffer_.first(footer_tail_bytes);
    if (!read(disk, end - footer_tail_bytes, last)) return false;
    const Result<FooterTail> tail = decode_footer_tail(last, segment_, geometry_);
    if (!tail || tail->body_bytes > buffer_.size()) return false;
    footer_partial_ = tail->partial;
    const MutableBytes body = buffer_.first(tail->body_bytes);
    if (!read(disk, end - footer_tail_bytes - tail->body_bytes, body)) return false;
    // Every entry must hold before the first counts.
    FooterReader probe(*tail, body);
    FooterEntry entry;
    while (probe.next(entry)) {}
    if (probe.error() != Error::none) return false;
    footer_.emplace(*tail, body);
    return true;
}

// The groups' own tables, as in FORMAT.md, section 9, step 2, but without regard to runs: a discarded group that is taken for a real one makes a sample that says too
// much, which costs a look-up, no more.
void IndexLoader::rebuild(env::Disk& disk) {
    rebuilt_count_ = rebuilt_applied_ = 0;
    rebuild_cut_ = false;
    const Lsn end = geometry_.segment_start(segment_ + 1);
    for (Lsn at = geometry_.first_group(segment_); at < end;) at = rebuild_group(disk, at);
}

// Returns where to look next.
Lsn IndexLoader::rebuild_group(env::Disk& disk, Lsn at) {
    const Lsn next_page = at + page_bytes;
    const MutableBytes page = buffer_.first(page_bytes);
    if (!read(disk, at, page)) return next_page;
    const Result<GroupHeader> header = decode_group_header(page, at, geometry_);
    if (!header || group_header_bytes + header->table_bytes > buffer_.size()) return next_page;
    const std::size_t start = group_header_bytes + header->table_bytes;
    if (start > page_bytes && !read(disk, next_page, buffer_.subspan(page_bytes, start - page_bytes))) return next_page;
    const Bytes table = buffer_.subspan(group_header_bytes, header->table_bytes);
    if (table_crc(header->salt, table) != header->table_crc) return next_page;
    TableReader reader(*header, table);
    Extent extent;
    while (reader.next(extent))
        if (extent.log != control_log && extent.log >= rebuild_from_) count_in(extent, at);
    return header->end();
}

void IndexLoader::count_in(const Extent& extent, Lsn group) {
    FooterEntry* const entry = entry_of(extent.log);
    if (!entry) return;
    if (entry->extents == 0) {
        *entry = FooterEntry{};
        entry->log = extent.log;
        entry->first = extent.base;
        entry->page = static_cast<std::uint32_t>(geometry_.position_in_segment(group) / page_bytes);
        entry->max_timestamp = extent.max_timestamp;
    }
    ++entry->extents;
    entry->bytes += extent.bytes;
    entry->last = std::max(entry->last, extent.last());
    entry->max_timestamp = std::max(entry->max_timestamp, extent.max_timestamp);
    entry->clock_untrusted |= (extent.flags & extent_clock_untrusted) != 0;
}

// Its place in order of log id, made if need be; when all are taken, the highest log waits for the next pass.
FooterEntry* IndexLoader::entry_of(LogId log) {
    FooterEntry* const begin = rebuilt_.data();
    FooterEntry* end = begin + rebuilt_count_;
    FooterEntry* const place = std::lower_bound(begin, end, log, [](const FooterEntry& e, LogId id) { return e.log < id; });
    if (place != end && place->log == log) return place;
    if (rebuilt_count_ == rebuilt_.size()) {
        rebuild_cut_ = true;
        if (place == end) return nullptr;
        --end;
    } else {
        ++rebuilt_count_;
    }
    std::move_backward(place, end, end + 1);
    *place = FooterEntry{};
    place->log = log;
    return place;
}

}  // namespace rivulet::store
