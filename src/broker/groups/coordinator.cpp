#include "broker/groups/coordinator.h"

#include "env/log.h"

namespace rivulet::broker {

namespace {

constexpr std::int64_t sweep_ns = 60 * ns_per_s;
constexpr std::uint32_t removals_per_turn = 256;
constexpr std::int64_t limit_warning_ns = 10 * ns_per_s;

}  // namespace

std::size_t GroupOptions::record_bytes() const {
    const std::size_t least = offset_metadata_bytes_max + 1024;
    const std::size_t wanted = blob_bytes / 4 > least ? blob_bytes / 4 : least;
    const std::size_t most = batch_bytes_max - 1536;  // batch header, the longest key, headers
    return wanted < most ? wanted : most;
}

Coordinator::Coordinator(Broker& broker, Arena& arena, const GroupOptions& options)
    : broker_(broker),
      options_(options),
      blobs_(arena, options.blob_bytes),
      groups_(arena, options.groups_max, options.members_max, blobs_),
      offsets_(arena, options.offsets_max, blobs_),
      journal_(broker, arena, options, blobs_, groups_, offsets_),
      planner_(broker, arena, {options.assigned_partitions_max, options.group_members_max}, groups_, blobs_) {
    broker.listen_to_topics(*this);
}

std::size_t Coordinator::memory_bytes(const GroupOptions& options) {
    return sizeof(Coordinator) + BlobPool::memory_bytes(options.blob_bytes) + GroupTable::memory_bytes(options.groups_max, options.members_max) +
           OffsetTable::memory_bytes(options.offsets_max) + Journal::memory_bytes(options) +
           Planner::memory_bytes({options.assigned_partitions_max, options.group_members_max}) + 64;
}

void Coordinator::serve() {
    sweep_due_ = now() + sweep_ns;
    arm(sweep_due_);
    journal_.load(*this, *this);
}

void Coordinator::on_loaded() {
    // Sessions begin anew, and so does the time for which a group has been empty, but as far as a trusted clock knows better (expired()).
    for (Group& group : groups_.groups()) {
        if (!group.coordinator) continue;
        group.empty_since = now();
        drop_lost_members(group);
    }
    for (Member& member : groups_.members())
        if (member.group) keep_alive(member);
    arm_next();
}

void Coordinator::stop() {
    if (stopped_) return;
    stopped_ = true;
    broker_.env().disarm(tick_);
    journal_.stop();
    for (Group& group : groups_.groups()) Broker::cancel(static_cast<CommitWaiter&>(group));
    for (Member& member : groups_.members()) {
        if (!member.group) continue;
        answer(member, Error::coordinator_not_available);
        answer_sync(member, Error::coordinator_not_available);
    }
}

Status Coordinator::prepare() {
    if (stopped_) return fail(Error::coordinator_not_available);
    if (Status status = journal_.prepare(); !status) return unavailable(status.failure());
    return {};
}

// What clients know how to take: they look for the coordinator again, and try again.
Failure Coordinator::unavailable(Failure failure) {
    switch (failure.error) {
        case Error::batch_too_large: return limited(Error::group_full, "limits.group_bytes, of which the record of one group takes a quarter, and limits.batch_bytes");
        default: return fail(Error::coordinator_not_available, failure.detail);
    }
}

// What clients cannot tell their users. `error` is what they know how to take: what one group has too much of will not pass, and ends its consumers; what all groups take together may, and they try again.
Failure Coordinator::limited(Error error, std::string_view keys) {
    if (now() >= warning_due_) {
        warning_due_ = now() + limit_warning_ns;
        env::LogLine(broker_.env(), env::LogLevel::warning) << "groups: a limit is reached: " << keys << "; in use are " << groups_.group_count() << " groups, " << groups_.member_count() << " members, "
                                                            << offsets_.count() << " offsets, " << blobs_.used() << " bytes";
    }
    return fail(error);
}

// Of bytes: for what costs so many. More than all of them is never there.
Failure Coordinator::no_room(std::uint64_t cost) { return limited(cost > options_.blob_bytes ? Error::group_full : Error::coordinator_not_available, "limits.group_bytes"); }

// ---- time ----

void Coordinator::arm(Instant at) {
    if (tick_.armed() && tick_.due() <= at) return;
    if (tick_.armed()) broker_.env().disarm(tick_);
    broker_.env().arm(tick_, at);
}

void Coordinator::on_tick() {
    deliver();
    if (stopped_) return;
    const Instant at = now();
    // Who was answered must have heard it before the next rebalance counts who has joined.
    if (loading()) {
        if (sweep_due_ <= at) sweep();
    } else if (joined_.empty() && synced_.empty() && told_.empty()) {
        // A plan may take milliseconds: one a turn.
        const bool planned = look_at_topics();
        Group* due = nullptr;
        for (Member& member : groups_.members())
            if (member.group && member.deadline <= at) expire(member);
        for (Group& group : groups_.groups()) {
            if (!group.coordinator) continue;
            if (is_compact(group)) {
                const bool wants = group.state == GroupState::preparing_rebalance && (group.replan || group.join_due <= at);
                if (wants && (!due || (due->slot <= reconciled_slot_ && group.slot > reconciled_slot_))) due = &group;
                continue;
            }
            if (group.state == GroupState::preparing_rebalance && (group.join_due <= at || all_joined(group))) complete_join(group);
            else if (group.sync_due.value != 0 && group.sync_due <= at) complete_sync(group);
        }
        if (due && !planned) {
            reconciled_slot_ = due->slot;
            reconcile(*due);
        }
        if (sweep_due_ <= at) sweep();
        broker_.env().charge((groups_.groups().size() + groups_.members().size()) * 16);
    }
    arm_next();
}

void Coordinator::arm_next() {
    arm(sweep_due_);
    // While they are loaded nobody looks at topics.
    const bool looks = topics_look_ < groups_.groups().size() && !loading();
    if (!joined_.empty() || !synced_.empty() || !told_.empty() || looks) return arm(now());
    for (const Member& member : groups_.members())
        if (member.group) arm(member.deadline);
    for (const Group& group : groups_.groups()) {
        if (!group.coordinator) continue;
        if (group.state == GroupState::preparing_rebalance) arm(group.join_due);
        else if (group.sync_due.value != 0) arm(group.sync_due);
    }
}

// ---- what is over ----

// Since it became empty, or its last commit if it never had members. The wall clock can only say that this was before the start.
bool Coordinator::expired(const Group& group) const {
    if (now() - group.empty_since >= options_.offsets_retention_ns) return true;
    if (!broker_.clock_trusted() || group.state_time < options_.clock_floor || group.state_time.value < 0) return false;
    return (broker_.wall() - group.state_time) >= options_.offsets_retention_ns / ns_per_ms;
}

void Coordinator::sweep() {
    if (loading()) {
        sweep_due_ = now() + sweep_ns;
        return;
    }
    drop_deleted();
    std::uint32_t left = removals_per_turn;
    bool done = true;
    for (Group& group : groups_.groups()) {
        if (!group.coordinator || group.state != GroupState::empty || !group.members.empty()) continue;
        if (expired(group)) done &= sweep_group(group, left);
        else collect(group);
    }
    // More is left than one turn should do; or the log takes nothing now, then at the next sweep.
    sweep_due_ = now() + (done || left != 0 ? sweep_ns : ns_per_ms);
}

// Its offsets, then itself.
bool Coordinator::sweep_group(Group& group, std::uint32_t& left) {
    if (!drop_offsets(group, left)) return false;
    if (group.stored) {
        if (left == 0 || !journal_.remove_group(group)) return false;
        --left;
    }
    env::LogLine(broker_.env(), env::LogLevel::info) << "group " << blobs_.text(group.id) << " and its offsets are forgotten: it has been empty for too long";
    groups_.remove(group);
    return true;
}

// With a record for each, so that none comes back; false: some are left.
bool Coordinator::drop_offsets(Group& group, std::uint32_t& left) {
    while (CommittedOffset* const offset = offsets_.first(group)) {
        if (left == 0) return false;
        if (const store::Log* const log = broker_.store().find(offset->log)) {
            const Topic& topic = broker_.topics().at_slot(log->owner);
            const Result<std::uint64_t> ticket = journal_.remove_offset(group, topic, topic.partition_of(offset->log));
            if (!ticket) return false;
            group.written = *ticket;
        }
        offsets_.remove(group, *offset);
        --left;
    }
    return true;
}

// Offsets in topics that are gone. Their records name an id that no topic has, so that they need no others to undo them.
void Coordinator::drop_deleted() {
    for (CommittedOffset& offset : offsets_.all())
        if (offset.log.value != 0 && !broker_.store().find(offset.log)) offsets_.remove(groups_.groups()[offset.group], offset);
    broker_.env().charge(offsets_.all().size() * 16);
}

}  // namespace rivulet::broker
