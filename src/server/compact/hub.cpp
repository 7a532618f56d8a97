#include "server/compact/hub.h"

namespace rivulet::server::compact {

std::size_t HubOptions::output_buffers() const {
    // One is held from an answer to the end of the turn, longer by readers that do not keep up.
    const std::size_t some = connections / 8;
    return some < 16 ? 16 : some;
}

Hub::Hub(env::Env& env, Arena& arena, broker::Broker& broker, const HubOptions& options)
    : env_(env),
      broker_(broker),
      options_(options),
      sessions_(arena, options.connections),
      receive_pool_(arena, options.receive()),
      output_pool_(arena, options.output_buffers(), Session::output_bytes),
      aliases_(arena, options.alias_cells()),
      fetches_(arena, options.parked_fetches),
      topic_requests_(arena, topic_requests_max) {}

env::ConnectionHandler* Hub::accept(env::Connection& connection, const env::Endpoint& advertised) {
    Session* const session = sessions_.take(*this);
    if (!session) return nullptr;
    ++statistics_.accepted;
    open_.push_back(*session);
    session->begin(connection, advertised);
    return session;
}

void Hub::release(Session& session) {
    List<Session, LazyPoolTag>::remove(session);
    sessions_.give(session);
}

void Hub::turn_soon() {
    if (!armed()) env_.arm(*this, env_.now());
}

void Hub::run_soon(Session& session) {
    if (!static_cast<ListNode<Session, RunTag>&>(session).linked()) run_.push_back(session);
    turn_soon();
}

void Hub::flush_soon(Session& session) {
    if (!static_cast<ListNode<Session, FlushTag>&>(session).linked()) flush_.push_back(session);
    turn_soon();
}

void Hub::on_timer() {
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

void Hub::on_tick(Instant now) {
    env_.charge(sessions_open() * 64);
    for (Session* session = open_.front(); session;) {
        Session* const next = open_.next(*session);
        session->check_time(now);
        session = next;
    }
}

void Hub::drain() {
    for (Session* session = open_.front(); session; session = open_.next(*session)) session->drain(Error::shutting_down);
}

void Hub::abort() {
    for (Session* session = open_.front(); session; session = open_.next(*session)) session->abort();
}

void Hub::drop_older(const Session& newer, const frames::Open& open) {
    env_.charge(sessions_open() * 64);
    for (Session* at = open_.front(); at; at = open_.next(*at)) {
        if (at != &newer && at->is_session(open.session)) at->drain(at->incarnation() == open.incarnation ? Error::canceled : Error::session_moved);
    }
}

}  // namespace rivulet::server::compact
