// Offsets: commit, fetch, delete.
#include "broker/groups/coordinator.h"

namespace rivulet::broker {

Result<Coordinator::CommitScope> Coordinator::begin_commit(const MemberRef& ref) {
    RIVULET_TRY(check(ref.group));
    Group* const group = groups_.find(ref.group);
    if (!group) {
        // Of a generation that is long gone, or of none.
        if (ref.generation >= 0) return fail(Error::illegal_generation);
        return CommitScope{ref.group, nullptr};
    }
    if (ref.generation < 0 && group->state == GroupState::empty) return CommitScope{ref.group, group};
    if (ref.generation < 0 && ref.member.empty() && ref.instance.empty()) return fail(Error::unknown_member);
    RIVULET_TRY(check_member(*group, ref.member, ref.instance));
    if (ref.generation != group->generation) return fail(Error::illegal_generation);
    keep_alive(*groups_.find_member(*group, ref.member));
    // Those of the generation before were to be committed before joining; of this one it is not known yet who has which partition.
    if (group->state == GroupState::completing_rebalance) return fail(Error::rebalance_in_progress);
    return CommitScope{ref.group, group};
}

// A walk over all offsets, which cannot have changed much since the last.
bool Coordinator::make_room() {
    if (now() - dropped_deleted_ < ns_per_s) return false;
    dropped_deleted_ = now();
    drop_deleted();
    return true;
}

bool Coordinator::has_room(std::uint64_t offsets) {
    const auto fits = [&] { return offsets <= options_.offsets_max - offsets_.count(); };
    return fits() || (make_room() && fits());
}

Result<std::uint64_t> Coordinator::commit(CommitScope& scope, std::string_view topic_name, std::int64_t partition, const OffsetCommit& commit) {
    Topic* const topic = broker_.find_topic(topic_name);
    if (!topic || partition < 0 || partition >= topic->partitions) return fail(Error::unknown_topic_or_partition);
    if (commit.metadata.size() > options_.offset_metadata_bytes_max) return fail(Error::offset_metadata_too_large);
    if (broker_.offsets_held()) return unavailable(fail(Error::busy));
    const LogId log = topic->log_of(static_cast<std::uint32_t>(partition));
    if (!scope.group) scope.group = add_group(scope.id);
    if (!scope.group) return limited(Error::coordinator_not_available, "limits.groups, limits.group_bytes");
    Group& group = *scope.group;
    Status room = offsets_.room(group, log, commit.metadata);
    if (!room && make_room()) room = offsets_.room(group, log, commit.metadata);
    if (!room) return limited(room.error(), "limits.committed_offsets, limits.group_bytes");
    OffsetCommit stamped = commit;
    stamped.time = broker_.stamp();
    // The scope's id may be the group's own, which put() has moved since.
    const Result<std::uint64_t> ticket = journal_.write_offset(blobs_.text(group.id), *topic, static_cast<std::uint32_t>(partition), stamped);
    if (!ticket) return ticket.error() == Error::batch_too_large ? fail(Error::offset_metadata_too_large) : unavailable(ticket.failure());
    offsets_.put(group, log, stamped);
    broker_.env().charge(256);
    group.written = *ticket;
    if (group.protocol_type.size == 0) {
        group.empty_since = now();
        group.state_time = broker_.clock_trusted() ? broker_.wall() : Timestamp(-1);
    }
    return *ticket;
}

Result<FetchedOffset> Coordinator::fetch_offset(std::string_view id, std::string_view topic_name, std::int64_t partition) {
    RIVULET_TRY(check(id));
    FetchedOffset out = fetch_offset(groups_.find(id), broker_.find_topic(topic_name), partition);
    out.topic = topic_name;
    return out;
}

FetchedOffset Coordinator::fetch_offset(const Group* group, const Topic* topic, std::int64_t partition) {
    FetchedOffset out;
    out.partition = static_cast<std::uint32_t>(partition);
    if (!group || !topic || partition < 0 || partition >= topic->partitions) return out;
    const CommittedOffset* const known = offsets_.find(*group, topic->log_of(out.partition));
    if (!known) return out;
    out.offset = known->offset;
    out.epoch = known->epoch;
    out.metadata = blobs_.text(known->metadata);
    return out;
}

std::uint64_t Coordinator::offsets_ticket(std::string_view id) {
    const Group* const group = groups_.find(id);
    return group ? group->written : 0;
}

bool Coordinator::next_offset(const Group* group, FetchedOffset& offset) {
    if (!group || group->offset_count == 0) return false;
    std::uint64_t looked = 0;
    bool found = false;
    const bool first = offset.topic.empty();
    Topic* topic = first ? nullptr : broker_.find_topic(offset.topic);
    std::uint32_t rank = first ? 0 : broker_.topics().rank_after(offset.topic);
    std::uint32_t partition = offset.partition + 1;
    for (;; topic = &broker_.topics().at(rank++), partition = 0) {
        for (; topic && !found && partition < topic->partitions; ++partition, ++looked) {
            const CommittedOffset* const known = offsets_.find(*group, topic->log_of(partition));
            if (!known) continue;
            offset = {topic->name.view(), partition, known->offset, known->epoch, blobs_.text(known->metadata)};
            found = true;
        }
        if (found || rank == broker_.topics().count()) break;
    }
    broker_.env().charge(looked * 16);
    return found;
}

Result<Group*> Coordinator::begin_delete(std::string_view id, std::string_view topic_name) {
    RIVULET_TRY(check(id));
    Group* const group = groups_.find(id);
    if (!group) return fail(Error::group_not_found);
    if (group->state != GroupState::empty) {
        if (blobs_.text(group->protocol_type) != consumer_protocol_type && !is_compact(*group)) return fail(Error::non_empty_group);
        if (subscribed(*group, topic_name)) return fail(Error::group_subscribed_to_topic);
    }
    return group;
}

Result<std::uint64_t> Coordinator::delete_offset(Group& group, std::string_view topic_name, std::int64_t partition) {
    Topic* const topic = broker_.find_topic(topic_name);
    if (!topic || partition < 0 || partition >= topic->partitions) return fail(Error::unknown_topic_or_partition);
    const auto index = static_cast<std::uint32_t>(partition);
    CommittedOffset* const known = offsets_.find(group, topic->log_of(index));
    if (!known) return group.written;
    const Result<std::uint64_t> ticket = journal_.remove_offset(group, *topic, index);
    if (!ticket) return unavailable(ticket.failure());
    offsets_.remove(group, *known);
    group.written = *ticket;
    return *ticket;
}

Result<std::uint64_t> Coordinator::delete_group(std::string_view id) {
    RIVULET_TRY(check(id));
    Group* const group = groups_.find(id);
    if (!group) return fail(Error::group_not_found);
    if (group->state != GroupState::empty || !group->members.empty()) return fail(Error::non_empty_group);
    // The group's own record last: until then it is there, with what is left of it, and may be deleted again.
    std::uint32_t left = UINT32_MAX;
    broker_.env().charge(std::uint64_t{group->offset_count} * 256);
    if (!drop_offsets(*group, left)) return fail(Error::coordinator_not_available);
    std::uint64_t ticket = group->written;
    if (group->stored) {
        const Result<std::uint64_t> removed = journal_.remove_group(*group);
        if (!removed) return unavailable(removed.failure());
        ticket = *removed;
    }
    groups_.remove(*group);
    return ticket;
}

}  // namespace rivulet::broker
