// One connection to a broker of a bootstrap list, from the client's side, below its protocol: looks names up, tries one address after the other, keeps the bytes of both ways, ends.
// Owns:     a receive buffer and two send buffers (one fills while the other leaves), out of the arena; one timer; one connection.
// Bounds:   memory_bytes() of arena; no allocation. One start() at a time, again after tell_closed().
// Errors:   tell_closed() has the last one: host_not_found, connection_refused, timed_out, unreachable, canceled, or what the protocol broke off for.
// Thread:   loop only. Nothing is told from within a call of ours.
// Guarantee: entries are tried in order, each with all its addresses, each address for connect_timeout_ms with the answer to its greeting.
//           It must outlive its connection: destroy it after tell_closed(), or when the loop does not run any more.
#pragma once

#include <array>

#include "base/arena.h"
#include "client/bootstrap.h"
#include "env/env.h"

namespace rivulet::client {

struct LinkOptions {
    std::size_t receive_bytes;  // the largest frame that this client takes
    std::size_t send_bytes;     // of each of the two send buffers: the largest frame that it sends
    std::int64_t connect_timeout_ms;
};

// How far it had come when it failed.
enum class Stage : std::uint8_t { resolve, connect, handshake, established };

struct Ending {
    Failure failure{Error::none, 0};  // none: closed as asked, the broker agreed
    Stage stage = Stage::resolve;
    std::string_view where;           // the entry of the bootstrap list
    std::string_view text;            // what the broker added, may be empty
    bool from_broker = false;         // the broker said so
};

class Link : env::ConnectionHandler, env::Resolved, env::Timer {
public:
    bool is_open() const { return phase_ == Phase::open; }
    bool is_idle() const { return phase_ == Phase::idle; }
    // What was encoded leaves. Happens by itself when a callback returns.
    void flush();
    // Ends at once; it is told as canceled.
    void drop();

protected:
    enum class Phase : std::uint8_t { idle, deferred, resolving, connecting, greeting, open, closing, dropping };

    static std::size_t memory_bytes(const LinkOptions& options) { return options.receive_bytes + 2 * options.send_bytes + 3 * alignof(std::max_align_t); }
    Link(env::Env& env, const LinkOptions& options, Arena& arena);
    ~Link() { disarm(); }

    // `bootstrap` is copied, its text is not.
    void start(const Bootstrap& bootstrap);
    // The greeting was answered.
    void established();
    // Open, and the broker is asked to end it, within so long.
    void await_close(std::int64_t ms);
    // The connection is to end for this reason.
    void break_off(Failure failure);
    // While it is open: on_open_timer() follows.
    void arm_in(std::int64_t ms) { env_.arm(*this, env_.now() + ms * ns_per_ms); }
    bool connected() const { return phase_ == Phase::greeting || phase_ == Phase::open || phase_ == Phase::closing; }

    Bytes received() const { return Bytes(receive_).subspan(begin_, end_ - begin_); }
    void consume(std::size_t n) {
        begin_ += n;
        wanted_ = 0;
    }
    // The frame at the front of received() has so many bytes, as far as is known.
    void want(std::size_t bytes) { wanted_ = bytes; }

    // ---- the protocol's ----
    virtual void begin_attempt() = 0;   // to a next address: nothing was sent or received
    virtual void greet() = 0;           // connected: the first frame goes into out()
    virtual void take_received() = 0;   // as far as whole frames are there and it is connected()
    virtual void on_open_timer(Instant due) = 0;
    virtual void before_flush() {}      // a last chance to add something
    virtual void tell_writable() = 0;
    virtual void tell_attempt_failed(const Ending& ending) = 0;
    virtual void tell_closed(const Ending& ending) = 0;

    env::Env& env_;
    Writer out_{MutableBytes()};
    Phase phase_ = Phase::idle;
    Instant received_at_;
    Ending ending_;
    char ending_text_[160];

private:
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
    void finish();
    void disarm() {
        if (armed()) env_.disarm(*this);
    }

    const std::int64_t connect_timeout_ms_;
    MutableBytes receive_;
    MutableBytes send_[2];
    std::size_t filling_ = 0;
    std::size_t begin_ = 0;   // received and not consumed: [begin_, end_)
    std::size_t end_ = 0;
    std::size_t wanted_ = 0;

    Bootstrap bootstrap_;
    std::size_t entry_ = 0;
    std::array<env::Address, 8> addresses_;
    std::size_t address_count_ = 0;
    std::size_t address_ = 0;
    bool lookup_running_ = false;  // it cannot be canceled: a late answer is dropped
    bool stopped_ = false;         // drop() before it was open: no further attempt
    env::Connection* connection_ = nullptr;
};

}  // namespace rivulet::client
