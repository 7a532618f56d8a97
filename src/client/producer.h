// Puts readings of one topic, exactly once: keeps them until they are acknowledged, and after a broken connection comes back to any broker
// of the list with the same session and sends again what was not.
// Owns:     a channel, a window, a timer, out of the arena.
// Bounds:   memory_bytes() of arena; no allocation. offer() says when the window is full.
// Errors:   on_ended(): after retry_ms without a connection (backoff.h), the first one as well. What no retry mends (an unknown topic, a
//           session opened by another client; at first: bytes that are no broker's, too_many_connections) at once. Refused readings: on_refused(), and it goes on.
// Thread:   loop only. No callback comes from within a call of ours.
// Guarantee: settled() counts in the order of offer(): the first settled() readings are stored as the acks of the alias say, or refused.
#pragma once

#include "client/backoff.h"
#include "client/channel.h"
#include "client/window.h"

namespace rivulet::client {

struct ProducerOptions {
    ChannelOptions channel{.receive_bytes = 8U << 10};
    std::size_t window_bytes = 1U << 20;
    std::size_t frame_bytes_max = 16U << 10;  // readings are packed up to this
    std::int64_t retry_ms = 10'000;
    std::uint64_t session = 0;  // 0: none; then a broken connection cannot be mended, and ends it
    std::uint32_t incarnation = 0;
    protocol::Alias alias;  // its id and confirm are set here; its views must outlive the producer
};

class ProducerHandler {
public:
    // Once: the topic is there, offer() may begin. reading_bytes_max: of key, value and headers of one reading.
    virtual void on_ready(std::size_t reading_bytes_max) = 0;
    // settled() has grown; there is room in the window.
    virtual void on_settled() = 0;
    // Readings `first` (from 1, in the order of offer()) to first + count - 1 are not stored, for good.
    virtual void on_refused(std::uint64_t first, std::uint64_t count, Error error) = 0;
    // The connection broke; it will be tried again until the budget is used up. Each failed attempt says so too.
    virtual void on_interrupted(const Ending&) {}
    virtual void on_resumed() {}
    // After a long absence the broker has forgotten the session: what was under way may be stored twice.
    virtual void on_forgotten() {}
    // The last call. Error::none: after finish(), all is settled. about_topic: the broker does not take readings for this topic
    // (the answer to ALIAS); otherwise it is about the connection.
    virtual void on_ended(const Ending& ending, bool about_topic) = 0;

protected:
    ~ProducerHandler() = default;
};

class Producer final : ChannelHandler, env::Timer {
public:
    static std::size_t memory_bytes(const ProducerOptions& options);
    Producer(env::Env& env, const ProducerOptions& options, Arena& arena, ProducerHandler& handler);
    ~Producer();

    void start(const Bootstrap& bootstrap);
    // After on_ready(). Copies. False: no room until the next on_settled(), or larger than reading_bytes_max(), which the caller
    // holds itself. Sent by flush(), or when a callback returns.
    bool offer(const protocol::Reading& reading);
    void flush() { send(); }
    // No more readings: ends when all are settled.
    void finish();
    // Ends at once: on_ended(canceled).
    void abandon();

    bool ready() const { return ready_; }
    std::size_t reading_bytes_max() const { return reading_bytes_max_; }
    std::uint64_t offered() const { return settled_ + window_.count(); }
    std::uint64_t sent() const { return sent_most_; }  // on any connection
    std::uint64_t settled() const { return settled_; }

private:
    static constexpr std::uint64_t alias_id = 0;

    // ChannelHandler
    void on_open(const protocol::Opened& opened) override;
    void on_aliased(const protocol::Aliased& aliased) override;
    void on_ack(const protocol::Ack& ack) override;
    void on_writable() override { send(); }
    void on_attempt_failed(const Ending& ending) override;
    void on_closed(const Ending& ending) override;
    void on_timer() override;

    void connect();
    void send();
    bool send_frame();
    void settle(const protocol::Ack& ack);
    bool try_again(const Ending& ending);

    env::Env& env_;
    ProducerOptions options_;
    ProducerHandler& handler_;
    Channel channel_;
    Window window_;
    Backoff backoff_;
    Bootstrap bootstrap_;
    Window::Cursor next_ = 0;       // the first reading that this connection has not sent
    std::uint64_t next_number_ = 0;  // readings before it, from the start
    std::uint64_t settled_ = 0;
    std::uint64_t sent_most_ = 0;
    std::size_t reading_bytes_max_ = 0;
    bool ready_ = false;       // once, for good
    bool alias_good_ = false;  // on this connection
    bool finishing_ = false;
    bool abandoned_ = false;
    Failure alias_failure_{Error::none, 0};
    char alias_text_[160];
    std::size_t alias_text_bytes_ = 0;
};

}  // namespace rivulet::client
