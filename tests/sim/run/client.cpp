#include "sim/run/client.h"

namespace rivulet::sim {

namespace {
constexpr std::int64_t ping_ns = 3 * ns_per_s;
constexpr std::int64_t open_ns_max = 10 * ns_per_s;
constexpr std::uint64_t fetch_overhead = 128;
}  // namespace

ClientOptions reader_options(const Plan& plan, std::size_t number, const char* role) {
    ClientOptions options;
    options.tick_ns = plan.consumers[number].tick_ns;
    options.frame_bytes_max = plan.consumers[number].frame_bytes_max;
    options.name = std::string(role) + " " + std::to_string(number);
    return options;
}

Client::Client(NodeEnv& env, Random random, const ClientOptions& options)
    : env_(env), world_(env.world()), random_(random), options_(options), received_(options.frame_bytes_max + 512) {
    correlation_ = random_.chance(1, 8) ? 0xfffffff0U : random_.below(1000);
    env_.arm(*this, env_.now() + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(options_.tick_ns))));
}

Client::~Client() { env_.disarm(*this); }

void Client::broken(const std::string& what) { world_.fail(options_.name + ": the broker broke the protocol: " + what); }

// ---- the connection ----

void Client::connect() {
    const Node& broker = world_.node("broker");
    const Result<env::Connection*> made = env_.network().connect(broker.address(broker_port), *this);
    retry_at_ = world_.now() + static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(options_.retry_ns_max)));
    if (!made) return;
    connection_ = *made;
    connected_ = false;
    phase_ = Phase::connecting;
    heard_at_ = pinged_at_ = world_.now();
    filled_ = 0;
    staged_.clear();
    up_ = frames::RunningCrc();
    reader_ = frames::FrameReader(frames::Side::broker);
    reads_again_at_ = -1;
    opened_ = frames::Opened();
}

void Client::on_connected() {
    connected_ = true;
    phase_ = Phase::opening;
    heard_at_ = world_.now();
    frames::Open open = make_open();
    open.features |= frames::feature::integrity;
    open.frame_bytes_max = options_.frame_bytes_max;
    open.name = options_.name;
    emit(frames::frame_bytes_before_open, [&](Writer& out) { frames::encode_open(out, up_, open); });
    on_connection();
    flush();
}

void Client::flush() {
    if (!connected_ || phase_ == Phase::closing || staged_.empty() || connection_->sending()) return;
    flying_.swap(staged_);
    staged_.clear();
    const Bytes buffer(flying_);
    (void)connection_->send({&buffer, 1});
}

void Client::on_sent() { flush(); }

void Client::hang_up(bool polite) {
    if (!connection_ || phase_ == Phase::closing || (polite && phase_ == Phase::leaving)) return;
    if (polite && phase_ == Phase::open) {
        phase_ = Phase::leaving;
        emit(16, [](Writer& out) { frames::encode_close(out, {}); });
        flush();
        return;
    }
    phase_ = Phase::closing;
    connection_->close();
}

void Client::on_closed(Error) {
    connection_ = nullptr;
    connected_ = false;
    phase_ = Phase::down;
    on_down();
}

void Client::stop_reading(std::int64_t ns) {
    if (!connection_ || phase_ == Phase::closing) return;
    connection_->pause_reading();
    reads_again_at_ = world_.now() + ns;
}

void Client::on_timer() {
    env_.arm(*this, env_.now() + options_.tick_ns);
    const std::int64_t now = world_.now();
    if (!connection_) {
        if (now >= retry_at_) connect();
        return;
    }
    if (reads_again_at_ >= 0) {
        if (now < reads_again_at_) return;
        reads_again_at_ = -1;
        heard_at_ = now;
        if (phase_ != Phase::closing) connection_->resume_reading();
    }
    const bool opening = phase_ == Phase::opening || phase_ == Phase::connecting;
    if (now - heard_at_ > (opening ? open_ns_max : options_.silence_ns_max)) hang_up(false);
    if (phase_ == Phase::open && now - heard_at_ > ping_ns && now - pinged_at_ > ping_ns) {
        pinged_at_ = now;
        std::uint8_t echo[frames::ping_bytes_max];
        store_le(echo, now);
        const Bytes sent = Bytes(echo).first(8);
        emit(32, [&](Writer& out) { frames::encode_ping(out, {sent}); });
    }
    on_tick();
    flush();
}

// ---- receiving ----

MutableBytes Client::receive_buffer() { return MutableBytes(received_).subspan(filled_); }

void Client::on_received(std::size_t n) {
    filled_ += n;
    if (n != 0) heard_at_ = world_.now();
    std::size_t used = 0;
    while (!world_.failed() && (phase_ == Phase::opening || phase_ == Phase::open || phase_ == Phase::leaving)) {
        const auto step = reader_.next(Bytes(received_).subspan(used, filled_ - used));
        if (step.outcome == frames::FrameReader::Outcome::need_more) break;
        if (step.outcome == frames::FrameReader::Outcome::failed) {
            return broken("frame: " + std::string(error_info(step.failure.error).name) + ", detail " + std::to_string(step.failure.detail));
        }
        take(step.frame);
        used += step.bytes;
    }
    std::memmove(received_.data(), received_.data() + used, filled_ - used);
    filled_ -= used;
    flush();
}

void Client::take(const frames::FrameView& frame) {
    const auto state = phase_ == Phase::opening ? frames::State::fresh : phase_ == Phase::leaving ? frames::State::closing : frames::State::open;
    if (frames::admit(frame.kind, frames::Side::client, state) != frames::Admission::take) {
        return broken(std::string(frames::kind_info(frame.kind).name) + " is not allowed now");
    }
    switch (frame.kind) {
        case frames::Kind::open: return take_open(frame);
        case frames::Kind::ping: {
            const auto ping = frames::decode_ping(frame.body);
            if (!ping) return broken("PING");
            return emit(32, [&](Writer& out) { frames::encode_pong(out, *ping); });
        }
        case frames::Kind::pong: {
            const auto pong = frames::decode_ping(frame.body);
            if (!pong || pong->echo.size() != 8 || load_le<std::int64_t>(pong->echo.data()) > pinged_at_) return broken("PONG that answers no PING");
            return;
        }
        case frames::Kind::error: {
            const auto error = frames::decode_error(frame.body);
            if (!error) return broken("ERROR");
            if (!error_is_fair(*error)) return broken("ERROR " + std::string(error_info(error->error).name) + ", detail " + std::to_string(error->detail) + " " + std::string(error->text));
            return hang_up(false);
        }
        case frames::Kind::close: {
            const auto close = frames::decode_close(frame.body);
            if (!close) return broken("CLOSE");
            if (phase_ == Phase::leaving && close->reason == Error::none) on_left();
            phase_ = Phase::closing;
            return connection_->close();
        }
        default: return on_frame(frame);
    }
}

void Client::take_open(const frames::FrameView& frame) {
    const auto opened = frames::decode_opened(frame.body, frame.flags);
    if (!opened) return broken("the answer to OPEN");
    opened_ = *opened;
    opened_.software = {};
    reader_.set_frame_bytes_max(options_.frame_bytes_max);
    reader_.set_integrity((opened_.features & frames::feature::integrity) != 0);
    if ((opened_.features & frames::feature::integrity) == 0) return broken("integrity was not granted");
    if (opened_.frame_bytes_max < frames::frame_bytes_least) return broken("a frame limit below 1024");
    phase_ = Phase::open;
    on_opened(opened_);
}

bool Client::error_is_fair(const frames::FatalError& error) const {
    switch (error.error) {
        case Error::busy:
        case Error::too_many_connections:
        case Error::too_many_sessions:
        case Error::timed_out:
        case Error::shutting_down:
        case Error::store_offline:
        case Error::io:
        case Error::no_space: return true;
        default: return false;
    }
}

// ---- readers ----

bool Client::makes_trouble(const ConsumerPlan& own) {
    if (finishing_) return false;
    if (own.slow && random_.chance(1, 20)) {
        stop_reading(static_cast<std::int64_t>(random_.below(3 * ns_per_s)));
        return true;
    }
    if (!random_.chance(1, 400)) return false;
    hang_up(random_.chance(1, 2));
    return true;
}

bool Client::failure_is_fair(History& history, const Known& known, const frames::Answer& answer) const {
    const History::Topic& topic = history.topic(known.topic);
    switch (answer.error) {
        case Error::offset_out_of_range: return known.life < 0 || history.known(known.topic, known.partition).life != known.life || !history.strict();
        case Error::unknown_topic_or_partition: return known.life < 0 || !topic.there || topic.ever_deleted || topic.ever_uncertain;
        case Error::batch_too_large: return answer.detail > 0 && static_cast<std::uint64_t>(answer.detail) + fetch_overhead > options_.frame_bytes_max;
        case Error::busy:
        case Error::shutting_down:
        case Error::timed_out:
        case Error::canceled:
        case Error::store_offline: return true;
        default: return false;
    }
}

}  // namespace rivulet::sim
