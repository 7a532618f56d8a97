#include "broker/groups/assignors.h"

namespace rivulet::broker {

namespace {

constexpr std::string_view names[assignors_count] = {"range", "roundrobin", "sticky"};

bool takes(const Assignee& member, std::size_t topic) { return (member.topics >> topic & 1) != 0; }

// Of each topic a run of partitions for each member; the first members have one more where it does not come out even.
void assign_ranges(std::span<const AssignedTopic> topics, std::span<Assignee> members, std::span<OwnerIndex> owners) {
    for (std::size_t t = 0; t < topics.size(); ++t) {
        std::uint32_t count = 0;
        for (const Assignee& member : members) count += takes(member, t);
        if (count == 0) continue;
        const std::uint32_t each = topics[t].partitions / count;
        std::uint32_t more = topics[t].partitions % count;
        std::uint32_t at = topics[t].first;
        for (OwnerIndex m = 0; m < members.size(); ++m) {
            if (!takes(members[m], t)) continue;
            for (std::uint32_t left = each + (more != 0 ? 1 : 0); left != 0; --left) owners[at++] = m;
            more -= more != 0;
        }
    }
}

void assign_in_turn(std::span<const AssignedTopic> topics, std::span<Assignee> members, std::span<OwnerIndex> owners) {
    OwnerIndex turn = 0;
    for (std::size_t t = 0; t < topics.size(); ++t) {
        for (std::uint32_t p = 0; p < topics[t].partitions; ++p) {
            for (std::size_t looked = 0; looked < members.size(); ++looked) {
                const OwnerIndex at = turn;
                turn = turn + 1 == members.size() ? 0 : turn + 1;
                if (!takes(members[at], t)) continue;
                owners[topics[t].first + p] = at;
                break;
            }
        }
    }
}

std::size_t topic_of(std::span<const AssignedTopic> topics, std::uint32_t partition) {
    std::size_t low = 0;
    for (std::size_t high = topics.size(); high - low > 1;) {
        const std::size_t middle = (low + high) / 2;
        (topics[middle].first <= partition ? low : high) = middle;
    }
    return low;
}

OwnerIndex least_loaded(std::span<const Assignee> members, std::size_t topic) {
    OwnerIndex least = no_owner;
    for (OwnerIndex m = 0; m < members.size(); ++m)
        if (takes(members[m], topic) && (least == no_owner || members[m].load < members[least].load)) least = m;
    return least;
}

// From the one that has most, as long as somebody has two less. What a donor has passed over it never comes back to: the others only get more meanwhile, and itself less.
bool even_out(std::span<const AssignedTopic> topics, std::span<Assignee> members, std::span<OwnerIndex> owners) {
    bool moved = false;
    std::uint32_t fewest = UINT32_MAX;
    for (Assignee& member : members) {
        member.cursor = 0;
        if (member.load < fewest) fewest = member.load;
    }
    for (;;) {
        OwnerIndex donor = no_owner;
        for (OwnerIndex m = 0; m < members.size(); ++m)
            if (members[m].cursor < owners.size() && (donor == no_owner || members[m].load > members[donor].load)) donor = m;
        if (donor == no_owner || members[donor].load < fewest + 2) return moved;
        Assignee& from = members[donor];
        while (from.cursor < owners.size() && owners[from.cursor] != donor) ++from.cursor;
        if (from.cursor == owners.size()) continue;
        const std::uint32_t partition = from.cursor++;
        const OwnerIndex to = least_loaded(members, topic_of(topics, partition));
        if (members[to].load + 2 > from.load) continue;
        owners[partition] = to;
        ++members[to].load;
        --from.load;
        moved = true;
    }
}

void assign_sticky(std::span<const AssignedTopic> topics, std::span<Assignee> members, std::span<OwnerIndex> owners) {
    for (Assignee& member : members) member.load = 0;
    for (std::size_t t = 0; t < topics.size(); ++t) {
        for (std::uint32_t p = 0; p < topics[t].partitions; ++p) {
            OwnerIndex& owner = owners[topics[t].first + p];
            if (owner < members.size() && takes(members[owner], t)) ++members[owner].load;
            else owner = no_owner;
        }
    }
    for (std::size_t t = 0; t < topics.size(); ++t) {
        for (std::uint32_t p = 0; p < topics[t].partitions; ++p) {
            OwnerIndex& owner = owners[topics[t].first + p];
            if (owner != no_owner) continue;
            owner = least_loaded(members, t);
            if (owner == no_owner) break;  // nobody is subscribed to this topic
            ++members[owner].load;
        }
    }
    // Each round makes the sum of the squares of the loads smaller, so there is a last one; where all are subscribed to the same there are no more than two.
    while (even_out(topics, members, owners)) {}
}

}  // namespace

std::string_view assignor_name(Assignor assignor) { return names[static_cast<std::size_t>(assignor)]; }

std::optional<Assignor> find_assignor(std::string_view name) {
    for (std::size_t i = 0; i < assignors_count; ++i)
        if (names[i] == name) return static_cast<Assignor>(i);
    return std::nullopt;
}

void assign(Assignor assignor, std::span<const AssignedTopic> topics, std::span<Assignee> members, std::span<OwnerIndex> owners) {
    if (assignor == Assignor::sticky) return assign_sticky(topics, members, owners);
    for (OwnerIndex& owner : owners) owner = no_owner;
    if (assignor == Assignor::range) assign_ranges(topics, members, owners);
    else assign_in_turn(topics, members, owners);
}

}  // namespace rivulet::broker
