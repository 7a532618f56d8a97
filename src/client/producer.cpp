#include "client/producer.h"

namespace rivulet::client {

using namespace protocol;

std::size_t Producer::memory_bytes(const ProducerOptions& options) {
    return Channel::memory_bytes(options.channel) + options.window_bytes + alignof(std::max_align_t);
}

Producer::Producer(env::Env& env, const ProducerOptions& options, Arena& arena, ProducerHandler& handler)
    : env_(env), options_(options), handler_(handler), channel_(env, options.channel, arena, *this),
      window_(arena.take_bytes(options.window_bytes)), backoff_(options.retry_ms) {
    options_.alias.id = alias_id;
    options_.alias.confirm = true;
}

Producer::~Producer() {
    if (armed()) env_.disarm(*this);
}

void Producer::start(const Bootstrap& bootstrap) {
    bootstrap_ = bootstrap;
    connect();
}

void Producer::connect() {
    alias_good_ = false;
    channel_.open(bootstrap_, {options_.session, options_.incarnation, settled_ + 1});
}

bool Producer::offer(const Reading& reading) {
    RIVULET_CHECK(ready_ && !finishing_);
    return window_.push(reading);
}

void Producer::finish() {
    finishing_ = true;
    if (channel_.is_open() && window_.empty()) return channel_.close();
    send();
}

void Producer::abandon() {
    abandoned_ = true;
    // Between two attempts the channel rests, and the timer is what ends it.
    if (channel_.is_idle()) env_.arm(*this, env_.now());
    else channel_.drop();
}

void Producer::on_open(const Opened& opened) {
    if (opened.session_state == SessionState::forgotten && sent_most_ > settled_) handler_.on_forgotten();
    encode_alias(channel_.out(), channel_.sum(), options_.alias);
}

void Producer::on_aliased(const Aliased& aliased) {
    if (aliased.error != Error::none) {
        alias_failure_ = fail(aliased.error);
        Text text(alias_text_);
        text << aliased.text;
        alias_text_bytes_ = text.size();
        return channel_.drop();
    }
    alias_good_ = true;
    backoff_.connected(env_.now());
    next_ = window_.oldest();
    next_number_ = settled_;
    reading_bytes_max_ = static_cast<std::size_t>(aliased.reading_bytes_max < options_.window_bytes / 4 ? aliased.reading_bytes_max : options_.window_bytes / 4);
    if (ready_) {
        handler_.on_resumed();
    } else {
        ready_ = true;
        handler_.on_ready(reading_bytes_max_);
    }
    if (finishing_ && window_.empty()) return channel_.close();
    send();
}

void Producer::on_ack(const Ack& ack) {
    // By number, as readings are counted from 1 over all connections of this incarnation.
    if (ack.refusal.count != 0) handler_.on_refused(ack.refusal.first, ack.refusal.count, ack.refusal.error);
    if (ack.sequence > settled_) {
        const std::uint64_t n = ack.sequence - settled_;
        window_.pop(n);
        settled_ = ack.sequence;
        backoff_.progress();
        handler_.on_settled();
    }
    if (finishing_ && window_.empty() && channel_.is_open()) return channel_.close();
    send();
}

void Producer::send() {
    if (!alias_good_ || !channel_.is_open()) return;
    // The cursor of an emptied window is wherever the next reading goes.
    if (next_number_ == settled_) next_ = window_.oldest();
    while (next_number_ < offered() && send_frame()) {}
    if (next_number_ > sent_most_) sent_most_ = next_number_;
    channel_.flush();
}

// One frame of as many readings as it takes. False: no credit or no room for now.
bool Producer::send_frame() {
    const std::size_t frame_max = channel_.opened().frame_bytes_max < options_.frame_bytes_max ? static_cast<std::size_t>(channel_.opened().frame_bytes_max)
                                                                                               : options_.frame_bytes_max;
    PackedPutEncoder frame(channel_.out(), channel_.sum(), channel_.puts(), alias_id, frame_max);
    Window::Cursor cursor = next_;
    while (next_number_ + frame.count() < offered() && frame.add(window_.read(cursor))) cursor = window_.after(cursor);
    frame.finish();
    if (frame.count() != 0) {
        next_ = cursor;
        next_number_ += frame.count();
        return true;
    }
    // Alone: a large one, or a tombstone.
    const Reading reading = window_.read(next_);
    if (put_frame_bytes(channel_.sum(), channel_.puts(), alias_id, reading) > channel_.opened().frame_bytes_max ||
        !encode_put(channel_.out(), channel_.sum(), channel_.puts(), alias_id, reading))
        return false;
    next_ = window_.after(next_);
    ++next_number_;
    return true;
}

void Producer::on_attempt_failed(const Ending& ending) {
    if (ready_) handler_.on_interrupted(ending);
}

bool Producer::try_again(const Ending& ending) {
    // Before it was ready nothing is under way that would need the session.
    if ((ready_ && options_.session == 0) || abandoned_ || alias_failure_.error != Error::none) return false;
    const Error error = ending.failure.error;
    // What has never answered as a broker does is none; and a configured limit is told at once, as to any new client.
    if (!ready_ && (!error_info(error).retryable || error == Error::too_many_connections)) return false;
    // Another client has opened the session, and the newer one wins: coming back would end that one.
    if (ending.from_broker && error == Error::session_moved) return false;
    if (ending.from_broker && ending.stage != Stage::established && !error_info(error).retryable) return false;
    const auto at = backoff_.next(env_.now());
    if (!at) return false;
    env_.arm(*this, *at);
    return true;
}

void Producer::on_closed(const Ending& ending) {
    alias_good_ = false;
    if (finishing_ && window_.empty() && !abandoned_) {
        Ending done = ending;  // all is acknowledged: how the connection ended does not matter
        done.failure = fail(Error::none);
        return handler_.on_ended(done, false);
    }
    if (try_again(ending)) return handler_.on_interrupted(ending);
    Ending last = ending;
    const bool about_topic = alias_failure_.error != Error::none;
    if (about_topic) {
        last.failure = alias_failure_;
        last.from_broker = true;
        last.text = {alias_text_, alias_text_bytes_};
    }
    handler_.on_ended(last, about_topic);
}

void Producer::on_timer() {
    if (!abandoned_) return connect();
    Ending ending;
    ending.failure = fail(Error::canceled);
    handler_.on_ended(ending, false);
}

}  // namespace rivulet::client
