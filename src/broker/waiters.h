// What a session waits for: durability, room, data. Each is embedded in its session or a pooled slot; waiting never allocates.
// Owns:     nothing; cancel before it goes away. Thread: loop only; callbacks never come from within the call that began the wait.
#pragma once

#include "env/timer.h"
#include "store/store.h"

namespace rivulet::broker {

// Until everything with a ticket up to `ticket` is durable.
class CommitWaiter : public ListNode<CommitWaiter> {
public:
    std::uint64_t ticket = 0;
    // Error::none: durable. Otherwise it will never be known to be (store_offline, shutting_down).
    virtual void on_committed(Error error) = 0;

protected:
    ~CommitWaiter() = default;
};

// Until an append that was refused with busy may succeed.
class RoomWaiter : public ListNode<RoomWaiter> {
public:
    virtual void on_room() = 0;

protected:
    ~RoomWaiter() = default;
};

struct FetchTag;

// A fetch from one partition: what is asked, and the view of what is answered.
class Fetch : public ListNode<Fetch, FetchTag>, private store::ReadWaiter, private env::Timer {
public:
    LogId log{0};
    Offset offset{0};            // resolved
    std::size_t bytes_max = 0;
    std::size_t bytes_min = 0;   // 0 and 1: any batch; capped at bytes_max
    std::int64_t wait_ns_max = 0;

    // The answer. On success view may be empty (deadline passed, nothing there); the receiver gives it back with Broker::release(). On error: unknown_topic_or_partition (deleted
    // meanwhile), offset_out_of_range.
    store::ReadView view;
    virtual void on_fetched(Failure outcome) = 0;  // Error::none or why not

protected:
    ~Fetch() = default;

private:
    friend class Broker;
    bool queued() const { return static_cast<const ListNode<Fetch, FetchTag>&>(*this).linked(); }
    void on_read_ready() override;
    void on_timer() override;
    class Broker* broker_ = nullptr;
    bool parked_ = false;        // on the broker's list of those that wait for data of their log
    bool reading_ = false;       // on the reader's list
    bool deadline_passed_ = false;
};

}  // namespace rivulet::broker
