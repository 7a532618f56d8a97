#include "store/state.h"

#include "store/committer.h"
#include "store/footer.h"

namespace rivulet::store {

std::uint64_t StoreOptions::checkpoint_bytes_min() const {
    return page_ceil(page_bytes + std::uint64_t{logs_max} * (clean_log_image_bytes_max + 64) + std::uint64_t{sessions_max} * 32 +
                     std::uint64_t{producers_max} * producer_image_bytes_max + Truncations::capacity_for(logs_max) * truncation_image_bytes_max + Fences::capacity * 32 + Boots::capacity * 48);
}

Status StoreOptions::check() const {
    if (segment_bytes < segment_bytes_min || (segment_bytes & (segment_bytes - 1)) != 0) return fail(Error::invalid_argument, 1);
    if (size % segment_bytes != 0 || size / segment_bytes < segment_count_min) return fail(Error::invalid_argument, 2);
    // An empty segment takes any one group and the footer that comes after it.
    if (page_bytes + group_bytes_max() + footer_room(logs_max) > segment_bytes) return fail(Error::invalid_argument, 3);
    // One chunk of a checkpoint, with all fences in it, fits a window.
    if (group_bytes_max() < 16 * 1024) return fail(Error::invalid_argument, 7);
    // One group takes the records of the largest topic.
    if (Committer::records_bytes(*this) < Committer::records_bytes_min(*this)) return fail(Error::invalid_argument, 8);
    if (checkpoint_area_bytes < checkpoint_bytes_min() || checkpoint_area_bytes % page_bytes != 0) return fail(Error::invalid_argument, 4);
    // RAM takes at least two of the largest batches: one that arrives while one is written.
    if (std::uint64_t{blocks} * block_bytes < 2 * std::uint64_t{batch_bytes_max}) return fail(Error::invalid_argument, 5);
    if (windows < 1 || logs_max < 1 || sessions_max < 1 || producers_max < 1 || index_samples_max < 2 * logs_max) return fail(Error::invalid_argument, 6);
    return {};
}

State::State(Arena& arena, const StoreOptions& given)
    : options(given),
      logs(arena, given.logs_max),
      blocks(arena, given.blocks),
      index(arena, given.index_samples_max),
      sessions(arena, given.sessions_max),
      producers(arena, given.producers_max),
      truncations(arena, given.logs_max) {}

std::size_t State::memory_bytes(const StoreOptions& options) {
    return sizeof(State) + LogTable::memory_bytes(options.logs_max) + BlockPool::memory_bytes(options.blocks) +
           SegmentIndex::memory_bytes(options.index_samples_max) + SessionTable::memory_bytes(options.sessions_max) +
           ProducerTable::memory_bytes(options.producers_max) + Truncations::memory_bytes(options.logs_max) + 256;
}

std::uint64_t State::room(std::uint32_t more_logs) const {
    const std::uint64_t segment_end = geometry.segment_start(geometry.sequence(head.next) + 1).value;
    const std::uint64_t used = head.next.value + footer_room(logs_in_head + more_logs);
    return used < segment_end ? segment_end - used : 0;
}

std::uint32_t State::extent_time(const Extent& extent) const {
    if ((extent.flags & extent_clock_untrusted) == 0) return sample_time(extent.max_timestamp);
    const BootImage* const boot_image = boots.find(extent.boot);
    if (!boot_image || !boot_image->fixed) return unknown_time;
    return sample_time(extent.max_timestamp + boot_image->offset_ms);
}

void State::put_clean(Log& log, Log* clean, Offset end) {
    if (Log* const before = clean_of(log); before && before != clean) remove_log(*before);
    log.clean = clean ? clean->id : LogId(0);
    if (log.clean_end < end) log.clean_end = end;
    if (!clean) return;
    clean->clean_of = log.id;
    if (making == clean->id) making = LogId(0);
}

void State::follow_start(Log& log) {
    Log* const of = log.clean_part ? logs.find(log.clean_of) : &log;
    const Log* const clean = of ? clean_of(*of) : nullptr;
    if (!clean) return;
    const bool gone = clean->start >= clean->end;
    // What precedes a clean log's first record may just have been left out.
    if (!gone && clean != &log) return;
    const Offset start = gone ? of->clean_end : std::min(clean->start, of->clean_end);
    if (start <= of->start) return;
    of->start = start;
    fences.raise_start(of->id, start);
}

std::uint64_t State::own_bytes_of(const Log& log) const {
    if (log.clean_end >= log.durable_end) return 0;
    std::uint64_t bytes = log.bytes;
    const auto take_off = [&bytes](std::uint64_t dead) { bytes = bytes > dead ? bytes - dead : 0; };
    const Sample* sample = index.first(log);
    for (const Sample* later = nullptr; sample; sample = later) {
        later = index.next(*sample);
        if (!later || later->first() > log.clean_end) break;
        take_off(sample->bytes);
    }
    if (sample && sample->first() < log.clean_end) take_off(log.dead_bytes);
    return bytes;
}

void State::fence_clean(const Log& clean) {
    if (const Log* const of = logs.find(clean.clean_of); of && of->start < of->clean_end && !fences.covers(of->id, of->start, of->clean_end))
        fences.add(of->id, of->start, of->clean_end, FenceCause::lost_group);
}

void State::drop_making() {
    if (Log* const log = made()) remove_log(*log);
}

Log* State::made_of(const Log& log) {
    Log* const clean = made();
    return clean && clean->clean_of == log.id ? clean : nullptr;
}

void State::remove_log(Log& log) {
    if (Log* const clean = clean_of(log)) remove_log(*clean);
    if (made_of(log)) drop_making();
    if (making == log.id) making = LogId(0);
    sessions.remove_log(log);
    producers.remove_log(log.id);
    index.drop_all(log);
    truncations.remove_log(log.id);
    fences.remove_log(log.id);
    if (log.in_head.extents != 0) {
        --logs_in_head;
        deleted_in_head = true;
    }
    logs.remove(log);
}

void State::note_extent(Log& log, const Extent& extent, Lsn group) {
    const std::uint32_t time = extent_time(extent);
    index.note(logs, log, geometry, group, extent.base, extent.bytes, time);
    log.bytes += extent.bytes;
    log.last_extent = group;
    InSegment& in = log.in_head;
    if (in.extents == 0) {
        in = {extent.base, extent.last(), 0, 0, static_cast<std::uint32_t>(geometry.position_in_segment(group) / page_bytes), extent.max_timestamp,
              extent.max_timestamp, false};
        ++logs_in_head;
    }
    ++in.extents;
    in.bytes += extent.bytes;
    if (in.last < extent.last()) in.last = extent.last();
    if (extent.max_timestamp < in.min_timestamp) in.min_timestamp = extent.max_timestamp;
    if (in.max_timestamp < extent.max_timestamp) in.max_timestamp = extent.max_timestamp;
    in.clock_untrusted |= (extent.flags & extent_clock_untrusted) != 0;
}

}  // namespace rivulet::store
