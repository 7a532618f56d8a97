// Requests that are answered later: a fetch that waits for data or for its turn to be sent, a subscription, a change of topics or committed offsets that waits for its commit; a membership
// of a consumer group.
// Owns:     the fetch and its view, until the answer has left. Slots come from the hub's pools and belong to one session at a time.
// Bounds:   limits.parked_fetches fetches, and as many memberships, each of which has one; limits.partitions slots of memberships; topic_requests_max changes. Of all that are requests Session::requests_max per connection that are not handed to it yet.
// Thread:   loop only.
#pragma once

#include "broker/groups/coordinator.h"
#include "broker/time_search.h"
#include "server/lazy_pool.h"
#include "wire/compact/member_frames.h"

namespace rivulet::server::compact {

class Membership;
class Session;
struct OwnedTag;
struct ReadySlotTag;
struct SlotTag;

constexpr std::size_t topic_requests_max = 64;
constexpr std::int64_t subscription_credit_max = INT32_MAX;

class Request : public ListNode<Request, OwnedTag> {
public:
    enum class State : std::uint8_t {
        waiting,  // the broker calls back
        deferred,  // a fetch that found data while enough is on its way out, or comes behind such a one: asked again later
        ready,
        sending,  // the head of the answer is encoded, the batches are on their way
        starved,  // a subscription without credit
        idle,     // a membership, or its fetch, that has nothing to do
    };
    enum class Type : std::uint8_t { fetch, change, membership };
    explicit Request(Type of) : type(of) {}

    const Type type;
    bool is_fetch() const { return type == Type::fetch; }
    bool counted = false;  // against Session::requests_max: until its answer was handed to the connection
    State state = State::waiting;
    wire::compact::Kind kind = wire::compact::Kind::none;
    std::uint64_t correlation = 0;
    Failure outcome{Error::none, 0};
    Session* session = nullptr;
};

class FetchRequest final : public Request, public broker::Fetch, public broker::RecordWaiter, public ListNode<FetchRequest, LazyPoolTag> {
public:
    FetchRequest() : Request(Type::fetch) {}
    void on_fetched(Failure outcome) override;
    void on_searched(Outcome outcome) override;

    // While sending: where in the output buffer the head of the answer ends, and what was not handed to the connection yet.
    std::size_t head_end = 0;
    std::size_t piece = 0;
    std::size_t piece_done = 0;  // bytes of it

    // Of a search by time (kind offsets).
    Timestamp at{0};
    broker::TimeFound found;

    // Of a subscription (kind subscribe), which goes on after each answer.
    std::int64_t credit = 0;
    Instant starved_since;
    bool started = false;  // SUBSCRIBE is answered
    bool over = false;     // its end is to be told, with `outcome`

    // Of a membership (kind data): it reads for one slot after the other. nullptr: it is over, what is on its way out is the last.
    Membership* membership = nullptr;
};

class TopicRequest final : public Request, public broker::CommitWaiter, public ListNode<TopicRequest, LazyPoolTag> {
public:
    TopicRequest() : Request(Type::change) {}
    void on_committed(Error error) override;

    Uuid id;
    std::uint32_t partitions = 0;
    Failure refused{Error::none, 0};  // a commit of offsets: why the rest of them is not committed
};

// A partition that a member of a group has.
struct GroupSlot final : ListNode<GroupSlot, LazyPoolTag>, ListNode<GroupSlot, SlotTag>, ListNode<GroupSlot, ReadySlotTag>, broker::LogWatch {
    void on_readable() override;

    Membership* membership = nullptr;
    LogId log{0};
    std::uint32_t number = 0;
    Offset position{0};     // of what is pushed next; -1: a seek is to say it
    Offset processed{-1};   // as the client has said; -1: nothing yet
    Offset committed{-1};   // of that
    Failure seek_failure{Error::none, 0};
    bool told = false;      // the client knows of it
    bool revoked = false;   // to be given up: nothing is pushed any more
    bool revoked_told = false;
    bool sought = false;    // the answer to a seek is to be told first
    bool found = false;     // while an assignment is looked at
};

// What the connection has of a member of a group: its slots, and one fetch for all of them, which they use in turn.
class Membership final : public Request, public broker::AssignedMember, public broker::CommitWaiter, public ListNode<Membership, LazyPoolTag> {
public:
    Membership() : Request(Type::membership) {}
    void on_assignment() override;
    void on_committed(Error error) override;
    Instant heard() const override;

    List<GroupSlot, SlotTag> slots;
    List<GroupSlot, ReadySlotTag> ready;  // of these: there may be something to push; in turn
    FetchRequest* fetch = nullptr;       // nullptr: it is over
    GroupSlot* reading = nullptr;        // whom the fetch reads or sends for
    std::uint32_t slots_given = 0;
    std::int32_t generation = -1;        // the last that has begun with it; -1: none yet
    std::int32_t told_generation = -1;   // that the client knows; -1: its join is not answered
    wire::compact::StartAt start{};
    std::int64_t auto_commit_ns = 0;     // 0: by hand
    Instant commit_due;
    bool over = false;                   // its end is to be told, with `outcome`
};

}  // namespace rivulet::server::compact
