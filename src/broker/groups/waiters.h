// What a session's request to a group waits for: the rebalance, the assignment. Each is embedded in its session or a pooled slot; waiting never allocates.
// The callback says that the answer is there. What it says is asked of the Coordinator, when there is room to tell it: nothing of it is kept twice.
// Owns:     nothing; Coordinator::cancel(), finish() or part() before it goes away. Thread: loop only; callbacks never come from within the call that began the wait.
#pragma once

#include "broker/groups/group.h"

namespace rivulet::broker {

// A member as the leader is told of it.
struct JoinedMember {
    std::string_view id;
    std::string_view instance;  // empty: a dynamic member
    Bytes metadata;             // for the protocol of the generation
};

// The members of the generation: for the leader alone, empty for others.
class JoinedMembers {
public:
    JoinedMembers() = default;
    JoinedMembers(GroupTable& table, const BlobPool& blobs, Group& group);
    std::uint32_t count() const { return group_ ? group_->member_count : 0; }
    bool next(JoinedMember& out);
    void rewind();

private:
    GroupTable* table_ = nullptr;
    const BlobPool* blobs_ = nullptr;
    Group* group_ = nullptr;
    Member* at_ = nullptr;
};

// Its views stand until something else is asked of the Coordinator.
struct JoinAnswer {
    Error error = Error::none;
    std::string_view member;         // its id; also with member_id_required: to join with
    std::int32_t generation = -1;
    std::string_view protocol_type;
    std::string_view protocol;
    std::string_view leader;         // its id; empty: some other member
    bool skip_assignment = false;    // KIP-814: the leader is to assign nothing, though it is told of the members
    JoinedMembers members;
};

class JoinWaiter : public ListNode<JoinWaiter> {
public:
    virtual void on_joined() = 0;
    bool waiting() const { return coordinator_ != nullptr; }  // until finish()
    bool answered() const { return answered_; }

protected:
    ~JoinWaiter() = default;

private:
    friend class Coordinator;
    Coordinator* coordinator_ = nullptr;  // while it waits
    Member* member_ = nullptr;
    Error error_ = Error::none;
    std::int32_t generation_ = -1;
    bool answered_ = false;
    bool skip_assignment_ = false;
    bool hide_leader_ = false;
};

struct SyncAnswer {
    Error error = Error::none;
    std::string_view protocol_type;
    std::string_view protocol;
    Bytes assignment;
};

class SyncWaiter : public ListNode<SyncWaiter> {
public:
    virtual void on_synced() = 0;
    bool waiting() const { return coordinator_ != nullptr; }
    bool answered() const { return answered_; }

protected:
    ~SyncWaiter() = default;

private:
    friend class Coordinator;
    Coordinator* coordinator_ = nullptr;
    Member* member_ = nullptr;
    Error error_ = Error::none;
    std::int32_t generation_ = -1;
    bool answered_ = false;
};

// A member of a compact group, whose partitions the broker itself assigns: no rounds of joining and syncing. It is told whenever something has changed, and looks then at what it has.
class AssignedMember : public ListNode<AssignedMember> {
public:
    virtual void on_assignment() = 0;
    // When its client was heard last.
    virtual Instant heard() const = 0;
    bool is_member() const { return member_ != nullptr; }
    Error error() const { return error_; }  // why it is none any more

protected:
    ~AssignedMember() = default;

private:
    friend class Coordinator;
    Member* member_ = nullptr;
    Error error_ = Error::none;
};

}  // namespace rivulet::broker
