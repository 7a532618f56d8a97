// The connections of one protocol: their limit, their buffers, the turns in which they are served.
// Owns:     ConnectionOptions::sessions() sessions, their receive and output buffers.
// Bounds:   nothing allocates after construction. connections() never passes the limit: a newcomer beyond it is refused, or the connection that has been silent for longest since it came is, in its place.
//           Up to spare_connections() more may be on their way out; when all of these are, the longest of them is closed after parting_ns_min, and newcomers wait in the listener's backlog until then.
//           Of more than that, which were cut at once, the longest are closed when fewer than spare_connections() are free.
//           A turn digests for turn_sessions connections and sends turn_send_bytes, the others follow on the next one.
// Guarantee: everything that one turn of the loop has for a connection leaves in one write at the end of that turn.
// Thread:   loop only.
//
// Session, for Hub, which derives from this, has begin(connection, advertised), run(), flush() -> bytes sent, check_time(now), drain(reason), refuse(frame), parting(), parting_since(), abort(), accepted(),
// incomplete_since(at), proven(), overstays(now), give_up_frame(); a constructor from Hub&; and derives from ListNode<Session, LazyPoolTag>, <Session, RunTag> and <Session, FlushTag>.
// Hub has refusal(): the frame that a newcomer beyond the limit is told; and, if it lends more than the base, output_starving(): a connection waits for what others hold to send from; others_wait(): that, or for
// something else that check_time() has others give back; thin_out_answers(): ends requests beyond the half of the output buffers that those which wait may keep.
#pragma once

#include "env/env.h"
#include "env/log.h"
#include "server/lazy_pool.h"
#include "server/receive_pool.h"

namespace rivulet::server {

struct FlushTag;
struct RunTag;

// For a client that takes nothing while others wait for what it holds.
constexpr std::int64_t in_the_way_ns_max = ns_per_s / 2;

// To refuse in, and to part from those that end.
constexpr std::size_t spare_connections(std::size_t connections) {
    const std::size_t some = connections / 16;
    return some < 4 ? 4 : some > 64 ? 64 : some;
}

struct ConnectionOptions {
    std::size_t connections = 0;
    std::string_view limit_name;         // of the key that says so
    ReceivePoolOptions receive;
    std::size_t output_buffers = 0;
    std::size_t output_bytes = 0;        // each
    std::size_t output_reserve = 0;      // BufferPool
    std::size_t sessions() const { return connections + spare_connections(connections); }
};

struct ConnectionStatistics {
    std::uint64_t accepted = 0;
    std::uint64_t connections_refused = 0;
    std::uint64_t unopened_dropped = 0;  // of these
};

// Two buffers may be waited for at once; the classes tell them apart.
class ReceiveWaiter : public BufferWaiter {
    void on_granted(MutableBytes buffer) final { on_receive_buffer(buffer); }
    virtual void on_receive_buffer(MutableBytes buffer) = 0;

protected:
    ~ReceiveWaiter() = default;
};
class OutputWaiter : public BufferWaiter {
    void on_granted(MutableBytes buffer) final { on_output_buffer(buffer); }
    virtual void on_output_buffer(MutableBytes buffer) = 0;

protected:
    ~OutputWaiter() = default;
};

template <class Hub, class Session>
class ConnectionHub : private env::Timer {
public:
    ConnectionHub(env::Env& env, Arena& arena, const ConnectionOptions& options)
        : env_(env),
          connection_options_(options),
          sessions_(arena, options.sessions()),
          receive_pool_(arena, options.receive),
          output_pool_(arena, options.output_buffers, options.output_bytes, options.output_reserve) {}

    // nullptr: no session left. `advertised`: of the listener, outlives the connection; without a host the local address of the connection is told.
    env::ConnectionHandler* accept(env::Connection& connection, const env::Endpoint& advertised) {
        Session* const session = sessions_.take(hub());
        if (!session) return nullptr;
        ++connection_statistics_.accepted;
        fresh_.push_back(*session);
        session->begin(connection, advertised);
        if (connections() > connection_options_.connections) refuse_one(*session);
        make_room();
        return session;
    }
    // Once a second, and every 250 ms while buffers are short: silence, readers that take nothing, buffers held too long.
    void on_tick(Instant now) {
        env_.charge(sessions_open() * 64);
        for_each([now](Session& session) { session.check_time(now); });
        report_refusals(now);
    }
    void drain() {
        draining_ = true;
        for_each([](Session& session) {
            if (session.parting()) session.abort();
            else session.drain(Error::shutting_down);
        });
    }
    void abort() {
        for_each([](Session& session) { session.abort(); });
    }
    std::size_t sessions_open() const { return sessions_.taken(); }                 // those on their way out included
    std::size_t connections() const { return sessions_.taken() - leaving_count_; }  // what the limit is about
    bool draining() const { return draining_; }
    const ConnectionStatistics& connection_statistics() const { return connection_statistics_; }

    // --- for sessions
    env::Env& env() { return env_; }
    ReceivePool& receive_pool() { return receive_pool_; }
    BufferPool& output_pool() { return output_pool_; }
    bool output_starving() const { return output_pool_.starving(); }
    bool others_wait() const { return output_starving(); }
    void run_soon(Session& session) {
        if (!static_cast<ListNode<Session, RunTag>&>(session).linked()) run_.push_back(session);
        turn_soon();
    }
    void flush_soon(Session& session) {
        if (!static_cast<ListNode<Session, FlushTag>&>(session).linked()) flush_.push_back(session);
        turn_soon();
    }
    void no_longer_fresh(Session& session) {
        List<Session, LazyPoolTag>::remove(session);
        open_.push_back(session);
    }
    void count_incomplete(bool more) {
        incomplete_ += more ? 1 : -std::size_t{1};
        if (incomplete_ > receive_pool_.crowd_max() && !crowd_timer_.armed()) env_.arm(crowd_timer_, env_.now() + ReceivePool::crowd_ns_max);
    }
    // While others_wait(), those who hold what is wanted and make no progress are looked for more often than at each tick.
    void holders_wanted() {
        if (!crowd_timer_.armed()) env_.arm(crowd_timer_, env_.now() + in_the_way_ns_max / 2);
    }
    // Those late with a large frame are looked for more often, too.
    void receive_wanted() {
        if (receive_pool_.large_wanted() && !crowd_timer_.armed()) env_.arm(crowd_timer_, env_.now() + ReceivePool::stall_ns_max / 4);
    }
    // A connection ends for a limit of ours: told in the log, but not for each.
    bool may_warn() {
        if (env_.now() < warning_due_) return false;
        warning_due_ = env_.now() + refusals_ns;
        return true;
    }
    void leave(Session& session) {
        List<Session, LazyPoolTag>::remove(session);
        leaving_.push_back(session);
        ++leaving_count_;
    }
    // It has left.
    void release(Session& session) {
        List<Session, LazyPoolTag>::remove(session);
        --leaving_count_;
        sessions_.give(session);
    }
    MutableBytes sink() { return sink_; }  // what nobody reads; lent to any number of sessions

protected:
    List<Session, LazyPoolTag>& open_sessions() { return open_; }  // or being ended
    void thin_out_answers() {}
    // All but those that leave; `visit` may move the session to another list.
    template <class F>
    void for_each_newest_first(F&& visit) {
        for (List<Session, LazyPoolTag>* list : {&fresh_, &open_}) {
            for (Session* session = list->back(); session;) {
                Session* const previous = list->previous(*session);
                visit(*session);
                session = previous;
            }
        }
    }

protected:
    static constexpr std::int64_t refusals_ns = 10 * ns_per_s;        // between two log lines about those that are refused or cut off

private:
    static constexpr std::size_t turn_sessions = 8;
    static constexpr std::size_t turn_send_bytes = 512 * 1024;
    static constexpr std::int64_t unopened_ns_min = 250 * ns_per_ms;  // time for a first frame that follows the handshake
    static constexpr std::int64_t parting_ns_min = 10 * ns_per_ms;    // for a client to read why, and to end

    template <void (ConnectionHub::*call)()>
    struct HubTimer final : env::Timer {
        explicit HubTimer(ConnectionHub& owner) : hub(owner) {}
        void on_timer() override { (hub.*call)(); }
        ConnectionHub& hub;
    };

    Hub& hub() { return static_cast<Hub&>(*this); }

    // ---- the limit ----

    // The next one needs a session, if only to be refused in.
    void make_room() {
        if (draining_) return;
        const std::size_t spare = spare_connections(connection_options_.connections);
        const std::size_t left = sessions_.count() - sessions_.taken();
        // Many were cut at once, and come again before they have gone.
        if (left < spare && leaving_count_ > spare) {
            Session* session = leaving_.front();
            for (std::size_t n = leaving_count_ - spare; n != 0; --n) {
                Session* const next = leaving_.next(*session);
                if (session->parting()) session->abort();
                session = next;
            }
        }
        if (left != 0) return;
        Session& longest = *leaving_.front();
        if (!longest.parting()) return;  // closed already, its place is free in a moment
        const Instant due = longest.parting_since() + parting_ns_min;
        if (env_.now() >= due) longest.abort();
        else env_.arm(room_timer_, due);
    }
    void refuse_one(Session& newcomer) {
        Session& oldest = *fresh_.front();
        const bool silent = env_.now() - oldest.accepted() > unopened_ns_min;
        ++connection_statistics_.connections_refused;
        if (silent) ++connection_statistics_.unopened_dropped;
        (silent ? oldest : newcomer).refuse(hub().refusal());
    }
    void report_refusals(Instant now) {
        const std::uint64_t refused = connection_statistics_.connections_refused - refusals_reported_.connections_refused;
        const std::uint64_t silent = connection_statistics_.unopened_dropped - refusals_reported_.unopened_dropped;
        if (refused == 0 || now < refusals_due_) return;
        refusals_due_ = now + refusals_ns;
        refusals_reported_ = connection_statistics_;
        env::LogLine line(env_, env::LogLevel::warning);
        line << "connections: limit of " << connection_options_.connections << " reached (" << connection_options_.limit_name << "); " << refused << " refused";
        if (silent != 0) line << ", " << silent << " of them for not opening in time";
    }

    // ---- crowds ----

    void thin_out() {
        if (draining_) return;
        if (hub().others_wait()) {
            on_tick(env_.now());
            hub().thin_out_answers();
            if (hub().others_wait()) holders_wanted();
        }
        for (const bool proven : {false, true}) {
            if (!receive_pool_.large_wanted()) break;
            env_.charge(sessions_open() * 64);
            for_each_newest_first([proven, now = env_.now()](Session& session) {
                if (session.proven() == proven && session.overstays(now)) session.give_up_frame();
            });
        }
        receive_wanted();
        if (receive_pool_.crowded(incomplete_)) {
            env_.charge(sessions_open() * 64);
            for_each_newest_first([this, due = env_.now() - ReceivePool::crowd_ns_max](Session& session) {
                if (receive_pool_.crowded(incomplete_) && session.incomplete_since(due)) session.give_up_frame();
            });
        }
        if (incomplete_ > receive_pool_.crowd_max() && !crowd_timer_.armed()) env_.arm(crowd_timer_, env_.now() + ReceivePool::crowd_ns_max / 2);
    }

    // ---- turns ----

    void turn_soon() {
        if (!armed()) env_.arm(*this, env_.now());
    }
    void on_timer() final {
        // Only those that are in line now: a session may line up again.
        Session* const last = run_.back();
        bool more = last != nullptr;
        for (std::size_t left = turn_sessions; more && left != 0; --left) {
            Session* const session = run_.pop_front();
            if (!session) break;
            more = session != last;
            session->run();
        }
        for (std::size_t sent = 0; sent < turn_send_bytes;) {
            Session* const session = flush_.pop_front();
            if (!session) break;
            sent += 256 + session->flush();
        }
        if (!run_.empty() || !flush_.empty()) turn_soon();
    }

    // `visit` may move the session to another list.
    template <class F>
    void for_each(F&& visit) {
        for (List<Session, LazyPoolTag>* list : {&leaving_, &open_, &fresh_}) {
            for (Session* session = list->front(); session;) {
                Session* const next = list->next(*session);
                visit(*session);
                session = next;
            }
        }
    }

    env::Env& env_;
    ConnectionOptions connection_options_;
    LazyPool<Session> sessions_;
    ReceivePool receive_pool_;
    BufferPool output_pool_;
    // Each session is on one of these, in order of its arrival there.
    List<Session, LazyPoolTag> fresh_;
    List<Session, LazyPoolTag> open_;     // or being ended
    List<Session, LazyPoolTag> leaving_;
    std::size_t leaving_count_ = 0;
    List<Session, RunTag> run_;
    List<Session, FlushTag> flush_;
    ConnectionStatistics connection_statistics_;
    ConnectionStatistics refusals_reported_;
    Instant refusals_due_;
    Instant warning_due_;
    HubTimer<&ConnectionHub::make_room> room_timer_{*this};
    HubTimer<&ConnectionHub::thin_out> crowd_timer_{*this};
    std::size_t incomplete_ = 0;
    bool draining_ = false;
    std::uint8_t sink_[512] = {};
};

}  // namespace rivulet::server
