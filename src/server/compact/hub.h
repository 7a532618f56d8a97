// All compact connections: their sessions, what they share, and their turns.
// Owns:     what ConnectionHub does; alias cells, request slots: of the arena.
// Bounds:   HubOptions. Past options.connections a connection is told too_many_connections and ended (connection_hub.h).
// Thread:   loop only.
#pragma once

#include "broker/groups/coordinator.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

struct HubOptions {
    std::size_t connections = 0;
    std::size_t aliases_per_connection = 0;
    std::size_t parked_fetches = 0;
    std::size_t receive_pool_bytes = 0;
    std::uint32_t frame_bytes = 0;
    std::uint32_t credit_bytes = 0;
    std::uint32_t inflight_bytes = 0;
    std::uint32_t reading_bytes_max = 0;  // of any topic: its batch less the headers
    std::uint32_t group_slots = 0;
    std::uint32_t node = 0;
    std::string_view software;            // as OPEN's answer says it

    ReceivePoolOptions receive() const { return {receive_pool_bytes, frame_bytes, in_hand_bytes}; }
    std::size_t output_buffers() const;
    std::size_t aliases() const { return connections * aliases_per_connection; }
    ConnectionOptions for_connections() const {
        return {connections, "limits.connections", receive(), output_buffers(), Session::output_bytes, output_buffers() / 4};
    }
    std::size_t sessions() const { return for_connections().sessions(); }
};

struct HubStatistics {
    std::uint64_t readings = 0;
    std::uint64_t reading_bytes = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t refused = 0;
    std::uint64_t fetched_bytes = 0;
    std::uint64_t protocol_errors = 0;
};

class Hub final : public ConnectionHub<Hub, Session> {
public:
    Hub(env::Env& env, Arena& arena, broker::Broker& broker, broker::Coordinator& groups, const HubOptions& options);

    const HubStatistics& statistics() const { return statistics_; }

    // --- for sessions
    broker::Broker& broker() { return broker_; }
    broker::Coordinator& groups() { return groups_; }
    const HubOptions& options() const { return options_; }
    HubStatistics& count() { return statistics_; }
    AliasPool& aliases() { return aliases_; }
    // For a connection that has `held` requests. nullptr: limits.parked_fetches is reached, or but for what is kept for those that have few; readers that take nothing are
    // then in the way for crowded_ns.
    FetchRequest* take_fetch(std::size_t held);
    void give_fetch(FetchRequest& request) { fetches_.give(request); }
    const LazyPool<FetchRequest>& fetches() const { return fetches_; }
    bool fetches_crowded(Instant now) const { return crowded_until_ > now; }
    LazyPool<TopicRequest>& topic_requests() { return topic_requests_; }
    LazyPool<Membership>& memberships() { return memberships_; }
    LazyPool<GroupSlot>& group_slots() { return group_slots_; }
    Bytes refusal() const { return Bytes(refusal_).first(refusal_bytes_); }
    // Another connection opens this session: the newer one wins. An older one of the same incarnation is the same device's, perhaps one that it has given up and that arrives
    // late: it may come again (canceled). One of another incarnation is another device, which must not (session_moved).
    void drop_older(const Session& newer, const frames::Open& open);
    MutableBytes scratch() { return scratch_; }  // within one call

private:
    static constexpr std::int64_t crowded_ns = 5 * ns_per_s;          // since a fetch was refused
    static constexpr std::size_t few_requests = 2;                    // the last quarter of the fetches is for connections with fewer

    broker::Broker& broker_;
    broker::Coordinator& groups_;
    HubOptions options_;
    AliasPool aliases_;
    LazyPool<FetchRequest> fetches_;
    LazyPool<TopicRequest> topic_requests_;
    LazyPool<Membership> memberships_;
    LazyPool<GroupSlot> group_slots_;
    HubStatistics statistics_;
    Instant crowded_until_;
    std::uint8_t refusal_[48] = {};  // the frame
    std::size_t refusal_bytes_ = 0;
    std::uint8_t scratch_[AliasPool::key_bytes_max] = {};
};

}  // namespace rivulet::server::compact
