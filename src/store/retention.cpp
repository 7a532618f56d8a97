#include "store/retention.h"

namespace rivulet::store {

namespace {

bool expired(const Log& log, const Sample& sample, std::int64_t now_ms) {
    if (log.retention_ms < 0 || now_ms < 0 || sample.max_time == time_unknown) return false;
    return static_cast<std::int64_t>(sample.max_time) * 1000 + log.retention_ms < now_ms;
}

// From this part of the log, its clean log or its own extents; `start`: where it starts so far.
Offset part_start(State& state, const Log& log, Log& part, std::int64_t now_ms, Offset start) {
    const std::uint64_t head = state.geometry.sequence(state.head.previous_end - 1);
    const Log* const clean = state.clean_of(log);
    while (const Sample* first = state.index.first(part)) {
        const Sample* second = state.index.next(*first);
        const bool by_time = expired(log, *first, now_ms);
        const std::uint64_t bytes = state.own_bytes_of(log) + (clean ? clean->bytes : 0);
        const bool surplus = log.retention_bytes >= 0 && bytes >= static_cast<std::uint64_t>(log.retention_bytes) + first->bytes;
        if (!by_time && !surplus) break;
        if (!second && (!by_time || part.has_unflushed() || part.in_commit())) break;
        // It holds what a commit under way has written: the start cannot go there yet, and without the sample that would not be found.
        if (second && second->first() > part.durable_end) break;
        const std::uint64_t keep = second ? SegmentIndex::sequence_of(*second, head) : head + 1;
        const Offset next = state.index.retire(part, state.geometry, keep, head);
        if (start < next) start = next;
    }
    return start;
}

}  // namespace

Offset retention_start(State& state, Log& log, std::int64_t now_ms) {
    // Samples older than what is loaded are not known yet.
    if (state.index_loaded_from > state.head.first_live) return log.start;
    Offset start = log.start;
    if (Log* const clean = state.clean_of(log)) {
        start = part_start(state, log, *clean, now_ms, start);
        if (state.index.first(*clean)) return start;
        if (start < log.clean_end) start = log.clean_end;
    }
    return part_start(state, log, log, now_ms, start);
}

}  // namespace rivulet::store
