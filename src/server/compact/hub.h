// All compact connections: their sessions, what they share, and their turns.
// Owns:     sessions, receive and output buffers, alias cells, request slots: memory_bytes() of the arena.
// Bounds:   HubOptions. Past options.connections a connection is told too_many_connections and ended: the one that has been here longest without OPEN, if that is longer than
//           unopened_ns_min, otherwise the newcomer. spare_connections() more may be on their way out; when all of these are, the longest of them is closed
//           after parting_ns_min, and newcomers wait in the listener's backlog until then.
//           A turn digests for turn_sessions connections and sends turn_send_bytes, the others follow on the next one.
// Guarantee: everything that one turn of the loop has for a connection leaves in one write at the end of that turn.
// Thread:   loop only.
#pragma once

#include "server/compact/session.h"

namespace rivulet::server::compact {

// To refuse in, and to part from those that end.
constexpr std::size_t spare_connections(std::size_t connections) {
    const std::size_t some = connections / 16;
    return some < 4 ? 4 : some > 64 ? 64 : some;
}

struct HubOptions {
    std::size_t connections = 0;
    std::size_t aliases_per_connection = 0;
    std::size_t parked_fetches = 0;
    std::size_t receive_pool_bytes = 0;
    std::uint32_t frame_bytes = 0;
    std::uint32_t credit_bytes = 0;
    std::uint32_t inflight_bytes = 0;
    std::uint32_t reading_bytes_max = 0;  // of any topic: its batch less the headers
    std::uint32_t node = 0;
    std::string_view software;            // as OPEN's answer says it

    ReceivePoolOptions receive() const { return {receive_pool_bytes, frame_bytes, in_hand_bytes}; }
    std::size_t output_buffers() const;
    std::size_t aliases() const { return connections * aliases_per_connection; }
    std::size_t sessions() const { return connections + spare_connections(connections); }
};

struct HubStatistics {
    std::uint64_t accepted = 0;
    std::uint64_t readings = 0;
    std::uint64_t reading_bytes = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t refused = 0;
    std::uint64_t fetched_bytes = 0;
    std::uint64_t protocol_errors = 0;
    std::uint64_t connections_refused = 0;
    std::uint64_t unopened_dropped = 0;  // of these
};

class Hub final : private env::Timer {
public:
    Hub(env::Env& env, Arena& arena, broker::Broker& broker, const HubOptions& options);

    // nullptr: no session left. `advertised`: of the listener, outlives the connection; without a host the local address of the connection is told.
    env::ConnectionHandler* accept(env::Connection& connection, const env::Endpoint& advertised);
    void on_tick(Instant now);         // once a second, and every 250 ms while buffers are short: silence, readers that take nothing, buffers held too long
    void drain();                      // CLOSE shutting_down to all
    void abort();
    std::size_t sessions_open() const { return sessions_.taken(); }               // those on their way out included
    std::size_t connections() const { return sessions_.taken() - leaving_count_; }  // what the limit is about
    bool draining() const { return draining_; }
    const HubStatistics& statistics() const { return statistics_; }

    // --- for sessions
    env::Env& env() { return env_; }
    broker::Broker& broker() { return broker_; }
    const HubOptions& options() const { return options_; }
    HubStatistics& count() { return statistics_; }
    ReceivePool& receive_pool() { return receive_pool_; }
    BufferPool& output_pool() { return output_pool_; }
    AliasPool& aliases() { return aliases_; }
    // For a connection that has `held` requests. nullptr: limits.parked_fetches is reached, or but for what is kept for those that have few; readers that take nothing are
    // then in the way for crowded_ns.
    FetchRequest* take_fetch(std::size_t held);
    void give_fetch(FetchRequest& request) { fetches_.give(request); }
    const LazyPool<FetchRequest>& fetches() const { return fetches_; }
    bool fetches_crowded(Instant now) const { return crowded_until_ > now; }
    LazyPool<TopicRequest>& topic_requests() { return topic_requests_; }
    void run_soon(Session& session);
    void flush_soon(Session& session);
    void no_longer_fresh(Session& session);
    void count_incomplete(bool more);
    void output_wanted();
    void receive_wanted();
    void leave(Session& session);
    void release(Session& session);
    MutableBytes sink() { return sink_; }  // what nobody reads; lent to any number of sessions
    // Another connection opens this session: the newer one wins. An older one of the same incarnation is the same device's, perhaps one that it has given up and that arrives
    // late: it may come again (canceled). One of another incarnation is another device, which must not (session_moved).
    void drop_older(const Session& newer, const frames::Open& open);
    MutableBytes scratch() { return scratch_; }  // within one call

private:
    static constexpr std::size_t turn_sessions = 8;
    static constexpr std::size_t turn_send_bytes = 512 * 1024;
    static constexpr std::int64_t unopened_ns_min = 250 * ns_per_ms;  // time for an OPEN that follows the handshake
    static constexpr std::int64_t parting_ns_min = 10 * ns_per_ms;    // for a client to read why, and to end
    static constexpr std::int64_t refusals_ns = 10 * ns_per_s;        // between two log lines about the limit
    static constexpr std::int64_t crowded_ns = 5 * ns_per_s;          // since a fetch was refused
    static constexpr std::size_t few_requests = 2;                    // the last quarter of the fetches is for connections with fewer

    void on_timer() override;
    void turn_soon();
    template <void (Hub::*call)()>
    struct HubTimer final : env::Timer {
        explicit HubTimer(Hub& owner) : hub(owner) {}
        void on_timer() override { (hub.*call)(); }
        Hub& hub;
    };

    void refuse_one(Session& newcomer);
    void make_room();
    void thin_out();
    void report_refusals(Instant now);
    template <class F>
    void for_each(F&& visit);
    template <class F>
    void for_each_newest_first(F&& visit);  // but those that leave

    env::Env& env_;
    broker::Broker& broker_;
    HubOptions options_;
    LazyPool<Session> sessions_;
    ReceivePool receive_pool_;
    BufferPool output_pool_;
    AliasPool aliases_;
    LazyPool<FetchRequest> fetches_;
    LazyPool<TopicRequest> topic_requests_;
    // Each session is on one of these, in order of its arrival there.
    List<Session, LazyPoolTag> fresh_;
    List<Session, LazyPoolTag> open_;     // or being ended
    List<Session, LazyPoolTag> leaving_;
    std::size_t leaving_count_ = 0;
    List<Session, RunTag> run_;
    List<Session, FlushTag> flush_;
    HubStatistics statistics_;
    HubStatistics refusals_reported_;
    Instant refusals_due_;
    Instant crowded_until_;
    HubTimer<&Hub::make_room> room_timer_{*this};
    HubTimer<&Hub::thin_out> crowd_timer_{*this};
    std::size_t incomplete_ = 0;
    bool draining_ = false;
    std::uint8_t refusal_[48] = {};  // the frame
    std::size_t refusal_bytes_ = 0;
    std::uint8_t scratch_[AliasPool::key_bytes_max] = {};
    std::uint8_t sink_[512] = {};
};

}  // namespace rivulet::server::compact
