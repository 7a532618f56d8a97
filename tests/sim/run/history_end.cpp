// The end of a run: what the logs hold against all that was acknowledged.
#include <algorithm>

#include "sim/run/history.h"

namespace rivulet::sim {

namespace {
constexpr std::size_t fenced_listed_max = 16;
}

bool History::check_end(std::size_t topic, std::uint64_t partition, FinalPartition end) {
    const TopicPlan& plan = plan_.topics[topic];
    const std::string at = where(topic, partition) + " at the end: ";
    Ends& e = end.ends;
    const auto first = std::lower_bound(end.offsets.begin(), end.offsets.end(), e.log_start);
    if (e.log_start > 0) e.log_start = first != end.offsets.end() ? *first : e.high_watermark;  // see check_gap()
    if (e.high_watermark != e.log_end) return fail(at + "HW " + std::to_string(e.high_watermark) + " does not reach the log end " + std::to_string(e.log_end));
    if (strict() && !plan.memory && end.fenced_count != 0) return fail(at + std::to_string(end.fenced_count) + " fenced ranges without damage");
    const auto fenced = [&](std::int64_t from, std::int64_t to) {
        for (std::int64_t at_offset = from; at_offset < to;) {
            const auto range = std::find_if(end.fenced.begin(), end.fenced.end(), [&](const auto& r) { return r.first <= at_offset && at_offset < r.second; });
            if (range == end.fenced.end()) return false;
            at_offset = range->second;
        }
        return true;
    };
    std::int64_t expected = e.log_start;
    for (std::size_t i = 0; i <= end.offsets.size(); ++i) {
        const std::int64_t found = i < end.offsets.size() ? end.offsets[i] : e.high_watermark;
        if (found < e.log_start) continue;  // the first batch may begin below
        if (found > expected && !plan.compacted && end.fenced_count <= fenced_listed_max && !fenced(expected, found)) {
            return fail(at + "offsets " + std::to_string(expected) + " to " + std::to_string(found - 1) + " are missing and not fenced");
        }
        expected = found + 1;
    }
    Partition& state = partitions_[topic][partition];
    state.final_known = true;
    state.final_state = std::move(end);
    // What could be read once is there until retention.
    if (strict() && !plan.memory && !plan.compacted) {
        for (const auto& [offset, place] : state.places) {
            if (offset < e.log_start || std::binary_search(state.final_state.offsets.begin(), state.final_state.offsets.end(), offset)) continue;
            return fail(at + "offset " + std::to_string(offset) + " was read before and is gone: " + describe(place.id));
        }
    }
    return check_order(topic, partition) && check_times(topic, partition);
}

// What is there at the end and was below the high watermark when the search began, was there to be found; of all that, the answer must be the first. But for what was below
// the log start then: a power cut can take that back, in a new epoch.
bool History::check_times(std::size_t topic, std::uint64_t partition) {
    const Partition& state = partitions_[topic][partition];
    for (const Found& found : state.found) {
        const std::string text = where(topic, partition) + ", searched for time " + std::to_string(found.at) + ": offset " + std::to_string(found.offset) + ", time " +
                                 std::to_string(found.time);
        const auto answer = state.places.find(found.offset);
        if (found.time >= 0 && answer != state.places.end() && answer->second.time >= 0 && answer->second.time != found.time)
            return fail(text + ", but it has time " + std::to_string(answer->second.time));
        if (found.log_start < 0 && found.epoch != state.final_state.ends.epoch) continue;
        for (auto at = state.places.lower_bound(found.log_start); at != state.places.end(); ++at) {
            const auto& [offset, place] = *at;
            if (offset >= found.offset || offset >= found.high_watermark) break;
            if (place.time < found.at || place.time < 0 || !std::binary_search(state.final_state.offsets.begin(), state.final_state.offsets.end(), offset)) continue;
            return fail(text + ", but offset " + std::to_string(offset) + " has time " + std::to_string(place.time) + ": " + describe(place.id));
        }
        ++times_checked_;
    }
    return true;
}

// With a session: in order, and (where records of old memory topics do not count any more) once.
bool History::check_order(std::size_t topic, std::uint64_t partition) {
    const Partition& state = partitions_[topic][partition];
    std::map<std::uint16_t, ReadingId> last;
    for (const auto& [offset, place] : state.places) {
        const ReadingId id = place.id;
        if (plan_.producers[id.producer].session == 0 || at(id).may_repeat) continue;
        if (plan_.topics[topic].memory && !std::binary_search(state.final_state.offsets.begin(), state.final_state.offsets.end(), offset)) continue;
        const auto [before, fresh] = last.try_emplace(id.producer, id);
        if (fresh) continue;
        const ReadingId earlier = before->second;
        const bool ascends = earlier.incarnation != id.incarnation ? earlier.incarnation < id.incarnation : earlier.sequence < id.sequence;
        if (!ascends) {
            return fail(where(topic, partition) + ", offset " + std::to_string(offset) + ": out of order: " + describe(id) + " comes behind " + describe(earlier));
        }
        before->second = id;
    }
    return true;
}

bool History::check_found(ReadingId id, const Sent& sent) {
    const AliasPlan& of = alias(id);
    const Topic& topic = topics_[of.topic];
    const bool owed = sent.state == Sent::settled && !sent.free && of.acks != wire::compact::Acks::none && topic.there && sent.life == topic.life;
    if (!owed) return true;
    if (plan_.topics[of.topic].memory && sent.settled_at <= last_unclean_) return true;
    const Content what = content(id);
    // Refused, then settled with those behind it when it came again under a higher limit.
    if (what.too_large && larger_allowed(of.topic)) return true;
    const std::vector<Partition>& partitions = partitions_[of.topic];
    const auto missing = [&] {
        if (sent.weak && reported_) return true;
        std::string ends;
        for (std::size_t p = 0; p < partitions.size(); ++p) {
            const Ends& e = partitions[p].final_state.ends;
            ends += "; [" + std::to_string(p) + "] " + std::to_string(e.log_start) + " to " + std::to_string(e.high_watermark);
        }
        return fail(std::string(sent.weak ? "lost without a word about damage: " : "acknowledged and lost: ") + describe(id) + ends);
    };
    if (plan_.topics[of.topic].compacted) return superseded(id, sent) || missing();
    const auto held = [&](const FinalPartition& end) {
        return sent.offset < end.ends.log_start || std::binary_search(end.offsets.begin(), end.offsets.end(), sent.offset);
    };
    if (sent.life_read == topic.life) {
        const Partition& partition = partitions[sent.partition_read];
        return (partition.final_known && held(partition.final_state)) || missing();
    }
    // Never read: only if retention has passed where it may have been.
    for (std::size_t p = 0; p < partitions.size(); ++p) {
        if (sent.partition >= 0 && p != static_cast<std::size_t>(sent.partition)) continue;
        if (partitions[p].final_known && partitions[p].final_state.ends.log_start > sent.hw_before) return true;
    }
    return missing();
}

bool History::check_all_found(bool passes_resumed) {
    passes_resumed_ = passes_resumed;
    collect_states();
    if (strict() && !check_states()) return false;
    for (std::size_t p = 0; p < readings_.size(); ++p) {
        for (std::size_t i = 0; i < readings_[p].size(); ++i) {
            for (std::size_t s = 0; s < readings_[p][i].size(); ++s) {
                const ReadingId id{static_cast<std::uint16_t>(p), static_cast<std::uint8_t>(i), static_cast<std::uint32_t>(s + 1)};
                if (!check_found(id, readings_[p][i][s])) return false;
            }
        }
    }
    return true;
}

}  // namespace rivulet::sim
