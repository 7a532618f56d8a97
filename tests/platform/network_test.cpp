#include <doctest/doctest.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>

#include "env/address.h"
#include "tests/platform/world.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

// A server and a client on the loopback, connected.
struct Pair {
    explicit Pair(World& w, env::ListenOptions options = {}) : world(w) {
        door.peers = {&server};
        listener = world.env.network().listen(loopback(), options, door).value();
        client.connection = world.env.network().connect(listener->local(), client).value();
        REQUIRE(world.until([&] { return client.connected && server.connection; }));
    }
    ~Pair() { listener->close(); }

    World& world;
    Door door;
    Peer server;
    Peer client;
    env::Listener* listener;
};

}  // namespace

TEST_CASE("network: bytes come back whatever the split") {
    World world;
    Pair pair(world);
    pair.server.echo = true;
    const std::string text = pattern(3000);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{1000}, text.size()}) {
        for (const std::size_t room : {std::size_t{1}, std::size_t{13}, std::size_t{4096}}) {
            pair.server.buffer.resize(room);
            pair.client.received.clear();
            for (std::size_t at = 0; at < text.size(); at += step) {
                REQUIRE(world.until([&] { return !pair.client.connection->sending(); }));
                const std::string_view part = std::string_view(text).substr(at, step);
                REQUIRE(pair.client.say(part) == part.size());
                if (at % 500 == 0) world.env.run_once();
            }
            CHECK(world.until([&] { return pair.client.received.size() == text.size(); }));
            CHECK(pair.client.received == text);
        }
    }
}

TEST_CASE("network: what is lent in pieces is filled in order, pauses and ends as one buffer does") {
    for (const std::vector<std::size_t>& sizes : {std::vector<std::size_t>{1, 1}, {3, 1, 700}, {2000, 2096}, std::vector<std::size_t>(env::receive_pieces_max, 100)}) {
        World world;
        Pair pair(world);
        pair.server.pieces = sizes;
        const std::string text = pattern(9000);
        for (std::size_t at = 0; at < text.size(); at += 1000) {
            REQUIRE(pair.client.say(std::string_view(text).substr(at, 1000)) == 1000);
            if (at == 3000) pair.server.lend = false;
            if (at == 6000) {
                REQUIRE(world.until([&] { return pair.server.refusals == 1; }));
                pair.server.lend = true;
                pair.server.connection->resume_reading();
            }
            if (pair.server.lend) world.env.run_once();
        }
        CHECK(world.until([&] { return pair.server.received.size() == text.size(); }));
        CHECK(pair.server.received == text);
        pair.client.connection->close();
        CHECK(world.until([&] { return pair.server.closed; }));
        CHECK(pair.server.reason == Error::end_of_file);
    }
}

TEST_CASE("network: a connection that is closed while pieces are asked for reads nothing into them") {
    World world;
    Pair pair(world);
    pair.server.pieces = {10, 4086};
    pair.server.buffer.assign(4096, 0);
    pair.server.close_on_receive_buffer = true;
    pair.client.say("some bytes");
    REQUIRE(world.until([&] { return pair.client.closed; }));
    CHECK(pair.server.buffer == std::vector<std::uint8_t>(4096, 0));
    CHECK(pair.server.received.empty());
}

TEST_CASE("network: addresses of both ends") {
    World world;
    Pair pair(world);
    CHECK(pair.client.connection->peer() == pair.listener->local());
    CHECK(pair.server.connection->local() == pair.listener->local());
    CHECK(pair.server.connection->peer() == pair.client.connection->local());
    CHECK(pair.listener->local().port != 0);
}

TEST_CASE("network: an empty buffer pauses reading until it is resumed") {
    World world;
    Pair pair(world);
    pair.server.lend = false;
    pair.client.say("one");
    REQUIRE(world.until([&] { return pair.server.refusals == 1; }));
    pair.client.say("two");
    world.linger(30);
    CHECK(pair.server.refusals == 1);
    CHECK(pair.server.received.empty());
    pair.server.lend = true;
    pair.server.connection->resume_reading();
    CHECK(pair.server.received.empty());  // not from within the call
    CHECK(world.until([&] { return pair.server.received == "onetwo"; }));
    pair.server.connection->pause_reading();
    pair.client.say("three");
    world.linger(30);
    CHECK(pair.server.received == "onetwo");
    pair.server.connection->resume_reading();
    CHECK(world.until([&] { return pair.server.received == "onetwothree"; }));
}

TEST_CASE("network: a reader that stands still holds the sender up") {
    World world;
    env::ListenOptions options;
    options.receive_buffer_bytes = 16 * 1024;
    Pair pair(world, options);
    pair.server.connection->pause_reading();
    const std::string text = pattern(4 << 20);
    const std::size_t taken = pair.client.say(text);
    CHECK(taken == text.size());  // one buffer: the remainder is kept whole
    CHECK(pair.client.connection->sending());
    world.linger(30);
    CHECK(pair.client.connection->sending());
    CHECK(pair.client.sent == 0);
    pair.server.connection->resume_reading();
    REQUIRE(world.until([&] { return pair.server.received.size() == text.size(); }));
    CHECK(pair.server.received == text);
    CHECK(world.until([&] { return pair.client.sent == 1; }));
}

TEST_CASE("network: of a large send at most four buffers are kept beyond what the kernel takes") {
    std::size_t unit = 0;
    SUBCASE("of some KiB each") { unit = 777; }
    SUBCASE("so small that they are copied together") { unit = 60; }
    World world;
    env::ListenOptions options;
    options.receive_buffer_bytes = 16 * 1024;
    Pair pair(world, options);
    pair.server.connection->pause_reading();
    const std::string text = pattern(8 << 20);
    std::vector<Bytes> buffers;  // of uneven sizes, some empty, more than any one system call takes
    for (std::size_t at = 0, i = 0; at < text.size(); ++i) {
        const std::size_t n = i % 10 * unit;
        buffers.push_back(as_bytes(std::string_view(text).substr(at, n)));
        at += n;
    }
    REQUIRE(buffers.size() > 1024);
    const auto allocations_before = world.env.library_memory().allocations;
    std::size_t offset = 0;
    std::size_t index = 0;
    int rounds = 0;
    while (offset < text.size()) {
        const std::size_t taken = pair.client.connection->send(std::span<const Bytes>(buffers).subspan(index));
        REQUIRE(taken > 0);
        offset += taken;
        ++rounds;
        if (!pair.client.connection->sending()) REQUIRE(offset == text.size());
        else REQUIRE(offset < text.size());
        // What is taken is taken by whole buffers, but for those that the kernel took.
        std::size_t sum = 0;
        index = 0;
        while (index < buffers.size() && sum < offset) sum += buffers[index++].size();
        REQUIRE(sum == offset);
        pair.server.connection->resume_reading();
        REQUIRE(world.until([&] { return !pair.client.connection->sending(); }));
    }
    CHECK(rounds > 1);
    CHECK(world.env.library_memory().allocations == allocations_before);  // libuv copies the list of a fifth buffer
    REQUIRE(world.until([&] { return pair.server.received.size() == text.size(); }));
    CHECK(pair.server.received == text);
}

TEST_CASE("network: a refused connect is told on a later turn") {
    World world;
    Door door;
    env::Listener* const listener = world.env.network().listen(loopback(), {}, door).value();
    const env::Address address = listener->local();
    listener->close();
    world.linger(1);
    Peer peer;
    peer.connection = world.env.network().connect(address, peer).value();
    CHECK_FALSE(peer.closed);
    CHECK(world.until([&] { return peer.closed; }));
    CHECK(peer.reason == Error::connection_refused);
    CHECK_FALSE(peer.connected);
}

TEST_CASE("network: an address that cannot be reached is told on a later turn") {
    World world;
    Peer peer;
    // 240.0.0.0/4 is reserved: Linux has no route, or refuses at once.
    peer.connection = world.env.network().connect(env::parse_address("255.255.255.255:9").value(), peer).value();
    CHECK_FALSE(peer.closed);
    CHECK(world.until([&] { return peer.closed; }));
    CHECK(peer.reason != Error::none);
    CHECK_FALSE(peer.connected);
}

TEST_CASE("network: a connect that is closed before it stands") {
    World world;
    Door door;
    env::Listener* const listener = world.env.network().listen(loopback(), {}, door).value();
    Peer peer;
    peer.connection = world.env.network().connect(listener->local(), peer).value();
    peer.connection->close();
    CHECK_FALSE(peer.closed);
    CHECK(world.until([&] { return peer.closed; }));
    CHECK(peer.reason == Error::canceled);
    CHECK_FALSE(peer.connected);
}

TEST_CASE("network: close() delivers what was taken, and is told to both ends once") {
    World world;
    Pair pair(world);
    pair.client.say("unread");  // left in the server's kernel buffer: must not turn the end into a reset
    pair.server.connection->pause_reading();
    pair.client.connection->pause_reading();
    world.linger(5);
    CHECK(pair.server.received.empty());
    const std::string text = pattern(256 << 10);  // more than the client's kernel buffer takes, less than both
    CHECK(pair.server.say(text) == text.size());
    REQUIRE_FALSE(pair.server.connection->sending());
    pair.server.connection->close();
    pair.server.connection->close();
    CHECK_FALSE(pair.server.closed);
    CHECK(pair.server.say("too late") == 8);  // taken and dropped
    CHECK_FALSE(pair.server.connection->sending());
    world.linger(5);
    pair.client.connection->resume_reading();
    CHECK(world.until([&] { return pair.server.closed && pair.client.closed; }));
    CHECK(pair.server.reason == Error::canceled);
    CHECK(pair.client.reason == Error::end_of_file);
    CHECK(pair.client.received == text);
}

TEST_CASE("network: close() while a remainder is kept gives the buffers back without on_sent") {
    World world;
    Pair pair(world);
    pair.server.connection->pause_reading();
    const std::string text = pattern(16 << 20);
    pair.client.say(text);
    REQUIRE(pair.client.connection->sending());
    pair.client.connection->close();
    CHECK(world.until([&] { return pair.client.closed; }));
    CHECK(pair.client.sent == 0);
}

TEST_CASE("network: close() from receive_buffer") {
    World world;
    Pair pair(world);
    pair.server.close_on_receive_buffer = true;
    pair.server.connection->pause_reading();
    pair.server.connection->resume_reading();
    pair.client.say("x");
    pair.server.lend = false;  // the handler knows that it lends nothing any more
    CHECK(world.until([&] { return pair.server.closed && pair.client.closed; }));
    CHECK(pair.server.reason == Error::canceled);
}

TEST_CASE("network: half a close: what follows the end still arrives at the one who sent it") {
    World world;
    Pair pair(world);
    pair.server.connection->pause_reading();
    const std::string text = pattern(6 << 20);
    pair.client.say(text);
    REQUIRE(pair.client.connection->sending());
    pair.client.connection->shutdown_sending();  // after the remainder
    pair.server.say("answer");
    CHECK(world.until([&] { return pair.client.received == "answer"; }));
    pair.server.connection->resume_reading();
    CHECK(world.until([&] { return pair.server.closed; }));
    CHECK(pair.server.reason == Error::end_of_file);
    CHECK(pair.server.received == text);
    CHECK(pair.client.sent == 1);
}

TEST_CASE("network: a reset by the peer") {
    World world;
    Door door;
    Peer server;
    door.peers = {&server};
    env::Listener* const listener = world.env.network().listen(loopback(), {}, door).value();
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(listener->local().port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    REQUIRE(world.until([&] { return server.connection != nullptr; }));
    const linger reset{1, 0};
    REQUIRE(::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0);
    ::close(fd);
    CHECK(world.until([&] { return server.closed; }));
    CHECK(server.reason == Error::connection_reset);
}

TEST_CASE("network: a send into a dead connection takes everything, then tells") {
    World world;
    Pair pair(world);
    pair.server.connection->pause_reading();
    pair.client.say("x");
    world.linger(5);
    pair.client.connection->pause_reading();
    pair.server.connection->close();
    REQUIRE(world.until([&] { return pair.server.closed; }));
    const std::string text = pattern(1 << 16);
    for (int i = 0; i < 100 && !pair.client.closed; ++i) {
        if (!pair.client.connection->sending()) CHECK(pair.client.say(text) == text.size());
        world.linger(1);
    }
    CHECK(pair.client.closed);
    CHECK(pair.client.reason == Error::connection_reset);
}

TEST_CASE("network: a full pool stops accepting, and goes on when a connection is gone") {
    platform::UvOptions options = test_options();
    options.connections_max = 3;
    World world(options);
    std::vector<std::unique_ptr<Peer>> servers;
    Door door;
    for (int i = 0; i < 5; ++i) {
        servers.push_back(std::make_unique<Peer>());
        door.peers.push_back(servers.back().get());
    }
    env::Listener* const listener = world.env.network().listen(loopback(), {}, door).value();
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_port = htons(listener->local().port);
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int clients[5];
    for (int& fd : clients) {
        fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        REQUIRE(::connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0);
    }
    REQUIRE(world.until([&] { return door.accepted == 3; }));
    world.linger(30);
    CHECK(door.accepted == 3);
    Peer extra;
    CHECK(world.env.network().connect(loopback(1), extra).error() == Error::too_many_connections);
    servers[1]->connection->close();
    CHECK(world.until([&] { return door.accepted == 4; }));
    world.linger(30);
    CHECK(door.accepted == 4);
    ::close(clients[0]);
    CHECK(world.until([&] { return door.accepted == 5; }));
    CHECK(servers[0]->reason == Error::end_of_file);
    REQUIRE(::write(clients[4], "late", 4) == 4);
    CHECK(world.until([&] { return servers[4]->received == "late"; }));
    for (int i = 1; i < 5; ++i) ::close(clients[i]);
    CHECK(world.until([&] { return servers[4]->closed && servers[3]->closed && servers[2]->closed; }));
}

TEST_CASE("network: an acceptor that declines") {
    World world;
    Door door;
    env::Listener* const listener = world.env.network().listen(loopback(), {}, door).value();
    for (int i = 0; i < 20; ++i) {  // more than the pool holds
        Peer client;
        client.connection = world.env.network().connect(listener->local(), client).value();
        REQUIRE(world.until([&] { return client.closed; }));
    }
    CHECK(world.until([&] { return door.refused == 20; }));
}

TEST_CASE("network: errors of listen") {
    World world;
    Door door;
    env::Listener* const listener = world.env.network().listen(loopback(), {}, door).value();
    CHECK(world.env.network().listen(listener->local(), {}, door).error() == Error::address_in_use);
    CHECK(world.env.network().listen(env::parse_address("192.0.2.1:0").value(), {}, door).error() == Error::invalid_address);
    world.linger(1);
    CHECK(world.env.network().listen(loopback(), {}, door).ok());
    CHECK(world.env.network().listen(loopback(), {}, door).ok());
    CHECK(world.env.network().listen(loopback(), {}, door).error() == Error::limit_reached);
}

TEST_CASE("network: accepted sockets have the listener's options") {
    World world;
    env::ListenOptions options;
    options.send_buffer_bytes = 32 * 1024;
    options.receive_buffer_bytes = 24 * 1024;
    Pair pair(world, options);
    // The descriptor of the accepted connection: the one whose peer is our client.
    int found = -1;
    for (int fd = 3; fd < 64; ++fd) {
        sockaddr_in name{};
        socklen_t length = sizeof name;
        if (::getpeername(fd, reinterpret_cast<sockaddr*>(&name), &length) == 0 &&
            ntohs(name.sin_port) == pair.client.connection->local().port)
            found = fd;
    }
    REQUIRE(found != -1);
    const auto option = [&](int level, int name) {
        int value = 0;
        socklen_t length = sizeof value;
        REQUIRE(::getsockopt(found, level, name, &value, &length) == 0);
        return value;
    };
    CHECK(option(IPPROTO_TCP, TCP_NODELAY) == 1);
    CHECK(option(SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(IPPROTO_TCP, TCP_KEEPIDLE) == 60);
    CHECK(option(IPPROTO_TCP, TCP_KEEPINTVL) == 10);
    CHECK(option(SOL_SOCKET, SO_SNDBUF) == 2 * 32 * 1024);  // the kernel doubles it for its own overhead
    CHECK(option(SOL_SOCKET, SO_RCVBUF) == 2 * 24 * 1024);
}

TEST_CASE("network: IPv6, and IPv4 through a listener on [::]") {
    World world;
    Door door;
    Peer six;
    Peer four;
    door.peers = {&six, &four};
    const auto listener = world.env.network().listen(env::parse_address("[::]:0").value(), {}, door);
    if (!listener) {
        MESSAGE("skipped: no IPv6 here");
        return;
    }
    env::Address address = env::parse_address("[::1]:1").value();
    address.port = (*listener)->local().port;
    Peer client;
    client.connection = world.env.network().connect(address, client).value();
    REQUIRE(world.until([&] { return client.closed || door.accepted == 1; }));
    if (client.closed) {
        MESSAGE("skipped: no IPv6 loopback here");
        return;
    }
    CHECK(six.connection->peer().v6);
    Peer client4;
    client4.connection = world.env.network().connect(loopback(address.port), client4).value();
    REQUIRE(world.until([&] { return door.accepted == 2; }));
    CHECK_FALSE(four.connection->peer().v6);
    CHECK(four.connection->local() == loopback(address.port));
}

TEST_CASE("network: resolving names and numbers") {
    struct Answer final : env::Resolved {
        bool done = false;
        Error error = Error::none;
        std::vector<env::Address> addresses;
        void on_resolved(Error e, std::span<const env::Address> found) override {
            done = true;
            error = e;
            addresses.assign(found.begin(), found.end());
        }
    };
    World world;
    for (const std::string_view host : {"127.0.0.1", "localhost"}) {
        Answer answer;
        world.env.network().resolve(host, 9192, answer);
        CHECK_FALSE(answer.done);
        REQUIRE(world.until([&] { return answer.done; }));
        CHECK(answer.error == Error::none);
        bool found = false;
        for (const env::Address& address : answer.addresses) found = found || address == loopback(9192);
        CHECK(found);
    }
    Answer six;
    world.env.network().resolve("::1", 7, six);
    REQUIRE(world.until([&] { return six.done; }));
    CHECK(six.addresses.at(0) == env::parse_address("[::1]:7").value());
    for (const std::string& host : {std::string(300, 'x'), std::string(), std::string("no such host.invalid")}) {
        Answer answer;
        world.env.network().resolve(host, 1, answer);
        REQUIRE(world.until([&] { return answer.done; }));
        CHECK(answer.error != Error::none);
        CHECK(answer.addresses.empty());
    }
}

TEST_CASE("network: an environment goes away with everything open") {
    Door door;
    Peer server;
    Peer client;
    Peer connecting;
    door.peers = {&server};
    const std::string text = pattern(8 << 20);
    {
        World world;
        env::Listener* const listener = world.env.network().listen(loopback(), {}, door).value();
        client.connection = world.env.network().connect(listener->local(), client).value();
        REQUIRE(world.until([&] { return client.connected && server.connection; }));
        server.connection->pause_reading();
        client.say(text);
        connecting.connection = world.env.network().connect(listener->local(), connecting).value();
    }
    CHECK_FALSE(server.closed);
    CHECK_FALSE(client.closed);
}
