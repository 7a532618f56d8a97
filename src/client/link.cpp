#include "client/link.h"

#include <algorithm>
#include <cstring>

namespace rivulet::client {

namespace {
constexpr std::size_t compact_bytes = 64U << 10;
}  // namespace

Link::Link(env::Env& env, const LinkOptions& options, Arena& arena)
    : env_(env), connect_timeout_ms_(options.connect_timeout_ms), receive_(arena.take_bytes(options.receive_bytes)), send_{arena.take_bytes(options.send_bytes), arena.take_bytes(options.send_bytes)} {
    out_ = Writer(send_[0]);
}

void Link::start(const Bootstrap& bootstrap) {
    RIVULET_CHECK(phase_ == Phase::idle && !bootstrap.endpoints().empty());
    bootstrap_ = bootstrap;
    entry_ = 0;
    stopped_ = false;
    try_entry();
}

void Link::try_entry() {
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
    arm_in(connect_timeout_ms_);
    env_.network().resolve(entry().host, entry().port, *this);
}

void Link::on_resolved(Error error, std::span<const env::Address> addresses) {
    lookup_running_ = false;
    if (phase_ != Phase::resolving) return;
    if (error != Error::none || addresses.empty()) return attempt_failed(fail(error == Error::none ? Error::host_not_found : error));
    address_count_ = std::min(addresses.size(), addresses_.size());
    std::copy_n(addresses.begin(), address_count_, addresses_.begin());
    try_address();
}

void Link::try_address() {
    begin_ = end_ = wanted_ = filling_ = 0;
    out_ = Writer(send_[0]);
    begin_attempt();
    ending_.stage = Stage::connect;
    const auto connection = env_.network().connect(addresses_[address_], *this);
    if (!connection) {
        ending_.failure = connection.failure();
        phase_ = Phase::deferred;
        return arm_in(0);
    }
    connection_ = *connection;
    phase_ = Phase::connecting;
    arm_in(connect_timeout_ms_);
}

// Tells of a failure before it was established, and goes on to what is next.
void Link::attempt_failed(Failure failure) {
    disarm();
    ending_.failure = failure;
    const bool more = !stopped_ && (address_ + 1 < address_count_ || entry_ + 1 < bootstrap_.endpoints().size());
    if (!more) return finish();
    phase_ = Phase::deferred;
    tell_attempt_failed(ending_);
    if (phase_ == Phase::deferred) next_address();
}

void Link::next_address() {
    if (stopped_) return finish();
    if (address_ + 1 < address_count_) {
        ++address_;
        ending_ = {};
        ending_.where = entry().text;
        return try_address();
    }
    ++entry_;
    try_entry();
}

void Link::finish() {
    disarm();
    phase_ = Phase::idle;
    const Ending ending = ending_;
    tell_closed(ending);
}

void Link::on_connected() {
    if (phase_ != Phase::connecting) return;
    phase_ = Phase::greeting;
    ending_.stage = Stage::handshake;
    greet();
    flush();
}

void Link::established() {
    phase_ = Phase::open;
    ending_.stage = Stage::established;
}

void Link::await_close(std::int64_t ms) {
    phase_ = Phase::closing;
    flush();
    arm_in(ms);
}

void Link::flush() {
    if (!connected() || connection_->sending()) return;
    before_flush();
    RIVULET_CHECK(out_.ok());
    if (out_.size() == 0) return;
    const Bytes bytes = out_.written();
    const std::size_t taken = connection_->send({&bytes, 1});
    RIVULET_CHECK(taken == bytes.size());  // one buffer is taken whole
    if (connection_->sending()) filling_ ^= 1;
    out_ = Writer(send_[filling_]);
}

void Link::on_sent() {
    flush();
    if (phase_ == Phase::open) tell_writable();
    flush();
}

void Link::drop() {
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

void Link::break_off(Failure failure) {
    if (phase_ == Phase::dropping || !connection_) return;
    ending_.failure = failure;
    phase_ = Phase::dropping;
    disarm();
    connection_->close();
}

void Link::on_closed(Error reason) {
    connection_ = nullptr;
    if (phase_ != Phase::dropping) {
        // Its end without a word, after we had asked for the end, is an end all the same.
        const bool asked = phase_ == Phase::closing && reason == Error::end_of_file;
        ending_.failure = fail(asked ? Error::none : reason == Error::end_of_file ? Error::connection_reset : reason);
    }
    phase_ = Phase::dropping;
    if (ending_.stage == Stage::established) return finish();
    attempt_failed(ending_.failure);
}

void Link::on_timer() {
    switch (phase_) {
    case Phase::deferred:
        if (stopped_) return finish();
        return attempt_failed(ending_.failure);
    case Phase::resolving: return attempt_failed(fail(Error::timed_out));
    case Phase::connecting:
    case Phase::greeting:
    case Phase::closing: return break_off(fail(Error::timed_out));
    case Phase::open: return on_open_timer(due());
    default: return;
    }
}

MutableBytes Link::receive_buffer() {
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

void Link::on_received(std::size_t n) {
    if (n == 0) return;
    end_ += n;
    received_at_ = env_.now();
    take_received();
    flush();
}

}  // namespace rivulet::client
