// More large batches over slow links than the ring has room for, with the memory of the built-in configuration: they take turns, and hold nobody else up.
#include "unit/server/kafka_calls.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

constexpr std::size_t connections_max = 160;
constexpr std::size_t batch_bytes = 445'000;
constexpr std::int64_t piece_ns = 100 * ns_per_ms;
const std::string built_in = R"(
[storage]
size = 64M
[listener.kafka]
bind = 0.0.0.0:9092
[topic.temps]
)";

struct Links {
    KafkaServed served{built_in, 1, connections_max};
    // Has its connection before they come, and has sent a large batch that came fast.
    KafkaClient& good = served.connect_kafka();
    const Buffer batch = big_batch(batch_bytes);
    std::vector<KafkaClient*> senders;
    std::vector<Buffer> requests;
    std::string warnings;

    explicit Links(std::size_t count) {
        served.world.on_log = [this](sim::Node&, env::LogLevel level, std::string_view line) {
            if (level == env::LogLevel::warning) warnings += std::string(line) + '\n';
        };
        CHECK(large(good, ns_per_s));
        for (std::size_t i = 0; i < count; ++i) senders.push_back(&served.connect_kafka());
    }
    Buffer request(KafkaClient& client) const { return produce_bytes(client, {{"temps", {{0, batch}}}}, {.bytes_max = 512 * 1024}); }
    // Its large batch is stored within that time.
    bool large(KafkaClient& client, std::int64_t ns) {
        client.send_bytes(request(client));
        return placed(client, {}, ns).at(0).error == 0;
    }
    // Each sends a large batch: so much at once, then `piece` bytes at intervals.
    void send_slowly(std::size_t at_once, std::size_t piece, std::int64_t interval_ns = piece_ns) {
        for (KafkaClient* sender : senders) requests.push_back(request(*sender));
        for (std::size_t i = 0; at_once != 0 && i < senders.size(); ++i) senders[i]->send_bytes(Bytes(requests[i]).first(at_once));
        std::int64_t due = 0;
        for (std::size_t at = at_once; at < requests[0].size(); at += piece, due += interval_ns) {
            served.world.after(due, [this, at, piece] {
                for (std::size_t i = 0; i < senders.size(); ++i)
                    if (!senders[i]->closed) senders[i]->send_bytes(Bytes(requests[i]).subspan(at, std::min(piece, requests[i].size() - at)));
            });
        }
    }
    void require_all() {
        for (KafkaClient* sender : senders) CHECK(placed(*sender, {}, 120 * ns_per_s).at(0).error == 0);
        CHECK(warnings == "");
    }
    bool blocks_wanted() { return served.program->server->broker().blocks_wanted(); }
};

}  // namespace

TEST_CASE("large batches over slow links wait for each other, and all arrive") {
    SUBCASE("each in seconds") {
        Links links(20);
        links.send_slowly(0, 5000);
        links.require_all();
    }
    SUBCASE("each in half a minute, so many that they take turns") {
        Links links(30);
        links.send_slowly(0, 2000);
        links.require_all();
    }
}

TEST_CASE("connections whose large batches come fast have room beside slow links") {
    Links links(30);
    SUBCASE("") {}
    SUBCASE("small batches that come at once make no link fast") {
        for (KafkaClient* sender : links.senders) CHECK(produce(*sender, {{"temps", {{0, big_batch(5000)}}}}).at(0).error == 0);
    }
    links.send_slowly(0, 2000);
    for (int i = 0; i < 20; ++i) {
        links.served.run(ns_per_s);
        CHECK(links.large(links.good, ns_per_s));
    }
    CHECK(links.blocks_wanted());
    links.require_all();
}

TEST_CASE("the beginning of a large batch in one go buys a window of ten seconds more, and the log tells who is cut off") {
    Links links(18);
    links.send_slowly(420'000, 1, ns_per_s / 2);
    links.served.run(ns_per_s);
    KafkaClient& newcomer = links.served.connect_kafka();
    CHECK(links.large(newcomer, 25 * ns_per_s));
    CHECK(links.warnings.find("comes at less than 16 KB/s") != std::string::npos);
    CHECK(links.warnings.find("\n", links.warnings.find("\n") + 1) == std::string::npos);  // once in 10 s
}

TEST_CASE("a reader that pauses stays while slow batches wait for each other, since what it pins would not help them") {
    Links links(30);
    KafkaClient& reader = links.served.connect_kafka();
    reader.take_nothing();
    send_fetch(reader, {{"temps", 0, 0}});
    links.served.run(ns_per_s);
    links.send_slowly(0, 2000);
    links.served.run(15 * ns_per_s);
    CHECK(links.blocks_wanted());
    CHECK(!reader.closed);
    reader.take_all();
    CHECK(!batches_of(fetched(reader).partitions.at(0).records).empty());
    links.require_all();
}
