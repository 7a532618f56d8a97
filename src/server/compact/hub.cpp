#include "server/compact/hub.h"

#include "env/log.h"

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
      sessions_(arena, options.sessions()),
      receive_pool_(arena, options.receive()),
      output_pool_(arena, options.output_buffers(), Session::output_bytes, options.output_buffers() / 4),
      aliases_(arena, options.aliases()),
      fetches_(arena, options.parked_fetches),
      topic_requests_(arena, topic_requests_max) {
    char buffer[40];
    Text text(buffer);
    text << "limits.connections = " << options.connections;
    Writer out(refusal_);
    frames::encode_error(out, fail(Error::too_many_connections, static_cast<std::int64_t>(options.connections)), text.view());
    RIVULET_CHECK(out.ok());
    refusal_bytes_ = out.size();
}

// ---- connections, and their limit ----

env::ConnectionHandler* Hub::accept(env::Connection& connection, const env::Endpoint& advertised) {
    Session* const session = sessions_.take(*this);
    if (!session) return nullptr;
    ++statistics_.accepted;
    fresh_.push_back(*session);
    session->begin(connection, advertised);
    if (connections() > options_.connections) refuse_one(*session);
    make_room();
    return session;
}

// The next one needs a session, if only to be refused in.
void Hub::make_room() {
    if (draining_ || sessions_.taken() != sessions_.count()) return;
    Session& longest = *leaving_.front();
    if (!longest.parting()) return;  // closed already, its place is free in a moment
    const Instant due = longest.parting_since() + parting_ns_min;
    if (env_.now() >= due) longest.abort();
    else env_.arm(room_timer_, due);
}

void Hub::refuse_one(Session& newcomer) {
    Session& oldest = *fresh_.front();
    const bool silent = env_.now() - oldest.accepted() > unopened_ns_min;
    ++statistics_.connections_refused;
    if (silent) ++statistics_.unopened_dropped;
    (silent ? oldest : newcomer).refuse(Bytes(refusal_).first(refusal_bytes_));
}

void Hub::report_refusals(Instant now) {
    const std::uint64_t refused = statistics_.connections_refused - refusals_reported_.connections_refused;
    const std::uint64_t silent = statistics_.unopened_dropped - refusals_reported_.unopened_dropped;
    if (refused == 0 || now < refusals_due_) return;
    refusals_due_ = now + refusals_ns;
    refusals_reported_ = statistics_;
    env::LogLine line(env_, env::LogLevel::warning);
    line << "connections: limit of " << options_.connections << " reached (limits.connections); " << refused << " refused";
    if (silent != 0) line << ", " << silent << " of them for not opening in time";
}

void Hub::no_longer_fresh(Session& session) {
    List<Session, LazyPoolTag>::remove(session);
    open_.push_back(session);
}

FetchRequest* Hub::take_fetch(std::size_t held) {
    const bool scarce = fetches_.count() - fetches_.taken() <= fetches_.count() / 4;
    FetchRequest* const request = scarce && held >= few_requests ? nullptr : fetches_.take();
    if (!request) crowded_until_ = env_.now() + crowded_ns;
    return request;
}

void Hub::leave(Session& session) {
    List<Session, LazyPoolTag>::remove(session);
    leaving_.push_back(session);
    ++leaving_count_;
}

// It has left.
void Hub::release(Session& session) {
    List<Session, LazyPoolTag>::remove(session);
    --leaving_count_;
    sessions_.give(session);
}

// `visit` may move the session to another list.
template <class F>
void Hub::for_each(F&& visit) {
    for (List<Session, LazyPoolTag>* list : {&leaving_, &open_, &fresh_}) {
        for (Session* session = list->front(); session;) {
            Session* const next = list->next(*session);
            visit(*session);
            session = next;
        }
    }
}

template <class F>
void Hub::for_each_newest_first(F&& visit) {
    for (List<Session, LazyPoolTag>* list : {&fresh_, &open_}) {
        for (Session* session = list->back(); session;) {
            Session* const previous = list->previous(*session);
            visit(*session);
            session = previous;
        }
    }
}

// ---- halves of frames ----

void Hub::count_incomplete(bool more) {
    incomplete_ += more ? 1 : -std::size_t{1};
    if (incomplete_ > receive_pool_.crowd_max() && !crowd_timer_.armed()) env_.arm(crowd_timer_, env_.now() + ReceivePool::crowd_ns_max);
}

// While somebody waits for an output buffer, those who hold one and take nothing are looked for more often than at each tick.
void Hub::output_wanted() {
    if (!crowd_timer_.armed()) env_.arm(crowd_timer_, env_.now() + Session::in_the_way_ns_max / 2);
}

// Those late with a large frame are looked for more often, too.
void Hub::receive_wanted() {
    if (receive_pool_.large_wanted() && !crowd_timer_.armed()) env_.arm(crowd_timer_, env_.now() + ReceivePool::stall_ns_max / 4);
}

void Hub::thin_out() {
    if (draining_) return;
    if (output_pool_.starving()) {
        on_tick(env_.now());
        if (output_pool_.starving()) output_wanted();
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
    for_each([now](Session& session) { session.check_time(now); });
    report_refusals(now);
}

void Hub::drain() {
    draining_ = true;
    for_each([](Session& session) {
        if (session.parting()) session.abort();
        else session.drain(Error::shutting_down);
    });
}

void Hub::abort() {
    for_each([](Session& session) { session.abort(); });
}

void Hub::drop_older(const Session& newer, const frames::Open& open) {
    env_.charge(sessions_open() * 64);
    for (Session* at = open_.front(); at; at = open_.next(*at)) {
        if (at != &newer && at->is_session(open.session)) at->drain(at->incarnation() == open.incarnation ? Error::canceled : Error::session_moved);
    }
}

}  // namespace rivulet::server::compact
