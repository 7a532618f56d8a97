#include "store/retention.h"

#include "store/stretch.h"

namespace rivulet::store {

namespace {

bool expired(const Log& log, std::uint32_t max_time, std::int64_t now_ms) {
    if (log.retention_ms < 0 || now_ms < 0 || max_time == time_unknown) return false;
    return static_cast<std::int64_t>(max_time) * 1000 + log.retention_ms < now_ms;
}

bool surplus(const Log& log, std::uint64_t bytes, std::uint64_t oldest) { return log.retention_bytes >= 0 && bytes >= static_cast<std::uint64_t>(log.retention_bytes) + oldest; }

// The clean log's samples stay until the ring takes them: what is alive is counted from the start on.
Offset start_within_parts(State& state, const Log& log, std::int64_t now_ms) {
    std::uint64_t alive = alive_bytes(state, log);
    Offset start = log.start;
    visit_stretches(state, log, [&](const Stretch& stretch) {
        const bool by_time = expired(log, stretch.max_time, now_ms);
        const bool by_bytes = surplus(log, alive, stretch.bytes);
        if (!by_time && (!by_bytes || stretch.last)) return false;
        if (stretch.last && (log.has_unflushed() || log.in_commit())) return false;
        alive -= stretch.bytes;
        start = stretch.to;
        return true;
    });
    return start;
}

}  // namespace

Offset retention_start(State& state, Log& log, std::int64_t now_ms) {
    const std::uint64_t head = state.geometry.sequence(state.head.previous_end - 1);
    // Samples older than what is loaded are not known yet.
    if (state.index_loaded_from > state.head.first_live) return log.start;
    if (log.clean.value != 0 && log.start < log.clean_end) return start_within_parts(state, log, now_ms);
    Offset start = log.start;
    while (const Sample* first = state.index.first(log)) {
        const Sample* second = state.index.next(*first);
        const bool by_time = expired(log, first->max_time, now_ms);
        if (!by_time && !surplus(log, state.own_bytes_of(log), first->bytes)) break;
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
