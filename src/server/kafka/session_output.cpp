// What a connection sends: answers, in order, when they may go.
#include "server/kafka/hub.h"
#include "server/kafka/session.h"

namespace rivulet::server::kafka {

// ---- room ----

bool Session::reserve(std::size_t bytes) {
    if (outbox_.has_buffer() && outbox_.room() >= bytes) return true;
    if (!outbox_.has_buffer()) {
        const bool large = bytes > output_bytes;
        const MutableBytes buffer = large ? hub_.large_outputs().take() : hub_.output_pool().take();
        if (buffer.empty()) return wait_output(large);
        outbox_.adopt(buffer);
    }
    if (!s_.sending) outbox_.compact();
    if (outbox_.room() >= bytes) {
        hub_.flush_soon(*this);  // gives the buffer back if nothing is written after all
        return true;
    }
    if (s_.sending || outbox_.capacity() > output_bytes) {
        // When some of what comes before has left.
        s_.wants_output = true;
        if (!s_.sending) s_.moved_output = false;
        hub_.flush_soon(*this);
        return false;
    }
    const MutableBytes larger = hub_.large_outputs().take();
    if (larger.empty()) return wait_output(true);
    hub_.env().charge(outbox_.used());
    hub_.output_pool().give(outbox_.adopt(larger));
    return outbox_.room() >= bytes || reserve(bytes);
}

bool Session::never_fits(std::size_t bytes) const { return outbox_.answer_bytes() + bytes > hub_.options().response_bytes; }

// False: the caller is blocked until there is one.
bool Session::wait_output(bool large) {
    OutputWaiter& waiter = *this;
    s_.wants_output = true;
    if (large) join_crowd();
    if (waiter.linked()) {
        if (s_.wants_large == large) return false;
        BufferPool::cancel(waiter);
    }
    s_.wants_large = large;
    s_.wants_since = hub_.env().now();
    (large ? hub_.large_outputs() : hub_.output_pool()).wait(waiter);
    hub_.holders_wanted();
    return false;
}

bool Session::lacks_output_since(bool large, Instant at) const {
    const OutputWaiter& waiter = *this;
    return waiter.linked() && s_.wants_large == large && s_.wants_since <= at;
}

void Session::on_output_buffer(MutableBytes buffer) {
    const bool fits = buffer.size() > outbox_.capacity() && !s_.sending;
    const MutableBytes spare = fits ? outbox_.adopt(buffer) : buffer;
    if (!spare.empty()) hub_.give_output(spare);
    hub_.flush_soon(*this);
    wake();
}

void Session::give_output() {
    if (!outbox_.has_buffer()) return;
    hub_.give_output(outbox_.give_back());
}

// ---- answers ----

Progress Session::answer(const wire::kafka::RequestHeader& header, void (*encode)(void*, wire::kafka::Codec&), void* message, const Done& done) {
    if (!reserve(answer_room)) return Progress::blocked;
    for (;;) {
        Writer out(outbox_.free_room());
        wire::kafka::begin_response(out, header);
        wire::kafka::Codec codec(out, header.version, header.flexible);
        encode(message, codec);
        hub_.env().charge(out.size() + 64);
        if (done.blocked) return Progress::blocked;
        if (out.ok()) {
            outbox_.begin_answer();
            outbox_.written(out.size());
            finish(done.ticket, codec.inserted_bytes());
            return Progress::done;
        }
        if (outbox_.used() == 0 && outbox_.capacity() > output_bytes) return fail(rivulet::fail(Error::frame_too_large), "the answer does not fit limits.kafka_response_bytes");
        if (!reserve(outbox_.room() + 1)) return Progress::blocked;
    }
}

void Session::finish_produce(std::uint64_t commit) { finish(commit, 0); }

void Session::finish(std::uint64_t commit, std::size_t inserted_bytes) {
    const MutableBytes frame = outbox_.answer_so_far();
    store_be(frame.data(), static_cast<std::int32_t>(frame.size() - 4 + inserted_bytes));
    outbox_.finish_answer(commit, hub_.broker().durable_ticket());
    await_commit();
    hub_.flush_soon(*this);
}

void Session::insert(Stream& stream, std::size_t position) { outbox_.insert(stream, position); }

void Session::await_commit() {
    broker::CommitWaiter& commit = *this;
    if (!outbox_.waits_for_commit() || commit.linked()) return;
    commit.ticket = outbox_.ticket();
    hub_.broker().wait_for_commit(commit);
}

void Session::on_committed(Error error) {
    // What the answers say is not known to be true: the client asks again, and hears why.
    if (error != Error::none) return end();
    outbox_.settle(hub_.broker().durable_ticket());
    await_commit();
    hub_.flush_soon(*this);
}

// ---- sending ----

std::size_t Session::flush() {
    if (!connection_ || s_.phase == Phase::parting || s_.phase == Phase::gone || s_.sending) return 0;
    std::size_t bytes = 0;
    while (outbox_.ready() && bytes < turn_send_bytes) {
        const std::size_t taken = outbox_.send(*connection_);
        hub_.env().charge(taken + 64);
        bytes += taken;
        s_.moved_output |= taken != 0;
        s_.sending = connection_->sending();
        if (s_.sending) {
            s_.sending_since = s_.moved = hub_.env().now();
            s_.unsent = static_cast<std::uint32_t>(connection_->unsent());
            return bytes;
        }
        if (!outbox_.finish_streams(*this)) {
            end();
            return bytes;
        }
        if (taken == 0) break;
    }
    if (outbox_.ready()) hub_.flush_soon(*this);
    if (s_.wants_output && s_.moved_output) {
        OutputWaiter& waiter = *this;
        if (!waiter.linked()) wake();
    }
    if (!outbox_.empty() || outbox_.answering()) return bytes;
    if (s_.phase == Phase::ending) {
        if (s_.clean_end) end();
        else part();
    } else if (outbox_.has_buffer() && !s_.wants_output) {
        give_output();
    }
    return bytes;
}

void Session::on_sent() {
    s_.sending = false;
    s_.moved_output = true;
    if (s_.phase == Phase::parting || s_.phase == Phase::gone) return;
    if (!outbox_.finish_streams(*this)) return end();
    hub_.flush_soon(*this);
}

void Session::on_stream_sent(Stream& stream) { hub_.give_stream(stream); }

bool Session::refill(Stream& stream) { return hub_.broker().refill(stream.view); }

// ---- who is in the way ----

void Session::check_sending(Instant now) {
    const auto unsent = static_cast<std::uint32_t>(connection_->unsent());
    if (unsent != s_.unsent) s_.moved = now;
    s_.unsent = unsent;
    const bool hindering = hinders();
    if (now - s_.moved > (hindering ? in_the_way_ns_max : stalled_ns_max)) return end();
    if (hindering && now - s_.sending_since > hindering_ns_max) return end();
}

// Somebody would have its output buffer.
bool Session::output_wanted() const { return outbox_.has_buffer() && (outbox_.capacity() > output_bytes ? hub_.large_outputs() : hub_.output_pool()).starving(); }

bool Session::hinders() {
    if (output_wanted()) return true;
    if (!receive_.empty() && hub_.receive_pool().wanted(receive_, s_.proven)) return true;
    for (Stream* at = outbox_.stream(); at; at = outbox_.next_stream(*at)) {
        if (hub_.streams_wanted()) return true;
        if (at->view.window >= 0 ? hub_.broker().store().windows_wanted() : at->view.pinned_count != 0 && hub_.broker().pinned_wanted()) return true;
    }
    return false;
}

}  // namespace rivulet::server::kafka
