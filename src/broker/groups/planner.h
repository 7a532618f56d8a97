// Who of a group is to have which partition: lays out what is known of the group for the assignors, and writes what they say as assignments.
// Owns:     from the arena an owner now and one to be for each partition that there can be, and a place for each member that a group can have. Used for one group at a time, from
//           lay_out() to what is asked of it; in between nothing may change.
// Bounds:   PlannerOptions; assigned_topics_max topics (fits() says whether members may be subscribed to more).
// Thread:   loop only. Format: ConsumerProtocolAssignment.json version 0, so that Kafka's tools show who has what.
#pragma once

#include <array>

#include "broker/broker.h"
#include "broker/groups/assignors.h"
#include "broker/groups/group.h"
#include "broker/groups/subscription.h"

namespace rivulet::broker {

struct PlannerOptions {
    std::uint32_t partitions_max = 0;  // of all topics
    std::uint32_t members_max = 0;     // of one group
};

class Planner {
public:
    Planner(Broker& broker, Arena& arena, const PlannerOptions& options, GroupTable& groups, BlobPool& blobs);
    static std::size_t memory_bytes(const PlannerOptions& options) {
        return std::size_t{options.partitions_max} * 2 * sizeof(OwnerIndex) + std::size_t{options.members_max} * (sizeof(Member*) + sizeof(Assignee)) + 64;
    }

    // Whether the topics of the group and these are few enough, whether they exist or not. `except`: whose topics these replace.
    bool fits(Group* group, const Member* except, Bytes subscription);
    // What members are subscribed to and have, and who is to have what.
    void plan(Group& group, Assignor assignor);
    std::size_t members() const { return member_count_; }
    Member& member(std::size_t index) { return *members_[index]; }
    // It has something that it is not to have any more.
    bool loses(std::size_t index) const;
    // Somebody has, or has not, what is planned.
    bool changes() const;
    enum class Part : std::uint8_t { kept, planned };  // what it has and is to have; what it is to have
    std::size_t assignment_bytes(std::size_t index, Part part) const;
    void encode_assignment(std::size_t index, Part part, Writer& out) const;
    // What it cost since it was asked last, for who charges.
    std::uint64_t work() { return std::exchange(work_, 0); }

private:
    void lay_out(Group& group);
    void add_topic(Topic& topic);
    void add_member(Member& member);
    bool before(const Member& a, const Member& b) const;
    std::size_t find_topic(std::string_view name) const;
    bool in_part(std::size_t partition, std::size_t member, Part part) const { return planned_[partition] == member && (part == Part::planned || held_[partition] == member); }

    Broker& broker_;
    GroupTable& groups_;
    BlobPool& blobs_;
    std::span<OwnerIndex> held_;
    std::span<OwnerIndex> planned_;
    std::span<Member*> members_;
    std::span<Assignee> assignees_;
    std::array<Topic*, assigned_topics_max> topics_{};
    std::array<AssignedTopic, assigned_topics_max> laid_out_{};
    std::size_t topic_count_ = 0;
    std::size_t member_count_ = 0;
    std::uint32_t partition_count_ = 0;
    std::uint64_t work_ = 0;
};

}  // namespace rivulet::broker
