// The coordinator of consumer groups: who is a member, of which generation, with which assignment, and which offsets a group has committed. One core under all protocols.
// Owns:     groups, members, committed offsets and their bytes (GroupOptions), what assignments are worked out in, from the arena; the topic __consumer_offsets, which keeps all that must outlive a restart (journal.h).
// Bounds:   GroupOptions; memory_bytes(). One timer for all sessions and rebalances, which looks at all members when it is due.
// Errors:   of all calls: invalid_group_id, coordinator_loading until what the log says is known, coordinator_not_available (the log takes nothing now: full, offline, shutting down).
//           Of members: unknown_member, fenced_instance, illegal_generation, rebalance_in_progress, inconsistent_group_protocol. Limits: group_full, of one group (group_members_max, answer_bytes_max, record_bytes());
//           coordinator_not_available, of all groups together, which may pass as others leave; too_many_offsets, offset_metadata_too_large. A log line names the key, at most one in limit_warning_ns. A call that fails has changed nothing, but that what a commit was refused for may have made
//           room for it, and that delete_group() may have deleted some of the offsets.
// Guarantee: no partition is with two members of a compact group at a time: who is to lose one has given it up, or is no member any more, before a generation begins in which another has it.
//           A member is told its assignment only when generation, members and assignment are on flash: the generation goes on after a power cut. An offset is committed when its
//           ticket is durable (CommitWaiter). Sessions and delays are measured by the monotonic clock alone; after a start all sessions begin anew.
// Thread:   loop only. Algorithm: Kafka's GroupCoordinator (3.9, "classic" protocol): KIP-62, KIP-134, KIP-345, KIP-394, KIP-814. Of compact groups: assignment by the server and
//           revocation member by member as in KIP-848, under one generation of the group.
#pragma once

#include "broker/broker.h"
#include "broker/groups/journal.h"
#include "broker/groups/planner.h"
#include "broker/groups/waiters.h"

namespace rivulet::broker {

constexpr std::size_t id_prefix_bytes_max = 512;
constexpr std::size_t member_id_bytes_max = id_prefix_bytes_max + 37;

struct JoinRequest {
    std::string_view group;
    std::string_view member;         // empty: it has no id yet
    std::string_view instance;       // empty: a dynamic member
    std::string_view client_id;
    std::string_view client_host;
    std::string_view protocol_type;
    std::span<const JoinProtocol> protocols;  // in the order of preference
    std::int64_t session_timeout_ms = 0;
    std::int64_t rebalance_timeout_ms = -1;   // below 0: that of the session
    bool member_id_required = false;  // KIP-394: a newcomer is told its id first, with member_id_required (Kafka's JoinGroup from version 4)
    bool skip_assignment = false;     // the client knows that answer (from version 9)
};

struct MemberRef {
    std::string_view group;
    std::string_view member;
    std::string_view instance;  // empty: not said
    std::int32_t generation = -1;
};

struct Assignment {
    std::string_view member;
    Bytes bytes;
};
// The assignments of a leader, one after another, and again from the first.
class AssignmentList {
public:
    virtual std::size_t count() const = 0;
    virtual void rewind() = 0;
    virtual bool next(Assignment& out) = 0;

protected:
    ~AssignmentList() = default;
};
struct SyncRequest {
    MemberRef member;
    std::string_view protocol_type;  // empty: not said (before version 5)
    std::string_view protocol;       // likewise
    AssignmentList* assignments = nullptr;  // of the leader; members that it leaves out get empty ones, of others nothing is looked at
};

struct GroupListing {
    std::string_view id;
    std::string_view protocol_type;
    GroupState state = GroupState::dead;
};
struct MemberDescription {
    std::string_view id;
    std::string_view instance;
    std::string_view client_id;
    std::string_view client_host;
    Bytes metadata;    // while the group is stable; else empty, as with Kafka
    Bytes assignment;  // likewise
};
struct FetchedOffset {
    std::string_view topic;
    std::uint32_t partition = 0;
    Offset offset{-1};  // -1: none
    Epoch epoch{-1};
    std::string_view metadata;
};

class Coordinator final : private JournalListener, private TopicsListener {
public:
    Coordinator(Broker& broker, Arena& arena, const GroupOptions& options);
    static std::size_t memory_bytes(const GroupOptions& options);

    // After Broker::serve(): loads what the log has.
    void serve();
    // Lets go of all that wait, for an answer of coordinator_not_available if its connection still stands, and takes nothing more.
    void stop();
    bool loading() const { return journal_.loading(); }
    // Takes care that __consumer_offsets is there: at the first look for a coordinator. coordinator_not_available: there is no room for it (a log line says why).
    Status prepare();
    // A topic that clients may read, and neither write to nor delete.
    static bool is_internal(std::string_view topic) { return topic == offsets_topic; }

    struct CommitScope {
        std::string_view id;
        Group* group = nullptr;  // nullptr: made for the first offset
    };

    // --- Members. A failure is the answer, and the waiter is as it was; else its callback comes later.
    Status join(const JoinRequest& request, JoinWaiter& waiter);
    Status sync(const SyncRequest& request, SyncWaiter& waiter);
    Status heartbeat(const MemberRef& member);
    // One member; those that leave together are told one by one. By instance alone, if it has one and no id is given.
    Status leave(std::string_view group, std::string_view member, std::string_view instance);
    // What is to be told once the callback has come, until finish(), as often as it is asked. Who is told of a generation that is over by then hears as a follower, and joins again when
    // what it asks next is refused.
    static JoinAnswer answer_to(const JoinWaiter& waiter);
    static SyncAnswer answer_to(const SyncWaiter& waiter);
    static void finish(JoinWaiter& waiter);
    static void finish(SyncWaiter& waiter);
    // Its connection has gone. Whoever never learned its id is no member any more.
    static void cancel(JoinWaiter& waiter);
    static void cancel(SyncWaiter& waiter);

    // --- Members of compact groups. `request`: of compact_protocol_type, with one protocol, that of an assignor, and as its metadata a subscription; without a member id. Topics that do not
    // exist are assigned once they do. on_assignment() comes later, when the member is one of a generation, and on every change. Limits beside those of join(): topics of a group
    // (limit_reached).
    Status join(const JoinRequest& request, AssignedMember& member);
    // Is subscribed to this from now on.
    Status change(Bytes subscription, AssignedMember& member);
    // It has nothing any more but what assignment() says.
    void release(AssignedMember& member);
    // It is no member any more, and its place is free.
    void leave(AssignedMember& member);
    // Its connection has gone: a static member keeps its place until its session is over.
    void part(AssignedMember& member);
    // Of who is a member. The generation has begun: what is new in assignment() may be taken up. Otherwise only what is missing there counts: that is to be given up, and released.
    bool settled(const AssignedMember& member) const { return member.member_->group->state == GroupState::stable; }
    std::int32_t generation(const AssignedMember& member) const { return member.member_->group->generation; }
    AssignmentReader assignment(const AssignedMember& member) const { return AssignmentReader(blobs_.view(member.member_->assignment)); }
    std::string_view member_id(const AssignedMember& member) const { return blobs_.text(member.member_->id); }
    std::string_view group_id(const AssignedMember& member) const { return blobs_.text(member.member_->group->id); }
    // What it commits is of partitions that it has, or has not released yet: that is the caller's to see to.
    CommitScope begin_commit(const AssignedMember& member) const { return {group_id(member), member.member_->group}; }

    // --- Offsets.
    // Checks who commits; valid until something else is asked. generation -1 and no member: a consumer that assigns its partitions itself.
    Result<CommitScope> begin_commit(const MemberRef& member);
    // Returns the ticket that it is durable with. unknown_topic_or_partition, offset_metadata_too_large, too_many_offsets, group_full.
    Result<std::uint64_t> commit(CommitScope& scope, std::string_view topic, std::int64_t partition, const OffsetCommit& commit);
    // Whether so many offsets more could be committed; those of deleted topics make room, which is looked for once a second at most.
    bool has_room(std::uint64_t offsets);
    bool has_offset(const Group& group, const Topic& topic, std::uint32_t partition) { return offsets_.find(group, topic.log_of(partition)) != nullptr; }
    // Offset -1 for what nobody has committed, the group included. What is told may not be durable yet: it is with offsets_ticket(), to be waited for before it is told.
    Result<FetchedOffset> fetch_offset(std::string_view group, std::string_view topic, std::int64_t partition);
    // Likewise, of a group that look() gave and a topic that was found, in the same turn; nullptr: there is none.
    FetchedOffset fetch_offset(const Group* group, const Topic* topic, std::int64_t partition);
    std::uint64_t offsets_ticket(std::string_view group);
    // All that a group has committed, in the order of topics and partitions: the first beyond this one; false at the end. Begins with FetchedOffset().
    bool next_offset(std::string_view group, FetchedOffset& offset) { return next_offset(groups_.find(group), offset); }
    bool next_offset(const Group* group, FetchedOffset& offset);
    // Whether offsets of this topic may be deleted: looks at all subscriptions, once for any number of partitions. group_not_found, group_subscribed_to_topic, non_empty_group.
    Result<Group*> begin_delete(std::string_view group, std::string_view topic);
    // Of a group that begin_delete() gave, for that topic, in the same turn. unknown_topic_or_partition.
    Result<std::uint64_t> delete_offset(Group& group, std::string_view topic, std::int64_t partition);
    // With all its offsets. group_not_found, non_empty_group.
    Result<std::uint64_t> delete_group(std::string_view group);

    // --- Looking. coordinator_loading, invalid_group_id; nullptr: there is no such group.
    Result<Group*> look(std::string_view group);
    // By slot: the first from `slot` on, which goes behind it; nullptr at the end.
    Group* next_group(std::uint32_t& slot);
    // Groups of the compact protocol are consumers like others: their members' subscriptions and assignments are in the same format.
    GroupListing list(const Group& group) const { return {blobs_.text(group.id), is_compact(group) ? consumer_protocol_type : blobs_.text(group.protocol_type), group.state}; }
    // That of the generation, while the group is stable; else empty.
    std::string_view protocol(const Group& group) const { return group.state == GroupState::stable ? group.protocol.view() : std::string_view(); }
    // Begins with nullptr; nullptr at the end.
    const Member* next_member(Group& group, const Member* member);
    MemberDescription describe(const Member& member) const;
    // A group whose subscriptions cannot be read counts as subscribed to all.
    bool subscribed(Group& group, std::string_view topic);

    const GroupTable& groups() const { return groups_; }
    const OffsetTable& offsets() const { return offsets_; }
    const BlobPool& blobs() const { return blobs_; }
    const Journal& journal() const { return journal_; }

private:
    friend struct Group;
    struct Tick final : env::Timer {
        explicit Tick(Coordinator& coordinator) : coordinator_(coordinator) {}
        void on_timer() override { coordinator_.on_tick(); }
        Coordinator& coordinator_;
    };

    void on_loaded() override;
    void on_topics_changed() override;

    // assigned.cpp
    bool is_compact(const Group& group) const { return blobs_.text(group.protocol_type) == compact_protocol_type; }
    Assignor assignor_of(Group& group) const;
    void replan(Group& group);
    void reconcile(Group& group);
    bool revoke(Group& group);
    bool begin_generation(Group& group);
    void attach(Member& member, AssignedMember& assigned);
    void tell(Member& member);
    void detach(Member& member, Error why);
    bool look_at_topics();  // true: it has planned, which is enough for a turn
    void drop_lost_members(Group& group);

    // membership.cpp
    Status check(std::string_view group) const;
    Status check_member(Group& group, std::string_view member, std::string_view instance);
    Status check_join(const JoinRequest& request, bool compact) const;
    std::uint64_t leader_answer_bytes(const JoinRequest& request, Group* group);
    std::uint64_t answer_head_bytes(std::string_view protocol_type) const;
    Status join_new(const JoinRequest& request, Group* group, JoinWaiter& waiter);
    Status join_again(const JoinRequest& request, Group& group, JoinWaiter& waiter);
    Status join_pending(const JoinRequest& request, Group& group, Member& member, JoinWaiter& waiter);
    Status replace_static(const JoinRequest& request, Group& group, Member& member, JoinWaiter& waiter);
    Status answer_replaced(Group& group, Member& member, JoinWaiter& waiter, bool skip_assignment);
    Status update_member(const JoinRequest& request, Member& member);
    Result<Member*> add_member(const JoinRequest& request, Group* group, std::string_view id);
    bool drop_pending(const Group* asking);
    Group* add_group(std::string_view id);
    std::string_view make_member_id(const JoinRequest& request, std::span<char> buffer);
    Status sync_leader(const SyncRequest& request, Group& group);

    // rebalance.cpp
    void prepare_rebalance(Group& group);
    void rejoin(Group& group);
    static bool all_joined(Group& group);
    void maybe_complete_join(Group& group);
    void complete_join(Group& group);
    void become_empty(Group& group);
    void complete_sync(Group& group);
    void fail_syncs(Group& group, Error error);
    void on_committed(Group& group, Error error);
    void remove_member(Member& member, Error told);
    void leave_group(Member& member, Error told);
    void collect(Group& group);
    void attach(Member& member, JoinWaiter& waiter);
    void answer(Member& member, Error error);      // its join
    void answer_sync(Member& member, Error error);
    void deliver();
    void give(JoinWaiter& waiter);
    void give(SyncWaiter& waiter);
    void keep_alive(Member& member);
    void expire(Member& member);
    std::int64_t rebalance_timeout_ns(Group& group);

    // coordinator.cpp
    void on_tick();
    void arm(Instant at);
    void arm_next();
    void sweep();
    bool sweep_group(Group& group, std::uint32_t& left);
    bool expired(const Group& group) const;
    void drop_deleted();
    bool make_room();
    bool drop_offsets(Group& group, std::uint32_t& left);
    Failure unavailable(Failure failure);
    Failure limited(Error error, std::string_view keys);
    Failure no_room(std::uint64_t cost);
    Instant now() const { return broker_.env().now(); }

    Broker& broker_;
    GroupOptions options_;
    BlobPool blobs_;
    GroupTable groups_;
    OffsetTable offsets_;
    Journal journal_;
    List<JoinWaiter> joined_;   // to be answered
    List<SyncWaiter> synced_;
    List<AssignedMember> told_;  // likewise
    Planner planner_;
    std::size_t topics_look_ = SIZE_MAX;     // slot of the group that is looked at next, since topics have changed
    std::uint32_t reconciled_slot_ = 0;      // of the group that was planned last: the others come before it does again
    Tick tick_{*this};
    Instant sweep_due_{0};
    Instant dropped_deleted_{-ns_per_s};
    Instant warning_due_{INT64_MIN};  // the next log line about a limit
    bool stopped_ = false;
};

}  // namespace rivulet::broker
