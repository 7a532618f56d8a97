// Produce requests: in every version and however they are cut, their errors, and what an answer says of flash.
#include "unit/server/kafka_calls.h"
#include "wire/kafka/find_coordinator.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

std::int64_t end_of(KafkaServed& served, std::string_view topic, std::uint32_t partition) {
    broker::Broker& broker = served.program->server->broker();
    return broker.partition(*broker.find_topic(topic), partition)->end.value;
}

// In random pieces, with time between some of them.
void send_in_pieces(KafkaServed& served, KafkaClient& client, const Buffer& bytes, std::size_t piece_max, std::uint64_t seed) {
    Random random(seed);
    for (std::size_t at = 0; at < bytes.size();) {
        const std::size_t n = std::min(bytes.size() - at, random.below(piece_max) + 1);
        client.send_bytes(Bytes(bytes).subspan(at, n));
        at += n;
        if (random.below(3) == 0) served.run(static_cast<std::int64_t>(random.below(3)) * ns_per_ms);
    }
}

}  // namespace

TEST_CASE("produce in every version: offsets follow each other, and an answer tells the version's fields") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    std::int64_t next = 0;
    for (std::int16_t version = 3; version <= 12; ++version) {
        CAPTURE(version);
        const ProduceOptions options{.version = version};
        const auto answer = produce(client, {{"temps", {{1, values_batch(3)}, {2, values_batch(1)}}}, {"fast", {{0, values_batch(2)}}}}, options);
        REQUIRE(answer.size() == 3);
        for (const Placed& one : answer) {
            CHECK(one.error == 0);
            CHECK(one.append_time == -1);
            CHECK(one.log_start == (version >= 5 ? 0 : -1));
        }
        CHECK(answer[0].topic == "temps");
        CHECK(answer[0].partition == 1);
        CHECK(answer[0].base == next * 3);
        CHECK(answer[1].base == next);
        CHECK(answer[2].base == next * 2);
        ++next;
    }
    CHECK(served.program->server->kafka().statistics().batches == 30);
    CHECK(served.program->server->kafka().statistics().records == 60);
}

TEST_CASE("a produce request cut anywhere is one request") {
    for (const std::int16_t version : {3, 9}) {
        KafkaServed served;
        KafkaClient& client = served.connect_kafka();
        const std::vector<TopicBatches> topics{{"fast", {{0, values_batch(2)}, {1, values_batch(1)}}}, {"none", {{0, values_batch(1)}}}, {"fast", {{1, {}, true}}}};
        const ProduceOptions options{.version = version};
        const std::size_t size = produce_bytes(client, topics, options).size();
        client.expect_none();
        for (std::size_t cut = 1; cut < size; ++cut) {
            CAPTURE(cut);
            const Buffer request = produce_bytes(client, topics, options);
            client.send_bytes(Bytes(request).first(cut));
            served.run(15 * ns_per_ms);
            CHECK(client.waiting() == 0);
            client.send_bytes(Bytes(request).subspan(cut));
            const auto answer = placed(client, options);
            REQUIRE(answer.size() == 4);
            CHECK(answer[0].base == static_cast<std::int64_t>(2 * (cut - 1)));
            CHECK(answer[1].base == static_cast<std::int64_t>(cut - 1));
            CHECK(answer[2].error == 3);
            CHECK(answer[2].base == -1);
            CHECK(answer[3].error == 87);
        }
    }
}

TEST_CASE("batches larger than a receive buffer, some MiB in one request, in pieces of any size") {
    for (const std::uint64_t seed : {1, 2}) {
        CAPTURE(seed);
        KafkaServed served(kafka_config, seed);
        KafkaClient& client = served.connect_kafka();
        Random random(seed);
        std::vector<TopicBatches> topics;
        std::vector<std::int64_t> count(4);
        std::vector<std::int64_t> expected;
        std::size_t bytes = 0;
        for (int t = 0; t < 12; ++t) {
            topics.push_back({"temps", {}});
            for (int p = 0; p < 6; ++p) {
                const auto partition = static_cast<std::int32_t>(random.below(4));
                topics.back().partitions.push_back({partition, big_batch(random.below(4) == 0 ? random.below(200) : random.below(60000), static_cast<char>('a' + p))});
                expected.push_back(count[static_cast<std::size_t>(partition)]++);
                bytes += topics.back().partitions.back().batch.size();
            }
        }
        REQUIRE(bytes > 1024 * 1024);
        const ProduceOptions options{.bytes_max = 8 << 20};
        send_in_pieces(served, client, produce_bytes(client, topics, options), seed == 1 ? 3000 : 70000, seed);
        const auto answer = placed(client, options, 120 * ns_per_s);
        REQUIRE(answer.size() == expected.size());
        for (std::size_t i = 0; i < answer.size(); ++i) {
            CHECK(answer[i].error == 0);
            CHECK(answer[i].base == expected[i]);
        }
        CHECK(served.program->server->kafka().output_pool().lent() == 0);
    }
}

TEST_CASE("acks: 1 and -1 are answered, 0 is not, others are refused for each partition") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    CHECK(produce(client, {{"temps", {{0, values_batch(1)}}}}, {.acks = 1})[0].base == 0);
    client.send_bytes(produce_bytes(client, {{"temps", {{0, values_batch(1)}}}}, {.acks = 0}));
    client.expect_none();
    CHECK(produce(client, {{"temps", {{0, values_batch(1)}}}}, {.acks = -1})[0].base == 2);
    for (const std::int16_t acks : {2, -2, 32767}) {
        const auto answer = produce(client, {{"temps", {{0, values_batch(1)}, {1, big_batch(9000)}}}}, {.acks = acks});
        REQUIRE(answer.size() == 2);
        for (const Placed& one : answer) {
            CHECK(one.error == 21);
            CHECK(one.base == -1);
        }
    }
    CHECK(end_of(served, "temps", 0) == 3);
    CHECK(end_of(served, "temps", 1) == 0);
    CHECK(client.waiting() == 0);
}

TEST_CASE("acks 0 and an error: what is sound is kept, and the connection ends") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    client.send_bytes(produce_bytes(client, {{"none", {{0, values_batch(1)}}}, {"temps", {{0, values_batch(1)}}}}, {.acks = 0}));
    CHECK(served.until([&] { return client.closed; }));
    CHECK(client.waiting() == 0);
    CHECK(end_of(served, "temps", 0) == 1);
}

TEST_CASE("each error has its code, beside partitions that succeed") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const auto code = [&](const Buffer& batch, std::int16_t version = 9, const std::string& topic = "temps", std::int32_t partition = 1) {
        const std::int64_t before = end_of(served, "temps", 0);
        const std::uint64_t refused = served.program->server->kafka().statistics().refused;
        const auto answer = produce(client, {{"temps", {{0, values_batch(1)}}}, {topic, {{partition, batch}}}, {"temps", {{0, values_batch(1)}}}}, {.version = version});
        REQUIRE(answer.size() == 3);
        CHECK(answer[0].base == before);
        CHECK(answer[2].base == before + 1);
        CHECK((answer[1].base == -1) == (answer[1].error != 0));
        CHECK(served.program->server->kafka().statistics().refused == refused + (answer[1].error != 0 ? 1 : 0));
        return answer[1].error;
    };
    CHECK(code(values_batch(1)) == 0);
    CHECK(code(big_batch(20000)) == 0);
    for (const std::size_t value : {std::size_t{10}, std::size_t{20000}}) {
        Buffer damaged = big_batch(value);
        damaged.back() ^= 1;
        CHECK(code(damaged) == 2);
        Buffer first_bit = big_batch(value);
        first_bit[40] ^= 1;
        CHECK(code(first_bit) == 2);
        Buffer old_magic = big_batch(value);
        old_magic[16] = 1;
        CHECK(code(old_magic) == 87);
        Buffer short_length = big_batch(value);
        short_length[11] = static_cast<std::uint8_t>(short_length[11] - 1);
        CHECK(code(short_length) == 87);
        Buffer offset = big_batch(value);
        offset[7] = 1;
        CHECK(code(offset) == 87);
        Buffer two = big_batch(value);
        const Buffer second = big_batch(value);
        two.insert(two.end(), second.begin(), second.end());
        CHECK(code(two) == 87);
    }
    CHECK(code(Buffer(3, 0)) == 87);
    CHECK(code({}) == 87);
    CHECK(code(values_batch(1), 9, "none") == 3);
    CHECK(code(values_batch(1), 9, "temps", 4) == 3);
    CHECK(code(values_batch(1), 9, "temps", -1) == 3);
    CHECK(code(values_batch(1), 9, "") == 3);
    CHECK(code(values_batch(1), 9, "__consumer_offsets", 0) == 3);
    // There is one once it is asked for.
    kafka::FindCoordinatorRequest coordinator;
    coordinator.key = "group";
    CHECK(client.call<kafka::FindCoordinatorResponse>(kafka::Api::find_coordinator, 0, coordinator).error_code == 0);
    CHECK(code(values_batch(1), 9, "__consumer_offsets", 0) == 17);
    CHECK(code(big_batch(64 * 1024)) == 10);
    CHECK(code(idempotent_batch(-1, -1, -1, 1, record::attribute_transactional)) != 0);
    CHECK(code(idempotent_batch(77, 0, 0, 1, record::attribute_transactional)) == 53);
    CHECK(code(idempotent_batch(77, 0, 0, 1, record::attribute_control)) == 87);
    const auto zstd = [] {
        record::BatchHeader header = record::decode_header(values_batch(1));
        header.attributes = static_cast<std::uint16_t>(record::Compression::zstd);
        return seal(header, as_bytes("any bytes"));
    }();
    CHECK(code(zstd, 6) == 76);
    CHECK(code(zstd, 7) == 0);
    const auto transactional = produce(client, {{"temps", {{0, values_batch(1)}, {1, big_batch(20000)}}}}, {.transactional_id = "t"});
    REQUIRE(transactional.size() == 2);
    CHECK(transactional[0].error == 53);
    CHECK(transactional[1].error == 53);
}

TEST_CASE("idempotent producers: a repeat gets the original offset, gaps 45, older epochs 47") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const auto send = [&](std::int16_t epoch, std::int32_t sequence, std::int32_t records = 2) {
        return produce(client, {{"temps", {{2, idempotent_batch(1000, epoch, sequence, records)}}}})[0];
    };
    CHECK(send(1, 0).base == 0);
    CHECK(send(1, 2).base == 2);
    CHECK(send(1, 0).base == 0);
    CHECK(send(1, 2).base == 2);
    CHECK(send(1, 0).error == 0);
    CHECK(send(1, 6).error == 45);
    CHECK(send(0, 4).error == 47);
    CHECK(send(2, 1).error == 45);
    CHECK(send(2, 0).base == 4);
    CHECK(send(1, 4).error == 47);
    CHECK(end_of(served, "temps", 2) == 6);
    CHECK(served.program->server->kafka().statistics().duplicates == 3);
}

TEST_CASE("a topic that is durable on disk is acknowledged when it is, one in memory at once") {
    KafkaServed served(kafka_config + "[topic.slow]\ncommit.interval.ms = 5s\n");
    KafkaClient& client = served.connect_kafka();
    KafkaClient& other = served.connect_kafka();
    served.run(2 * ns_per_s);
    std::uint64_t syncs = served.server_node->disk().stats().syncs;
    CHECK(produce(other, {{"fast", {{0, values_batch(1)}}}})[0].error == 0);
    CHECK(served.server_node->disk().stats().syncs == syncs);
    served.run(2 * ns_per_s);
    syncs = served.server_node->disk().stats().syncs;
    client.send_bytes(produce_bytes(client, {{"slow", {{0, values_batch(1)}}}}));
    served.run(4 * ns_per_s);
    CHECK(client.waiting() == 0);
    CHECK(served.server_node->disk().stats().syncs == syncs);
    CHECK(placed(client)[0].base == 0);
    CHECK(served.server_node->disk().stats().syncs > syncs);
}

TEST_CASE("requests that follow each other are answered in order, and share a commit") {
    KafkaServed served(kafka_config + "[topic.slow]\ncommit.interval.ms = 2s\n");
    KafkaClient& client = served.connect_kafka();
    kafka::ApiVersionsRequest versions;
    served.run(3 * ns_per_s);
    const std::uint64_t commits = served.program->server->broker().durable_ticket();
    for (int i = 0; i < 20; ++i) {
        client.send_bytes(produce_bytes(client, {{"slow", {{0, values_batch(1)}}}}));
        client.send(kafka::Api::api_versions, 0, versions);
    }
    served.run(ns_per_s);
    CHECK(client.waiting() == 0);
    for (int i = 0; i < 20; ++i) {
        CHECK(placed(client)[0].base == i);
        CHECK(client.receive<kafka::ApiVersionsResponse>(kafka::Api::api_versions, 0).error_code == 0);
    }
    CHECK(served.program->server->broker().durable_ticket() == commits + 1);
}

TEST_CASE("more than the ring holds waits for room and goes on; nothing is lost or told early") {
    KafkaServed served;
    std::vector<KafkaClient*> clients;
    const int requests = 6;
    for (int c = 0; c < 6; ++c) {
        clients.push_back(&served.connect_kafka());
        for (int i = 0; i < requests; ++i) {
            const std::vector<TopicBatches> topics{{"temps", {{c % 4, big_batch(60000)}, {c % 4, big_batch(3000)}, {c % 4, big_batch(50000)}}}};
            clients.back()->send_bytes(produce_bytes(*clients.back(), topics));
        }
    }
    std::size_t batches = 0;
    for (KafkaClient* client : clients) {
        for (int i = 0; i < requests; ++i) {
            for (const Placed& one : placed(*client, {}, 120 * ns_per_s)) {
                CHECK(one.error == 0);
                ++batches;
            }
        }
    }
    CHECK(batches == 108);
    std::int64_t stored = 0;
    for (std::uint32_t p = 0; p < 4; ++p) stored += end_of(served, "temps", p);
    CHECK(stored == 108);
    CHECK_FALSE(served.program->server->broker().blocks_wanted());
}

TEST_CASE("a connection that is cut within a batch gives its blocks back") {
    KafkaServed served;
    for (int round = 0; round < 40; ++round) {
        KafkaClient& client = served.connect_kafka();
        const Buffer request = produce_bytes(client, {{"temps", {{0, big_batch(60000)}}}});
        client.send_bytes(Bytes(request).first(5000 + static_cast<std::size_t>(round) * 1000));
        served.run(20 * ns_per_ms);
        close(served, client);
    }
    // All of these did not fit the ring.
    KafkaClient& client = served.connect_kafka();
    CHECK(produce(client, {{"temps", {{0, big_batch(60000)}, {1, big_batch(60000)}}}})[1].error == 0);
    CHECK(end_of(served, "temps", 0) == 1);
}

TEST_CASE("the repeat of an acknowledged batch is known after max.message.bytes was lowered, whole or in pieces; all else that large is refused") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    store::Log& log = *served.program->server->broker().partition(*served.program->server->broker().find_topic("temps"), 0);
    const auto numbered = [](const Buffer& batch, std::int64_t producer, std::int32_t sequence) {
        record::BatchHeader header = record::decode_header(batch);
        header.producer_id = producer;
        header.producer_epoch = 1;
        header.base_sequence = sequence;
        return seal(header, body_of(batch));
    };
    const Buffer small = numbered(big_batch(1500), 1000, 0), large = numbered(big_batch(30'000), 1000, 1);
    CHECK(produce(client, {{"temps", {{0, small}, {0, large}}}})[1].error == 0);
    act(served, [&] { log.batch_bytes_max = 1024; });
    Buffer damaged = large;
    damaged.back() ^= 1;
    // What it says of itself is no proof: its bytes are checked as those of any other.
    const auto answer = produce(client, {{"temps", {{0, small}, {0, large}, {0, numbered(big_batch(30'000), 1000, 2)}, {0, big_batch(1500)}, {0, damaged}, {0, numbered(big_batch(1500), 1001, 0)}, {0, big_batch(100)}}}});
    REQUIRE(answer.size() == 7);
    CHECK(answer[0].error == 0);
    CHECK(answer[0].base == 0);
    CHECK(answer[1].error == 0);
    CHECK(answer[1].base == 1);
    CHECK(answer[2].error == 10);
    CHECK(answer[3].error == 10);
    CHECK(answer[4].error == 2);
    CHECK(answer[5].error == 10);
    CHECK(answer[6].error == 0);
    CHECK(answer[6].base == 2);
    const Buffer request = produce_bytes(client, {{"temps", {{0, small}, {0, large}}}});
    send_in_pieces(served, client, request, 37, 1);
    const auto again = placed(client);
    REQUIRE(again.size() == 2);
    CHECK(again[0].base == 0);
    CHECK(again[1].base == 1);
    CHECK(served.program->server->broker().store().state().staged_blocks == 0);
}

TEST_CASE("a disk error: what waits for it is not answered but cut; later ones hear 56") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    CHECK(produce(client, {{"temps", {{0, values_batch(1)}}}})[0].error == 0);
    served.server_node->disk().fail_nth(sim::DiskOp::sync, 1);
    client.send_bytes(produce_bytes(client, {{"temps", {{0, values_batch(1)}, {1, big_batch(9000)}}}}));
    CHECK(served.until([&] { return client.closed; }));
    CHECK(client.waiting() == 0);
    KafkaClient& later = served.connect_kafka();
    for (const Placed& one : produce(later, {{"temps", {{0, values_batch(1)}, {1, big_batch(9000)}}}})) CHECK(one.error == 56);
}

TEST_CASE("one receive buffer for all connections is enough for requests of any size, whoever stops within one") {
    KafkaServed served(with_line("kafka_receive_bytes = 64K", "kafka_receive_bytes = 17K"));
    REQUIRE(served.program->server->kafka().receive_pool().small_buffers().count() == 1);
    KafkaClient& half = served.connect_kafka();
    half.send_bytes(Bytes(produce_bytes(half, {{"temps", {{3, values_batch(1)}}}})).first(30));
    std::vector<KafkaClient*> clients;
    for (std::int32_t c = 0; c < 3; ++c) {
        clients.push_back(&served.connect_kafka());
        const Buffer request = produce_bytes(*clients.back(), {{"temps", {{c, big_batch(10)}, {c, big_batch(15000)}, {c, big_batch(50000)}}}});
        send_in_pieces(served, *clients.back(), request, 20000, static_cast<std::uint64_t>(c));
    }
    for (KafkaClient* client : clients) {
        const auto answer = placed(*client);
        REQUIRE(answer.size() == 3);
        for (std::size_t i = 0; i < 3; ++i) CHECK(answer[i].base == static_cast<std::int64_t>(i));
    }
}

TEST_CASE("a batch that is read to where it stays may come in any pieces: cut at, before and behind each block, with the next request behind it") {
    for (const std::int16_t version : {7, 9}) {
        CAPTURE(version);
        KafkaServed served;
        KafkaClient& client = served.connect_kafka();
        const Buffer batch = big_batch(9000);
        const std::vector<TopicBatches> topics{{"fast", {{0, batch}, {1, values_batch(1)}}}};
        const ProduceOptions options{.version = version};
        kafka::ApiVersionsRequest versions;
        std::vector<std::size_t> cuts;
        {
            const Buffer request = produce_bytes(client, topics, options);
            client.expect_none();
            const auto from = static_cast<std::size_t>(std::search(request.begin(), request.end(), batch.begin(), batch.end()) - request.begin());
            REQUIRE(from + batch.size() < request.size());
            for (std::size_t at = from; at < from + batch.size(); at += 4096) {
                for (const std::size_t beside : {0, 1, 2, 61}) cuts.push_back(at + beside);
                if (at != from) cuts.push_back(at - 1);
            }
            for (std::size_t at = from + batch.size() - 2; at <= request.size() + 4; ++at) cuts.push_back(at);
            std::sort(cuts.begin(), cuts.end());
        }
        std::int64_t next = 0;
        for (const std::size_t first : {cuts[0], cuts[2], cuts[5]}) {
            for (const std::size_t second : cuts) {
                if (second < first) continue;
                CAPTURE(first);
                CAPTURE(second);
                Buffer bytes = produce_bytes(client, topics, options);
                const Buffer behind = client.encode(kafka::Api::api_versions, 0, versions);
                bytes.insert(bytes.end(), behind.begin(), behind.end());
                client.send_bytes(Bytes(bytes).first(first));
                served.run(15 * ns_per_ms);
                client.send_bytes(Bytes(bytes).subspan(first, second - first));
                served.run(15 * ns_per_ms);
                client.send_bytes(Bytes(bytes).subspan(second));
                const auto answer = placed(client, options);
                REQUIRE(answer.size() == 2);
                CHECK(answer[0].error == 0);
                CHECK(answer[0].base == next);
                CHECK(answer[1].base == next);
                CHECK(client.receive<kafka::ApiVersionsResponse>(kafka::Api::api_versions, 0).error_code == 0);
                ++next;
            }
        }
        CHECK(served.program->server->kafka().receive_pool().small_buffers().lent() == 0);
        CHECK(served.program->server->broker().store().state().staged_blocks == 0);
    }
}

TEST_CASE("a batch that breaks off, or is none, where it is read to is refused as one that is copied") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const Buffer batch = big_batch(20000);
    std::int64_t next = 0;
    for (const std::size_t at : {std::size_t{16}, std::size_t{40}, std::size_t{5000}, batch.size() - 1}) {
        CAPTURE(at);
        Buffer damaged = batch;
        damaged[at] ^= at == 16 ? 3 : 1;  // magic 1; else what the CRC finds
        const Buffer request = produce_bytes(client, {{"temps", {{0, damaged}, {0, batch}}}});
        // So that the head comes by itself, and all of the batch behind it.
        const auto head = static_cast<std::size_t>(std::search(request.begin(), request.end(), damaged.begin(), damaged.end()) - request.begin());
        client.send_bytes(Bytes(request).first(head));
        served.run(15 * ns_per_ms);
        client.send_bytes(Bytes(request).subspan(head));
        const auto answer = placed(client);
        REQUIRE(answer.size() == 2);
        CHECK(answer[0].error == (at == 16 ? 87 : 2));
        CHECK(answer[1].error == 0);
        CHECK(answer[1].base == next++);
    }
    CHECK(served.program->server->broker().store().state().staged_blocks == 0);
}

TEST_CASE("what is still to come of a batch needs no receive buffer") {
    KafkaServed served(with_line("kafka_receive_bytes = 64K", "kafka_receive_bytes = 17K"));
    server::BufferPool& buffers = served.program->server->kafka().receive_pool().small_buffers();
    REQUIRE(buffers.count() == 1);
    KafkaClient& client = served.connect_kafka();
    const Buffer request = produce_bytes(client, {{"fast", {{0, big_batch(30000)}}}});
    client.send_bytes(Bytes(request).first(5000));
    served.run(20 * ns_per_ms);
    CHECK(buffers.lent() == 0);
    KafkaClient& half = served.connect_kafka();
    half.send_bytes(Bytes(produce_bytes(half, {{"temps", {{3, values_batch(1)}}}})).first(10));
    served.run(20 * ns_per_ms);
    CHECK(buffers.lent() == 1);
    client.send_bytes(Bytes(request).subspan(5000));
    const auto answer = placed(client, {}, ns_per_s);
    REQUIRE(answer.size() == 1);
    CHECK(answer[0].error == 0);
    CHECK_FALSE(half.closed);
    CHECK(buffers.lent() == 1);
}
