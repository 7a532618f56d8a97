// What no Kafka client should send, or hold: it is cut, and the others are served.
#include "unit/server/kafka_calls.h"
#include "wire/kafka/list_offsets.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

Buffer head_of(Bytes bytes, std::size_t n) { return to_buffer(bytes.first(n)); }

}  // namespace

TEST_CASE("a fetch of a topic without a name is answered, however often") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    for (int round = 0; round < 100; ++round) {
        const FetchAnswer answer = fetch(client, {{""}, {"temps"}}, {.version = 4});
        REQUIRE(answer.partitions.size() == 2);
        CHECK(answer.partitions[0].error == 3);
        CHECK(answer.partitions[1].error == 0);
    }
}

TEST_CASE("a produce request whose answer fits no buffer ends its connection, and nobody turns in circles for it") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    std::vector<PartitionBatch> partitions(3000, {0, {}, true});
    client.send_bytes(produce_bytes(client, {{"temps", partitions}}));
    CHECK(served.until([&] { return client.closed; }, 5 * ns_per_s));
    CHECK(client.waiting() == 0);
    CHECK(still_serves(served));
}

TEST_CASE("an answer too large for a small output buffer moves to a large one while it is written") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    std::vector<PartitionBatch> partitions(1000, {0, {}, true});
    const auto answer = produce(client, {{"temps", partitions}});
    REQUIRE(answer.size() == 1000);
    for (const Placed& one : answer) CHECK(one.error == 87);
}

TEST_CASE("halves of produce requests do not keep all output buffers from the others") {
    KafkaServed served(with_connections(48));
    for (int i = 0; i < 40; ++i) {
        KafkaClient& client = served.connect_kafka();
        const Buffer request = produce_bytes(client, {{"temps", {{0, values_batch(1)}, {1, values_batch(1)}}}});
        // The first batch is there whole, with it the answer has begun, and no receive buffer is held.
        client.send_bytes(head_of(request, request.size() - 8 - values_batch(1).size()));
    }
    served.run(ns_per_s / 10);
    CHECK(served.program->server->kafka().output_starving());
    CHECK(still_serves(served, 3 * ns_per_s));
}

TEST_CASE("halves of large batches that wait for blocks leave output buffers to the others") {
    std::string text = with_connections(64);
    for (const std::string_view key : {"max.message.bytes = 64K", "batch_bytes = 64K"}) text.replace(text.find(key), key.size(), std::string(key.substr(0, key.size() - 3)) + "192K");
    text.replace(text.find("total = 6M"), 10, "total = 5700K");
    bool few_buffers = false;
    SUBCASE("with receive buffers for all") { text.replace(text.find("kafka_receive_bytes = 64K"), 25, "kafka_receive_bytes = 512K"); }
    SUBCASE("with fewer receive buffers than connections") { few_buffers = true; }
    KafkaServed served(text);
    const Buffer batch = big_batch(180'000);
    for (int i = 0; i < 50; ++i) {
        KafkaClient& client = served.connect_kafka();
        const Buffer request = produce_bytes(client, {{"temps", {{0, batch}}}});
        client.send_bytes(head_of(request, request.size() / 2));
    }
    served.run(ns_per_s / 10);
    CHECK(served.program->server->broker().blocks_wanted());
    CHECK_FALSE(served.program->server->kafka().output_starving());
    CHECK(still_serves(served, few_buffers ? 2 * ns_per_s : ns_per_s / 2));
}

TEST_CASE("a produce request that comes drop by drop keeps an output buffer from nobody for long") {
    KafkaServed served(with_connections(48));
    std::vector<KafkaClient*> slow;
    const std::size_t drops = 400;
    std::vector<Buffer> requests;
    for (int i = 0; i < 40; ++i) {
        slow.push_back(&served.connect_kafka());
        requests.push_back(produce_bytes(*slow.back(), {{"temps", {{0, values_batch(1)}, {99, big_batch(3000)}}}}));
        slow.back()->send_bytes(head_of(requests.back(), requests.back().size() - 2900));
    }
    for (std::size_t drop = 0; drop < drops; ++drop) {
        served.world.after(static_cast<std::int64_t>(drop + 1) * 100 * ns_per_ms, [&, drop] {
            for (std::size_t i = 0; i < slow.size(); ++i)
                if (!slow[i]->closed) slow[i]->send_bytes(Bytes(requests[i]).subspan(requests[i].size() - 2900 + drop, 1));
        });
    }
    served.run(ns_per_s / 10);
    CHECK(served.program->server->kafka().output_starving());
    CHECK(still_serves(served, 15 * ns_per_s));
}

TEST_CASE("a request that never gets whole while nobody needs its memory ends as idle") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const Buffer request = produce_bytes(client, {{"temps", {{0, values_batch(1)}, {1, values_batch(1)}}}});
    client.send_bytes(head_of(request, request.size() - 10));
    served.run(60 * ns_per_s);
    CHECK_FALSE(client.closed);
    CHECK(served.until([&] { return client.closed; }, 600 * ns_per_s));
    CHECK(served.program->server->kafka().output_pool().lent() == 0);
}

TEST_CASE("who waits for the commit of full answers is left in peace until then") {
    std::string text = kafka_config + "[topic.slow]\ncommit.interval.ms = 20s\n";
    KafkaServed served(text);
    KafkaClient& client = served.connect_kafka();
    Buffer bytes;
    const int requests = 700;
    for (int i = 0; i < requests; ++i) {
        // Answers of topics without batches wait behind the first, which has one.
        const Buffer one = produce_bytes(client, {{"slow", {{0, i == 0 ? values_batch(1) : Buffer(), i != 0}, {7, {}, true}}}}, {.version = 3});
        bytes.insert(bytes.end(), one.begin(), one.end());
    }
    client.send_bytes(bytes);
    served.run(2 * ns_per_s);
    CHECK(client.waiting() == 0);
    const std::uint64_t events = served.world.events();
    served.run(10 * ns_per_s);
    CHECK(served.world.events() - events < 2000);
    for (int i = 0; i < requests; ++i) {
        const auto answer = placed(client, {.version = 3});
        REQUIRE(answer.size() == 2);
        CHECK(answer[0].error == (i == 0 ? 0 : 87));
    }
}

TEST_CASE("what follows fetches that wait does not keep the receive buffers from others") {
    KafkaServed served(with_connections(48));
    const std::uint8_t beginning[] = {0, 0, 0, 30, 0, 18};
    std::vector<KafkaClient*> waiting;
    for (int i = 0; i < 30; ++i) {
        KafkaClient& client = served.connect_kafka();
        waiting.push_back(&client);
        send_fetch(client, {{"temps"}}, {.wait_ms = 120000});
        served.run(5 * ns_per_ms);
        client.send_bytes(beginning);
    }
    served.run(100 * ns_per_ms);
    CHECK(still_serves(served, 3 * ns_per_s));
}

TEST_CASE("garbage, TLS, HTTP, lengths that lie: the connection ends") {
    KafkaServed served;
    const auto ends = [&](Bytes bytes) {
        KafkaClient& client = served.connect_kafka();
        client.send_bytes(bytes);
        const bool closed = served.until([&] { return client.closed; }, 5 * ns_per_s);
        CHECK(client.waiting() == 0);
        return closed;
    };
    CHECK(ends(as_bytes("GET / HTTP/1.1\r\nHost: board\r\n\r\n")));
    CHECK(ends(from_hex("160301020001000001fc0303aabbccddeeff")));
    CHECK(ends(from_hex("ffffffff001200000000000affff")));              // a negative length
    CHECK(ends(from_hex("000000020012")));                              // no room for a header; more bytes never come
    CHECK(ends(from_hex("0000000700120000000000")));
    CHECK(ends(from_hex("0000800000120000000000010000")));              // more than limits.kafka_request_bytes
    CHECK(ends(from_hex("7fffffff000000070000000100047465737400")));    // a produce request of 2 GiB
    CHECK(ends(from_hex("0000000a0000000d00000001ffff")));              // produce of a version that is not served
    CHECK(ends(from_hex("0000000a0000000200000001ffff")));              // and of one that is only said to be
    CHECK(ends(from_hex("0000000a0012000300000001ffff")));              // a header that is cut
    CHECK(ends(from_hex("000000180000000700000001ffffffff0001000003e8ffffffff0000")));  // null topics
    CHECK(ends(from_hex("000000180000000700000001ffffffff0001000003e87fffffff0000")));  // more topics than bytes
    Random random(7);
    for (int round = 0; round < 60; ++round) {
        KafkaClient& client = served.connect_kafka();
        Buffer bytes(random.below(6000));
        for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random.below(256));
        client.send_bytes(bytes);
        served.run(20 * ns_per_ms);
        close(served, client);
    }
    CHECK(served.until([&] { return served.program->server->kafka().sessions_open() == 0; }));
    CHECK(served.program->server->kafka().output_pool().lent() == 0);
    CHECK(served.program->server->kafka().receive_pool().small_buffers().lent() == 0);
    CHECK(still_serves(served));
}

TEST_CASE("changed bytes of good requests end a connection or are answered, and keep nothing") {
    KafkaServed served;
    Random random(11);
    for (int round = 0; round < 300; ++round) {
        KafkaClient& client = served.connect_kafka();
        const bool flexible = random.below(2) != 0;
        const std::int16_t version = flexible ? 9 : 7;
        Buffer bytes = produce_bytes(client, {{"fast", {{0, values_batch(2)}, {1, big_batch(9000)}}}, {"temps", {{3, values_batch(1)}}}}, {.version = version});
        const std::vector<FetchFrom> from{{"temps", 3}, {"fast", 1}};
        FetchMessage message(from, {.version = 12});
        const Buffer more = client.encode(kafka::Api::fetch, 12, message.request);
        bytes.insert(bytes.end(), more.begin(), more.end());
        for (int n = 0; n < 3; ++n) bytes[random.below(bytes.size())] = static_cast<std::uint8_t>(random.below(256));
        client.send_bytes(Bytes(bytes).first(random.below(bytes.size() + 1)));
        served.run(30 * ns_per_ms);
        close(served, client);
    }
    CHECK(served.until([&] { return served.program->server->kafka().sessions_open() == 0; }));
    CHECK(served.program->server->kafka().output_pool().lent() == 0);
    CHECK(served.program->server->kafka().receive_pool().small_buffers().lent() == 0);
    CHECK_FALSE(served.program->server->broker().blocks_wanted());
    CHECK(still_serves(served));
}

TEST_CASE("fetches beyond all cells: each is answered") {
    KafkaServed served(with_connections(48));
    std::vector<KafkaClient*> waiting;
    std::vector<FetchFrom> from;
    for (int i = 0; i < 10; ++i) from.push_back({"temps", i % 4});
    for (int i = 0; i < 30; ++i) {
        waiting.push_back(&served.connect_kafka());
        send_fetch(*waiting.back(), from, {.wait_ms = 60000});
    }
    // Of 64 cells, so six wait; the others are told that there is nothing.
    CHECK(served.until([&] {
        std::size_t answered = 0;
        for (KafkaClient* client : waiting) answered += client->waiting();
        return answered == 24;
    }, 5 * ns_per_s));
    for (KafkaClient* client : waiting) {
        const FetchAnswer answer = fetched(*client, {}, 70 * ns_per_s);
        CHECK(answer.partitions.size() == 10);
    }
}

// Of 64 cells they have most, one after another, at any time.
TEST_CASE("small fetches that come again and again do not keep out a large one") {
    KafkaServed served(with_connections(48));
    std::vector<KafkaClient*> small;
    const std::vector<FetchFrom> some(6, FetchFrom{"temps", 1});
    for (int i = 0; i < 20; ++i) {
        small.push_back(&served.connect_kafka());
        send_fetch(*small.back(), some, {.wait_ms = 200 + i});
    }
    served.run(100 * ns_per_ms);
    KafkaClient& large = served.connect_kafka();
    send_fetch(large, std::vector<FetchFrom>(64, FetchFrom{"temps", 1}), {.wait_ms = 10});
    std::size_t rounds = 0;
    for (; rounds < 200 && large.waiting() == 0; ++rounds) {
        served.run(20 * ns_per_ms);
        for (KafkaClient* client : small) {
            if (client->waiting() == 0) continue;
            CHECK(fetched(*client).partitions.size() == 6);
            send_fetch(*client, some, {.wait_ms = 200});
        }
    }
    CHECK(rounds < 150);
    REQUIRE(large.waiting() == 1);
    CHECK(fetched(large).partitions.size() == 64);
    for (KafkaClient* client : small) CHECK(fetched(*client, {}, 20 * ns_per_s).partitions.size() == 6);
}

TEST_CASE("a fetch of more partitions than there are cells ends its connection; the cells are there for the others") {
    KafkaServed served;
    for (int round = 0; round < 20; ++round) {
        KafkaClient& client = served.connect_kafka();
        send_fetch(client, std::vector<FetchFrom>(65, FetchFrom{"temps", 1}));
        CHECK(served.until([&] { return client.closed; }, 5 * ns_per_s));
    }
    KafkaClient& client = served.connect_kafka();
    CHECK(fetch(client, std::vector<FetchFrom>(64, FetchFrom{"temps", 1})).partitions.size() == 64);
}

TEST_CASE("searches by time for more partitions than there are cells end their connection; the cells are there for the others") {
    KafkaServed served;
    for (int round = 0; round < 6; ++round) {
        KafkaClient& client = served.connect_kafka();
        std::vector<kafka::ListOffsetsRequest::Partition> many(80);
        for (auto& partition : many) partition.timestamp = Timestamp(5);
        Items<kafka::ListOffsetsRequest::Partition> partitions(many);
        Items<kafka::ListOffsetsRequest::Topic> topics{{"temps", partitions}};
        kafka::ListOffsetsRequest request;
        request.topics = topics;
        client.send(kafka::Api::list_offsets, 7, request);
        CHECK(served.until([&] { return client.closed || client.waiting() != 0; }, 5 * ns_per_s));
    }
    KafkaClient& client = served.connect_kafka();
    CHECK(fetch(client, std::vector<FetchFrom>(64, FetchFrom{"temps", 1})).partitions.size() == 64);
}
