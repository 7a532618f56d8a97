// Frames of a member of a consumer group whose partitions the broker assigns, and of offsets that are committed: ASSIGN, COMMIT. Feature `groups`. DATA and CREDIT: push_frames.h.
// Owns:     nothing. A decoded struct is a view into the receive buffer: valid until the frame is consumed.
// Bounds:   no allocation; lists are lazy ranges.
// Errors:   decode_*: malformed.
// Format:   PROTOCOL.md, section 6. The correlation of ASSIGN is the member's number, chosen by the client; DATA and CREDIT carry it, too.
#pragma once

#include "wire/compact/push_frames.h"

namespace rivulet::wire::compact {

struct TopicName {
    std::string_view name;
    static TopicName read(Reader& from);
};
struct Slot {
    std::uint64_t number = 0;
    static Slot read(Reader& from);
};

// ASSIGN, from the client: the first byte of the body says what it asks.
enum class MemberRequest : std::uint8_t { join = 0, topics = 1, release = 2, seek = 3 };
enum class AssignBy : std::uint8_t { range = 0, round_robin = 1, sticky = 2 };
enum class StartAt : std::uint8_t { none = 0, earliest = 1, latest = 2 };  // in a partition of which the group has committed nothing

struct JoinGroup {
    std::string_view group;
    std::string_view instance;  // empty: a dynamic member
    std::string_view client;    // who it is, for those who look at the group; its id begins with it
    AssignBy assignor = AssignBy::range;
    StartAt start = StartAt::latest;
    std::uint64_t session_timeout_ms = 0;
    std::uint64_t rebalance_timeout_ms = 0;
    std::uint64_t auto_commit_ms = 0;  // 0: by COMMIT alone
    std::uint64_t credit = 0;
};
struct Assign {
    MemberRequest what = MemberRequest::join;
    JoinGroup join;           // join
    List<TopicName> topics;   // join, topics
    List<Slot> slots;         // release: what was revoked is given up
    std::uint64_t slot = 0;   // seek ...
    Offset offset{0};         // ... there, or to fetch_latest, fetch_earliest
};
void encode_join_group(Writer& out, std::uint64_t correlation, const JoinGroup& join, std::span<const std::string_view> topics);
void encode_topics_of_member(Writer& out, std::uint64_t correlation, std::span<const std::string_view> topics);
void encode_release(Writer& out, std::uint64_t correlation, std::span<const std::uint64_t> slots);
void encode_seek(Writer& out, std::uint64_t correlation, std::uint64_t slot, Offset offset);
Result<Assign> decode_assign(Bytes body);

// ASSIGN, from the broker: behind error 0, as in every answer, one byte says what it tells. An error is the answer to a join, and there is no member.
enum class MemberNews : std::uint8_t { joined = 0, assigned = 1, revoked = 2, sought = 3 };

struct AssignedPartition {
    std::uint64_t slot = 0;
    std::string_view topic;
    std::uint64_t partition = 0;
    std::int64_t offset = -1;  // where it begins; -1: nowhere before a seek
    Epoch epoch{-1};
    static AssignedPartition read(Reader& from);
};
struct Assigned {
    MemberNews what = MemberNews::joined;
    std::string_view member;            // joined: its id
    std::uint64_t generation = 0;       // joined, assigned
    List<AssignedPartition> partitions;  // assigned: in addition to those that it has
    bool more = false;                  // assigned: another frame about this generation follows
    List<Slot> slots;                   // revoked
    std::uint64_t slot = 0;             // sought ...
    Failure failure{Error::none, 0};    // ... or why not; then the rest is not there
    std::uint64_t error = 0;            // its number as received
    Offset offset{0};                   // ... where DATA begins
    Offset log_start{0};
    Offset high_watermark{0};
};
void encode_joined(Writer& out, std::uint64_t correlation, std::string_view member, std::uint64_t generation);
void encode_sought(Writer& out, std::uint64_t correlation, std::uint64_t slot, Failure failure, Offset offset, Offset log_start, Offset high_watermark);
Result<Assigned> decode_assigned(Bytes rest, std::uint8_t flags);

// One frame of news about partitions, as many as fit into frame_bytes_max.
class AssignedEncoder {
public:
    AssignedEncoder(Writer& out, std::uint64_t correlation, std::size_t frame_bytes_max, std::uint64_t generation);  // assigned
    AssignedEncoder(Writer& out, std::uint64_t correlation, std::size_t frame_bytes_max);                            // revoked
    [[nodiscard]] bool add(const AssignedPartition& partition);
    [[nodiscard]] bool add(std::uint64_t revoked_slot);
    void finish(bool more);

private:
    FrameEncoder frame_;
    std::size_t frame_bytes_max_;
};
// The least frame limit of a client that wants to be a member: a head with a partition of a topic with the longest name.
constexpr std::size_t member_frame_bytes_least = 512;

// COMMIT, from the client.
struct CommitEntry {
    std::string_view topic;
    std::uint64_t partition = 0;
    Offset offset{0};
    Epoch epoch{-1};
    std::string_view metadata;
    static CommitEntry read(Reader& from);
};
struct SlotCommit {
    std::uint64_t slot = 0;
    Offset offset{0};
    std::string_view metadata;
    static SlotCommit read(Reader& from);
};
struct Commit {
    bool by_slot = false;
    std::uint64_t member = 0;   // by slot: the correlation of its ASSIGN
    List<SlotCommit> slots;
    std::string_view group;     // else
    List<CommitEntry> entries;
};
void encode_commit(Writer& out, std::uint64_t correlation, std::string_view group, std::span<const CommitEntry> entries);
void encode_commit(Writer& out, std::uint64_t correlation, std::uint64_t member, std::span<const SlotCommit> slots);
Result<Commit> decode_commit(Bytes body, std::uint8_t flags);

}  // namespace rivulet::wire::compact
