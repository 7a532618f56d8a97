// What a reader does about damage that it meets: fence what is known to be lost, count it, say so once.
#include <algorithm>

#include "env/log.h"
#include "store/reader.h"

namespace rivulet::store {

void Reader::on_window_loaded(Window& window) {
    ++statistics_.windows_loaded;
    statistics_.bytes_read += window.bytes_read();
    env_.charge(window.entry_count());
    // Overwritten while it was being read: what is gone is no damage.
    if (window.sequence() < state_.head.first_live) return window.drop();
    for (const Window::Hole& hole : window.holes()) report_hole(hole);
    if (!window.any_bad()) return;
    for (std::size_t i = 0; i < window.entry_count(); ++i) {
        const Window::Entry& entry = window.entry(static_cast<Window::EntryIndex>(i));
        if (entry.bad && !entry.stale) report_extent(window, entry);
    }
}

// Which offsets are gone shows when a reader finds the gap in its log.
void Reader::report_hole(const Window::Hole& hole) {
    if (hole.from >= recovered_from_ && hole.from < state_.head.run_start) return;
    if (state_.fences.covers_unproved(hole.from, hole.to)) return;
    if (std::find(reported_, reported_ + reported_max, hole.from) != reported_ + reported_max) return;
    reported_[reported_count_++ % reported_max] = hole.from;
    ++state_.damage.corrupt_groups;
    state_.damage.lost_bytes += hole.to - hole.from;
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) {
        const Log& log = state_.logs.at(rank);
        if (log.clean_part && state_.index.find(log, log.start, state_.geometry, head_sequence()) < hole.to && log.last_extent >= hole.from) state_.fence_clean(log);
    }
    env::LogLine(env_, env::LogLevel::error) << "journal damaged: no commit group from LSN " << hole.from.value << " to " << hole.to.value << " (segment "
                                             << state_.geometry.sequence(hole.from) << ")";
}

void Reader::report_extent(const Window& window, const Window::Entry& entry) {
    const Log* const log = state_.logs.find(LogId(entry.log));
    if (!log) return;
    const Offset voided = state_.truncations.void_from(log->id, window.lsn(entry));
    const Offset from = std::max(entry.first_offset(), log->start);
    const Offset to = std::min({entry.last_offset() + 1, voided, log->end});
    const LogId partition = log->clean_part ? log->clean_of : log->id;
    if (from >= to || state_.fences.covers(partition, from, to)) return;
    state_.fences.add(partition, from, to, FenceCause::damage);
    ++state_.damage.corrupt_extents;
    state_.damage.lost_bytes += entry.bytes;
    env::LogLine(env_, env::LogLevel::error) << "log " << entry.log << " is damaged on flash at LSN " << window.lsn(entry).value << ": offsets " << from.value
                                             << " to " << (to - 1).value << " are fenced";
}

// Offsets of a log follow each other, so what is missing between two extents lay in a group that is gone, unless a fence says so already.
void Reader::report_gap(const Log& log, Offset from, Offset to) {
    if (state_.fences.covers(log.id, from, to)) return;
    // A merged sample keeps log.start low while some of what it stands for is gone with the ring's tail.
    const Sample* const oldest = state_.index.first(log);
    if (oldest && SegmentIndex::sequence_of(*oldest, head_sequence()) < state_.head.first_live) {
        const Sample* const second = state_.index.next(*oldest);
        if (!second || from < second->first()) return;
    }
    state_.fences.add(log.id, from, to, FenceCause::lost_group);
    env::LogLine(env_, env::LogLevel::error) << "log " << log.id.value << ": offsets " << from.value << " to " << (to - 1).value
                                             << " are missing on flash; they are fenced";
}

}  // namespace rivulet::store
