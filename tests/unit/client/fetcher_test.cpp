#include "client/fetcher.h"

#include <doctest/doctest.h>

#include "client/batches.h"
#include "sim/guard.h"
#include "unit/base/random.h"
#include "unit/client/fake_broker.h"

using namespace rivulet;

namespace {

struct Sink final : client::FetcherHandler {
    void on_fetched(std::size_t index, const client::protocol::Fetched& fetched) override {
        const sim::AllocationGuard::SimCode test_code;
        client::Batches batches(fetched.batches, fetched.offset);
        while (const auto record = batches.next()) {
            got[index].push_back(std::to_string(record->offset.value) + ":" + std::string(as_text(record->record.value)));
            ++count;
        }
        CHECK(batches.error() == Error::none);
        ++answers;
    }
    void on_skipped(std::size_t, Offset from, Offset to) override { skipped = {from, to}; }
    void on_interrupted(const client::Ending&) override { ++interruptions; }
    void on_ended(const client::Ending& ending, std::optional<std::size_t> about) override {
        CHECK_FALSE(ended);
        ended = true;
        last = ending;
        about_index = about;
    }
    std::map<std::size_t, std::vector<std::string>> got;
    std::size_t count = 0;
    int answers = 0;
    int interruptions = 0;
    std::pair<Offset, Offset> skipped;
    bool ended = false;
    client::Ending last;
    std::optional<std::size_t> about_index;
};

struct FetcherWorld : test::BrokerWorld {
    explicit FetcherWorld(std::uint64_t seed = 1) : BrokerWorld(seed) {
        options.topic = "temps";
        options.channel.receive_bytes = 4096;
        options.bytes_max = 1000;
        memory.resize(client::Fetcher::memory_bytes(options));
    }
    void start(std::size_t partitions, Offset from = Offset(client::protocol::fetch_earliest)) {
        for (std::uint64_t p = 0; p < partitions; ++p) positions.push_back({p, from});
        arena.emplace(memory);
        fetcher.emplace(env(), options, positions, *arena, sink);
        here.env()->serving();
        fetcher->start(*client::Bootstrap::parse("board"));
    }
    void append(std::size_t partitions, std::size_t n) {
        for (std::size_t i = 0; i < n; ++i)
            for (std::uint64_t p = 0; p < partitions; ++p) {
                const std::string value = "p" + std::to_string(p) + " " + std::to_string(made[p]);
                state.append(p, {value, value + "!"});
                wanted[p].push_back(std::to_string(made[p]) + ":" + value);
                wanted[p].push_back(std::to_string(made[p] + 1) + ":" + value + "!");
                made[p] += 2;
                total += 2;
            }
    }

    client::FetcherOptions options;
    std::vector<std::uint8_t> memory;
    std::vector<client::FetchPosition> positions;
    std::optional<Arena> arena;
    Sink sink;
    std::optional<client::Fetcher> fetcher;
    std::map<std::size_t, std::vector<std::string>> wanted;
    std::map<std::size_t, std::size_t> made;
    std::size_t total = 0;
};

}  // namespace

TEST_CASE("fetcher: all partitions, each in order, whatever the number of requests") {
    for (const std::size_t partitions : {1U, 4U, 5U, 33U}) {
        FetcherWorld w(partitions);
        w.append(partitions, 100);
        w.board.boot();
        w.start(partitions);
        REQUIRE(w.run([&] { return w.sink.count == w.total; }));
        // Then what comes later.
        w.append(partitions, 3);
        REQUIRE(w.run([&] { return w.sink.count == w.total; }));
        CHECK(w.sink.got == w.wanted);
        w.fetcher->stop();
        REQUIRE(w.run([&] { return w.sink.ended; }));
        CHECK(w.sink.last.failure.error == Error::canceled);
        CHECK(w.world.failure() == "");
    }
}

TEST_CASE("fetcher: waits for news without asking all the time") {
    FetcherWorld w;
    w.board.boot();
    w.start(2);
    w.world.run_for(20 * ns_per_s);
    CHECK(w.state.fetches < 200);
    CHECK(w.sink.count == 0);
}

TEST_CASE("fetcher: goes on through broken connections, nothing twice and nothing left out") {
    int interruptions = 0;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        test::Random random(seed);
        FetcherWorld w(seed);
        w.append(6, 50);
        w.board.boot();
        w.start(6);
        REQUIRE(w.run([&] { return w.sink.count > 0; }));
        for (int fault = 0; fault < 5; ++fault) {
            w.world.run_for(static_cast<std::int64_t>(random.below(30)) * ns_per_ms);
            if (random.below(2) == 0) {
                w.world.network().reset_connections(w.here, w.board);
            } else {
                w.board.kill();
                w.world.run_for(static_cast<std::int64_t>(random.below(3000)) * ns_per_ms);
                w.board.boot();
            }
            w.append(6, 2);
        }
        CAPTURE(seed);
        REQUIRE(w.run([&] { return w.sink.count >= w.total || w.sink.ended; }));
        CHECK(w.sink.got == w.wanted);
        CHECK(w.world.failure() == "");
        interruptions += w.sink.interruptions;
    }
    CHECK(interruptions > 20);
}

TEST_CASE("fetcher: from the end, from a lost beginning, from beyond the end") {
    FetcherWorld w;
    w.append(1, 10);
    w.board.boot();
    SUBCASE("only what is new") {
        w.start(1, Offset(client::protocol::fetch_latest));
        REQUIRE(w.run([&] { return w.sink.answers > 0; }));
        w.append(1, 1);
        REQUIRE(w.run([&] { return w.sink.count == 2; }));
        CHECK(w.sink.got[0].front() == "20:p0 20");
    }
    SUBCASE("retention was there first") {
        w.state.log_starts[0] = Offset(6);
        w.start(1, Offset(3));
        REQUIRE(w.run([&] { return w.sink.count == 14; }));
        CHECK(w.sink.skipped == std::pair(Offset(3), Offset(6)));
        CHECK(w.sink.got[0].front() == "6:p0 6");
    }
    SUBCASE("nothing there yet, and an error") {
        w.start(1, Offset(21));
        REQUIRE(w.run([&] { return w.sink.ended; }));
        CHECK(w.sink.last.failure.error == Error::offset_out_of_range);
        CHECK(w.sink.last.failure.detail == 20);
        CHECK(w.sink.about_index == 0);
    }
    CHECK(w.world.failure() == "");
}

TEST_CASE("fetcher: gives up when the broker stays away") {
    FetcherWorld w;
    w.append(1, 1);
    w.board.boot();
    w.start(1);
    REQUIRE(w.run([&] { return w.sink.count == 2; }));
    w.board.kill();
    REQUIRE(w.run([&] { return w.sink.ended; }));
    CHECK(w.sink.last.failure.error == Error::connection_refused);
    CHECK_FALSE(w.sink.about_index.has_value());
}
