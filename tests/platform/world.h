// What the tests of platform/ share: an environment of their own, and waiting with a limit.
// Owns:     a block of memory, the UvEnv in it. Bounds: until() gives up after 20 s, which no passing test comes near.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "platform/uv/loop.h"

namespace rivulet::test {

inline platform::UvOptions test_options() {
    platform::UvOptions options;
    options.connections_max = 8;
    options.timers_max = 32;
    options.listeners_max = 3;
    options.seal_allocations = false;
    return options;
}

inline std::string pattern(std::size_t n) {
    std::string text(n, '\0');
    for (std::size_t i = 0; i < n; ++i) text[i] = static_cast<char>('a' + i * 7 % 26);
    return text;
}

struct Alarm final : env::Timer {
    bool rang = false;
    void on_timer() override { rang = true; }
};

class World {
public:
    explicit World(const platform::UvOptions& options = test_options())
        : memory_(platform::UvEnv::memory_bytes(options) + 65536), arena(memory_), env(options, arena) {}
    ~World() {
        if (alarm_.armed()) env.disarm(alarm_);
    }

    // Turns the loop until the condition holds; false when it does not within the limit. Looks at least every 5 ms, because what
    // a worker does need not wake the loop.
    template <class Condition>
    bool until(Condition condition) {
        const Instant limit = env.now() + 20 * ns_per_s;
        while (!condition() && env.now() < limit) {
            if (!alarm_.armed()) env.arm(alarm_, env.now() + 5 * ns_per_ms);
            env.run_once();
        }
        env.disarm(alarm_);
        return condition();
    }
    // Turns the loop for a while, for things that should not happen.
    void linger(std::int64_t ms) {
        alarm_.rang = false;
        env.arm(alarm_, env.now() + ms * ns_per_ms);
        while (!alarm_.rang) env.run_once();
    }

private:
    std::vector<std::uint8_t> memory_;

public:
    Arena arena;
    platform::UvEnv env;

private:
    Alarm alarm_;
};

inline env::Address loopback(std::uint16_t port = 0) {
    env::Address address;
    address.ip = {127, 0, 0, 1};
    address.port = port;
    return address;
}

// One end of a connection that keeps what it receives.
struct Peer final : env::ConnectionHandler {
    env::Connection* connection = nullptr;
    std::string received;
    std::vector<std::uint8_t> buffer = std::vector<std::uint8_t>(4096);
    bool connected = false;
    std::vector<std::size_t> pieces;  // in which the buffer is lent; none: as a whole
    bool lend = true;        // or answer with an empty buffer
    bool echo = false;       // sends back what fits, at once
    bool lent = false;
    int vain = 0;
    int sent = 0;
    int refusals = 0;
    bool closed = false;
    Error reason = Error::none;
    bool close_on_receive_buffer = false;

    void on_connected() override { connected = true; }
    MutableBytes receive_buffer() override {
        if (close_on_receive_buffer) connection->close();
        if (!lend) {
            ++refusals;
            return {};
        }
        lent = !close_on_receive_buffer;  // then on_closed() gives it back
        return buffer;
    }
    std::size_t receive_buffers(std::span<MutableBytes> places) override {
        MutableBytes whole = receive_buffer();
        if (whole.empty()) return 0;
        if (pieces.empty()) places[0] = whole;
        for (std::size_t i = 0; i < pieces.size(); whole = whole.subspan(pieces[i++])) places[i] = whole.first(pieces[i]);
        return pieces.empty() ? 1 : pieces.size();
    }
    void on_received(std::size_t n) override {
        RIVULET_CHECK(lent && !closed);
        lent = false;
        if (n == 0) ++vain;
        received.append(reinterpret_cast<const char*>(buffer.data()), n);
        if (echo && n != 0) say({reinterpret_cast<const char*>(buffer.data()), n});
    }
    void on_sent() override {
        RIVULET_CHECK(!closed && !connection->sending());
        ++sent;
    }
    void on_closed(Error why) override {
        RIVULET_CHECK(!closed && !lent);
        closed = true;
        reason = why;
    }
    std::size_t say(std::string_view text) {
        const Bytes bytes = as_bytes(text);
        return connection->send({&bytes, 1});
    }
};

// Hands out peers in order; without one left, refuses.
struct Door final : env::Acceptor {
    std::vector<Peer*> peers;
    std::size_t accepted = 0;
    std::size_t refused = 0;
    env::ConnectionHandler* on_accept(env::Connection& connection) override {
        if (accepted == peers.size()) {
            ++refused;
            return nullptr;
        }
        Peer* const peer = peers[accepted++];
        peer->connection = &connection;
        return peer;
    }
};

// A directory that goes away with the test.
class TemporaryDirectory {
public:
    TemporaryDirectory() { RIVULET_CHECK(::mkdtemp(path_) != nullptr); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() { static_cast<void>(std::system(("rm -rf " + std::string(path_)).c_str())); }
    std::string operator/(std::string_view name) const { return std::string(path_) + "/" + std::string(name); }
    std::string path() const { return path_; }

private:
    char path_[32] = "/tmp/rivulet-test-XXXXXX";
};

}  // namespace rivulet::test
