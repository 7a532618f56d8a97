// Which member of a group gets which partition: pure functions over what the caller has laid out.
// Owns:     nothing. Bounds: range and round-robin are O(partitions + topics x members); sticky O((partitions + moves) x members).
// Guarantee: each partition that somebody is subscribed to has one owner, who is; the others have none. The same input gives the same output.
//           range, round-robin: as Kafka's RangeAssignor and RoundRobinAssignor. sticky: no member could take a partition over from another that has two more than it or more, and of what
//           members have only as much moves as that needs if all are subscribed to the same.
// Thread:   any.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace rivulet::broker {

enum class Assignor : std::uint8_t { range, round_robin, sticky };
constexpr std::size_t assignors_count = 3;
std::string_view assignor_name(Assignor assignor);  // as Kafka's protocols are named
std::optional<Assignor> find_assignor(std::string_view name);

// So many distinct topics may the members of one group be subscribed to: a bit each.
constexpr std::size_t assigned_topics_max = 64;

struct AssignedTopic {
    std::uint32_t first = 0;  // of its partitions, among those of all topics
    std::uint32_t partitions = 0;
};
struct Assignee {
    std::uint64_t topics = 0;  // that it is subscribed to
    // For the functions alone.
    std::uint32_t load = 0;
    std::uint32_t cursor = 0;
    bool astray = false;       // for the caller alone: it has something that is no partition (any more)
};
using OwnerIndex = std::uint32_t;
constexpr OwnerIndex no_owner = 0xffffffff;

// Topics in order of name, members in Kafka's order (static ones first). `owners`: of each partition of all topics, one topic after the other; sticky begins with what is there.
void assign(Assignor assignor, std::span<const AssignedTopic> topics, std::span<Assignee> members, std::span<OwnerIndex> owners);

}  // namespace rivulet::broker
