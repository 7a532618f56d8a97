// One connection of the compact protocol, from the client's side: opens, cuts and checks frames, keeps alive, ends. What goes over it is the user's: frames are encoded into out() with the
// functions of wire/compact.
// Owns:     what Link does (link.h: the bootstrap list, addresses, buffers). Bounds: memory_bytes() of arena; no allocation. One open() at a time, again after on_closed().
// Errors:   on_closed() tells the last one: host_not_found, connection_refused, timed_out, unreachable, what the broker said in ERROR or
//           CLOSE, or what was wrong with its bytes (malformed, integrity, frame_too_large, out_of_order).
// Thread:   loop only. No callback comes from within a call of ours. What callbacks get are views, valid until they return.
// Guarantee: entries are tried in order, each with all its addresses, each address for connect_timeout_ms with its answer to OPEN. Then
//           on_open() once and on_closed() once, or on_closed() alone.
//           It must outlive its connection: destroy it after on_closed(), or when the loop does not run any more.
#pragma once

#include "client/link.h"
#include "wire/compact/admin_frames.h"
#include "wire/compact/frame_reader.h"
#include "wire/compact/group_frames.h"
#include "wire/compact/put_state.h"

namespace rivulet::client {

// Frames, their encoders and decoders, for users that know `client` alone.
namespace protocol = wire::compact;

struct ChannelOptions {
    std::size_t receive_bytes = 64U << 10;  // the largest frame that this client takes
    std::size_t send_bytes = 64U << 10;     // of each of the two send buffers: the largest frame that it sends
    std::int64_t connect_timeout_ms = 3'000;
    std::int64_t silence_timeout_ms = 30'000;  // the broker answers no PING for so long: it is gone
    std::int64_t close_timeout_ms = 2'000;     // how long close() waits for the broker's last words
    std::string_view name = "rivulet";         // for the broker's log
    std::uint64_t features = 0;                // beside integrity; what the broker agrees to is in opened()
};

struct SessionStart {
    std::uint64_t session = 0;  // 0: none
    std::uint32_t incarnation = 0;
    std::uint64_t base_sequence = 1;
};

class ChannelHandler {
public:
    virtual void on_open(const protocol::Opened& opened) = 0;
    virtual void on_aliased(const protocol::Aliased&) {}
    virtual void on_ack(const protocol::Ack&) {}
    virtual void on_answer(const protocol::FrameView& /*frame*/, const protocol::Answer&) {}
    // DATA with batches; its end comes as an answer.
    virtual void on_data(const protocol::FrameView& /*frame*/) {}
    // A send buffer has become free.
    virtual void on_writable() {}
    // One address did not work out; the next one is tried.
    virtual void on_attempt_failed(const Ending&) {}
    virtual void on_closed(const Ending& ending) = 0;

protected:
    ~ChannelHandler() = default;
};

class Channel final : public Link {
public:
    static std::size_t memory_bytes(const ChannelOptions& options) { return Link::memory_bytes(link_options(options)); }
    Channel(env::Env& env, const ChannelOptions& options, Arena& arena, ChannelHandler& handler);

    // `bootstrap` is copied, its text is not.
    void open(const Bootstrap& bootstrap, const SessionStart& session = {});
    // CLOSE after what was encoded so far; answers and acks still come until on_closed().
    void close();

    const protocol::Opened& opened() const { return opened_; }  // its texts are gone

    // ---- sending, while is_open() ----
    // Frames are encoded here; a user looks for room first. They leave when a callback returns, or by flush().
    Writer& out() { return out_; }
    protocol::RunningCrc& sum() { return sum_; }
    protocol::PutState& puts() { return puts_; }
    std::size_t room() const { return out_.room(); }

private:
    static LinkOptions link_options(const ChannelOptions& options) { return {options.receive_bytes, options.send_bytes, options.connect_timeout_ms}; }

    // Link
    void begin_attempt() override;
    void greet() override;
    void take_received() override;
    void on_open_timer(Instant due) override;
    void before_flush() override;
    void tell_writable() override { handler_.on_writable(); }
    void tell_attempt_failed(const Ending& ending) override { handler_.on_attempt_failed(ending); }
    void tell_closed(const Ending& ending) override { handler_.on_closed(ending); }

    void take(const protocol::FrameView& frame);
    void take_opened(const protocol::FrameView& frame);
    void take_error(const protocol::FrameView& frame);
    void take_close(const protocol::FrameView& frame);
    std::int64_t ping_interval_ms() const;
    void refuse(Failure failure);

    ChannelOptions options_;
    ChannelHandler& handler_;
    SessionStart session_;
    bool pong_due_ = false;
    protocol::State state_ = protocol::State::fresh;
    protocol::FrameReader frames_{protocol::Side::broker};
    protocol::RunningCrc sum_;
    protocol::PutState puts_;
    protocol::Opened opened_;
    std::array<std::uint8_t, protocol::ping_bytes_max> pong_{};
    std::size_t pong_bytes_ = 0;
};

}  // namespace rivulet::client
