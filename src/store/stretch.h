// What is alive of a log on flash, in the order of its offsets: of its clean part what that has from the start on, then its own.
// Owns:     nothing. Bounds: O(samples of the log). Of a segment that is alive in part the bytes are as many as offsets are: an estimate, off by less than that segment's.
// Source:   the segment index: what is loaded of it.
// Thread:   loop only.
#pragma once

#include <algorithm>

#include "store/state.h"

namespace rivulet::store {

// Of one sample: what a segment has of a log, of several segments where samples had to be merged.
struct Stretch {
    Offset from{0};
    Offset to{0};              // behind its last
    std::uint64_t bytes = 0;
    std::uint32_t max_time = 0;
    bool last = false;         // nothing durable follows
};

// visit(const Stretch&): false ends it.
template <class Visit>
void visit_stretches(State& state, const Log& log, Visit visit) {
    const auto walk = [&](const Log& part, Offset begin, Offset end) {
        const Sample* next = nullptr;
        for (const Sample* sample = state.index.first(part); sample; sample = next) {
            next = state.index.next(*sample);
            const Offset first = sample->first();
            const Stretch stretch{std::max(first, begin), next ? std::min(next->first(), end) : end, sample->bytes, sample->max_time, false};
            if (stretch.from >= stretch.to) continue;
            Stretch shown = stretch;
            if (first < stretch.from)
                shown.bytes = static_cast<std::uint64_t>(static_cast<double>(stretch.bytes) * static_cast<double>(stretch.to - stretch.from) / static_cast<double>(stretch.to - first));
            shown.last = stretch.to >= log.durable_end;
            if (!visit(shown)) return false;
        }
        return true;
    };
    const Log* const clean = state.clean_of(log);
    if (clean && log.start < log.clean_end && !walk(*clean, log.start, std::min(clean->durable_end, log.clean_end))) return;
    walk(log, log.own_start(), log.durable_end);
}

inline std::uint64_t alive_bytes(State& state, const Log& log) {
    std::uint64_t bytes = 0;
    visit_stretches(state, log, [&](const Stretch& stretch) {
        bytes += stretch.bytes;
        return true;
    });
    return bytes;
}

// Of these, what its clean part has.
inline std::uint64_t clean_bytes(State& state, const Log& log) {
    std::uint64_t bytes = 0;
    visit_stretches(state, log, [&](const Stretch& stretch) {
        if (stretch.from >= log.clean_end) return false;
        bytes += stretch.bytes;
        return true;
    });
    return bytes;
}

}  // namespace rivulet::store
