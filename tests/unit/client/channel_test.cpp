#include "client/channel.h"

#include <doctest/doctest.h>

#include "unit/client/fake_broker.h"

using namespace rivulet;
using client::Stage;

namespace {

struct User final : client::ChannelHandler {
    void on_open(const client::protocol::Opened& answer) override {
        opened = true;
        software = answer.software;
    }
    void on_attempt_failed(const client::Ending& ending) override { attempts.push_back(std::string(ending.where) + " " + error_info(ending.failure.error).name); }
    void on_closed(const client::Ending& ending) override {
        CHECK_FALSE(closed);
        closed = true;
        last = ending;
        text = ending.text;
    }
    bool opened = false, closed = false;
    std::string software, text;
    std::vector<std::string> attempts;
    client::Ending last;
};

struct ChannelWorld : test::BrokerWorld {
    explicit ChannelWorld(std::uint64_t seed = 1) : BrokerWorld(seed), arena(memory), channel(env(), options, arena, user) {}
    bool open(std::string_view list) {
        channel.open(*client::Bootstrap::parse(list));
        return run([&] { return user.opened || user.closed; }) && user.opened;
    }
    bool wait_closed() { return run([&] { return user.closed; }); }

    client::ChannelOptions options;
    std::vector<std::uint8_t> memory = std::vector<std::uint8_t>(client::Channel::memory_bytes(client::ChannelOptions{}));
    Arena arena;
    User user;
    client::Channel channel;
};

}  // namespace

TEST_CASE("channel: opens by name, closes as agreed, opens again") {
    ChannelWorld w;
    w.board.boot();
    REQUIRE(w.open("board"));
    CHECK(w.user.software == "fake");
    CHECK(w.channel.is_open());
    w.channel.close();
    REQUIRE(w.wait_closed());
    CHECK(w.user.last.failure.error == Error::none);
    CHECK(w.channel.is_idle());
    w.user = {};
    CHECK(w.open("board:9192"));
    CHECK_FALSE(w.world.failed());
}

TEST_CASE("channel: the list is tried in order") {
    ChannelWorld w;
    w.board.boot();
    REQUIRE(w.open("nowhere,board:1,board"));
    CHECK(w.user.attempts == std::vector<std::string>{"nowhere host_not_found", "board:1 connection_refused"});
}

TEST_CASE("channel: when nobody is there, the last one's failure is told") {
    ChannelWorld w;
    CHECK_FALSE(w.open("nowhere,127.0.0.1:7"));
    CHECK(w.user.attempts.size() == 1);
    CHECK(w.user.last.failure.error == Error::connection_refused);
    CHECK(w.user.last.stage == Stage::connect);
    CHECK(w.user.last.where == "127.0.0.1:7");
    w.user = {};
    CHECK_FALSE(w.open("nowhere"));
    CHECK(w.user.last.failure.error == Error::host_not_found);
    CHECK(w.user.last.stage == Stage::resolve);
}

TEST_CASE("channel: a machine that is off, a broker that is silent") {
    ChannelWorld w;
    w.board.boot();
    w.world.network().set_link(w.here, w.board, false);
    const std::int64_t start = w.world.now();
    CHECK_FALSE(w.open("board"));
    CHECK(w.user.last.failure.error == Error::timed_out);
    CHECK(w.world.now() - start < 4 * ns_per_s);
    w.world.network().heal();
    w.user = {};
    w.state.answers = false;
    CHECK_FALSE(w.open("board"));
    CHECK(w.user.last.failure.error == Error::timed_out);
    CHECK(w.user.last.stage == Stage::handshake);
}

TEST_CASE("channel: what the broker says in place of an answer") {
    ChannelWorld w;
    w.state.open_error = Error::too_many_connections;
    w.board.boot();
    CHECK_FALSE(w.open("board"));
    CHECK(w.user.last.failure.error == Error::too_many_connections);
    CHECK(w.user.last.from_broker);
    CHECK(w.user.last.stage == Stage::handshake);
    CHECK(w.user.text == "said the test");
}

TEST_CASE("channel: keeps an idle connection, and notices a dead one") {
    ChannelWorld w;
    w.state.idle_ms_max = 3000;
    w.board.boot();
    REQUIRE(w.open("board"));
    w.world.run_for(20 * ns_per_s);
    CHECK(w.state.pings >= 15);
    CHECK_FALSE(w.user.closed);
    w.board.pause(300 * ns_per_s);
    REQUIRE(w.wait_closed());
    CHECK(w.user.last.failure.error == Error::timed_out);
}

TEST_CASE("channel: who was held up itself for longer than a broker may be silent keeps its connection") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        ChannelWorld w(seed);
        w.state.idle_ms_max = 300'000;
        w.board.boot();
        REQUIRE(w.open("board"));
        w.world.run_for(static_cast<std::int64_t>(seed) * ns_per_s);
        w.here.pause(100 * ns_per_s);
        w.world.run_for(200 * ns_per_s);
        CHECK_FALSE(w.user.closed);
        w.board.pause(300 * ns_per_s);
        REQUIRE(w.wait_closed());
        CHECK(w.user.last.failure.error == Error::timed_out);
    }
}

TEST_CASE("channel: a broker's CLOSE and its sudden end") {
    ChannelWorld w;
    w.board.boot();
    REQUIRE(w.open("board"));
    w.broker().close_all(Error::shutting_down);
    REQUIRE(w.wait_closed());
    CHECK(w.user.last.failure.error == Error::shutting_down);
    CHECK(w.user.last.from_broker);
    w.user = {};
    REQUIRE(w.open("board"));
    w.board.kill();
    REQUIRE(w.wait_closed());
    CHECK(w.user.last.failure.error == Error::connection_reset);
    CHECK_FALSE(w.user.last.from_broker);
}

TEST_CASE("channel: drop at any moment is canceled, close without an answer ends too") {
    for (std::int64_t ms = 0; ms < 12; ++ms) {
        ChannelWorld w(static_cast<std::uint64_t>(ms) + 1);
        w.board.boot();
        w.channel.open(*client::Bootstrap::parse("board,board,board"));
        w.world.run_for(ms * ns_per_ms / 2);
        w.channel.drop();
        REQUIRE(w.wait_closed());
        CHECK(w.user.last.failure.error == Error::canceled);
        CHECK(w.channel.is_idle());
    }
    ChannelWorld w;
    w.state.answers_close = false;
    w.board.boot();
    REQUIRE(w.open("board"));
    w.channel.close();
    REQUIRE(w.wait_closed());
    CHECK(w.user.last.failure.error == Error::timed_out);
    CHECK_FALSE(w.world.failed());
}
