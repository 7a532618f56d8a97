#include "client/channel.h"

#include <algorithm>

namespace rivulet::client {

using namespace protocol;

namespace {
constexpr std::int64_t ping_interval_most_ms = 10'000;
constexpr std::size_t small_frame_bytes = 64;  // PING, PONG, CLOSE, ERROR without text
}  // namespace

Channel::Channel(env::Env& env, const ChannelOptions& options, Arena& arena, ChannelHandler& handler) : Link(env, link_options(options), arena), options_(options), handler_(handler) {
    RIVULET_CHECK(options.receive_bytes >= frame_bytes_before_open && options.send_bytes >= frame_bytes_before_open);
}

void Channel::open(const Bootstrap& bootstrap, const SessionStart& session) {
    session_ = session;
    start(bootstrap);
}

void Channel::begin_attempt() {
    pong_due_ = false;
    state_ = State::fresh;
    frames_ = FrameReader(Side::broker);
    sum_ = RunningCrc();
}

void Channel::greet() {
    Open open;
    open.features = feature::integrity | options_.features;
    open.session = session_.session;
    open.incarnation = session_.incarnation;
    open.base_sequence = session_.base_sequence;
    open.frame_bytes_max = options_.receive_bytes;
    open.name = options_.name.substr(0, name_bytes_max);
    encode_open(out_, sum_, open);
    puts_ = PutState(open);
}

void Channel::before_flush() {
    if (!pong_due_ || out_.room() < small_frame_bytes) return;
    pong_due_ = false;
    encode_pong(out_, {Bytes(pong_).first(pong_bytes_)});
}

void Channel::close() {
    if (!is_open()) return drop();
    state_ = State::closing;
    if (out_.room() >= small_frame_bytes) encode_close(out_, {});
    await_close(options_.close_timeout_ms);
}

// Something about the broker's bytes is wrong: says so and ends.
void Channel::refuse(Failure failure) {
    if (!connected()) return;
    if (out_.room() >= small_frame_bytes) encode_error(out_, failure, {});
    flush();
    break_off(failure);
}

std::int64_t Channel::ping_interval_ms() const {
    const auto idle = static_cast<std::int64_t>(opened_.idle_ms_max < 1U << 30 ? opened_.idle_ms_max : 0);
    return idle != 0 && idle / 3 < ping_interval_most_ms ? idle / 3 + 1 : ping_interval_most_ms;
}

void Channel::on_open_timer(Instant due) {
    // While this process was held up, by a full pipe or by the system, it did not listen.
    received_at_ = std::min(env_.now(), received_at_ + (env_.now() - due));
    if (env_.now() - received_at_ > options_.silence_timeout_ms * ns_per_ms) return break_off(fail(Error::timed_out));
    if (out_.room() >= small_frame_bytes) encode_ping(out_, {});
    flush();
    arm_in(ping_interval_ms());
}

// ---- receiving ----

void Channel::take_received() {
    while (connected()) {
        const FrameReader::Step step = frames_.next(received());
        if (step.outcome == FrameReader::Outcome::failed) return refuse(step.failure);
        if (step.outcome == FrameReader::Outcome::need_more) return want(step.bytes);
        take(step.frame);
        consume(step.bytes);
    }
}

void Channel::take(const FrameView& frame) {
    switch (admit(frame.kind, Side::client, state_)) {
    case Admission::discard: return;
    case Admission::refuse: return refuse(fail(Error::out_of_order, static_cast<std::int64_t>(frame.kind)));
    case Admission::take: break;
    }
    switch (frame.kind) {
    case Kind::open: return take_opened(frame);
    case Kind::error: return take_error(frame);
    case Kind::close: return take_close(frame);
    case Kind::pong: return;
    case Kind::ping: {
        const auto ping = decode_ping(frame.body);
        if (!ping) return refuse(ping.failure());
        copy(ping->echo, pong_);
        pong_bytes_ = ping->echo.size();
        pong_due_ = true;
        return;
    }
    case Kind::alias: {
        const auto aliased = decode_aliased(frame.body);
        return aliased ? handler_.on_aliased(*aliased) : refuse(aliased.failure());
    }
    case Kind::ack: {
        const auto ack = decode_ack(frame, puts_);
        return ack ? handler_.on_ack(*ack) : refuse(ack.failure());
    }
    case Kind::data:
        if ((frame.flags & flag::data_end) == 0) return handler_.on_data(frame);
        [[fallthrough]];
    default: {
        const auto answer = decode_answer(frame.body);
        return answer ? handler_.on_answer(frame, *answer) : refuse(answer.failure());
    }
    }
}

void Channel::take_opened(const FrameView& frame) {
    const auto opened = decode_opened(frame.body, frame.flags);
    if (!opened) return refuse(opened.failure());
    frames_.set_frame_bytes_max(options_.receive_bytes);
    puts_.grant(opened->credit);
    opened_ = *opened;
    opened_.software = {};
    state_ = State::open;
    established();
    arm_in(ping_interval_ms());
    handler_.on_open(*opened);
}

void Channel::take_error(const FrameView& frame) {
    const auto error = decode_error(frame.body);
    if (!error) return refuse(error.failure());
    Text text(ending_text_);
    text << error->text;
    ending_.text = text.view();
    ending_.from_broker = true;
    break_off(fail(error->error, error->detail));
}

void Channel::take_close(const FrameView& frame) {
    const auto close = decode_close(frame.body);
    if (!close) return refuse(close.failure());
    const bool asked = state_ == State::closing;
    ending_.from_broker = true;
    // A broker that says no reason and was not asked has something against this connection all the same.
    break_off(fail(close->reason != Error::none || asked ? close->reason : Error::connection_reset));
}

}  // namespace rivulet::client
