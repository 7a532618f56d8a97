// Compact groups: the broker assigns, and takes back, partitions itself.
// A change (a member comes, goes, is subscribed to something else; a topic) lets replan() begin a rebalance: preparing_rebalance, and on the next tick reconcile():
//   who has something that the plan gives to another loses it at once, in its assignment, and is told; it has rebalance_timeout_ms to give it up (release()) or is a member no more
//   while somebody has something to release, the group waits; all others go on with what they have
//   then the next generation is written with all assignments (completing_rebalance), and told when that is durable (stable)
// Every change on the way works out the plan anew. What a member has only becomes less until the generation begins, so that comes to an end.
#include "broker/groups/coordinator.h"
#include "env/log.h"

namespace rivulet::broker {

namespace {

constexpr std::int64_t retry_ns = 100 * ns_per_ms;  // the log takes nothing just now

std::int32_t next_generation(std::int32_t generation) { return generation < INT32_MAX ? generation + 1 : 1; }

}  // namespace

Assignor Coordinator::assignor_of(Group& group) const {
    JoinProtocol protocol;
    for (Member* member = group.members.front(); member; member = group.members.next(*member))
        if (ProtocolReader in(blobs_.view(member->protocols)); !member->pending && in.next(protocol)) return find_assignor(protocol.name).value_or(Assignor::range);
    return Assignor::range;
}

Status Coordinator::join(const JoinRequest& request, AssignedMember& assigned) {
    RIVULET_CHECK(!assigned.is_member() && request.protocols.size() == 1);
    RIVULET_TRY(check_join(request, true));
    Group* const group = groups_.find(request.group);
    Member* const before = group && !request.instance.empty() ? groups_.find_instance(*group, request.instance) : nullptr;
    broker_.env().charge(options_.groups_max * 8);
    if (group) {
        broker_.env().charge(std::uint64_t{group->member_count} * 64);
        if (!before && group->member_count + group->pending_count >= options_.group_members_max) return limited(Error::group_full, "limits.group_members");
        const bool others = group->member_count > (before ? 1U : 0U);
        if (group->member_count != 0 && (!is_compact(*group) || (others && !groups_.supports(*group, request.protocols)))) return fail(Error::inconsistent_group_protocol);
    }
    const bool fits = planner_.fits(group, before, request.protocols.front().metadata);
    broker_.env().charge(planner_.work() * 8);
    if (!fits) return fail(Error::limit_reached, assigned_topics_max);
    char buffer[member_id_bytes_max];
    const std::string_view id = make_member_id(request, buffer);
    if (!before) {
        RIVULET_TRY_ASSIGN(Member* const member, add_member(request, group, id));
        if (Status status = update_member(request, *member); !status) {
            Group& of = *member->group;
            groups_.remove_member(*member);
            collect(of);
            return status;
        }
        ++member->group->member_count;
        if (!member->group->leader) member->group->leader = member;
        member->id_told = member->synced = true;
        attach(*member, assigned);
        return {};
    }
    // The one that had the place is fenced; what it had stays with the place.
    const std::uint64_t cost = BlobPool::cost(id.size()) + BlobPool::cost(protocols_size(request.protocols)) + BlobPool::cost(request.protocol_type.size());
    if (!blobs_.fits(cost, BlobPool::cost(before->id.size) + BlobPool::cost(before->protocols.size))) return no_room(cost);
    detach(*before, Error::fenced_instance);
    before->release_due = Instant(0);
    RIVULET_CHECK(blobs_.assign(before->id, id));
    RIVULET_CHECK(update_member(request, *before).ok());
    attach(*before, assigned);
    return {};
}

Status Coordinator::change(Bytes subscription, AssignedMember& assigned) {
    RIVULET_CHECK(assigned.is_member());
    Member& member = *assigned.member_;
    Group& group = *member.group;
    if (stopped_) return fail(Error::coordinator_not_available);
    const JoinProtocol protocol{assignor_name(assignor_of(group)), subscription};
    JoinRequest request;
    request.protocol_type = compact_protocol_type;
    request.protocols = {&protocol, 1};
    request.session_timeout_ms = member.session_timeout_ms;
    request.rebalance_timeout_ms = member.rebalance_timeout_ms;
    if (groups_.matches(member, request.protocols)) return {};
    const bool fits = planner_.fits(&group, &member, subscription);
    broker_.env().charge(planner_.work() * 8);
    if (!fits) return fail(Error::limit_reached, assigned_topics_max);
    RIVULET_TRY(update_member(request, member));
    replan(group);
    return {};
}

void Coordinator::attach(Member& member, AssignedMember& assigned) {
    member.assigned = &assigned;
    assigned.member_ = &member;
    assigned.error_ = Error::none;
    keep_alive(member);
    replan(*member.group);
}

void Coordinator::tell(Member& member) {
    if (!member.assigned) return;
    if (!member.assigned->linked()) told_.push_back(*member.assigned);
    arm(now());
}

// Nobody is behind this member any more; who was, is told why.
void Coordinator::detach(Member& member, Error why) {
    if (!member.assigned) return;
    tell(member);
    member.assigned->member_ = nullptr;
    member.assigned->error_ = why;
    member.assigned = nullptr;
}

void Coordinator::release(AssignedMember& assigned) {
    // What was taken from it meanwhile it has not heard of yet.
    if (!assigned.is_member() || assigned.linked() || assigned.member_->release_due.value == 0) return;
    assigned.member_->release_due = Instant(0);
    replan(*assigned.member_->group);
}

void Coordinator::leave(AssignedMember& assigned) {
    if (Member* const member = assigned.member_) {
        member->assigned = nullptr;
        assigned.member_ = nullptr;
        if (!stopped_) leave_group(*member, Error::none);
    }
    if (assigned.linked()) List<AssignedMember>::remove(assigned);
}

void Coordinator::part(AssignedMember& assigned) {
    Member* const member = assigned.member_;
    if (!member || stopped_ || member->instance.size == 0) return leave(assigned);
    member->assigned = nullptr;
    assigned.member_ = nullptr;
    if (assigned.linked()) List<AssignedMember>::remove(assigned);
    keep_alive(*member);
    if (std::exchange(member->release_due, Instant(0)).value != 0) replan(*member->group);
}

void Coordinator::replan(Group& group) {
    Broker::cancel(static_cast<CommitWaiter&>(group));
    group.state = GroupState::preparing_rebalance;
    group.replan = true;
    group.sync_due = Instant(0);
    group.join_due = now();
    arm(group.join_due);
}

void Coordinator::reconcile(Group& group) {
    group.replan = false;
    for (Member* member = group.members.front(); member;) {
        Member* const next = group.members.next(*member);
        if (member->release_due.value != 0 && member->release_due <= now()) remove_member(*member, Error::timed_out);
        member = next;
    }
    if (group.member_count == 0) {
        group.generation = next_generation(group.generation);
        return become_empty(group);
    }
    planner_.plan(group, assignor_of(group));
    broker_.env().charge(planner_.work() * 2);
    if (!revoke(group) || begin_generation(group)) return;
    env::LogLine(broker_.env(), env::LogLevel::warning) << "group " << blobs_.text(group.id) << ": no room for the assignments of " << group.member_count
                                                        << " members (limits.group_bytes, limits.batch_bytes): the last one is sent away";
    Member* last = group.members.back();
    while (last->pending) last = group.members.previous(*last);
    remove_member(*last, Error::group_full);
    replan(group);
}

// True: nobody has anything to release.
bool Coordinator::revoke(Group& group) {
    Instant due(0);
    for (std::size_t i = 0; i < planner_.members(); ++i) {
        Member& member = planner_.member(i);
        if (planner_.loses(i)) {
            // No larger than what it had.
            RIVULET_CHECK(blobs_.allocate(member.assignment, planner_.assignment_bytes(i, Planner::Part::kept)));
            Writer out(blobs_.bytes(member.assignment));
            planner_.encode_assignment(i, Planner::Part::kept, out);
            RIVULET_CHECK(out.ok());
            if (member.assigned) {
                if (member.release_due.value == 0) member.release_due = now() + member.rebalance_timeout_ms * ns_per_ms;
                tell(member);
            }
        }
        if (member.release_due.value != 0 && (due.value == 0 || member.release_due < due)) due = member.release_due;
    }
    if (due.value == 0) return true;
    group.join_due = due;
    arm(due);
    return false;
}

// False: there is no room for what is planned, and it is as it was.
bool Coordinator::begin_generation(Group& group) {
    std::uint64_t cost = 0;
    std::uint64_t freed = 0;
    for (std::size_t i = 0; i < planner_.members(); ++i) {
        cost += BlobPool::cost(planner_.assignment_bytes(i, Planner::Part::planned));
        freed += BlobPool::cost(planner_.member(i).assignment.size);
    }
    if (!blobs_.fits(cost, freed)) return false;
    for (std::size_t i = 0; i < planner_.members(); ++i) blobs_.clear(planner_.member(i).assignment);
    for (std::size_t i = 0; i < planner_.members(); ++i) {
        Member& member = planner_.member(i);
        RIVULET_CHECK(blobs_.allocate(member.assignment, planner_.assignment_bytes(i, Planner::Part::planned)));
        Writer out(blobs_.bytes(member.assignment));
        planner_.encode_assignment(i, Planner::Part::planned, out);
        RIVULET_CHECK(out.ok());
    }
    RIVULET_CHECK(group.protocol.assign(assignor_name(assignor_of(group))));
    const std::int32_t before = group.generation;
    group.generation = next_generation(before);
    group.state_time = broker_.clock_trusted() ? broker_.wall() : Timestamp(-1);
    const Result<std::uint64_t> ticket = journal_.write_group(group, true);
    if (!ticket) {
        group.generation = before;
        if (ticket.error() == Error::batch_too_large) return false;
        group.join_due = now() + retry_ns;
        arm(group.join_due);
        return true;
    }
    group.state = GroupState::completing_rebalance;
    group.ticket = *ticket;
    broker_.wait_for_commit(group);
    return true;
}

// ---- topics, and a start ----

void Coordinator::on_topics_changed() {
    topics_look_ = 0;
    if (!stopped_ && !loading()) arm(now());
}

// A generation ends only where it has to.
bool Coordinator::look_at_topics() {
    while (topics_look_ < groups_.groups().size()) {
        Group& group = groups_.groups()[topics_look_++];
        if (!group.coordinator || group.member_count == 0 || !is_compact(group)) continue;
        planner_.plan(group, assignor_of(group));
        broker_.env().charge(planner_.work() * 2);
        if (group.state == GroupState::preparing_rebalance || planner_.changes()) replan(group);
        return true;
    }
    return false;
}

// Whose connection the last run of the broker had, and who has no instance id to come back with; and those for whom there is no room any more, now that fewer are allowed.
void Coordinator::drop_lost_members(Group& group) {
    if (group.members.empty() || !is_compact(group)) return;
    for (Member* member = group.members.front(); member;) {
        Member* const next = group.members.next(*member);
        if (member->instance.size == 0 || group.member_count > options_.group_members_max) remove_member(*member, Error::none);
        member = next;
    }
    replan(group);
}

}  // namespace rivulet::broker
