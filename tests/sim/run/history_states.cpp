// What compaction may take away, and what it must leave.
#include <algorithm>

#include "sim/run/history.h"

namespace rivulet::sim {

// Of two readings of which both may be in a partition, whether the first can come behind the other. Without a session what was sent over a connection that is given up may come at any time.
bool History::later(ReadingId one, ReadingId other) const {
    if (one.producer != other.producer || plan_.producers[one.producer].session == 0) return true;
    return one.incarnation != other.incarnation ? one.incarnation > other.incarnation : one.sequence > other.sequence;
}

void History::collect_states() {
    for (std::size_t t = 0; t < topics_.size(); ++t)
        for (std::size_t p = 0; plan_.topics[t].compacted && p < partitions_[t].size(); ++p)
            for (const auto& [offset, place] : partitions_[t][p].places) states_[{t, p, content(place.id).key}].records.emplace_back(offset, place.id);
    for (std::size_t p = 0; p < readings_.size(); ++p) {
        for (std::size_t i = 0; i < readings_[p].size(); ++i) {
            for (std::size_t s = 0; s < readings_[p][i].size(); ++s) {
                const ReadingId id{static_cast<std::uint16_t>(p), static_cast<std::uint8_t>(i), static_cast<std::uint32_t>(s + 1)};
                const Sent& sent = readings_[p][i][s];
                const std::size_t topic = alias(id).topic;
                if (!plan_.topics[topic].compacted || sent.state == Sent::made || sent.life_read == topics_[topic].life) continue;
                if (Content what = content(id); !what.has_value) states_[{topic, static_cast<std::uint64_t>(sent.partition), std::move(what.key)}].deletions.push_back(id);
            }
        }
    }
}

// From the end back: what is gone has something behind it, or was a deletion whose time was over; and what is there has nothing behind it that is gone, unless a pass went on: then something behind that is there.
bool History::check_states() {
    for (const auto& [key, state] : states_) {
        const auto& [topic, partition, bytes] = key;
        const Partition& at = partitions_[topic][partition];
        if (!topics_[topic].there || !at.final_known) continue;
        const std::vector<std::int64_t>& offsets = at.final_state.offsets;
        const std::string text = where(topic, partition) + " at the end: offset ";
        std::int64_t gone = -1;  // the first of those behind
        bool there = false;
        for (auto record = state.records.rbegin(); record != state.records.rend(); ++record) {
            const auto& [offset, id] = *record;
            if (std::binary_search(offsets.begin(), offsets.end(), offset)) {
                if (gone >= 0 && !(there && passes_resumed_)) return fail(text + std::to_string(offset) + " is there, and what came behind it, " + std::to_string(gone) + ", is gone: " + describe(id));
                there = true;
                continue;
            }
            // A deletion may have come behind it, and have gone before anybody read it.
            if (record == state.records.rbegin() && content(id).has_value && state.deletions.empty()) return fail(text + std::to_string(offset) + ", the latest of its key, is gone: " + describe(id));
            gone = offset;
        }
    }
    return true;
}

// An acknowledged reading of a compacted topic: check_states() has judged it, or, never read, it has something behind it.
bool History::superseded(ReadingId id, const Sent& sent) {
    const std::size_t topic = alias(id).topic;
    if (sent.life_read == topics_[topic].life) return true;
    const auto partition = static_cast<std::uint64_t>(sent.partition);
    const FinalPartition& end = partitions_[topic][partition].final_state;
    const Content what = content(id);
    const State& state = states_[{topic, partition, what.key}];
    bool found = !what.has_value || std::any_of(state.deletions.begin(), state.deletions.end(), [&](ReadingId other) { return later(other, id); });
    // Where a pass went on, a record behind it overrules it, too.
    const auto there = [&](std::int64_t offset) { return std::binary_search(end.offsets.begin(), end.offsets.end(), offset); };
    std::int64_t latest = -1;
    for (const auto& [offset, other] : state.records)
        if (there(offset)) latest = std::max(latest, offset);
    for (const auto& [offset, other] : state.records) {
        found |= offset >= sent.hw_before && later(other, id);
        const bool wrong = strict() && !what.has_value && offset < sent.hw_before && there(offset) && (!passes_resumed_ || offset == latest);
        if (wrong) return fail("deleted and still there, offset " + std::to_string(offset) + ": " + describe(other) + "; by " + describe(id));
    }
    return found;
}

}  // namespace rivulet::sim
