// Requests that are answered later: a fetch that waits for data or for its turn to be sent, a subscription, a topic change that waits for its commit.
// Owns:     the fetch and its view, until the answer has left. Slots come from the hub's pools and belong to one session at a time.
// Bounds:   limits.parked_fetches fetches, topic_requests_max changes, of both Session::requests_max per connection that are not handed to it yet.
// Thread:   loop only.
#pragma once

#include "broker/time_search.h"
#include "server/lazy_pool.h"
#include "wire/compact/kinds.h"

namespace rivulet::server::compact {

class Session;
struct OwnedTag;

constexpr std::size_t topic_requests_max = 64;

class Request : public ListNode<Request, OwnedTag> {
public:
    enum class State : std::uint8_t {
        waiting,  // the broker calls back
        deferred,  // a fetch that found data while enough is on its way out, or comes behind such a one: asked again later
        ready,
        sending,  // the head of the answer is encoded, the batches are on their way
        starved,  // a subscription without credit
    };
    explicit Request(bool fetch) : is_fetch(fetch) {}

    const bool is_fetch;
    bool counted = false;  // against Session::requests_max: until its answer was handed to the connection
    State state = State::waiting;
    wire::compact::Kind kind = wire::compact::Kind::none;
    std::uint64_t correlation = 0;
    Failure outcome{Error::none, 0};
    Session* session = nullptr;
};

class FetchRequest final : public Request, public broker::Fetch, public broker::RecordWaiter, public ListNode<FetchRequest, LazyPoolTag> {
public:
    FetchRequest() : Request(true) {}
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
};

class TopicRequest final : public Request, public broker::CommitWaiter, public ListNode<TopicRequest, LazyPoolTag> {
public:
    TopicRequest() : Request(false) {}
    void on_committed(Error error) override;

    Uuid id;
    std::uint32_t partitions = 0;
};

}  // namespace rivulet::server::compact
