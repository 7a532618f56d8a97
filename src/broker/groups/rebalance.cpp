// How a group goes from one generation to the next, and what members are told of it.
#include "broker/groups/coordinator.h"

namespace rivulet::broker {

namespace {

constexpr std::uint32_t answers_per_turn = 64;

}  // namespace

bool Member::awaits_join() const { return join && !join->linked() && !join->answered(); }
bool Member::awaits_sync() const { return sync && !sync->answered(); }

void Group::on_committed(Error error) { coordinator->on_committed(*this, error); }

std::int64_t Coordinator::rebalance_timeout_ns(Group& group) {
    std::int64_t ms = 0;
    for (Member* member = group.members.front(); member; member = group.members.next(*member))
        if (!member->pending && member->rebalance_timeout_ms > ms) ms = member->rebalance_timeout_ms;
    return ms * ns_per_ms;
}

// ---- transitions ----

void Coordinator::prepare_rebalance(Group& group) {
    // The generation that was about to begin does not.
    if (group.state == GroupState::completing_rebalance) fail_syncs(group, Error::rebalance_in_progress);
    Broker::cancel(static_cast<CommitWaiter&>(group));
    group.sync_due = Instant(0);
    group.initial_delay = group.state == GroupState::empty;
    group.member_added = false;
    const std::int64_t timeout = rebalance_timeout_ns(group);
    const std::int64_t delay = group.initial_delay ? options_.initial_rebalance_delay_ns : timeout;
    group.delay_left_ns = group.initial_delay && timeout > delay ? timeout - delay : 0;
    group.state = GroupState::preparing_rebalance;
    group.join_due = now() + delay;
    arm(group.join_due);
}

// A member joins, or left: begins a rebalance, or looks whether the one under way is complete.
void Coordinator::rejoin(Group& group) {
    if (is_compact(group)) return replan(group);
    if (group.state != GroupState::preparing_rebalance) prepare_rebalance(group);
    maybe_complete_join(group);
}

// Whom it is to wait for, and whoever was given an id, has joined.
bool Coordinator::all_joined(Group& group) {
    if (group.state != GroupState::preparing_rebalance || group.initial_delay || group.pending_count != 0) return false;
    for (Member* member = group.members.front(); member; member = group.members.next(*member))
        if (!member->awaits_join()) return false;
    return true;
}

void Coordinator::maybe_complete_join(Group& group) {
    if (all_joined(group)) arm(now());
}

// All have joined, or the time is over.
void Coordinator::complete_join(Group& group) {
    if (group.initial_delay && group.member_added && group.delay_left_ns > 0) {
        const std::int64_t delay = options_.initial_rebalance_delay_ns < group.delay_left_ns ? options_.initial_rebalance_delay_ns : group.delay_left_ns;
        group.member_added = false;
        group.delay_left_ns -= delay;
        group.join_due = now() + delay;
        return;
    }
    group.initial_delay = false;
    Member* rejoined = nullptr;
    for (Member* member = group.members.front(); member;) {
        Member* const next = group.members.next(*member);
        if (member->awaits_join()) {
            if (!rejoined) rejoined = member;
        } else if (!member->pending && member->instance.size == 0) {
            remove_member(*member, Error::unknown_member);
        }
        member = next;
    }
    // Static members keep their places until their sessions end.
    if (group.member_count != 0 && !rejoined) {
        group.join_due = now() + rebalance_timeout_ns(group);
        return;
    }
    group.generation = group.generation < INT32_MAX ? group.generation + 1 : 1;
    if (group.member_count == 0) return become_empty(group);
    if (!group.leader || !group.leader->awaits_join()) group.leader = rejoined;
    group.state = GroupState::completing_rebalance;
    group.sync_due = now() + rebalance_timeout_ns(group);
    RIVULET_CHECK(group.protocol.assign(groups_.select_protocol(group)));
    broker_.env().charge(std::uint64_t{group.member_count} * 256);
    for (Member* member = group.members.front(); member; member = group.members.next(*member)) {
        if (member->pending) continue;
        blobs_.clear(member->assignment);
        member->synced = member->fresh = false;
        keep_alive(*member);
        if (!member->awaits_join()) continue;
        // What it was to be told of the generation before does not count any more.
        member->join->skip_assignment_ = member->join->hide_leader_ = false;
        answer(*member, Error::none);
    }
    arm(group.sync_due);
}

void Coordinator::become_empty(Group& group) {
    group.state = GroupState::empty;
    group.leader = nullptr;
    group.protocol.clear();
    group.empty_since = now();
    group.state_time = broker_.clock_trusted() ? broker_.wall() : Timestamp(-1);
    // Without room for it the members come back at a restart, until their sessions end.
    if (group.stored) static_cast<void>(journal_.write_group(group, false));
    collect(group);
}

// What the leader has assigned is on flash, or will never be.
void Coordinator::on_committed(Group& group, Error error) {
    if (is_compact(group)) {
        if (error != Error::none) return replan(group);
        group.state = GroupState::stable;
        for (Member* member = group.members.front(); member; member = group.members.next(*member)) tell(*member);
        return;
    }
    if (group.state == GroupState::completing_rebalance) {
        if (error != Error::none) return fail_syncs(group, Error::coordinator_not_available);
        group.state = GroupState::stable;
        for (Member* member = group.members.front(); member; member = group.members.next(*member))
            if (member->sync) answer_sync(*member, Error::none);
        return;
    }
    // The new ids of static members.
    if (group.state != GroupState::stable) return;
    for (Member* member = group.members.front(); member; member = group.members.next(*member))
        if (member->awaits_join()) answer(*member, error == Error::none ? Error::none : Error::coordinator_not_available);
}

void Coordinator::fail_syncs(Group& group, Error error) {
    for (Member* member = group.members.front(); member; member = group.members.next(*member)) {
        blobs_.clear(member->assignment);
        member->synced = false;
        answer_sync(*member, error);
    }
}

// Those who did not ask for their assignment in time are members no more.
void Coordinator::complete_sync(Group& group) {
    group.sync_due = Instant(0);
    bool removed = false;
    for (Member* member = group.members.front(); member;) {
        Member* const next = group.members.next(*member);
        if (!member->pending && !member->synced) {
            remove_member(*member, Error::unknown_member);
            removed = true;
        }
        member = next;
    }
    if (removed) rejoin(group);
}

// ---- members come and go ----

void Coordinator::keep_alive(Member& member) {
    member.deadline = now() + member.session_timeout_ms * ns_per_ms;
    arm(member.deadline);
}

void Coordinator::remove_member(Member& member, Error told) {
    Group& group = *member.group;
    answer(member, told);
    answer_sync(member, told);
    detach(member, told);
    if (member.pending) --group.pending_count;
    else --group.member_count;
    if (group.leader == &member) group.leader = nullptr;
    groups_.remove_member(member);
    for (Member* other = group.members.front(); other && !group.leader; other = group.members.next(*other))
        if (!other->pending) group.leader = other;
}

void Coordinator::leave_group(Member& member, Error told) {
    Group& group = *member.group;
    const bool was_pending = member.pending;
    remove_member(member, told);
    if (is_compact(group)) return replan(group);
    if (!was_pending && (group.state == GroupState::stable || group.state == GroupState::completing_rebalance)) prepare_rebalance(group);
    maybe_complete_join(group);
    collect(group);
}

// A group that holds nothing and of which nothing is stored was made for a member that is gone.
void Coordinator::collect(Group& group) {
    if (group.state == GroupState::empty && group.members.empty() && group.offset_count == 0 && !group.stored) groups_.remove(group);
}

// Its session is over.
void Coordinator::expire(Member& member) {
    if (member.assigned) {
        // Anything that its client sends keeps it.
        member.deadline = member.assigned->heard() + member.session_timeout_ms * ns_per_ms;
        if (member.deadline <= now()) leave_group(member, Error::timed_out);
        return;
    }
    // Who waits for us is alive, but if nobody knows its id, it may have given up long ago.
    if (!member.fresh && (member.awaits_join() || member.awaits_sync())) return keep_alive(member);
    leave_group(member, Error::unknown_member);
}

// ---- answers: from the timer alone, so never from within a call ----

void Coordinator::attach(Member& member, JoinWaiter& waiter) {
    answer(member, Error::rebalance_in_progress);  // a request that it has given up
    waiter.coordinator_ = this;
    waiter.member_ = &member;
    waiter.error_ = Error::none;
    waiter.answered_ = false;
    waiter.skip_assignment_ = waiter.hide_leader_ = false;
    member.join = &waiter;
}

// With member_id_required and none the member stays with the answer, which tells of it.
void Coordinator::answer(Member& member, Error error) {
    JoinWaiter* const waiter = member.join;
    if (!waiter) return;
    waiter->error_ = error;
    if (error != Error::none && error != Error::member_id_required) {
        waiter->member_ = nullptr;
        member.join = nullptr;
    }
    if (!waiter->linked() && !waiter->answered_) joined_.push_back(*waiter);
    arm(now());
}

void Coordinator::answer_sync(Member& member, Error error) {
    SyncWaiter* const waiter = member.sync;
    if (!waiter) return;
    waiter->error_ = error;
    if (error != Error::none) {
        waiter->member_ = nullptr;
        member.sync = nullptr;
    }
    if (!waiter->linked() && !waiter->answered_) synced_.push_back(*waiter);
    arm(now());
}

void Coordinator::deliver() {
    for (std::uint32_t left = answers_per_turn; left > 0 && !joined_.empty(); --left) give(*joined_.pop_front());
    for (std::uint32_t left = answers_per_turn; left > 0 && !synced_.empty(); --left) give(*synced_.pop_front());
    for (std::uint32_t left = answers_per_turn; left > 0 && !told_.empty(); --left) told_.pop_front()->on_assignment();
    if (!joined_.empty() || !synced_.empty() || !told_.empty()) arm(now());
}

void Coordinator::give(JoinWaiter& waiter) {
    waiter.answered_ = true;
    if (waiter.member_) waiter.generation_ = waiter.member_->group->generation;
    waiter.on_joined();
}

void Coordinator::give(SyncWaiter& waiter) {
    waiter.answered_ = true;
    if (waiter.member_) waiter.generation_ = waiter.member_->group->generation;
    waiter.on_synced();
}

JoinAnswer Coordinator::answer_to(const JoinWaiter& waiter) {
    RIVULET_CHECK(waiter.waiting() && waiter.answered_);
    JoinAnswer answer;
    answer.error = waiter.error_;
    const Member* const member = waiter.member_;
    if (!member) return answer;
    Coordinator& coordinator = *waiter.coordinator_;
    Group& group = *member->group;
    answer.member = coordinator.blobs_.text(member->id);
    if (answer.error != Error::none) return answer;
    answer.generation = waiter.generation_;
    answer.protocol_type = coordinator.blobs_.text(group.protocol_type);
    answer.protocol = group.protocol.view();
    if (waiter.hide_leader_ || group.generation != waiter.generation_ || group.state == GroupState::preparing_rebalance) return answer;
    if (group.leader) answer.leader = coordinator.blobs_.text(group.leader->id);
    answer.skip_assignment = waiter.skip_assignment_;
    if (group.leader == member) answer.members = JoinedMembers(coordinator.groups_, coordinator.blobs_, group);
    return answer;
}

SyncAnswer Coordinator::answer_to(const SyncWaiter& waiter) {
    RIVULET_CHECK(waiter.waiting() && waiter.answered_);
    SyncAnswer answer;
    answer.error = waiter.error_;
    const Member* const member = waiter.member_;
    if (!member) return answer;
    const Group& group = *member->group;
    if (group.generation != waiter.generation_) {
        answer.error = Error::rebalance_in_progress;
        return answer;
    }
    const BlobPool& blobs = waiter.coordinator_->blobs_;
    answer.protocol_type = blobs.text(group.protocol_type);
    answer.protocol = group.protocol.view();
    answer.assignment = blobs.view(member->assignment);
    return answer;
}

void Coordinator::finish(JoinWaiter& waiter) {
    RIVULET_CHECK(waiter.answered_);
    if (Member* const member = std::exchange(waiter.member_, nullptr)) {
        member->join = nullptr;
        member->id_told = true;
    }
    waiter.coordinator_ = nullptr;
    waiter.answered_ = false;
}

void Coordinator::finish(SyncWaiter& waiter) {
    RIVULET_CHECK(waiter.answered_);
    if (Member* const member = std::exchange(waiter.member_, nullptr)) member->sync = nullptr;
    waiter.coordinator_ = nullptr;
    waiter.answered_ = false;
}

JoinedMembers::JoinedMembers(GroupTable& table, const BlobPool& blobs, Group& group) : table_(&table), blobs_(&blobs), group_(&group) { rewind(); }

void JoinedMembers::rewind() {
    if (group_) at_ = group_->members.front();
}

bool JoinedMembers::next(JoinedMember& out) {
    while (at_ && at_->pending) at_ = group_->members.next(*at_);
    if (!at_) return false;
    out = {blobs_->text(at_->id), blobs_->text(at_->instance), table_->metadata(*at_, group_->protocol.view())};
    at_ = group_->members.next(*at_);
    return true;
}

}  // namespace rivulet::broker
