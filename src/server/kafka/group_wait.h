// A member that waits for its group, in JoinGroup for the next generation, in SyncGroup for its assignment.
// Owns:     nothing but its place in the group: what is answered stays with the coordinator, and is asked for when there is room to encode it.
// Errors:   those of Coordinator::join() and sync() are answered at once.
// Guarantee: a connection that goes takes its wait along; whoever was never told its member id is no member then.
// Thread:   loop only.
#pragma once

#include "broker/groups/coordinator.h"
#include "server/kafka/parked.h"
#include "server/lazy_pool.h"

namespace rivulet::server::kafka {

class GroupWait final : public Parked, public ListNode<GroupWait, LazyPoolTag>, private broker::JoinWaiter, private broker::SyncWaiter {
public:
    explicit GroupWait(Hub& hub) : hub_(hub) {}

    Progress join(Exchange& exchange, const broker::JoinRequest& request);
    Progress sync(Exchange& exchange, const broker::SyncRequest& request);
    Progress resume(Exchange& exchange) override;
    void drop() override;

private:
    void on_joined() override;
    void on_synced() override;
    broker::JoinWaiter& as_join() { return *this; }
    broker::SyncWaiter& as_sync() { return *this; }
    void release();

    Hub& hub_;
};

Progress answer_join(Exchange& exchange, const broker::JoinAnswer& answer);
Progress answer_sync(Exchange& exchange, const broker::SyncAnswer& answer);

}  // namespace rivulet::server::kafka
