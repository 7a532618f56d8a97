// Receiving and the life of a connection. Output: session_output.cpp; frames: handle_*.cpp.
#include "server/compact/session.h"

#include "env/log.h"
#include "server/compact/hub.h"

namespace rivulet::server::compact {

void Session::begin(env::Connection& connection, const env::Endpoint& advertised) {
    s_ = State();
    s_.phase = Phase::fresh;
    s_.accepted = s_.heard = s_.held_since = hub_.env().now();
    std::uint8_t random[4];
    hub_.env().entropy(random);
    s_.seed = load_le<std::uint32_t>(random);
    connection_ = &connection;
    advertised_ = &advertised;
}

// ---- receiving ----

MutableBytes Session::receive_buffer() {
    if (s_.phase == Phase::parting) return hub_.sink();
    if (s_.blocked || (s_.phase != Phase::fresh && s_.phase != Phase::open)) return {};
    if (receive_.empty()) {
        const MutableBytes buffer = hub_.receive_pool().small_buffers().take();
        if (buffer.empty()) {
            ReceiveWaiter& waiter = *this;
            if (!waiter.linked()) hub_.receive_pool().small_buffers().wait(waiter);
            hub_.receive_wanted();
            return {};
        }
        adopt(buffer);
    }
    const MutableBytes room = payload().subspan(s_.filled);
    const ReceivePool& pool = hub_.receive_pool();
    if (pool.is_small(receive_) || !pool.wanted(receive_, s_.proven)) return room;
    // To the end of this frame: what lies behind it would keep the buffer. All whole frames are digested, so this only looks at the length.
    const auto step = s_.reader.next(Bytes(payload()).first(s_.filled));
    return step.outcome == frames::FrameReader::Outcome::need_more && step.bytes - s_.filled < room.size() ? room.first(step.bytes - s_.filled) : room;
}

void Session::adopt(MutableBytes buffer) {
    set_incomplete(false);
    receive_ = buffer;
    s_.filled = s_.position = 0;
    s_.held_since = hub_.env().now();
    ::new (static_cast<void*>(buffer.data())) InHand();
}

// A small one, to go on reading; or the large one that the frame in the small one needs.
void Session::on_receive_buffer(MutableBytes buffer) {
    if (!receive_.empty()) {
        const MutableBytes small = receive_;
        const std::uint32_t filled = s_.filled;
        copy(Bytes(payload()).first(filled), buffer.subspan(in_hand_bytes));
        adopt(buffer);
        s_.filled = filled;
        s_.blocked = false;
        hub_.env().charge(filled);
        hub_.receive_pool().give(small, s_.proven);
    } else {
        adopt(buffer);
    }
    connection_->resume_reading();
}

void Session::on_received(std::size_t n) {
    if (s_.phase == Phase::parting) {
        s_.filled += static_cast<std::uint32_t>(n);
        if (s_.filled > parting_bytes_max) end();
        return;
    }
    if (receive_.empty()) return;
    s_.filled += static_cast<std::uint32_t>(n);
    if (n != 0) s_.heard = hub_.env().now();
    if (s_.blocked) return;
    Budget budget;
    digest(budget);
}

void Session::digest(Budget& budget) {
    while (!receive_.empty()) {
        InHand& hand = in_hand();
        if (s_.frame_bytes == 0) {
            if (budget.frames == 0 || budget.bytes == 0) {
                block();
                return wake();
            }
            const auto step = s_.reader.next(Bytes(payload()).subspan(s_.position, s_.filled - s_.position));
            if (step.outcome == frames::FrameReader::Outcome::need_more) return await_more(step.bytes);
            if (step.outcome == frames::FrameReader::Outcome::failed) return static_cast<void>(fail(step.failure));
            set_incomplete(false);
            hand.frame = step.frame;
            s_.frame_bytes = static_cast<std::uint32_t>(step.bytes);
            --budget.frames;
            budget.bytes -= step.bytes < budget.bytes ? step.bytes : budget.bytes;
            hub_.env().charge(step.bytes + 64);
        }
        switch (handle(hand, budget)) {
            case Progress::ended: return;
            case Progress::blocked: return block();
            case Progress::done: break;
        }
        if (!s_.proven && hub_.receive_pool().needs_large(in_hand_bytes + s_.frame_bytes)) {
            s_.proven = true;
            hub_.receive_pool().prove();
        }
        s_.position += s_.frame_bytes;
        s_.frame_bytes = 0;
        s_.held_since = hub_.env().now();
    }
    if (connection_) connection_->resume_reading();
}

// All whole frames are digested; `frame_bytes`: of the next one, as far as known.
void Session::await_more(std::size_t frame_bytes) {
    const std::size_t left = s_.filled - s_.position;
    if (left == 0) {
        give_receive_buffer();
    } else {
        if (s_.position != 0) {
            std::memmove(payload().data(), payload().data() + s_.position, left);
            hub_.env().charge(left);
        }
        s_.filled = static_cast<std::uint32_t>(left);
        s_.position = 0;
        ReceivePool& pool = hub_.receive_pool();
        const bool larger = frame_bytes > payload().size();
        set_incomplete(pool.is_small(receive_) && !(larger && s_.proven));
        if (larger) {
            const MutableBytes large = pool.take_large(s_.proven);
            if (!large.empty()) return on_receive_buffer(large);
            block();
            ReceiveWaiter& waiter = *this;
            pool.wait_large(waiter, s_.proven);
            return hub_.receive_wanted();
        }
    }
    connection_->resume_reading();
}

void Session::set_incomplete(bool incomplete) {
    if (s_.incomplete == incomplete) return;
    s_.incomplete = incomplete;
    hub_.count_incomplete(incomplete);
}

bool Session::overstays(Instant now) const {
    const ReceivePool& pool = hub_.receive_pool();
    if (receive_.empty() || !pool.wanted(receive_, s_.proven)) return false;
    const std::int64_t held = now - s_.held_since;
    if (s_.blocked && s_.held_off) return held > ReceivePool::stall_ns_max;
    if (s_.blocked || s_.frame_bytes != 0) return false;
    if (pool.is_small(receive_)) return held > ReceivePool::hold_ns_max;
    const std::int64_t silent = now - s_.heard;
    return held > ReceivePool::large_ns_max || (held > ReceivePool::stall_ns_max && silent > ReceivePool::stall_ns_max);
}

void Session::give_up_frame() {
    const std::string_view why = s_.blocked && s_.held_off ? "its topic takes no more, and buffers are short"
                                 : s_.blocked              ? "too many wait for room for a large frame"
                                                           : "frame incomplete for too long while buffers are short";
    static_cast<void>(fail(rivulet::fail(Error::timed_out), why));
}

Session::Progress Session::handle(InHand& hand, Budget& budget) {
    const frames::FrameView& frame = hand.frame;
    const auto state = s_.phase == Phase::fresh ? frames::State::fresh : frames::State::open;
    if (frames::admit(frame.kind, frames::Side::broker, state) != frames::Admission::take) return fail(rivulet::fail(Error::out_of_order));
    switch (frame.kind) {
        case frames::Kind::open: return handle_open(frame);
        case frames::Kind::alias: return handle_alias(frame);
        case frames::Kind::put:
        case frames::Kind::put_packed: return handle_put(hand, budget);
        case frames::Kind::ping: return handle_ping(frame);
        case frames::Kind::pong: return frames::decode_ping(frame.body) ? Progress::done : fail(rivulet::fail(Error::malformed));
        case frames::Kind::error: end(); return Progress::ended;
        case frames::Kind::close: return handle_close(frame);
        case frames::Kind::fetch: return handle_fetch(frame);
        case frames::Kind::offsets: return handle_offsets(frame);
        case frames::Kind::metadata: return handle_metadata(frame);
        case frames::Kind::topic_create: return handle_topic_create(frame);
        case frames::Kind::topic_alter: return handle_topic_alter(frame);
        case frames::Kind::topic_delete: return handle_topic_delete(frame);
        case frames::Kind::topic_list: return handle_topic_list(frame);
        case frames::Kind::topic_describe: return handle_topic_describe(frame);
        case frames::Kind::subscribe: return handle_subscribe(frame);
        case frames::Kind::credit: return handle_credit(frame);
        case frames::Kind::commit: return handle_commit(frame);
        case frames::Kind::assign: return handle_assign(frame);
        case frames::Kind::group: return handle_group(frame);
        default: return fail(rivulet::fail(Error::unsupported, static_cast<std::int64_t>(frame.kind)));
    }
}

Session::Progress Session::handle_ping(const frames::FrameView& frame) {
    const auto ping = frames::decode_ping(frame.body);
    if (!ping) return fail(ping.failure());
    if (!output_room(frames::ping_bytes_max + 4)) return Progress::blocked;
    Writer out = output();
    frames::encode_pong(out, *ping);
    written(out);
    return Progress::done;
}

Session::Progress Session::handle_close(const frames::FrameView& frame) {
    const auto close = frames::decode_close(frame.body);
    if (!close) return fail(close.failure());
    drain(Error::none);
    return Progress::ended;
}

void Session::block() {
    s_.blocked = true;
    connection_->pause_reading();
}

void Session::wake() { hub_.run_soon(*this); }

void Session::run() {
    // The output buffer that was kept for what is done now: flush() gives it back if that needed none.
    s_.wants_output = false;
    if (!output_.empty()) hub_.flush_soon(*this);
    if (s_.phase != Phase::fresh && s_.phase != Phase::open) return;
    ReceiveWaiter& waiter = *this;
    if (waiter.linked()) return;  // for a large buffer
    s_.blocked = s_.held_off = false;
    Budget budget;
    digest(budget);
}

// ---- the end ----

void Session::check_time(Instant now) {
    if (s_.phase == Phase::gone) return;
    if (s_.sending) check_sending(now);
    if (s_.phase == Phase::gone) return;
    if (hub_.fetches_crowded(now)) check_starved(now);
    check_members(now);
    if (s_.phase == Phase::parting && now - s_.heard > parting_ns_max) return end();
    if (s_.phase != Phase::fresh && s_.phase != Phase::open) return;
    if (overstays(now)) return give_up_frame();
    if (s_.blocked || awaits_answers()) return;
    const bool late = s_.phase == Phase::fresh ? now - s_.accepted > open_ns_max : now - s_.heard > idle_ns_max;
    if (late) drain(Error::timed_out);
}

void Session::give_receive_buffer() {
    if (receive_.empty()) return;
    set_incomplete(false);
    const MutableBytes buffer = receive_;
    receive_ = {};
    s_.filled = s_.position = s_.frame_bytes = 0;
    hub_.receive_pool().give(buffer, s_.proven);
}

// Nothing more is taken from this connection.
void Session::stop_receiving() {
    broker::RoomWaiter& room = *this;
    broker::Broker::cancel(room);
    hold_.release();
    ReceiveWaiter& waiter = *this;
    BufferPool::cancel(waiter);
    if (ListNode<Session, RunTag>& node = *this; node.linked()) List<Session, RunTag>::remove(*this);
    connection_->pause_reading();
    give_receive_buffer();
    hub_.aliases().give(s_.aliases);
}

void Session::drain(Error reason) {
    if (s_.phase != Phase::fresh && s_.phase != Phase::open) return;
    if (s_.phase == Phase::fresh) hub_.no_longer_fresh(*this);
    s_.close_reason = reason;
    s_.phase = Phase::draining;
    stop_receiving();
    for (Request* request = requests_.front(); request; request = requests_.next(*request)) {
        if (request->type == Request::Type::change || request->kind == frames::Kind::data) continue;
        const Failure why = rivulet::fail(reason == Error::none ? Error::canceled : reason);
        if (request->type == Request::Type::membership) {
            end_membership(static_cast<Membership&>(*request), why);
            continue;
        }
        auto& fetch = static_cast<FetchRequest&>(*request);
        if (request->kind == frames::Kind::subscribe) {
            end_subscription(fetch, why);
            continue;
        }
        if (request->state != Request::State::waiting && request->state != Request::State::deferred) continue;
        stop_waiting(fetch);
        request->outcome = why;
        request->state = Request::State::ready;
    }
    hub_.flush_soon(*this);
}

Session::Progress Session::fail(Failure failure, std::string_view text) {
    if (s_.phase == Phase::ending || s_.phase == Phase::gone) return Progress::ended;
    ++hub_.count().protocol_errors;
    env::LogLine(hub_.env(), env::LogLevel::debug) << connection_->peer() << ": " << error_info(failure.error).text << " (" << failure.detail << ") " << text;
    if (!output_room(answer_room)) {
        end();
        return Progress::ended;
    }
    Writer out = output();
    frames::encode_error(out, failure, (text.empty() ? std::string_view(error_info(failure.error).text) : text).substr(0, 160));
    written(out);
    if (s_.phase == Phase::fresh) hub_.no_longer_fresh(*this);
    s_.phase = Phase::ending;
    s_.close_reason = failure.error;
    stop_receiving();
    broker::CommitWaiter& commit = *this;
    broker::Broker::cancel(commit);
    // The error comes behind what is on its way.
    for (Request* request = requests_.front(); request;) {
        Request* const next = requests_.next(*request);
        if (request->state != Request::State::sending) forget(*request);
        request = next;
    }
    return Progress::ended;
}

void Session::refuse(Bytes error_frame) {
    RIVULET_CHECK(s_.phase == Phase::fresh);
    connection_->send({&error_frame, 1});
    part();
}

void Session::part() {
    leave();
    s_.phase = Phase::parting;
    s_.heard = hub_.env().now();
    stop_receiving();
    release();
    s_.filled = 0;
    connection_->shutdown_sending();
    connection_->resume_reading();
}

void Session::leave() {
    if (s_.phase != Phase::parting && s_.phase != Phase::gone) hub_.leave(*this);
}

void Session::abort() {
    if (s_.phase != Phase::gone) end();
}

void Session::end() {
    leave();
    s_.phase = Phase::gone;
    stop_receiving();
    connection_->close();
}

void Session::on_closed(Error) {
    leave();
    s_.phase = Phase::gone;
    stop_receiving();
    release();
    connection_ = nullptr;
    hub_.release(*this);
}

void Session::release() {
    broker::CommitWaiter& commit = *this;
    broker::Broker::cancel(commit);
    OutputWaiter& waiter = *this;
    BufferPool::cancel(waiter);
    if (ListNode<Session, FlushTag>& node = *this; node.linked()) List<Session, FlushTag>::remove(*this);
    while (Request* request = requests_.front()) forget(*request);
    if (output_.empty()) return;
    const MutableBytes buffer = output_;
    output_ = {};
    hub_.output_pool().give(buffer);
}

}  // namespace rivulet::server::compact
