// Groups and what they have committed, as their members saw it.
#include <algorithm>
#include <charconv>

#include "sim/run/kafka_history.h"

namespace rivulet::sim {

// ---- members ----

void KafkaHistory::joined(std::size_t group, std::int32_t floor, std::int32_t generation) {
    if (generation <= 0 || generation < floor)
        world_.fail("group " + plan_.kafka.groups[group].name + ": joined generation " + std::to_string(generation) + ", though the assignments of " + std::to_string(floor) + " were told before");
    moment(Moment::joined);
}

void KafkaHistory::assigned(std::size_t group, std::int32_t floor, std::int32_t generation, const std::string& member, const std::string& instance, const Partitions& partitions) {
    Group& state = groups_[group];
    const std::string key = instance.empty() ? member : "instance " + instance;
    const std::string text = "group " + plan_.kafka.groups[group].name + ", generation " + std::to_string(generation) + ", " + key + ": ";
    if (generation < floor) return world_.fail(text + "its assignment is told though generation " + std::to_string(floor) + " was before");
    Generation& of = state.generations[generation];
    const auto [told, fresh] = of.told.try_emplace(key, partitions);
    if (!fresh && told->second != partitions) return world_.fail(text + "is told two assignments");
    for (const auto& one : partitions) {
        const auto [owner, free] = of.owners.try_emplace(one, key);
        if (!free && owner->second != key)
            return world_.fail(text + plan_.kafka.topics[one.first].name + "[" + std::to_string(one.second) + "] is owned by " + owner->second + " too");
    }
    if (!instance.empty()) {
        std::string& holder = state.instances[instance];
        if (!holder.empty() && holder != member) {
            state.fenced.insert(holder);
            state.had_before[instance] = holder;
        }
        holder = member;
    }
    generations_ += generation > state.assigned;
    state.assigned = std::max(state.assigned, generation);
}

// ---- offsets ----

std::string KafkaHistory::name(const Key& key) const {
    return "group " + plan_.kafka.groups[std::get<0>(key)].name + ", " + plan_.kafka.topics[std::get<1>(key)].name + "[" + std::to_string(std::get<2>(key)) + "]";
}

std::uint64_t KafkaHistory::committing(std::size_t group, std::size_t topic, std::size_t partition, std::int64_t offset, std::int32_t generation, const std::string& member, const std::string& instance) {
    const std::uint64_t number = attempts_.size();
    Attempt attempt;
    attempt.offset = offset;
    attempt.generation = generation;
    attempt.floor = groups_[group].assigned;
    attempt.of_fenced = groups_[group].fenced.contains(member);
    attempt.sent = world_.now();
    const Key key{group, topic, partition};
    attempt.key = key;
    attempt.text = name(key) + ": commit " + std::to_string(number) + " of offset " + std::to_string(offset) + " by " + (member.empty() ? "nobody" : member) + (instance.empty() ? "" : " as " + instance) +
                   " in generation " + std::to_string(generation) + " at " + std::to_string(attempt.sent / ns_per_ms) + " ms";
    attempts_.push_back(std::move(attempt));
    registers_[key].attempts.push_back(number);
    moment(Moment::committing);
    return number;
}

void KafkaHistory::committed(std::uint64_t number, bool taken) {
    Attempt& attempt = attempts_[number];
    attempt.over = world_.now();
    if (!taken) {
        attempt.refused = true;
        fenced_ += attempt.generation >= 0 && (attempt.generation < attempt.floor || attempt.of_fenced);
        if (attempt.known >= 0) world_.fail(attempt.text + " is refused, and was read before");
        return;
    }
    came_into_force(attempt);
    ++commits_taken_;
}

// Acknowledged, or read, after which its member does not commit it again: its own acknowledgement may have been lost.
void KafkaHistory::came_into_force(Attempt& attempt) {
    if (attempt.known < 0) attempt.known = world_.now();
    std::int64_t& highest = registers_[attempt.key].highest;
    highest = std::max(highest, attempt.offset);
    if (attempt.generation >= 0 && attempt.generation < attempt.floor) return world_.fail(attempt.text + " is taken, though the assignments of generation " + std::to_string(attempt.floor) + " were told before");
    if (attempt.of_fenced) return world_.fail(attempt.text + " is taken, though another member has its instance");
}

// When it cannot come into force any more, if it has not.
std::int64_t KafkaHistory::over(const Attempt& attempt) const {
    if (attempt.over >= 0) return attempt.over;
    const auto end = std::lower_bound(ends_.begin(), ends_.end(), attempt.sent);
    return end == ends_.end() ? INT64_MAX : *end;
}

void KafkaHistory::found(std::size_t group, std::size_t topic, std::size_t partition, std::int64_t asked_at, std::int64_t offset, std::string_view metadata) {
    const Key key{group, topic, partition};
    Register& reg = registers_[key];
    std::uint64_t number = 0;
    if (offset >= 0) {
        const bool read = metadata.size() > 1 && metadata[0] == 'c' && std::from_chars(metadata.data() + 1, metadata.data() + metadata.size(), number).ec == std::errc();
        if (!read || !std::binary_search(reg.attempts.begin(), reg.attempts.end(), number)) return world_.fail(name(key) + ": offset " + std::to_string(offset) + " was committed by nobody");
        Attempt& attempt = attempts_[number];
        if (attempt.offset != offset) return world_.fail(attempt.text + " is read as " + std::to_string(offset));
        if (attempt.refused) return world_.fail(attempt.text + " was refused and is in force");
        came_into_force(attempt);
    }
    const std::int64_t done = number == 0 ? -1 : over(attempts_[number]);
    for (const std::uint64_t other : reg.attempts) {
        const Attempt& later = attempts_[other];
        if (other == number || later.refused || later.known < 0 || later.known >= asked_at || later.sent <= done) continue;
        return world_.fail((number == 0 ? name(key) + ": nothing is committed" : attempts_[number].text + " is in force") + ", but " + later.text + " was acknowledged later");
    }
}

void KafkaHistory::delivered(std::size_t group, std::size_t topic, std::size_t partition, std::int64_t from, std::int64_t to) {
    if (from >= to) return;
    auto& all = registers_[{group, topic, partition}].delivered;
    auto at = std::lower_bound(all.begin(), all.end(), from, [](const auto& range, std::int64_t value) { return range.second < value; });
    while (at != all.end() && at->first <= to) {
        from = std::min(from, at->first);
        to = std::max(to, at->second);
        at = all.erase(at);
    }
    all.insert(at, {from, to});
}

void KafkaHistory::check_covered(std::size_t group, std::size_t topic, std::size_t partition, std::int64_t log_start, std::int64_t committed) {
    const Key key{group, topic, partition};
    if (committed <= log_start) return;
    for (const auto& [from, to] : registers_[key].delivered)
        if (from <= log_start && to >= committed) return;
    std::string text;
    for (const auto& [from, to] : registers_[key].delivered) text += " [" + std::to_string(from) + ", " + std::to_string(to) + ")";
    world_.fail(name(key) + ": offset " + std::to_string(committed) + " is committed, the log begins at " + std::to_string(log_start) + ", and its members were given" + text);
}

bool KafkaHistory::groups_done() const { return undone().empty(); }

std::string KafkaHistory::undone() const {
    for (std::size_t g = 0; g < groups_.size(); ++g) {
        for (const std::size_t t : plan_.kafka.groups[g].topics) {
            for (std::size_t p = 0; p < topics_[t].partitions.size(); ++p) {
                const std::int64_t end = topics_[t].partitions[p].acknowledged_end;
                const auto found = registers_.find({g, t, p});
                const std::int64_t committed = found == registers_.end() ? 0 : found->second.highest;
                if (committed < end) return name({g, t, p}) + ": " + std::to_string(committed) + " of " + std::to_string(end) + " is committed";
            }
        }
    }
    return {};
}

}  // namespace rivulet::sim
