#include "client/channel.h"

#include <algorithm>

namespace rivulet::client {

using namespace protocol;

namespace {
constexpr std::int64_t ping_interval_most_ms = 10'000;
constexpr std::size_t compact_bytes = 64U << 10;
constexpr std::size_t small_frame_bytes = 64;  // PING, PONG, CLOSE, ERROR without text
}  // namespace

std::size_t Channel::memory_bytes(const ChannelOptions& options) {
    return options.receive_bytes + 2 * options.send_bytes + 3 * alignof(std::max_align_t);
}

Channel::Channel(env::Env& env, const ChannelOptions& options, Arena& arena, ChannelHandler& handler)
    : env_(env), options_(options), handler_(handler), receive_(arena.take_bytes(options.receive_bytes)),
      send_{arena.take_bytes(options.send_bytes), arena.take_bytes(options.send_bytes)}, out_(send_[0]) {
    RIVULET_CHECK(options.receive_bytes >= frame_bytes_before_open && options.send_bytes >= frame_bytes_before_open);
}

Channel::~Channel() { disarm(); }

void Channel::open(const Bootstrap& bootstrap, const SessionStart& session) {
    RIVULET_CHECK(phase_ == Phase::idle && !bootstrap.endpoints().empty());
    bootstrap_ = bootstrap;
    session_ = session;
    entry_ = 0;
    stopped_ = false;
    ending_ = {};
    try_entry();
}

void Channel::try_entry() {
    address_ = address_count_ = 0;
    ending_ = {};
    ending_.where = entry().text;
    if (entry().numeric) {
        addresses_[0] = entry().address;
        address_count_ = 1;
        return try_address();
    }
    // A look-up that was given up on is still under way, and there is one at a time.
    if (lookup_running_) {
        ending_.failure = fail(Error::timed_out);
        phase_ = Phase::deferred;
        return arm_in(0);
    }
    phase_ = Phase::resolving;
    lookup_running_ = true;
    arm_in(options_.connect_timeout_ms);
    env_.network().resolve(entry().host, entry().port, *this);
}

void Channel::on_resolved(Error error, std::span<const env::Address> addresses) {
    lookup_running_ = false;
    if (phase_ != Phase::resolving) return;
    if (error != Error::none || addresses.empty()) return attempt_failed(fail(error == Error::none ? Error::host_not_found : error));
    address_count_ = addresses.size() < addresses_.size() ? addresses.size() : addresses_.size();
    for (std::size_t i = 0; i < address_count_; ++i) addresses_[i] = addresses[i];
    try_address();
}

void Channel::try_address() {
    begin_ = end_ = 0;
    wanted_ = 0;
    filling_ = 0;
    out_ = Writer(send_[0]);
    pong_due_ = false;
    state_ = State::fresh;
    frames_ = FrameReader(Side::broker);
    sum_ = RunningCrc();
    ending_.stage = Stage::connect;
    const auto connection = env_.network().connect(addresses_[address_], *this);
    if (!connection) {
        ending_.failure = connection.failure();
        phase_ = Phase::deferred;
        return arm_in(0);
    }
    connection_ = *connection;
    phase_ = Phase::connecting;
    arm_in(options_.connect_timeout_ms);
}

// Tells of a failure before OPEN was answered, and goes on to what is next.
void Channel::attempt_failed(Failure failure) {
    disarm();
    ending_.failure = failure;
    const bool more = !stopped_ && (address_ + 1 < address_count_ || entry_ + 1 < bootstrap_.endpoints().size());
    if (!more) return finish();
    phase_ = Phase::deferred;
    handler_.on_attempt_failed(ending_);
    if (phase_ == Phase::deferred) next_address();
}

void Channel::next_address() {
    if (stopped_) return finish();
    ending_ = {};
    if (address_ + 1 < address_count_) {
        ++address_;
        ending_.where = entry().text;
        return try_address();
    }
    ++entry_;
    try_entry();
}

void Channel::finish() {
    disarm();
    phase_ = Phase::idle;
    const Ending ending = ending_;
    handler_.on_closed(ending);
}

void Channel::on_connected() {
    if (phase_ != Phase::connecting) return;
    phase_ = Phase::opening;
    ending_.stage = Stage::handshake;
    Open open;
    open.features = feature::integrity | options_.features;
    open.session = session_.session;
    open.incarnation = session_.incarnation;
    open.base_sequence = session_.base_sequence;
    open.frame_bytes_max = options_.receive_bytes;
    open.name = options_.name.substr(0, name_bytes_max);
    encode_open(out_, sum_, open);
    puts_ = PutState(open);
    flush();
}

void Channel::flush() {
    if (!connection_ || phase_ == Phase::connecting || phase_ == Phase::dropping || connection_->sending()) return;
    if (pong_due_ && out_.room() >= small_frame_bytes) {
        pong_due_ = false;
        encode_pong(out_, {Bytes(pong_).first(pong_bytes_)});
    }
    RIVULET_CHECK(out_.ok());
    if (out_.size() == 0) return;
    const Bytes bytes = out_.written();
    const std::size_t taken = connection_->send({&bytes, 1});
    RIVULET_CHECK(taken == bytes.size());  // one buffer is taken whole
    if (connection_->sending()) filling_ ^= 1;
    out_ = Writer(send_[filling_]);
}

void Channel::on_sent() {
    flush();
    if (phase_ == Phase::open) handler_.on_writable();
    flush();
}

void Channel::close() {
    if (phase_ != Phase::open) return drop();
    phase_ = Phase::closing;
    state_ = State::closing;
    if (out_.room() >= small_frame_bytes) encode_close(out_, {});
    flush();
    arm_in(options_.close_timeout_ms);
}

void Channel::drop() {
    stopped_ = true;
    switch (phase_) {
    case Phase::idle:
    case Phase::dropping:
        return;
    case Phase::deferred:
    case Phase::resolving:
        ending_.failure = fail(Error::canceled);
        phase_ = Phase::deferred;
        return arm_in(0);
    default:
        break_off(fail(Error::canceled));
    }
}

void Channel::break_off(Failure failure) {
    if (phase_ == Phase::dropping) return;
    ending_.failure = failure;
    phase_ = Phase::dropping;
    disarm();
    connection_->close();
}

// Something about the broker's bytes is wrong: says so and ends.
void Channel::refuse(Failure failure) {
    if (phase_ == Phase::dropping) return;
    if (out_.room() >= small_frame_bytes) encode_error(out_, failure, {});
    flush();
    break_off(failure);
}

void Channel::on_closed(Error reason) {
    connection_ = nullptr;
    const bool was_established = ending_.stage == Stage::established;
    const Phase phase = phase_;
    phase_ = Phase::dropping;
    if (phase != Phase::dropping) {
        // Its end without a CLOSE, after we had asked for the end, is an end all the same.
        const bool asked = phase == Phase::closing && reason == Error::end_of_file;
        ending_.failure = fail(asked ? Error::none : reason == Error::end_of_file ? Error::connection_reset : reason);
    }
    if (was_established) return finish();
    attempt_failed(ending_.failure);
}

void Channel::on_timer() {
    switch (phase_) {
    case Phase::deferred:
        if (stopped_) return finish();
        return attempt_failed(ending_.failure);
    case Phase::resolving:
        return attempt_failed(fail(Error::timed_out));
    case Phase::connecting:
    case Phase::opening:
        return break_off(fail(Error::timed_out));
    case Phase::open:
        return check_alive();
    case Phase::closing:
        return break_off(fail(Error::timed_out));
    default:
        return;
    }
}

std::int64_t Channel::ping_interval_ms() const {
    const auto idle = static_cast<std::int64_t>(opened_.idle_ms_max < 1U << 30 ? opened_.idle_ms_max : 0);
    return idle != 0 && idle / 3 < ping_interval_most_ms ? idle / 3 + 1 : ping_interval_most_ms;
}

void Channel::check_alive() {
    // While this process was held up, by a full pipe or by the system, it did not listen.
    received_at_ = std::min(env_.now(), received_at_ + (env_.now() - due()));
    if (env_.now() - received_at_ > options_.silence_timeout_ms * ns_per_ms) return break_off(fail(Error::timed_out));
    if (out_.room() >= small_frame_bytes) encode_ping(out_, {});
    flush();
    arm_in(ping_interval_ms());
}

void Channel::arm_in(std::int64_t ms) { env_.arm(*this, env_.now() + ms * ns_per_ms); }

void Channel::disarm() {
    if (armed()) env_.disarm(*this);
}

// ---- receiving ----

MutableBytes Channel::receive_buffer() {
    if (begin_ == end_) begin_ = end_ = 0;
    // Moves what is there to the front when the frame under way would not fit behind it, or when that costs less than what was consumed
    // since: so a large buffer is touched only as far as frames are large.
    const std::size_t wanted = wanted_ > end_ - begin_ ? wanted_ - (end_ - begin_) : 1;
    if (begin_ != 0 && (receive_.size() - end_ < wanted || (begin_ >= compact_bytes && begin_ >= end_ - begin_))) {
        std::memmove(receive_.data(), receive_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        begin_ = 0;
    }
    return receive_.subspan(end_);
}

void Channel::on_received(std::size_t n) {
    if (n == 0) return;
    end_ += n;
    received_at_ = env_.now();
    take_frames();
    flush();
}

void Channel::take_frames() {
    while (phase_ == Phase::opening || phase_ == Phase::open || phase_ == Phase::closing) {
        const FrameReader::Step step = frames_.next(receive_.subspan(begin_, end_ - begin_));
        if (step.outcome == FrameReader::Outcome::failed) return refuse(step.failure);
        if (step.outcome == FrameReader::Outcome::need_more) {
            wanted_ = step.bytes;
            return;
        }
        take(step.frame);
        begin_ += step.bytes;
        wanted_ = 0;
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
    frames_.set_frame_bytes_max(receive_.size());
    puts_.grant(opened->credit);
    opened_ = *opened;
    opened_.software = {};
    state_ = State::open;
    phase_ = Phase::open;
    ending_.stage = Stage::established;
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
    const bool asked = phase_ == Phase::closing;
    ending_.from_broker = true;
    // A broker that says no reason and was not asked has something against this connection all the same.
    break_off(fail(close->reason != Error::none || asked ? close->reason : Error::connection_reset));
}

}  // namespace rivulet::client
