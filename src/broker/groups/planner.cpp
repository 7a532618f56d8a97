#include "broker/groups/planner.h"

namespace rivulet::broker {

Planner::Planner(Broker& broker, Arena& arena, const PlannerOptions& options, GroupTable& groups, BlobPool& blobs)
    : broker_(broker),
      groups_(groups),
      blobs_(blobs),
      held_(arena.make_array<OwnerIndex>(options.partitions_max)),
      planned_(arena.make_array<OwnerIndex>(options.partitions_max)),
      members_(arena.make_array<Member*>(options.members_max)),
      assignees_(arena.make_array<Assignee>(options.members_max)) {}

bool Planner::fits(Group* group, const Member* except, Bytes subscription) {
    std::array<std::string_view, assigned_topics_max> names;
    std::size_t count = 0;
    const auto add = [&](Bytes of) {
        std::string_view name;
        for (SubscriptionReader in(of); in.next(name);) {
            std::size_t i = 0;
            while (i < count && names[i] != name) ++i;
            work_ += i;
            if (i < count) continue;
            if (count == names.size()) return false;
            names[count++] = name;
        }
        return true;
    };
    if (!add(subscription)) return false;
    for (Member* member = group ? group->members.front() : nullptr; member; member = group->members.next(*member)) {
        if (member == except) continue;
        JoinProtocol protocol;
        if (ProtocolReader in(blobs_.view(member->protocols)); in.next(protocol) && !add(protocol.metadata)) return false;
    }
    return true;
}

bool Planner::before(const Member& a, const Member& b) const {
    if ((a.instance.size != 0) != (b.instance.size != 0)) return a.instance.size != 0;
    return a.instance.size != 0 ? blobs_.text(a.instance) < blobs_.text(b.instance) : blobs_.text(a.id) < blobs_.text(b.id);
}

std::size_t Planner::find_topic(std::string_view name) const {
    std::size_t i = 0;
    while (i < topic_count_ && topics_[i]->name.view() != name) ++i;
    return i;
}

void Planner::add_topic(Topic& topic) {
    std::size_t at = topic_count_;
    while (at != 0 && topic.name.view() < topics_[at - 1]->name.view()) --at;
    if (at != 0 && topics_[at - 1] == &topic) return;
    if (topic_count_ == topics_.size()) return;  // fits() has kept it from coming to that
    for (std::size_t i = topic_count_++; i > at; --i) topics_[i] = topics_[i - 1];
    topics_[at] = &topic;
}

void Planner::add_member(Member& member) {
    std::size_t at = member_count_++;
    for (; at != 0 && before(member, *members_[at - 1]); --at) members_[at] = members_[at - 1];
    members_[at] = &member;
    work_ += member_count_ - at;
}

void Planner::lay_out(Group& group) {
    topic_count_ = member_count_ = 0;
    partition_count_ = 0;
    std::string_view name;
    for (Member* member = group.members.front(); member; member = group.members.next(*member)) {
        if (member->pending || member_count_ == members_.size()) continue;
        add_member(*member);
        JoinProtocol protocol;
        if (ProtocolReader in(blobs_.view(member->protocols)); !in.next(protocol)) continue;
        for (SubscriptionReader in(protocol.metadata); in.next(name);)
            if (Topic* const topic = broker_.find_topic(name)) add_topic(*topic);
    }
    for (std::size_t t = 0; t < topic_count_; ++t) {
        laid_out_[t] = {partition_count_, topics_[t]->partitions};
        partition_count_ += topics_[t]->partitions;
    }
    RIVULET_CHECK(partition_count_ <= held_.size());
    for (std::uint32_t p = 0; p < partition_count_; ++p) held_[p] = no_owner;
    for (std::size_t m = 0; m < member_count_; ++m) {
        assignees_[m] = {};
        JoinProtocol protocol;
        if (ProtocolReader in(blobs_.view(members_[m]->protocols)); in.next(protocol)) {
            for (SubscriptionReader topics(protocol.metadata); topics.next(name);)
                if (const std::size_t t = find_topic(name); t < topic_count_) assignees_[m].topics |= std::uint64_t{1} << t;
        }
        std::size_t t = topic_count_;
        for (AssignmentReader in(blobs_.view(members_[m]->assignment)); in.next();) {
            if (t == topic_count_ || topics_[t]->name.view() != in.topic()) t = find_topic(in.topic());
            const std::int32_t p = in.partition();
            if (t < topic_count_ && p >= 0 && static_cast<std::uint32_t>(p) < laid_out_[t].partitions) held_[laid_out_[t].first + static_cast<std::uint32_t>(p)] = static_cast<OwnerIndex>(m);
            else assignees_[m].astray = true;
        }
        work_ += 8 + topic_count_;
    }
    work_ += partition_count_;
}

void Planner::plan(Group& group, Assignor assignor) {
    lay_out(group);
    for (std::uint32_t p = 0; p < partition_count_; ++p) planned_[p] = held_[p];
    assign(assignor, std::span(laid_out_).first(topic_count_), assignees_.first(member_count_), planned_.first(partition_count_));
    work_ += std::uint64_t{partition_count_} * (4 + member_count_) + (assignor == Assignor::sticky ? std::uint64_t{partition_count_} * member_count_ / 4 : 0);
}

bool Planner::loses(std::size_t index) const {
    for (std::uint32_t p = 0; p < partition_count_; ++p)
        if (held_[p] == index && planned_[p] != index) return true;
    return assignees_[index].astray;
}

bool Planner::changes() const {
    for (std::size_t m = 0; m < member_count_; ++m)
        if (assignees_[m].astray) return true;
    for (std::uint32_t p = 0; p < partition_count_; ++p)
        if (held_[p] != planned_[p]) return true;
    return false;
}

std::size_t Planner::assignment_bytes(std::size_t index, Part part) const {
    std::size_t bytes = 2 + 4 + 4;
    for (std::size_t t = 0; t < topic_count_; ++t) {
        std::size_t count = 0;
        for (std::uint32_t p = 0; p < laid_out_[t].partitions; ++p) count += in_part(laid_out_[t].first + p, index, part);
        if (count != 0) bytes += 2 + topics_[t]->name.view().size() + 4 + 4 * count;
    }
    return bytes;
}

void Planner::encode_assignment(std::size_t index, Part part, Writer& out) const {
    out.be(std::int16_t{0});
    const std::size_t count_at = out.size();
    out.be(std::int32_t{0});
    std::int32_t topics = 0;
    for (std::size_t t = 0; t < topic_count_; ++t) {
        std::int32_t count = 0;
        for (std::uint32_t p = 0; p < laid_out_[t].partitions; ++p) count += in_part(laid_out_[t].first + p, index, part);
        if (count == 0) continue;
        ++topics;
        const std::string_view name = topics_[t]->name.view();
        out.be(static_cast<std::int16_t>(name.size()));
        out.bytes(as_bytes(name));
        out.be(count);
        for (std::uint32_t p = 0; p < laid_out_[t].partitions; ++p)
            if (in_part(laid_out_[t].first + p, index, part)) out.be(static_cast<std::int32_t>(p));
    }
    out.be(std::int32_t{-1});  // no user data
    if (out.ok()) store_be(out.buffer().data() + count_at, topics);
}

}  // namespace rivulet::broker
