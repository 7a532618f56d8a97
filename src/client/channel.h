// One connection of the compact protocol, from the client's side: finds a broker of the bootstrap list, opens, cuts and checks frames,
// keeps alive, ends. What goes over it is the user's: frames are encoded into out() with the functions of wire/compact.
// Owns:     a receive buffer and two send buffers (one fills while the other leaves), out of the arena; one timer; one connection.
// Bounds:   memory_bytes() of arena; no allocation. One open() at a time, again after on_closed().
// Errors:   on_closed() tells the last one: host_not_found, connection_refused, timed_out, unreachable, what the broker said in ERROR or
//           CLOSE, or what was wrong with its bytes (malformed, integrity, frame_too_large, out_of_order).
// Thread:   loop only. No callback comes from within a call of ours. What callbacks get are views, valid until they return.
// Guarantee: entries are tried in order, each with all its addresses, each address for connect_timeout_ms with its answer to OPEN. Then
//           on_open() once and on_closed() once, or on_closed() alone.
//           It must outlive its connection: destroy it after on_closed(), or when the loop does not run any more.
#pragma once

#include "base/arena.h"
#include "client/bootstrap.h"
#include "env/env.h"
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

// How far it had come when it failed.
enum class Stage : std::uint8_t { resolve, connect, handshake, established };

struct Ending {
    Failure failure{Error::none, 0};  // none: closed as asked, the broker agreed
    Stage stage = Stage::resolve;
    std::string_view where;           // the entry of the bootstrap list
    std::string_view text;            // what the broker added, may be empty
    bool from_broker = false;         // the broker said so, in ERROR or CLOSE
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

class Channel final : env::ConnectionHandler, env::Resolved, env::Timer {
public:
    static std::size_t memory_bytes(const ChannelOptions& options);
    Channel(env::Env& env, const ChannelOptions& options, Arena& arena, ChannelHandler& handler);
    ~Channel();

    // `bootstrap` is copied, its text is not.
    void open(const Bootstrap& bootstrap, const SessionStart& session = {});
    // CLOSE after what was encoded so far; answers and acks still come until on_closed().
    void close();
    // Ends at once; on_closed(canceled) follows.
    void drop();

    bool is_open() const { return phase_ == Phase::open; }
    bool is_idle() const { return phase_ == Phase::idle; }
    const protocol::Opened& opened() const { return opened_; }  // its texts are gone

    // ---- sending, while is_open() ----
    // Frames are encoded here; a user looks for room first. They leave when a callback returns, or by flush().
    Writer& out() { return out_; }
    protocol::RunningCrc& sum() { return sum_; }
    protocol::PutState& puts() { return puts_; }
    std::size_t room() const { return out_.room(); }
    void flush();

private:
    enum class Phase : std::uint8_t { idle, deferred, resolving, connecting, opening, open, closing, dropping };

    // env::ConnectionHandler
    void on_connected() override;
    MutableBytes receive_buffer() override;
    void on_received(std::size_t n) override;
    void on_sent() override;
    void on_closed(Error reason) override;
    // env::Resolved
    void on_resolved(Error error, std::span<const env::Address> addresses) override;
    // env::Timer
    void on_timer() override;

    const Endpoint& entry() const { return bootstrap_.endpoints()[entry_]; }
    void try_entry();
    void try_address();
    void next_address();
    void attempt_failed(Failure failure);
    void arm_in(std::int64_t ms);
    void disarm();

    void take_frames();
    void take(const protocol::FrameView& frame);
    void take_opened(const protocol::FrameView& frame);
    void take_error(const protocol::FrameView& frame);
    void take_close(const protocol::FrameView& frame);
    void check_alive();
    std::int64_t ping_interval_ms() const;
    // The connection is to end for this reason.
    void break_off(Failure failure);
    void refuse(Failure failure);
    void finish();

    env::Env& env_;
    ChannelOptions options_;
    ChannelHandler& handler_;
    MutableBytes receive_;
    MutableBytes send_[2];
    std::size_t filling_ = 0;
    Writer out_;
    std::size_t begin_ = 0;  // received and not consumed: [begin_, end_)
    std::size_t end_ = 0;
    std::size_t wanted_ = 0;  // bytes of the frame at begin_, as far as known

    Bootstrap bootstrap_;
    std::size_t entry_ = 0;
    std::array<env::Address, 8> addresses_;
    std::size_t address_count_ = 0;
    std::size_t address_ = 0;
    SessionStart session_;

    Phase phase_ = Phase::idle;
    bool lookup_running_ = false;  // it cannot be canceled: a late answer is dropped
    bool stopped_ = false;         // drop() before it was open: no further attempt
    bool pong_due_ = false;
    env::Connection* connection_ = nullptr;
    Instant received_at_;
    protocol::State state_ = protocol::State::fresh;
    protocol::FrameReader frames_{protocol::Side::broker};
    protocol::RunningCrc sum_;
    protocol::PutState puts_;
    protocol::Opened opened_;
    std::array<std::uint8_t, protocol::ping_bytes_max> pong_{};
    std::size_t pong_bytes_ = 0;

    Ending ending_;
    char ending_text_[160];
};

}  // namespace rivulet::client
