// A consumer group and its members, and the pools of both.
// Owns:     GroupOptions: groups_max groups, members_max members; their strings and bytes lie in the BlobPool.
// Bounds:   find() is O(groups), find_member() O(members of the group).
// Guarantee: groups and members stay where they are while they are in use; iteration over groups is by slot, over members in the order in which they joined.
// Thread:   loop only. Algorithm: of the states, Kafka's GroupMetadata (KIP-62, KIP-345).
#pragma once

#include "base/list.h"
#include "broker/groups/blob_pool.h"
#include "broker/waiters.h"
#include "config/fixed_string.h"

namespace rivulet::broker {

class AssignedMember;
class Coordinator;
class JoinWaiter;
class SyncWaiter;
struct Group;
struct MemberTag;

enum class GroupState : std::uint8_t { empty, preparing_rebalance, completing_rebalance, stable, dead };
std::string_view group_state_name(GroupState state);  // as Kafka writes it: "PreparingRebalance"

// The protocol type of groups of the compact protocol; by that they are known again after a restart. Their members cannot be in one group with Kafka's, who assign themselves.
constexpr std::string_view compact_protocol_type = "rivulet";

struct JoinProtocol {
    std::string_view name;
    Bytes metadata;
};
constexpr std::size_t join_protocols_max = 32;
constexpr std::size_t protocol_name_bytes_max = 120;

struct Member : ListNode<Member, MemberTag> {
    Group* group = nullptr;  // nullptr: free
    Blob id;
    Blob instance;           // KIP-345; empty: a dynamic member
    Blob client_id;
    Blob client_host;
    Blob protocols;          // for ProtocolReader
    Blob assignment;
    std::int32_t session_timeout_ms = 0;
    std::int32_t rebalance_timeout_ms = 0;
    Instant deadline{0};     // of its session
    bool pending = false;    // was given an id and has not joined with it yet: in no count of members but that of the pool
    bool fresh = false;      // joins for the first time: no heartbeat keeps it
    bool id_told = false;    // its client knows its id
    bool synced = false;     // has asked for its assignment of this generation
    JoinWaiter* join = nullptr;
    SyncWaiter* sync = nullptr;
    // Of a compact group.
    AssignedMember* assigned = nullptr;  // nullptr: a static member that is not connected
    Instant release_due{0};              // until when it is to give up what was taken from it; 0: nothing was

    // Has rejoined, for the generation to come.
    bool awaits_join() const;
    bool awaits_sync() const;
};

struct Group : CommitWaiter {
    void on_committed(Error error) override;

    Coordinator* coordinator = nullptr;  // nullptr: free
    std::uint32_t slot = 0;
    std::uint32_t hash = 0;          // of its id
    Blob id;
    Blob protocol_type;              // empty: offsets alone, no members yet
    config::FixedString<protocol_name_bytes_max> protocol;  // that of the generation
    GroupState state = GroupState::empty;
    std::int32_t generation = 0;
    Member* leader = nullptr;
    List<Member, MemberTag> members; // with those that are pending
    std::uint32_t member_count = 0;  // without
    std::uint32_t pending_count = 0;

    Instant join_due{0};             // preparing: when those that have not rejoined are given up; of a compact group, when to look again
    bool initial_delay = false;      // preparing from empty: waits for more members to come, whatever happens
    bool member_added = false;       // meanwhile
    bool replan = false;             // compact: who has what is to be worked out anew
    std::int64_t delay_left_ns = 0;
    Instant sync_due{0};             // members that have not synced until then are given up; 0: all have
    Instant empty_since{0};          // or the last commit of one that never had members
    Timestamp state_time{-1};        // wall clock of the last change of state; -1: it was not trusted

    bool stored = false;             // it has a record
    std::uint64_t written = 0;       // ticket of the last record of it or of its offsets
    std::uint32_t first_offset = 0xffffffff;  // OffsetTable's
    std::uint32_t offset_count = 0;
};

// Over Member::protocols.
class ProtocolReader {
public:
    explicit ProtocolReader(Bytes protocols) : in_(protocols) {}
    bool next(JoinProtocol& out);

private:
    Reader in_;
};
std::uint64_t protocols_size(std::span<const JoinProtocol> protocols);
void encode_protocols(std::span<const JoinProtocol> protocols, Writer& out);

class GroupTable {
public:
    GroupTable(Arena& arena, std::uint32_t groups_max, std::uint32_t members_max, BlobPool& blobs);
    static std::size_t memory_bytes(std::uint32_t groups_max, std::uint32_t members_max) { return groups_max * sizeof(Group) + members_max * sizeof(Member) + 64; }

    Group* find(std::string_view id);
    // An empty group without members; nullptr: all are in use, or there is no room for its id.
    Group* add(std::string_view id, Coordinator& coordinator);
    void remove(Group& group);  // without members
    Member* add_member(Group& group);  // without any of its fields; nullptr: all are in use
    void remove_member(Member& member);

    std::span<Group> groups() { return groups_; }    // with those that are free
    std::span<Member> members() { return members_; }
    std::uint32_t group_count() const { return group_count_; }
    std::uint32_t member_count() const { return member_count_; }  // with those that are pending

    Member* find_member(Group& group, std::string_view id);
    Member* find_instance(Group& group, std::string_view instance);
    // The metadata that a member gave for a protocol; none if it does not support it.
    Bytes metadata(const Member& member, std::string_view protocol) const;
    bool supports(const Member& member, std::string_view protocol) const;
    // Whether all members support one of these.
    bool supports(Group& group, std::span<const JoinProtocol> protocols);
    // Whether these are what the member gave before.
    bool matches(const Member& member, std::span<const JoinProtocol> protocols) const;
    // The one of those that all members support which most of them prefer; a tie goes to the one that comes first with the first member.
    std::string_view select_protocol(Group& group);

private:
    std::span<Group> groups_;
    std::span<Member> members_;
    BlobPool& blobs_;
    std::uint32_t group_count_ = 0;
    std::uint32_t member_count_ = 0;
};

}  // namespace rivulet::broker
