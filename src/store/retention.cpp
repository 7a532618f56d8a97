#include "store/retention.h"

namespace rivulet::store {

namespace {

bool expired(const Log& log, const Sample& sample, std::int64_t now_ms) {
    if (log.retention_ms < 0 || now_ms < 0 || sample.max_time == time_unknown) return false;
    return static_cast<std::int64_t>(sample.max_time) * 1000 + log.retention_ms < now_ms;
}

bool surplus(const Log& log, const Sample& sample) {
    return log.retention_bytes >= 0 && log.bytes >= static_cast<std::uint64_t>(log.retention_bytes) + sample.bytes;
}

}  // namespace

Offset retention_start(State& state, Log& log, std::int64_t now_ms) {
    const std::uint64_t head = state.geometry.sequence(state.head.previous_end - 1);
    // Samples older than what is loaded are not known yet.
    if (state.index_loaded_from > state.head.first_live) return log.start;
    Offset start = log.start;
    while (const Sample* first = state.index.first(log)) {
        const Sample* second = state.index.next(*first);
        const bool by_time = expired(log, *first, now_ms);
        if (!by_time && !surplus(log, *first)) break;
        if (!second && (!by_time || log.has_unflushed() || log.in_commit())) break;
        // It holds what a commit under way has written: the start cannot go there yet, and without the sample that would not be found.
        if (second && second->first() > log.durable_end) break;
        const std::uint64_t keep = second ? SegmentIndex::sequence_of(*second, head) : head + 1;
        const Offset next = state.index.retire(log, state.geometry, keep, head);
        if (start < next) start = next;
    }
    return start;
}

}  // namespace rivulet::store
