// What the leader of a group does: eager round robin, or cooperative and sticky, which gives nothing away that somebody still owns (KIP-429).
#include <algorithm>

#include "sim/run/group_member.h"
#include "support/kafka_consumer_protocol.h"

namespace rivulet::sim {

namespace {

using Place = std::pair<std::size_t, std::size_t>;

struct Claim {
    std::size_t member = 0;
    std::int32_t generation = -1;
};

}  // namespace

std::vector<std::uint8_t> encode_assignment(const KafkaPlan& plan, const KafkaHistory::Partitions& partitions) {
    std::map<std::size_t, Items<std::int32_t>> topics;
    for (const auto& [topic, partition] : partitions) topics[topic].add(static_cast<std::int32_t>(partition));
    Items<kafka::ConsumerProtocolPartitions> items;
    for (auto& [topic, list] : topics) items.add({plan.topics[topic].name, list});
    kafka::ConsumerProtocolAssignment assignment;
    assignment.assigned_partitions = items;
    std::vector<std::uint8_t> bytes(4096);
    Writer out(bytes);
    kafka::encode_versioned(out, assignment, 1);
    RIVULET_CHECK(out.ok());
    bytes.resize(out.size());
    return bytes;
}

std::vector<GroupAssignment> assign_partitions(const KafkaPlan& plan, const GroupPlan& group, const std::vector<std::size_t>& partitions, const std::vector<std::pair<std::string, Bytes>>& members, Random& random) {
    std::map<Place, Claim> claims;
    for (std::size_t m = 0; group.cooperative && m < members.size(); ++m) {
        const auto subscription = kafka::decode_versioned<kafka::ConsumerProtocolSubscription>(members[m].second);
        if (!subscription) continue;
        for (const kafka::ConsumerProtocolPartitions& owned : subscription->owned_partitions) {
            for (std::size_t t = 0; t < plan.topics.size(); ++t) {
                if (plan.topics[t].name != owned.topic) continue;
                for (const std::int32_t partition : owned.partitions) {
                    const auto [claim, fresh] = claims.try_emplace({t, static_cast<std::size_t>(partition)}, Claim{m, subscription->generation_id});
                    if (!fresh && claim->second.generation < subscription->generation_id) claim->second = {m, subscription->generation_id};
                }
            }
        }
    }
    std::vector<Place> places;
    for (const std::size_t topic : group.topics)
        for (std::size_t p = 0; p < partitions[topic]; ++p) places.emplace_back(topic, p);
    const std::size_t quota = (places.size() + members.size() - 1) / members.size();
    std::vector<KafkaHistory::Partitions> given(members.size());
    std::vector<Place> rest;
    for (const Place& place : places) {
        const auto claim = claims.find(place);
        if (claim != claims.end() && given[claim->second.member].size() < quota) given[claim->second.member].insert(place);
        else rest.push_back(place);
    }
    std::size_t at = static_cast<std::size_t>(random.below(members.size()));
    for (const Place& place : rest) {
        for (std::size_t tries = 0; tries < members.size() && given[at].size() >= quota; ++tries) at = (at + 1) % members.size();
        // What another has to give up first comes with the next generation.
        if (!claims.contains(place)) given[at].insert(place);
        at = (at + 1) % members.size();
    }
    std::vector<GroupAssignment> out;
    for (std::size_t m = 0; m < members.size(); ++m) out.push_back({members[m].first, encode_assignment(plan, given[m])});
    return out;
}

}  // namespace rivulet::sim
