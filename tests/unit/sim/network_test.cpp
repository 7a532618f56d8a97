#include "sim/network.h"

#include <doctest/doctest.h>

#include "sim/node_env.h"

using namespace rivulet;
using sim::Node;
using sim::NodeEnv;
using sim::World;

namespace {

constexpr std::uint16_t port = 9192;

// Sends what it is given, keeps what arrives.
struct Peer final : env::ConnectionHandler {
    void on_connected() override { connected = true; push(); }
    MutableBytes receive_buffer() override {
        if (full) return {};
        return buffer;
    }
    void on_received(std::size_t n) override {
        REQUIRE_FALSE(closed);
        received.insert(received.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n));
        if (echo && n != 0) {
            to_send.insert(to_send.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n));
            push();
        }
    }
    void on_sent() override {
        ++sent_calls;
        push();
    }
    void on_closed(Error why) override {
        REQUIRE_FALSE(closed);
        closed = true;
        reason = why;
    }
    // In four pieces, of which some are kept; the bytes stand still in `lent` until on_sent().
    void push() {
        if (!connection || connection->sending() || closed || to_send.empty()) return;
        lent = std::move(to_send);
        to_send.clear();
        std::vector<Bytes> pieces;
        const std::size_t step = lent.size() / 4 + 1;
        for (std::size_t at = 0; at < lent.size(); at += step) pieces.push_back(Bytes(lent).subspan(at, std::min(step, lent.size() - at)));
        taken += connection->send(pieces);
    }

    env::Connection* connection = nullptr;
    std::array<std::uint8_t, 1000> buffer{};
    std::vector<std::uint8_t> received, to_send, lent;
    bool connected = false, closed = false, echo = false, full = false;
    int sent_calls = 0;
    std::size_t taken = 0;
    Error reason = Error::none;
};

struct Server final : env::Acceptor {
    env::ConnectionHandler* on_accept(env::Connection& connection) override {
        if (refuse) return nullptr;
        peers.push_back(std::make_unique<Peer>());
        peers.back()->connection = &connection;
        peers.back()->connected = true;
        peers.back()->echo = echo;
        peers.back()->full = full;
        return peers.back().get();
    }
    std::vector<std::unique_ptr<Peer>> peers;
    bool refuse = false, echo = true, full = false;
};

std::vector<std::uint8_t> pattern(std::size_t n) {
    std::vector<std::uint8_t> bytes(n);
    for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    return bytes;
}

struct Pair {
    explicit Pair(std::uint64_t seed, sim::NetworkOptions network = {}, sim::NodeOptions server_options = {})
        : world({.seed = seed, .network = network}), a(world.add_node("client")), b(world.add_node("board", server_options)) {
        a.boot();
        b.boot();
        listener = *b.env()->network().listen(b.address(port), {}, server);
    }
    void connect(Peer& peer) { peer.connection = *a.env()->network().connect(b.address(port), peer); }
    bool connected(Peer& peer) {
        connect(peer);
        return world.run_until([&] { return peer.connected && !server.peers.empty(); }, world.now() + ns_per_s);
    }
    World world;
    Node& a;
    Node& b;
    Server server;
    env::Listener* listener;
};

}  // namespace

TEST_CASE("what is lent in pieces is filled in order; an empty piece is a failure of the run") {
    struct Pieces final : env::ConnectionHandler {
        MutableBytes receive_buffer() override { return {}; }
        std::size_t receive_buffers(std::span<MutableBytes> pieces) override {
            std::size_t at = 0;
            for (std::size_t i = 0; i < sizes.size(); at += sizes[i++]) pieces[i] = MutableBytes(buffer).subspan(at, sizes[i]);
            return sizes.size();
        }
        void on_received(std::size_t n) override { received.insert(received.end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n)); }
        void on_sent() override {}
        void on_closed(Error) override {}
        std::array<std::uint8_t, 1000> buffer{};
        std::vector<std::size_t> sizes;
        std::vector<std::uint8_t> received;
    };
    struct Door final : env::Acceptor {
        env::ConnectionHandler* on_accept(env::Connection&) override { return &pieces; }
        Pieces pieces;
    };
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
        Pair pair(seed, {.send_buffer_bytes = 3000, .receive_buffer_bytes = 2000});
        Door door;
        door.pieces.sizes = seed % 2 == 0 ? std::vector<std::size_t>{1, 2, 500} : std::vector<std::size_t>{300, 300, 300};
        REQUIRE(pair.b.env()->network().listen(pair.b.address(port + 1), {}, door).ok());
        Peer peer;
        peer.to_send = pattern(20'000);
        peer.connection = *pair.a.env()->network().connect(pair.b.address(port + 1), peer);
        REQUIRE(pair.world.run_until([&] { return door.pieces.received.size() == 20'000; }, 3600 * ns_per_s));
        CHECK(door.pieces.received == pattern(20'000));
        if (seed != 0) continue;
        door.pieces.sizes = {10, 0};
        peer.to_send = pattern(10);
        peer.push();
        pair.world.run_until([&] { return pair.world.failed(); }, pair.world.now() + ns_per_s);
        CHECK(pair.world.failed());
    }
}

TEST_CASE("bytes arrive in order, once, however they are split") {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Pair pair(seed, {.send_buffer_bytes = 3000, .receive_buffer_bytes = 2000});
        Peer peer;
        peer.to_send = pattern(50'000);
        REQUIRE(pair.connected(peer));
        REQUIRE(pair.world.run_until([&] { return peer.received.size() == 50'000; }, 3600 * ns_per_s));
        CHECK(peer.received == pattern(50'000));
        CHECK(peer.sent_calls > 0);
        CHECK(peer.taken == 50'000);
        CHECK(pair.world.network().connections_open() == 1);
        peer.connection->close();
        CHECK_FALSE(peer.closed);
        pair.world.run_for(10 * ns_per_s);
        CHECK(peer.reason == Error::canceled);
        CHECK(pair.server.peers[0]->reason == Error::end_of_file);
        CHECK(pair.a.env()->sockets().slots_taken() == 0);
        CHECK(pair.b.env()->sockets().slots_taken() == 0);
        REQUIRE(pair.world.failure().empty());
    }
}

TEST_CASE("small messages to and fro: each arrives, whatever part of it the kernel takes at once") {
    Pair pair(1, {.send_buffer_bytes = 16});
    Peer peer;
    REQUIRE(pair.connected(peer));
    for (std::size_t round = 1; round <= 20'000; ++round) {
        pair.world.after(0, [&] {
            peer.to_send = {1, 2, 3};
            peer.push();
        });
        REQUIRE(pair.world.run_until([&] { return peer.received.size() == 3 * round; }, pair.world.now() + 10 * ns_per_s));
    }
}

TEST_CASE("random resets end with heal()") {
    Pair pair(1, {.receive_buffer_bytes = 2000, .resets_per_million = 100'000});
    pair.world.network().heal();
    Peer peer;
    peer.to_send = pattern(100'000);
    REQUIRE(pair.connected(peer));
    REQUIRE(pair.world.run_until([&] { return peer.received.size() == 100'000; }, pair.world.now() + 3600 * ns_per_s));
}

TEST_CASE("what close() leaves in the kernel is delivered; shutdown_sending() leaves reading open") {
    Pair pair(4);
    pair.server.echo = false;
    Peer peer;
    REQUIRE(pair.connected(peer));
    peer.to_send = pattern(20'000);
    peer.push();
    peer.connection->close();
    pair.world.run_for(60 * ns_per_s);
    CHECK(pair.server.peers[0]->received == pattern(20'000));
    CHECK(pair.server.peers[0]->reason == Error::end_of_file);

    Peer half;
    pair.connect(half);
    REQUIRE(pair.world.run_until([&] { return pair.server.peers.size() == 2 && half.connected; }, pair.world.now() + ns_per_s));
    pair.server.peers[1]->to_send = pattern(5000);
    pair.server.peers[1]->push();
    half.connection->shutdown_sending();
    pair.world.run_for(60 * ns_per_s);
    CHECK(half.received == pattern(5000));
    CHECK(pair.server.peers[1]->reason == Error::end_of_file);
    CHECK(half.reason == Error::end_of_file);
}

TEST_CASE("an empty buffer pauses reading, the sender feels it") {
    Pair pair(5, {.send_buffer_bytes = 1000, .receive_buffer_bytes = 1000});
    pair.server.full = true;
    pair.server.echo = false;
    Peer peer;
    peer.to_send = pattern(10'000);
    REQUIRE(pair.connected(peer));
    pair.world.run_for(120 * ns_per_s);
    CHECK(peer.connection->sending());
    CHECK_FALSE(peer.closed);
    Peer& server = *pair.server.peers[0];
    CHECK(server.received.empty());
    server.full = false;
    server.connection->resume_reading();
    pair.world.run_for(60 * ns_per_s);
    CHECK(server.received == pattern(10'000));
    CHECK_FALSE(peer.connection->sending());
}

TEST_CASE("connecting: refused, unreachable, timed out, no slots, names") {
    Pair pair(6, {}, {.connections_max = 2});
    Peer refused;
    refused.connection = *pair.a.env()->network().connect(pair.b.address(1), refused);
    Peer nowhere;
    nowhere.connection = *pair.a.env()->network().connect(*env::parse_address("192.168.1.1:80"), nowhere);
    std::array<Peer, 3> three;
    for (Peer& p : three) pair.connect(p);
    pair.world.run_for(3 * ns_per_s);
    CHECK(refused.reason == Error::connection_refused);
    CHECK(nowhere.reason == Error::unreachable);
    CHECK(pair.server.peers.size() == 2);  // the third waits in the backlog
    three[0].connection->close();
    pair.world.run_for(3 * ns_per_s);
    CHECK(pair.server.peers.size() == 3);
    pair.b.power_cut();
    Peer silent;
    pair.connect(silent);
    pair.world.run_for(10 * ns_per_s);
    CHECK(silent.reason == Error::timed_out);

    struct Name final : env::Resolved {
        void on_resolved(Error e, std::span<const env::Address> list) override {
            error = e;
            found.assign(list.begin(), list.end());
            done = true;
        }
        Error error = Error::none;
        std::vector<env::Address> found;
        bool done = false;
    };
    const auto resolve = [&](std::string_view host) {
        Name name;
        pair.a.env()->network().resolve(host, 77, name);
        pair.world.run_until([&] { return name.done; }, pair.world.now() + ns_per_s);
        return name;
    };
    CHECK(resolve("board").found.at(0) == pair.b.address(77));
    CHECK(resolve("10.0.0.1").found.at(0) == pair.a.address(77));
    CHECK(resolve("localhost").found.at(0).ip[0] == 127);
    CHECK(resolve("nobody").error == Error::host_not_found);
    CHECK_FALSE(pair.world.failed());
}

TEST_CASE("a power cut leaves the other side half-open until it sends") {
    for (const bool reboots : {false, true}) {
        Pair pair(7);
        Peer peer;
        REQUIRE(pair.connected(peer));
        pair.b.power_cut();
        if (reboots) pair.b.boot();
        pair.world.run_for(600 * ns_per_s);
        CHECK_FALSE(peer.closed);
        peer.to_send = pattern(10);
        peer.push();
        pair.world.run_for(60 * ns_per_s);
        CHECK(peer.reason == (reboots ? Error::connection_reset : Error::timed_out));
    }
}

TEST_CASE("a killed process leaves a clean end or a reset, a closed connection answers with a reset") {
    Pair pair(8);
    Peer peer;
    REQUIRE(pair.connected(peer));
    pair.b.kill();
    pair.world.run_for(ns_per_s);
    CHECK((peer.reason == Error::end_of_file || peer.reason == Error::connection_reset));
    CHECK(pair.world.network().connections_open() == 0);
}

TEST_CASE("links one way and partitions: retransmission heals, or gives up") {
    Pair pair(9);
    Peer peer;
    REQUIRE(pair.connected(peer));
    pair.world.network().set_link(pair.a, pair.b, false);
    peer.to_send = pattern(100);
    peer.push();
    pair.world.run_for(5 * ns_per_s);
    CHECK(pair.server.peers[0]->received.empty());
    pair.world.network().heal();
    pair.world.run_for(5 * ns_per_s);
    CHECK(peer.received == pattern(100));

    // The way back is cut: bytes arrive, but the sender never hears so.
    pair.world.network().set_link(pair.b, pair.a, false);
    peer.to_send = pattern(100);
    peer.push();
    pair.world.run_for(5 * ns_per_s);
    CHECK(pair.server.peers[0]->received.size() == 200);
    CHECK(peer.received.size() == 100);
    pair.world.run_for(60 * ns_per_s);
    CHECK(peer.reason == Error::timed_out);

    pair.world.network().heal();
    Peer other;
    REQUIRE(pair.connected(other));
    pair.world.network().partition({&pair.b});
    CHECK_FALSE(pair.world.network().link_up(pair.a, pair.b));
    CHECK_FALSE(pair.world.network().link_up(pair.b, pair.a));
    pair.world.network().heal();
    CHECK(pair.world.network().reset_connections(pair.a, pair.b) >= 1);
    pair.world.run_for(ns_per_s);
    CHECK(other.reason == Error::connection_reset);
}

TEST_CASE("contracts of send() are checked") {
    SUBCASE("kept buffers stand still") {
        Pair pair(10, {.send_buffer_bytes = 1000, .receive_buffer_bytes = 1000});
        Peer peer;
        peer.to_send = pattern(10'000);
        REQUIRE(pair.connected(peer));
        REQUIRE(peer.connection->sending());
        peer.lent.back() ^= 1;
        pair.world.run_for(60 * ns_per_s);
        CHECK(pair.world.failure().find("changed before on_sent") != std::string::npos);
    }
    SUBCASE("at most four are kept") {
        Pair pair(10, {.split = false, .send_buffer_bytes = 100});
        Peer peer;
        REQUIRE(pair.connected(peer));
        const std::vector<std::uint8_t> bytes = pattern(60);
        const std::vector<Bytes> pieces(10, Bytes(bytes));
        CHECK(peer.connection->send(pieces) == 100 + 20 + 3 * 60);
        CHECK(peer.connection->sending());
        (void)peer.connection->send(pieces);
        CHECK(pair.world.failure().find("while sending()") != std::string::npos);
    }
    SUBCASE("nothing after on_closed()") {
        Pair pair(10);
        Peer peer;
        REQUIRE(pair.connected(peer));
        peer.connection->close();
        pair.world.run_for(ns_per_s);
        REQUIRE(peer.closed);
        peer.connection->pause_reading();
        CHECK(pair.world.failure().find("after on_closed()") != std::string::npos);
    }
}

TEST_CASE("listeners: addresses, ports, refusal") {
    Pair pair(11);
    env::Network& network = pair.b.env()->network();
    CHECK(network.listen(pair.b.address(port), {}, pair.server).error() == Error::address_in_use);
    CHECK(network.listen(pair.a.address(1), {}, pair.server).error() == Error::invalid_address);
    CHECK((*network.listen(pair.b.address(0), {}, pair.server))->local().port != 0);
    pair.server.refuse = true;
    Peer turned_away;
    pair.connect(turned_away);
    pair.world.run_for(ns_per_s);
    CHECK((turned_away.reason == Error::end_of_file || turned_away.reason == Error::connection_reset));
    pair.listener->close();
    Peer refused;
    pair.connect(refused);
    pair.world.run_for(ns_per_s);
    CHECK(refused.reason == Error::connection_refused);
}

TEST_CASE("network traffic is part of the trace") {
    const auto run = [](std::uint64_t seed) {
        Pair pair(seed, {.resets_per_million = 20'000});
        std::array<Peer, 5> peers;
        for (Peer& p : peers) {
            p.to_send = pattern(3000);
            pair.connect(p);
        }
        pair.world.run_for(5 * ns_per_s);
        pair.b.power_cut();
        pair.world.run_for(60 * ns_per_s);
        CHECK_FALSE(pair.world.failed());
        return pair.world.trace_hash();
    };
    for (std::uint64_t seed = 0; seed < 10; ++seed) CHECK(run(seed) == run(seed));
    CHECK(run(0) != run(1));
}
