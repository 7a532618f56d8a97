// The life of a connection of a Kafka client: requests in pieces and in heaps, versions, limits, time, the server's end.
#include "unit/server/kafka_calls.h"
#include "wire/kafka/metadata.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

Buffer versions_bytes(KafkaClient& client, std::int16_t version = 3) {
    kafka::ApiVersionsRequest request;
    request.client_software_name = "unit-test";
    request.client_software_version = "1.0";
    return client.encode(kafka::Api::api_versions, version, request);
}

}  // namespace

TEST_CASE("requests cut anywhere are answered as whole ones are") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const std::vector<FetchFrom> from{{"temps"}, {"fast", 1}};
    const auto both = [&] {
        Buffer bytes = versions_bytes(client);
        FetchMessage message(from, {.version = 12});
        const Buffer more = client.encode(kafka::Api::fetch, 12, message.request);
        bytes.insert(bytes.end(), more.begin(), more.end());
        return bytes;
    };
    const auto check = [&] {
        CHECK(client.receive<kafka::ApiVersionsResponse>(kafka::Api::api_versions, 3).error_code == 0);
        CHECK(fetched(client, {.version = 12}).partitions.size() == 2);
    };
    client.send_bytes(both());
    check();
    const std::size_t size = both().size();
    client.expect_none();
    client.expect_none();
    for (std::size_t cut = 1; cut < size; ++cut) {
        CAPTURE(cut);
        const Buffer bytes = both();
        client.send_bytes(Bytes(bytes).first(cut));
        served.run(15 * ns_per_ms);
        client.send_bytes(Bytes(bytes).subspan(cut));
        check();
    }
    CHECK(served.program->server->kafka().receive_pool().small_buffers().lent() == 0);
}

TEST_CASE("bytes behind a request are passed over, as Kafka does: librdkafka 2.16 sends three of them") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    kafka::MetadataRequest request;
    request.topics = kafka::Array<kafka::MetadataRequest::Topic>::none();
    Buffer bytes = client.encode(kafka::Api::metadata, 12, request);
    bytes.insert(bytes.end(), {1, 0, 0});
    store_be(bytes.data(), static_cast<std::int32_t>(bytes.size() - 4));
    client.send_bytes(bytes);
    CHECK(client.receive<kafka::MetadataResponse>(kafka::Api::metadata, 12).brokers.size() == 1);
    CHECK(client.call<kafka::MetadataResponse>(kafka::Api::metadata, 12, request).brokers.size() == 1);
}

TEST_CASE("hundreds of requests at once are answered in order, though the client takes slowly") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    client.take_nothing();
    Buffer bytes;
    for (int i = 0; i < 800; ++i) {
        const Buffer one = versions_bytes(client, 0);
        bytes.insert(bytes.end(), one.begin(), one.end());
    }
    client.send_bytes(bytes);
    served.run(ns_per_s);
    CHECK(still_serves(served));
    served.world.after(0, [&] { client.take_all(); });
    for (int i = 0; i < 800; ++i) CHECK(client.receive<kafka::ApiVersionsResponse>(kafka::Api::api_versions, 0).error_code == 0);
}

TEST_CASE("ApiVersions of a version that is not known is answered in version 0 with error 35, whatever follows its header") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    for (const std::int16_t version : {5, 99, 32767}) {
        Buffer request = from_hex("0000000f0012000000000001ffff0102030405");
        store_be(request.data() + 6, version);
        client.send_bytes(request);
        REQUIRE(served.until([&] { return client.waiting() != 0; }));
        // The correlation of all of these is 1: only the first one is the client's own.
        if (version != 5) break;
        const auto answer = client.receive<kafka::ApiVersionsResponse>(kafka::Api::api_versions, 0);
        CHECK(answer.error_code == 35);
        const auto apis = items_of(answer.api_keys);
        REQUIRE(apis.size() == 1);
        CHECK(apis[0].api_key == 18);
    }
    CHECK_FALSE(client.closed);
}

TEST_CASE("beyond limits.kafka_connections newcomers are closed; there is room again when others go") {
    KafkaServed served;
    std::vector<KafkaClient*> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(&served.connect_kafka());
        clients.back()->send_bytes(versions_bytes(*clients.back()));
        REQUIRE(served.until([&] { return clients.back()->waiting() == 1; }));
    }
    for (int i = 0; i < 20; ++i) {
        KafkaClient& newcomer = served.connect_kafka();
        newcomer.send_bytes(versions_bytes(newcomer));
        CHECK(served.until([&] { return newcomer.closed; }));
        CHECK(newcomer.waiting() == 0);
    }
    for (const KafkaClient* client : clients) CHECK_FALSE(client->closed);
    close(served, *clients.front());
    served.run(ns_per_s);
    CHECK(still_serves(served));
}

TEST_CASE("who says nothing is closed: soon if nothing was ever asked, after ten minutes else") {
    KafkaServed served;
    KafkaClient& silent = served.connect_kafka();
    KafkaClient& idle = served.connect_kafka();
    KafkaClient& half = served.connect_kafka();
    idle.send_bytes(versions_bytes(idle));
    half.send_bytes(Bytes(versions_bytes(half)).first(9));
    served.run(9 * ns_per_s);
    CHECK_FALSE(silent.closed);
    CHECK(served.until([&] { return silent.closed && half.closed; }, 5 * ns_per_s));
    served.run(580 * ns_per_s);
    CHECK_FALSE(idle.closed);
    CHECK(served.until([&] { return idle.closed; }, 30 * ns_per_s));
    CHECK(served.until([&] { return served.program->server->kafka().sessions_open() == 0; }));
}

TEST_CASE("halves of requests in any number delay others by a moment") {
    KafkaServed served(with_connections(48));
    for (int i = 0; i < 40; ++i) {
        KafkaClient& client = served.connect_kafka();
        client.send_bytes(Bytes(versions_bytes(client)).first(6));
    }
    served.run(50 * ns_per_ms);
    CHECK(still_serves(served, 3 * ns_per_s));
}

TEST_CASE("a client that takes nothing is cut once others need what it holds, not before") {
    KafkaServed served(with_connections(24));
    KafkaClient& writer = served.connect_kafka();
    for (int i = 0; i < 8; ++i) CHECK(produce(writer, {{"temps", {{0, big_batch(30000)}}}})[0].error == 0);
    std::vector<KafkaClient*> readers;
    for (int i = 0; i < 8; ++i) {
        KafkaClient& reader = served.connect_kafka();
        readers.push_back(&reader);
        reader.take_nothing();
        for (int n = 0; n < 12; ++n) send_fetch(reader, {{"temps"}});
    }
    served.run(3 * ns_per_s);
    // More than the ring: what the readers pin is wanted.
    for (int i = 0; i < 40; ++i) CHECK(produce(writer, {{"temps", {{1, big_batch(60000)}}}})[0].error == 0);
    KafkaClient& reader = served.connect_kafka();
    CHECK(batches_of(fetch(reader, {{"temps", 1, 39}}).partitions[0].records).size() == 1);
}

TEST_CASE("the server stops with connections in every state: what was taken is answered, nothing hangs") {
    KafkaServed served(with_connections(24) + "[topic.slow]\ncommit.interval.ms = 3s\n");
    KafkaClient& writer = served.connect_kafka();
    for (int i = 0; i < 4; ++i) CHECK(produce(writer, {{"temps", {{0, big_batch(60000)}}}})[0].error == 0);
    KafkaClient& silent = served.connect_kafka();
    KafkaClient& idle = served.connect_kafka();
    idle.send_bytes(versions_bytes(idle));
    KafkaClient& half = served.connect_kafka();
    half.send_bytes(Bytes(versions_bytes(half)).first(9));
    KafkaClient& waiting = served.connect_kafka();
    send_fetch(waiting, {{"temps", 1}, {"fast"}}, {.wait_ms = 60000});
    KafkaClient& gated = served.connect_kafka();
    gated.send_bytes(produce_bytes(gated, {{"slow", {{0, values_batch(1)}}}}));
    KafkaClient& staging = served.connect_kafka();
    staging.send_bytes(Bytes(produce_bytes(staging, {{"temps", {{0, values_batch(1)}, {1, big_batch(60000)}}}})).first(30000));
    KafkaClient& stuck = served.connect_kafka();
    stuck.take_nothing();
    for (int n = 0; n < 12; ++n) send_fetch(stuck, {{"temps"}});
    served.run(100 * ns_per_ms);
    CHECK(gated.waiting() == 0);
    served.world.after(0, [&] { served.program->server->stop(); });
    CHECK(served.until([&] { return !served.program; }, 60 * ns_per_s));
    CHECK(served.server_node->stopped());
    CHECK(placed(gated)[0].base == 0);
    CHECK(silent.closed);
    CHECK(idle.closed);
    CHECK(half.closed);
    CHECK(waiting.closed);
    CHECK(staging.closed);
}

TEST_CASE("connections that end in any state leave nothing behind") {
    KafkaServed served(with_connections(24) + "[topic.slow]\ncommit.interval.ms = 1s\n");
    KafkaClient& writer = served.connect_kafka();
    for (int i = 0; i < 4; ++i) CHECK(produce(writer, {{"temps", {{0, big_batch(60000)}}}})[0].error == 0);
    close(served, writer);
    for (int round = 0; round < 30; ++round) {
        KafkaClient& waiting = served.connect_kafka();
        send_fetch(waiting, {{"temps", 1}, {"fast"}}, {.wait_ms = 60000});
        KafkaClient& gated = served.connect_kafka();
        gated.send_bytes(produce_bytes(gated, {{"slow", {{0, values_batch(1)}}}}));
        KafkaClient& staging = served.connect_kafka();
        staging.send_bytes(Bytes(produce_bytes(staging, {{"temps", {{0, values_batch(1)}, {1, big_batch(60000)}}}})).first(30000));
        KafkaClient& stuck = served.connect_kafka();
        stuck.take_nothing();
        for (int n = 0; n < 12; ++n) send_fetch(stuck, {{"temps"}});
        served.run((round % 10) * 5 * ns_per_ms);
        for (KafkaClient* client : {&waiting, &gated, &staging, &stuck}) close(served, *client);
    }
    server::kafka::Hub& hub = served.program->server->kafka();
    CHECK(served.until([&] { return hub.sessions_open() == 0; }));
    CHECK(hub.output_pool().lent() == 0);
    CHECK(hub.large_outputs().lent() == 0);
    CHECK(hub.receive_pool().small_buffers().lent() == 0);
    CHECK(hub.receive_pool().large_buffers().lent() == 0);
    CHECK(hub.parked().empty());
    KafkaClient& client = served.connect_kafka();
    CHECK(fetch(client, std::vector<FetchFrom>(64, FetchFrom{"temps", 1})).partitions.size() == 64);
}
