// What members ask: join, sync, heartbeat, leave.
#include <algorithm>

#include "broker/groups/coordinator.h"
#include "broker/groups/records.h"

namespace rivulet::broker {

namespace {

constexpr std::int64_t fresh_member_timeout_ns = 5 * 60 * ns_per_s;  // Kafka's, for members that nobody knows yet
constexpr std::size_t member_head_bytes = 16;  // lengths and the like, in the list of members

std::int32_t rebalance_timeout_ms(const JoinRequest& request) {
    const std::int64_t ms = request.rebalance_timeout_ms >= 0 ? request.rebalance_timeout_ms : request.session_timeout_ms;
    return ms < INT32_MAX ? static_cast<std::int32_t>(ms) : INT32_MAX;
}

// At the boundary of a character.
std::string_view cut(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return text;
    std::size_t size = bytes_max;
    while (size > 0 && (static_cast<std::uint8_t>(text[size]) & 0xc0U) == 0x80) --size;
    return text.substr(0, size);
}

}  // namespace

Status Coordinator::check(std::string_view group) const {
    if (group.empty() || group.size() > group_id_bytes_max) return fail(Error::invalid_group_id);
    if (stopped_) return fail(Error::coordinator_not_available);
    if (loading()) return fail(Error::coordinator_loading);
    return {};
}

Status Coordinator::check_member(Group& group, std::string_view id, std::string_view instance) {
    if (!instance.empty()) {
        const Member* const member = groups_.find_instance(group, instance);
        if (!member) return fail(Error::unknown_member);
        return blobs_.text(member->id) == id ? Status() : Status(fail(Error::fenced_instance));
    }
    const Member* const member = groups_.find_member(group, id);
    return member && !member->pending ? Status() : Status(fail(Error::unknown_member));
}

Status Coordinator::check_join(const JoinRequest& request, bool compact) const {
    RIVULET_TRY(check(request.group));
    if (request.session_timeout_ms < options_.session_timeout_min_ms || request.session_timeout_ms > options_.session_timeout_max_ms) return fail(Error::invalid_session_timeout);
    if (request.protocols.empty() || request.protocol_type.empty() || (request.protocol_type == compact_protocol_type) != compact) return fail(Error::inconsistent_group_protocol);
    if (request.protocols.size() > join_protocols_max) return fail(Error::invalid_argument);
    for (const std::string_view text : {request.instance, request.client_id, request.client_host, request.protocol_type})
        if (text.size() > record_text_bytes_max - 64) return fail(Error::invalid_argument);
    for (const JoinProtocol& protocol : request.protocols)
        if (protocol.name.size() > protocol_name_bytes_max) return fail(Error::invalid_argument);
    return {};
}

Status Coordinator::join(const JoinRequest& request, JoinWaiter& waiter) {
    RIVULET_CHECK(!waiter.waiting());
    RIVULET_TRY(check_join(request, false));
    broker_.env().charge(options_.groups_max * 8);
    Group* const group = groups_.find(request.group);
    if (!group && !request.member.empty()) return fail(Error::unknown_member);
    if (group) {
        broker_.env().charge(std::uint64_t{group->member_count} * 64 * request.protocols.size());
        const bool known = !request.member.empty() && groups_.find_member(*group, request.member);
        const bool replaces = request.member.empty() && !request.instance.empty() && groups_.find_instance(*group, request.instance);
        if (!known && !replaces && group->member_count + group->pending_count >= options_.group_members_max) return fail(Error::group_full);
        if (group->member_count != 0 && (blobs_.text(group->protocol_type) != request.protocol_type || !groups_.supports(*group, request.protocols)))
            return fail(Error::inconsistent_group_protocol);
    }
    if (leader_answer_bytes(request, group) > options_.answer_bytes_max) return fail(Error::group_full);
    if (request.member.empty()) return join_new(request, group, waiter);
    Member* const member = groups_.find_member(*group, request.member);
    if (member && member->pending) return join_pending(request, *group, *member, waiter);
    RIVULET_TRY(check_member(*group, request.member, request.instance));
    return join_again(request, *group, waiter);
}

// Without the members: codes, the ids of the member and of its leader, the protocol.
std::uint64_t Coordinator::answer_head_bytes(std::string_view protocol_type) const { return 64 + 2 * member_id_bytes_max + protocol_name_bytes_max + protocol_type.size(); }

// The most that a leader can be told of a group which this member joins, whatever the protocol will be.
std::uint64_t Coordinator::leader_answer_bytes(const JoinRequest& request, Group* group) {
    std::uint64_t newest = 0;
    for (const JoinProtocol& protocol : request.protocols) newest = std::max<std::uint64_t>(newest, protocol.metadata.size());
    const std::string_view prefix = request.instance.empty() ? request.client_id : request.instance;
    std::uint64_t bytes = answer_head_bytes(request.protocol_type) + member_head_bytes + cut(prefix, id_prefix_bytes_max).size() + 37 + request.instance.size() + newest;
    for (Member* member = group ? group->members.front() : nullptr; member; member = group->members.next(*member)) {
        if (member->pending || blobs_.text(member->id) == request.member || (!request.instance.empty() && blobs_.text(member->instance) == request.instance)) continue;
        std::uint64_t largest = 0;
        JoinProtocol protocol;
        for (ProtocolReader in(blobs_.view(member->protocols)); in.next(protocol);) largest = std::max<std::uint64_t>(largest, protocol.metadata.size());
        bytes += member_head_bytes + member->id.size + member->instance.size + largest;
    }
    return bytes;
}

std::string_view Coordinator::make_member_id(const JoinRequest& request, std::span<char> buffer) {
    std::array<std::uint8_t, 16> random{};
    broker_.env().entropy(random);
    Text id(buffer);
    id << cut(request.instance.empty() ? request.client_id : request.instance, id_prefix_bytes_max) << '-' << uuid_from_random(random);
    return id.view();
}

Group* Coordinator::add_group(std::string_view id) {
    if (groups_.group_count() == options_.groups_max) {
        // Of those that have neither members nor offsets the one that has been so for longest.
        Group* oldest = nullptr;
        for (Group& group : groups_.groups())
            if (group.state == GroupState::empty && group.members.empty() && group.offset_count == 0 && (!oldest || group.empty_since < oldest->empty_since)) oldest = &group;
        if (!oldest || (oldest->stored && !journal_.remove_group(*oldest))) return nullptr;
        groups_.remove(*oldest);
    }
    Group* const group = groups_.add(id, *this);
    if (group) group->empty_since = now();
    return group;
}

// Who was told an id and has not come back with it since: the one whose time is over first. Otherwise those that never do would keep all others out for as long as they like.
// `asking`: the group that the newcomer joins, which stays.
bool Coordinator::drop_pending(const Group* asking) {
    Member* first = nullptr;
    for (Member& member : groups_.members())
        if (member.group && member.pending && (!first || member.deadline < first->deadline)) first = &member;
    broker_.env().charge(groups_.members().size() * 16);
    if (!first) return false;
    if (first->group == asking) remove_member(*first, Error::unknown_member);
    else leave_group(*first, Error::unknown_member);
    return true;
}

// Pending or not: the caller says. group_full leaves nothing behind.
Result<Member*> Coordinator::add_member(const JoinRequest& request, Group* group, std::string_view id) {
    if (groups_.member_count() == options_.members_max && !drop_pending(group)) return fail(Error::group_full);
    std::uint64_t cost = BlobPool::cost(id.size()) + BlobPool::cost(request.instance.size()) + BlobPool::cost(request.client_id.size()) +
                         BlobPool::cost(request.client_host.size()) + BlobPool::cost(protocols_size(request.protocols)) + BlobPool::cost(request.protocol_type.size());
    if (!group) cost += BlobPool::cost(request.group.size());
    if (!blobs_.fits(cost)) return fail(Error::group_full);
    if (!group) group = add_group(request.group);
    if (!group) return fail(Error::group_full);
    Member* const member = groups_.add_member(*group);
    RIVULET_CHECK(member && blobs_.assign(member->id, id) && blobs_.assign(member->instance, request.instance) && blobs_.assign(member->client_id, request.client_id));
    RIVULET_CHECK(blobs_.assign(member->client_host, request.client_host));
    member->session_timeout_ms = static_cast<std::int32_t>(request.session_timeout_ms);
    return member;
}

// Its protocols and timeouts; those of the first member are the group's.
Status Coordinator::update_member(const JoinRequest& request, Member& member) {
    Group& group = *member.group;
    const std::uint64_t size = protocols_size(request.protocols);
    const bool first = group.member_count == 0;
    const std::uint64_t type_cost = first ? BlobPool::cost(request.protocol_type.size()) : 0;
    const std::uint64_t freed = BlobPool::cost(member.protocols.size) + (first ? BlobPool::cost(group.protocol_type.size) : 0);
    if (!blobs_.fits(BlobPool::cost(size) + type_cost, freed)) return fail(Error::group_full);
    if (first) blobs_.clear(group.protocol_type);
    RIVULET_CHECK(blobs_.allocate(member.protocols, size));
    Writer out(blobs_.bytes(member.protocols));
    encode_protocols(request.protocols, out);
    if (first) RIVULET_CHECK(blobs_.assign(group.protocol_type, request.protocol_type));
    member.session_timeout_ms = static_cast<std::int32_t>(request.session_timeout_ms);
    member.rebalance_timeout_ms = rebalance_timeout_ms(request);
    return {};
}

Status Coordinator::join_new(const JoinRequest& request, Group* group, JoinWaiter& waiter) {
    if (group && !request.instance.empty()) {
        if (Member* const member = groups_.find_instance(*group, request.instance)) return replace_static(request, *group, *member, waiter);
    }
    char buffer[member_id_bytes_max];
    RIVULET_TRY_ASSIGN(Member* const member, add_member(request, group, make_member_id(request, buffer)));
    ++member->group->pending_count;
    member->pending = true;
    if (request.member_id_required && request.instance.empty()) {
        // KIP-394: so that clients which give up and come again leave no members behind.
        attach(*member, waiter);
        answer(*member, Error::member_id_required);
        keep_alive(*member);
        return {};
    }
    return join_pending(request, *member->group, *member, waiter);
}

// Becomes a member.
Status Coordinator::join_pending(const JoinRequest& request, Group& group, Member& member, JoinWaiter& waiter) {
    if (member.id_told && !request.instance.empty()) return fail(Error::unknown_member);
    if (Status status = update_member(request, member); !status) {
        if (!member.id_told) leave_group(member, Error::unknown_member);
        return status;
    }
    member.pending = false;
    member.fresh = true;
    --group.pending_count;
    ++group.member_count;
    if (!group.leader) group.leader = &member;
    if (group.state == GroupState::preparing_rebalance) group.member_added = true;
    attach(member, waiter);
    member.deadline = now() + fresh_member_timeout_ns;
    arm(member.deadline);
    rejoin(group);
    return {};
}

Status Coordinator::join_again(const JoinRequest& request, Group& group, JoinWaiter& waiter) {
    Member& member = *groups_.find_member(group, request.member);
    const bool same = groups_.matches(member, request.protocols);
    const bool settled = group.state == GroupState::completing_rebalance || (group.state == GroupState::stable && group.leader != &member);
    if (same && settled) {
        // It did not hear the answer, or asks as a follower without need: this generation goes on. The leader of one that is being assigned is told the members again.
        attach(member, waiter);
        answer(member, Error::none);
        keep_alive(member);
        return {};
    }
    RIVULET_TRY(update_member(request, member));
    attach(member, waiter);
    keep_alive(member);
    rejoin(group);
    return {};
}

// KIP-345: a static member that starts again takes the place that it had, under a new id; the old one is fenced.
Status Coordinator::replace_static(const JoinRequest& request, Group& group, Member& member, JoinWaiter& waiter) {
    char buffer[member_id_bytes_max];
    const std::string_view id = make_member_id(request, buffer);
    const std::uint64_t cost = BlobPool::cost(id.size()) + BlobPool::cost(protocols_size(request.protocols)) + BlobPool::cost(request.protocol_type.size());
    const std::uint64_t freed = BlobPool::cost(member.id.size) + BlobPool::cost(member.protocols.size);
    if (!blobs_.fits(cost, freed)) return fail(Error::group_full);
    answer(member, Error::fenced_instance);
    answer_sync(member, Error::fenced_instance);
    RIVULET_CHECK(blobs_.assign(member.id, id));
    RIVULET_CHECK(update_member(request, member).ok());
    attach(member, waiter);
    keep_alive(member);
    if (group.state == GroupState::stable && groups_.select_protocol(group) == group.protocol.view()) return answer_replaced(group, member, waiter, request.skip_assignment);
    rejoin(group);
    return {};
}

// The generation goes on, once the new id is on flash: after a power cut the old one would fence it.
Status Coordinator::answer_replaced(Group& group, Member& member, JoinWaiter& waiter, bool skip_assignment) {
    waiter.skip_assignment_ = skip_assignment && group.leader == &member;
    // Without KIP-814 a leader that is told so would assign anew, which nobody else would hear of.
    waiter.hide_leader_ = !skip_assignment && group.leader == &member;
    const Result<std::uint64_t> ticket = journal_.write_group(group, true);
    if (!ticket) {
        answer(member, unavailable(ticket.failure()).error);
        return {};
    }
    Broker::cancel(static_cast<CommitWaiter&>(group));
    group.ticket = *ticket;
    broker_.wait_for_commit(group);
    return {};
}

Status Coordinator::sync(const SyncRequest& request, SyncWaiter& waiter) {
    RIVULET_CHECK(!waiter.waiting());
    RIVULET_TRY(check(request.member.group));
    Group* const group = groups_.find(request.member.group);
    if (!group) return fail(Error::unknown_member);
    RIVULET_TRY(check_member(*group, request.member.member, request.member.instance));
    if (request.member.generation != group->generation) return fail(Error::illegal_generation);
    if (!request.protocol_type.empty() && request.protocol_type != blobs_.text(group->protocol_type)) return fail(Error::inconsistent_group_protocol);
    if (!request.protocol.empty() && request.protocol != group->protocol.view()) return fail(Error::inconsistent_group_protocol);
    if (group->state == GroupState::empty) return fail(Error::unknown_member);
    if (group->state == GroupState::preparing_rebalance) return fail(Error::rebalance_in_progress);
    if (is_compact(*group)) return fail(Error::inconsistent_group_protocol);
    Member& member = *groups_.find_member(*group, request.member.member);
    if (group->state == GroupState::completing_rebalance && group->leader == &member && !group->linked()) RIVULET_TRY(sync_leader(request, *group));
    answer_sync(member, Error::rebalance_in_progress);  // of a request that it has given up
    waiter.coordinator_ = this;
    waiter.member_ = &member;
    waiter.error_ = Error::none;
    waiter.answered_ = false;
    member.sync = &waiter;
    member.synced = true;
    keep_alive(member);
    if (group->state == GroupState::stable) {
        synced_.push_back(waiter);
        arm(now());
    }
    return {};
}

// Takes the assignments and writes the generation. A failure has changed nothing: the leader may send them again.
Status Coordinator::sync_leader(const SyncRequest& request, Group& group) {
    AssignmentList* const list = request.assignments;
    std::uint64_t cost = 0;
    Assignment assignment;
    if (list) {
        // No leader has been told of so many.
        if (list->count() > options_.group_members_max) return fail(Error::invalid_argument, static_cast<std::int64_t>(list->count()));
        const std::uint64_t head = answer_head_bytes(blobs_.text(group.protocol_type));
        for (list->rewind(); list->next(assignment);) {
            if (!groups_.find_member(group, assignment.member)) continue;
            if (head + assignment.bytes.size() > options_.answer_bytes_max) return fail(Error::group_full);
            cost += BlobPool::cost(assignment.bytes.size());
        }
        if (!blobs_.fits(cost)) return fail(Error::group_full);
        broker_.env().charge(cost + list->count() * 64);
        for (list->rewind(); list->next(assignment);) {
            Member* const member = groups_.find_member(group, assignment.member);
            if (member && !member->pending) RIVULET_CHECK(blobs_.assign(member->assignment, assignment.bytes));
        }
    }
    group.state_time = broker_.clock_trusted() ? broker_.wall() : Timestamp(-1);
    const Result<std::uint64_t> ticket = journal_.write_group(group, true);
    if (!ticket) {
        for (Member* member = group.members.front(); member; member = group.members.next(*member)) blobs_.clear(member->assignment);
        return unavailable(ticket.failure());
    }
    group.ticket = *ticket;
    broker_.wait_for_commit(group);
    return {};
}

Status Coordinator::heartbeat(const MemberRef& ref) {
    // A member that is known from before is not to be troubled while that is being read.
    if (const Status status = check(ref.group); !status) return status.error() == Error::coordinator_loading ? Status() : status;
    Group* const group = groups_.find(ref.group);
    if (!group) return fail(Error::unknown_member);
    RIVULET_TRY(check_member(*group, ref.member, ref.instance));
    if (ref.generation != group->generation) return fail(Error::illegal_generation);
    if (group->state == GroupState::empty) return fail(Error::unknown_member);
    keep_alive(*groups_.find_member(*group, ref.member));
    return group->state == GroupState::preparing_rebalance ? Status(fail(Error::rebalance_in_progress)) : Status();
}

Status Coordinator::leave(std::string_view id, std::string_view member_id, std::string_view instance) {
    RIVULET_TRY(check(id));
    Group* const group = groups_.find(id);
    if (!group) return fail(Error::unknown_member);
    Member* member = groups_.find_member(*group, member_id);
    if (member_id.empty() && !instance.empty()) {
        member = groups_.find_instance(*group, instance);
        if (!member) return fail(Error::unknown_member);
    } else if (!member || !member->pending) {
        RIVULET_TRY(check_member(*group, member_id, instance));
    }
    leave_group(*member, Error::unknown_member);
    return {};
}

void Coordinator::cancel(JoinWaiter& waiter) {
    if (!waiter.waiting()) return;
    Coordinator& coordinator = *std::exchange(waiter.coordinator_, nullptr);
    waiter.answered_ = false;
    if (waiter.linked()) List<JoinWaiter>::remove(waiter);
    Member* const member = std::exchange(waiter.member_, nullptr);
    if (!member) return;
    member->join = nullptr;
    // With an id that its client knows it may come again on another connection.
    if (!member->id_told) coordinator.leave_group(*member, Error::unknown_member);
    else coordinator.keep_alive(*member);
}

void Coordinator::cancel(SyncWaiter& waiter) {
    if (!waiter.waiting()) return;
    waiter.coordinator_ = nullptr;
    waiter.answered_ = false;
    if (waiter.linked()) List<SyncWaiter>::remove(waiter);
    if (Member* const member = std::exchange(waiter.member_, nullptr)) member->sync = nullptr;
}

}  // namespace rivulet::broker
