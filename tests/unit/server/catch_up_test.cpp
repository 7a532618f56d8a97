// Many readers that catch up at once: all of them get to the end, over a ring that has wrapped, and what one reads from flash serves the others.
#include "unit/server/served.h"

#include <algorithm>

#include "record/batch.h"

using namespace rivulet;
using test::Client;
using test::Served;
namespace frames = rivulet::wire::compact;
using frames::Kind;
using server::BufferPool;

namespace {

constexpr std::size_t partitions = 64;

// A quarter as many output buffers as readers.
const std::string many_readers = R"(
[memory]
total = 16M
ring_min = 1M
[storage]
size = 32M
segment_bytes = 2M
checkpoint_bytes_max = 256K
commit_bytes = 16K
[defaults]
max.message.bytes = 1M
[clock]
trust = always
[limits]
connections = 80
tls_connections = 2
tls_handshakes = 1
topics = 4
partitions = 128
sessions = 32
producers = 16
aliases_per_connection = 64
batch_bytes = 1M
frame_bytes = 8K
credit_bytes = 64K
inflight_bytes = 64K
receive_pool_bytes = 2M
compact_keys = 64
index_bytes = 64K
read_windows = 4
parked_fetches = 200
groups = 4
members = 16
group_members = 8
group_bytes = 16K
committed_offsets = 64
[listener.compact]
bind = 0.0.0.0:9192
[topic.temps]
partitions = 64
commit.interval.ms = 0
)";

void fill(Served& served, std::size_t rounds) {
    Client& writer = served.connect();
    writer.open();
    REQUIRE(served.until(writer, Kind::open));
    for (std::size_t p = 0; p < partitions; ++p) writer.alias(p, "temps", p);
    const std::string value(200, 'v');
    for (std::size_t round = 0; round < rounds; ++round) {
        for (std::size_t p = 0; p < partitions; ++p) REQUIRE(writer.put(p, value));
        served.send(writer);
        REQUIRE(served.until([&] { return writer.puts.acked() + 1 == writer.puts.sequence_next(); }));
    }
}

// Fetches on and on, as soon as an answer is there.
struct Consumer {
    Client* client;
    std::size_t partition;
    std::int64_t next = frames::fetch_earliest;
    std::size_t seen = 0;
    bool ended = false;

    void ask(Served& served) {
        client->fetch(partition, "temps", partition, next, 1000);
        served.send(*client);
    }
    void step(Served& served) {
        if (ended || client->count(Kind::fetch) == seen) return;
        ++seen;
        const auto answer = frames::decode_answer(client->last(Kind::fetch).body);
        REQUIRE(answer.ok());
        REQUIRE(answer->error == Error::none);
        const auto fetched = frames::decode_fetched(answer->rest);
        REQUIRE(fetched.ok());
        if (next < 0) next = fetched->offset.value;
        for (Bytes left = fetched->batches; !left.empty();) {
            const record::BatchHeader header = record::decode_header(left);
            REQUIRE(header.base_offset.value == next);
            next = header.last_offset().value + 1;
            left = left.subspan(header.total_bytes());
        }
        ended = next == fetched->high_watermark.value;
        if (!ended) ask(served);
    }
};

// True: all have read to the end.
bool consume(Served& served, std::int64_t ns) {
    std::vector<Consumer> consumers;
    for (std::size_t p = 0; p < partitions; ++p) {
        Client& client = served.connect();
        client.open();
        consumers.push_back({&client, p});
    }
    for (Consumer& consumer : consumers) REQUIRE(served.until(*consumer.client, Kind::open));
    for (Consumer& consumer : consumers) consumer.ask(served);
    const bool all = served.until(
        [&] {
            bool over = true;
            for (Consumer& consumer : consumers) {
                consumer.step(served);
                over &= consumer.ended;
            }
            return over;
        },
        ns);
    served.run(ns_per_s);
    CHECK(served.program->server->hub().output_pool().lent() == 0);
    for (const Consumer& consumer : consumers) served.world.after(0, [&consumer] { consumer.client->connection->close(); });
    served.run(ns_per_s);
    return all;
}

}  // namespace

TEST_CASE("output buffers all come back: from readers that are slow, and from one that had to wait for its buffer") {
    constexpr std::size_t rounds = 400;
    Served served(many_readers, 1, 256);
    fill(served, rounds);
    BufferPool& pool = served.program->server->hub().output_pool();
    Client& writer = served.connect();
    writer.open();
    writer.alias(0, "temps", 0);
    REQUIRE(served.until(writer, Kind::alias));
    Client& waiting = served.connect();
    waiting.open();
    REQUIRE(served.until(waiting, Kind::open));
    std::vector<Client*> slow;
    // More than the kernels keep on the way.
    const auto block = [&](Client& client) {
        client.take_nothing();
        for (std::uint64_t i = 0; i < 4; ++i) client.fetch(i, "temps", i + 1, frames::fetch_earliest);
        served.send(client);
        served.run(50 * ns_per_ms);
    };
    const auto resume = [&](Client& client) {
        served.world.after(0, [&client] { client.take_all(); });
    };
    const auto release = [&](Client& client) {
        resume(client);
        REQUIRE(served.until([&] { return client.count(Kind::fetch) % 4 == 0; }));
    };
    while (pool.bulk_free()) {
        REQUIRE(slow.size() < 2 * pool.count());
        slow.push_back(&served.connect());
        slow.back()->open();
        REQUIRE(served.until(*slow.back(), Kind::open));
        block(*slow.back());
    }
    // Slow, not stopped: they may hold what others wait for, as long as they take something in each half second.
    const auto take_a_little = [&] {
        for (Client* const client : slow)
            if (!client->wants) client->take_once(64);
    };
    sim::Random random = served.world.random("pauses");
    for (std::size_t round = 0; round < 40; ++round) {
        take_a_little();
        Client& first = *slow[round % slow.size()];
        Client& second = *slow[(round + 1) % slow.size()];
        release(first);
        waiting.fetch(round, "temps", 0, static_cast<std::int64_t>(rounds + round), 60'000);
        served.send(waiting);
        served.run(50 * ns_per_ms);
        block(first);
        take_a_little();
        // An answer gets ready while no buffer is free, and one comes free, in the same turn.
        REQUIRE_FALSE(pool.bulk_free());
        REQUIRE(writer.put(0, "v"));
        served.send(writer);
        resume(second);
        served.run(static_cast<std::int64_t>(random.below(20 * ns_per_ms)));
        served.server_node->pause(100 * ns_per_ms);
        REQUIRE(served.until([&] { return waiting.count(Kind::fetch) == round + 1; }));
        take_a_little();
        release(second);
        block(second);
    }
    CHECK(std::none_of(slow.begin(), slow.end(), [](const Client* client) { return client->closed; }));
    for (Client* const client : slow) resume(*client);
    served.run(10 * ns_per_s);
    CHECK(pool.lent() == 0);
    CHECK(writer.puts.acked() + 1 == writer.puts.sequence_next());
}

TEST_CASE("a client that takes nothing keeps the windows from others for a moment only") {
    std::string text = many_readers;
    text.replace(text.find("read_windows = 4"), 16, "read_windows = 2");
    text.replace(text.find("inflight_bytes = 64K"), 20, "inflight_bytes = 256K");
    Served served(text, 1, 256);
    fill(served, 2400);
    broker::Broker& broker = served.program->server->broker();
    const store::Log& log = *broker.partition(*broker.find_topic("temps"), 0);
    const auto on_flash = [&](std::int64_t quarters) { return log.start.value + (log.ram_start - log.start) * quarters / 4; };
    const BufferPool& pool = served.program->server->hub().output_pool();
    Client& stopped = served.connect();
    stopped.open();
    REQUIRE(served.until(stopped, Kind::open));
    stopped.take_nothing();
    for (std::uint64_t i = 0; pool.lent() == 0; ++i) {
        REQUIRE(i < 12);
        stopped.fetch(i, "temps", i, 2300);
        served.send(stopped);
        served.run(50 * ns_per_ms);
    }
    stopped.fetch(20, "temps", 20, on_flash(1), 0, 1000);
    stopped.fetch(21, "temps", 21, on_flash(2), 0, 1000);
    served.send(stopped);
    served.run(500 * ns_per_ms);
    Client& reader = served.connect();
    reader.open();
    REQUIRE(served.until(reader, Kind::open));
    reader.fetch(1, "temps", 5, on_flash(3));
    served.send(reader);
    REQUIRE(served.until([&] { return broker.store().windows_wanted(); }));
    CHECK(reader.count(Kind::fetch) == 0);
    REQUIRE(served.until([&] { return reader.count(Kind::fetch) == 1; }, 3 * ns_per_s));
    CHECK(frames::decode_answer(reader.last(Kind::fetch).body)->error == Error::none);
}

TEST_CASE("64 partitions over one connection, 16 at a time and in turn") {
    Served served(many_readers, 1, 256);
    fill(served, 2000);
    Client& client = served.connect();
    client.open();
    REQUIRE(served.until(client, Kind::open));
    std::vector<std::int64_t> next(partitions, frames::fetch_earliest);
    std::vector<bool> asked(partitions);
    std::size_t turn = 0;
    std::size_t outstanding = 0;
    std::size_t seen = 0;
    const auto step = [&] {
        for (; seen < client.arrived.size(); ++seen) {
            const test::Frame& frame = client.arrived[seen];
            if (frame.kind != Kind::fetch) continue;
            const auto fetched = frames::decode_fetched(frames::decode_answer(frame.body)->rest);
            REQUIRE(fetched.ok());
            std::int64_t& at = next[frame.correlation];
            at = fetched->offset.value;
            for (Bytes left = fetched->batches; !left.empty(); left = left.subspan(record::decode_header(left).total_bytes())) at = record::decode_header(left).last_offset().value + 1;
            asked[frame.correlation] = false;
            --outstanding;
        }
        for (std::size_t looked = 0; looked < partitions && outstanding < 16; ++looked, turn = (turn + 1) % partitions) {
            if (asked[turn] || next[turn] == 2000) continue;
            client.fetch(turn, "temps", turn, next[turn], 1000);
            asked[turn] = true;
            ++outstanding;
        }
        if (!client.out.empty()) served.send(client);
        return outstanding == 0;
    };
    REQUIRE(served.until(step, 10 * ns_per_s));
    CHECK(std::all_of(next.begin(), next.end(), [](std::int64_t at) { return at == 2000; }));
    const store::Reader::Statistics& read = served.program->server->broker().store().read_statistics();
    CHECK(read.bytes_read < 6 * read.bytes_served);
}

TEST_CASE("64 readers catch up over a wrapped ring, each on its connection") {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
        Served served(many_readers, seed, 256);
        fill(served, 2400);
        const store::Store& store = served.program->server->broker().store();
        REQUIRE(store.state().head.first_live > 1);
        for (int round = 0; round < 2; ++round) CHECK(consume(served, 600 * ns_per_s));
        // Of records that lie between those of all partitions: on a slow and uneven network not once, but a few times.
        const store::Reader::Statistics& read = store.read_statistics();
        CHECK(read.bytes_read < 6 * read.bytes_served);
    }
}
