#include <doctest/doctest.h>

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "platform/uv/connection.h"
#include "tests/platform/world.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

// Two connections to a listener each, of one environment, in which one may have a large send buffer.
struct Bulk {
    explicit Bulk(const env::ListenOptions& first = bounded(), const env::ListenOptions& second = bounded()) : world(options()) {
        const env::ListenOptions* const all[] = {&first, &second};
        for (int i = 0; i < 2; ++i) {
            doors[i].peers = {&servers[i]};
            listeners[i] = world.env.network().listen(loopback(), *all[i], doors[i]).value();
            clients[i].connection = world.env.network().connect(listeners[i]->local(), clients[i]).value();
            REQUIRE(world.until([&] { return clients[i].connected && servers[i].connection; }));
        }
    }
    ~Bulk() {
        for (env::Listener* listener : listeners) listener->close();
    }
    static platform::UvOptions options() {
        platform::UvOptions uv = test_options();
        uv.bulk_senders = 1;
        return uv;
    }
    static env::ListenOptions bounded() {
        env::ListenOptions options;
        options.send_buffer_bytes = small / 2;
        return options;
    }
    static int descriptor(const Peer& peer) { return static_cast<platform::TcpConnection*>(peer.connection)->descriptor(); }
    int buffer(int i) const {
        int bytes = 0;
        socklen_t length = sizeof bytes;
        REQUIRE(::getsockopt(descriptor(servers[i]), SOL_SOCKET, SO_SNDBUF, &bytes, &length) == 0);
        return bytes;
    }
    void send(int i, const std::string& text) {
        clients[i].connection->pause_reading();
        clients[i].received.clear();
        servers[i].say(text);
    }
    void send_much(int i) {
        send(i, much);
        REQUIRE(servers[i].connection->sending());
    }
    void read_all(int i, const std::string& text) {
        clients[i].connection->resume_reading();
        REQUIRE(world.until([&] { return clients[i].received.size() == text.size() && !servers[i].connection->sending(); }));
        CHECK(clients[i].received == text);
    }
    // The kernel knows a little later that all has arrived.
    void require_place(int i) {
        REQUIRE(world.until([&] {
            send_much(i);
            const bool has = buffer(i) > small;
            read_all(i, much);
            return has;
        }));
    }

    static constexpr int small = 32 * 1024;  // as the kernel tells it
    const std::string much = pattern(8 << 20);
    World world;
    Door doors[2];
    Peer servers[2];
    Peer clients[2];
    env::Listener* listeners[2];
};

}  // namespace

TEST_CASE("bulk senders: few that much is sent to have a large send buffer, until another needs it and theirs is sent") {
    Bulk bulk;
    CHECK(bulk.buffer(1) == Bulk::small);
    const std::string some = pattern(60 * 1024);  // does not fit either, but is not worth it
    bulk.send(0, some);
    CHECK(bulk.buffer(0) == Bulk::small);
    bulk.read_all(0, some);
    bulk.send_much(0);
    CHECK(bulk.buffer(0) > Bulk::small);
    bulk.send_much(1);
    CHECK(bulk.buffer(1) == Bulk::small);  // the other's is in use
    bulk.read_all(1, bulk.much);
    bulk.read_all(0, bulk.much);
    bulk.require_place(1);
    CHECK(bulk.buffer(0) == Bulk::small);
    // A place of a connection that ends is free.
    bulk.servers[1].connection->close();
    REQUIRE(bulk.world.until([&] { return bulk.servers[1].closed; }));
    bulk.send_much(0);
    CHECK(bulk.buffer(0) > Bulk::small);
}

TEST_CASE("bulk senders: a large send buffer is not taken from a reader that stands still, and what it holds does not outlive the connection") {
    Bulk bulk;
    bulk.require_place(0);
    const int little = 4096;
    REQUIRE(::setsockopt(Bulk::descriptor(bulk.clients[0]), SOL_SOCKET, SO_RCVBUF, &little, sizeof little) == 0);
    // All of it is the kernel's, and more than a small one would hold stays there.
    const auto unsent = [&] {
        int bytes = 0;
        REQUIRE(::ioctl(Bulk::descriptor(bulk.servers[0]), SIOCOUTQ, &bytes) == 0);
        return bytes;
    };
    bulk.clients[0].connection->pause_reading();
    const std::string part = pattern(8 * 1024);
    while (unsent() <= Bulk::small && !bulk.servers[0].connection->sending()) bulk.servers[0].say(part);
    REQUIRE(!bulk.servers[0].connection->sending());
    bulk.send_much(1);
    CHECK(bulk.buffer(1) == Bulk::small);
    CHECK(bulk.buffer(0) > Bulk::small);
    bulk.read_all(1, bulk.much);
    bulk.servers[0].connection->close();
    bulk.clients[0].connection->resume_reading();
    REQUIRE(bulk.world.until([&] { return bulk.clients[0].closed; }));
    CHECK(bulk.clients[0].reason == Error::connection_reset);
}

TEST_CASE("bulk senders: no place is spent on connections whose send buffers are the system's to size, or as large anyway") {
    env::ListenOptions first;
    SUBCASE("the system's") {}
    SUBCASE("as large") { first.send_buffer_bytes = 2 << 20; }
    Bulk bulk(first);
    bulk.send_much(0);
    bulk.send_much(1);
    CHECK(bulk.buffer(1) > Bulk::small);
    bulk.read_all(1, bulk.much);
    bulk.read_all(0, bulk.much);
}
