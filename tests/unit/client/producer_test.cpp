#include "client/producer.h"

#include <doctest/doctest.h>

#include "sim/guard.h"
#include "unit/base/random.h"
#include "unit/client/fake_broker.h"

using namespace rivulet;
using client::protocol::Reading;

namespace {

// Offers numbered readings as fast as the window takes them.
struct Source final : client::ProducerHandler {
    void on_ready(std::size_t) override {
        ready = true;
        feed();
    }
    void on_settled() override { feed(); }
    void on_refused(std::uint64_t first, std::uint64_t count, Error error) override {
        const sim::AllocationGuard::SimCode test_code;
        CHECK(error == Error::batch_too_large);
        for (std::uint64_t i = 0; i < count; ++i) refused.insert(first + i);
    }
    void on_interrupted(const client::Ending&) override { ++interruptions; }
    void on_resumed() override { ++resumptions; }
    void on_forgotten() override { forgotten = true; }
    void on_ended(const client::Ending& ending, bool topic) override {
        const sim::AllocationGuard::SimCode test_code;
        CHECK_FALSE(ended);
        ended = true;
        last = ending;
        about_topic = topic;
    }
    void feed() {
        while (next < values.size()) {
            Reading reading;
            reading.has_key = next % 3 == 0;
            if (reading.has_key) reading.key = as_bytes("k");
            reading.value = as_bytes(values[next]);
            if (!producer->offer(reading)) break;
            ++next;
        }
        producer->flush();
        if (next == values.size() && finish && !finished) {
            finished = true;
            producer->finish();
        }
    }
    std::vector<std::string> expected() const {
        std::vector<std::string> all;
        for (std::size_t i = 0; i < values.size(); ++i)
            if (values[i] != "refuse me") all.push_back((i % 3 == 0 ? "k=" : "=") + values[i]);
        return all;
    }

    client::Producer* producer = nullptr;
    std::vector<std::string> values;
    std::size_t next = 0;
    std::set<std::uint64_t> refused;
    int interruptions = 0, resumptions = 0;
    bool ready = false, ended = false, finish = true, finished = false, about_topic = false, forgotten = false;
    client::Ending last;
};

struct ProducerWorld : test::BrokerWorld {
    explicit ProducerWorld(std::uint64_t seed = 1, std::size_t window_bytes = 16 << 10, sim::NetworkOptions network = {})
        : BrokerWorld(seed, network) {
        options.window_bytes = window_bytes;
        options.session = 77;
        options.incarnation = 5;
        options.alias.topic = "temps";
        memory.resize(client::Producer::memory_bytes(options));
    }
    void start() {
        arena.emplace(memory);
        producer.emplace(env(), options, *arena, source);
        source.producer = &*producer;
        here.env()->serving();
        producer->start(*client::Bootstrap::parse("board"));
    }
    void numbered(std::size_t n) {
        for (std::size_t i = 0; i < n; ++i) source.values.push_back("reading " + std::to_string(i));
    }
    bool wait(std::int64_t seconds = 60) { return run([&] { return source.ended; }, seconds); }

    client::ProducerOptions options;
    std::vector<std::uint8_t> memory;
    std::optional<Arena> arena;
    Source source;
    std::optional<client::Producer> producer;
};

}  // namespace

TEST_CASE("producer: all readings, in order") {
    ProducerWorld w;
    w.numbered(2000);
    w.board.boot();
    w.start();
    REQUIRE(w.wait());
    CHECK(w.source.last.failure.error == Error::none);
    CHECK(w.producer->settled() == 2000);
    CHECK(w.producer->sent() == 2000);
    CHECK(w.state.stored == w.source.expected());
    CHECK_FALSE(w.world.failed());
    CHECK(w.world.failure() == "");
}

TEST_CASE("producer: exactly once through resets, restarts and power cuts") {
    std::size_t resumptions = 0;
    for (std::uint64_t seed = 1; seed <= 40; ++seed) {
        test::Random random(seed);
        ProducerWorld w(seed, 4096 + random.below(30'000));
        for (int i = 0; i < 600; ++i)
            w.source.values.push_back(random.below(50) == 0 ? "refuse me" : std::to_string(i) + std::string(random.below(10) == 0 ? random.below(900) : random.below(40), 'x'));
        w.board.boot();
        w.state.credit = 1100 + random.below(8000);
        w.state.ack_delay_ns = static_cast<std::int64_t>(random.below(20)) * ns_per_ms;
        w.start();
        for (int fault = 0; fault < 6 && !w.source.ended; ++fault) {
            w.world.run_for(static_cast<std::int64_t>(random.below(120)) * ns_per_ms);
            switch (random.below(4)) {
            case 0: w.world.network().reset_connections(w.here, w.board); break;
            case 1: w.broker().close_all(Error::shutting_down); break;
            case 2: w.board.kill(); break;
            default: w.board.power_cut();
            }
            if (w.board.running()) continue;
            w.world.run_for(static_cast<std::int64_t>(random.below(2000)) * ns_per_ms);
            w.board.boot();
        }
        REQUIRE(w.wait(200));
        CAPTURE(seed);
        CHECK(w.world.failure() == "");
        CHECK(std::string(error_info(w.source.last.failure.error).name) == "none");
        CHECK(w.producer->settled() == w.source.values.size());
        CHECK(w.state.stored == w.source.expected());
        CHECK(w.source.refused == w.state.refused_numbers);
        resumptions += static_cast<std::size_t>(w.source.resumptions);
    }
    CHECK(resumptions > 40);
}

TEST_CASE("producer: the count is right when the broker does not come back") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        ProducerWorld w(seed);
        w.numbered(3000);
        w.board.boot();
        w.start();
        REQUIRE(w.run([&] { return w.producer->settled() > 500; }));
        w.board.kill();
        const std::int64_t cut = w.world.now();
        REQUIRE(w.wait());
        CHECK(w.source.last.failure.error == Error::connection_refused);
        CHECK(w.world.now() - cut >= 10 * ns_per_s);
        CHECK(w.world.now() - cut < 13 * ns_per_s);
        CHECK(w.producer->settled() >= 500);
        CHECK(w.producer->settled() <= w.producer->sent());
        CHECK(w.producer->sent() <= w.producer->offered());
        // The first settled() are stored, in order, and perhaps some more that were sent.
        REQUIRE(w.state.stored.size() >= w.producer->settled());
        CHECK(w.state.stored.size() <= w.producer->sent());
        const auto expected = w.source.expected();
        CHECK(std::equal(w.state.stored.begin(), w.state.stored.end(), expected.begin()));
    }
}

TEST_CASE("producer: canceled by an older connection of its own that arrives late, it comes back") {
    ProducerWorld w;
    w.numbered(10);
    w.source.finish = false;
    w.board.boot();
    w.start();
    REQUIRE(w.run([&] { return w.producer->settled() == 10; }));
    w.broker().close_all(Error::canceled);
    REQUIRE(w.run([&] { return w.source.resumptions == 1; }));
    CHECK_FALSE(w.source.ended);
    CHECK(w.source.interruptions == 1);
}

TEST_CASE("producer: what no retry mends") {
    ProducerWorld w;
    w.numbered(10);
    w.board.boot();
    SUBCASE("an unknown topic") {
        w.state.alias_error = Error::unknown_topic_or_partition;
        w.start();
        REQUIRE(w.wait(1));
        CHECK(w.source.about_topic);
        CHECK(w.source.last.failure.error == Error::unknown_topic_or_partition);
    }
    SUBCASE("another client has opened the session") {
        w.source.finish = false;
        w.start();
        REQUIRE(w.run([&] { return w.producer->settled() == 10; }));
        w.broker().close_all(Error::session_moved);
        REQUIRE(w.wait(1));
        CHECK(w.source.last.failure.error == Error::session_moved);
    }
    SUBCASE("nobody who speaks our language at first") {
        w.state.open_error = Error::unsupported_version;
        w.start();
        REQUIRE(w.wait(1));
        CHECK(w.source.last.failure.error == Error::unsupported_version);
        CHECK_FALSE(w.source.ready);
    }
    SUBCASE("without a session") {
        w.options.session = 0;
        w.source.finish = false;
        w.start();
        REQUIRE(w.run([&] { return w.producer->settled() == 10; }));
        w.board.kill();
        REQUIRE(w.wait(1));
        CHECK(w.source.last.failure.error == Error::connection_reset);
    }
    SUBCASE("bytes that are no frames") {
        w.state.garbage = std::string("\x05\x1e\x00\x00\x00\x00", 6);
        w.options.retry_ms = 0;
        w.start();
        REQUIRE(w.wait(1));
        CHECK(w.source.last.failure.error == Error::unsupported);
    }
    CHECK(w.source.interruptions == 0);
    CHECK(w.world.failure() == "");
}

TEST_CASE("producer: the first connection is tried for as long as later ones") {
    ProducerWorld w;
    w.numbered(100);
    w.options.retry_ms = 5000;
    SUBCASE("without a session, too") { w.options.session = 0; }
    SUBCASE("with one") {}
    w.board.boot();
    w.board.kill();
    w.start();
    w.world.run_for(3 * ns_per_s);
    CHECK_FALSE(w.source.ended);
    CHECK(w.source.interruptions > 3);
    SUBCASE("it comes") {
        w.board.boot();
        REQUIRE(w.wait(5));
        CHECK(w.source.last.failure.error == Error::none);
        CHECK(w.state.stored == w.source.expected());
        CHECK(w.source.resumptions == 0);
    }
    SUBCASE("it does not come") {
        REQUIRE(w.wait(3));
        CHECK(w.source.last.failure.error == Error::connection_refused);
        CHECK_FALSE(w.source.ready);
    }
    CHECK(w.world.failure() == "");
}

TEST_CASE("producer: a broker that has forgotten says so") {
    ProducerWorld w;
    w.numbered(3000);
    w.board.boot();
    w.start();
    REQUIRE(w.run([&] { return w.producer->settled() > 100 && w.producer->sent() > w.producer->settled(); }));
    w.state.forgets = true;
    w.world.network().reset_connections(w.here, w.board);
    REQUIRE(w.wait());
    CHECK(w.source.forgotten);
    CHECK(w.source.last.failure.error == Error::none);
    CHECK(w.state.stored.size() >= 3000);
}

TEST_CASE("producer: abandon in every state") {
    for (std::int64_t ms = 0; ms < 40; ms += 2) {
        ProducerWorld w(static_cast<std::uint64_t>(ms) + 1);
        w.numbered(5000);
        w.board.boot();
        w.start();
        w.world.run_for(ms * ns_per_ms);
        if (ms % 4 == 0) w.world.network().reset_connections(w.here, w.board);
        if (ms % 4 == 0) w.world.run_for(5 * ns_per_ms);
        w.producer->abandon();
        REQUIRE(w.wait(5));
        CHECK(w.source.last.failure.error == Error::canceled);
        CHECK(w.world.failure() == "");
    }
}

TEST_CASE("producer: readings larger than a packed frame go alone") {
    ProducerWorld w(1, 64 << 10);
    w.options.frame_bytes_max = 512;
    for (int i = 0; i < 50; ++i) w.source.values.push_back(std::string(i % 2 == 0 ? 2000 : 10, static_cast<char>('a' + i % 26)));
    w.board.boot();
    w.start();
    REQUIRE(w.wait());
    CHECK(w.source.last.failure.error == Error::none);
    CHECK(w.state.stored == w.source.expected());
}
