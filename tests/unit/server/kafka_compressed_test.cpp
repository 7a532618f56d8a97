// Compressed batches produced to compacted topics.
#include "unit/record/packed.h"
#include "unit/server/kafka_calls.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

std::string compacted_config(std::string_view decode_bytes) {
    std::string text = kafka_config;
    const auto replace = [&text](std::string_view line, std::string_view other) { text.replace(text.find(line), line.size(), other); };
    if (decode_bytes != "none") replace("total = 6M", "total = 7424K");
    replace("decode_bytes = none", "decode_bytes = " + std::string(decode_bytes));
    return text + "[topic.state]\npartitions = 2\ncleanup.policy = compact\n";
}

Buffer of_key(std::string_view key, std::size_t value_bytes, int records = 1) {
    const std::string value(value_bytes, 'v');
    return pack(std::vector<record::Reading>(static_cast<std::size_t>(records), reading(1000, key, value)));
}

}  // namespace

TEST_CASE("compressed batches of any size on a compacted topic: acknowledged in their order, and kept uncompressed") {
    KafkaServed served(compacted_config("1280K"));
    KafkaClient& client = served.connect_kafka();
    const Buffer small = packed(of_key("a", 300, 3));
    Buffer noise(30'000);
    Random random(1);
    for (std::uint8_t& byte : noise) byte = static_cast<std::uint8_t>(random.below(256));
    const Buffer large = packed(pack({reading(1000, "b", as_text(noise)), reading(1000, "c", as_text(noise).substr(0, 20'000))}));
    REQUIRE(large.size() > 40'000);
    const auto answer = produce(client, {{"state", {{0, small}, {1, of_key("d", 10)}, {0, large}}}, {"temps", {{0, small}}}});
    REQUIRE(answer.size() == 4);
    for (const Placed& one : answer) CHECK(one.error == 0);
    CHECK(answer[0].base == 0);
    CHECK(answer[1].base == 0);
    CHECK(answer[2].base == 3);
    CHECK(answer[3].base == 0);
    // Sent without waiting for each other.
    for (int i = 0; i < 5; ++i) client.send_bytes(produce_bytes(client, {{"state", {{1, i % 2 == 0 ? packed(of_key("e", 50)) : of_key("e", 50)}}}}));
    for (int i = 0; i < 5; ++i) {
        const auto one = placed(client);
        REQUIRE(one.size() == 1);
        CHECK(one[0].error == 0);
        CHECK(one[0].base == 1 + i);
    }
    broker::Broker& broker = served.program->server->broker();
    CHECK(broker.partition(*broker.find_topic("state"), 0)->bytes > 50'000 + 900);
    CHECK(served.program->server->kafka().statistics().refused == 0);
}

TEST_CASE("compressed batches on a compacted topic: what is refused does not hinder the next") {
    KafkaServed served(compacted_config("1280K"));
    KafkaClient& client = served.connect_kafka();
    record::Reading nameless = reading(1, "", "x");
    nameless.has_key = false;
    const Buffer sound = packed(of_key("a", 300));
    const Buffer damaged = seal(record::decode_header(sound), as_bytes("\xff\xff\xff\xff\xff"));
    const Buffer too_large = packed(of_key("a", 70'000));
    const auto answer = produce(client, {{"state", {{0, packed(pack({nameless}))}, {0, damaged}, {0, too_large}, {0, sound}, {1, packed(pack({nameless}))}}}});
    REQUIRE(answer.size() == 5);
    CHECK(answer[0].error == 87);
    CHECK(answer[1].error == 87);
    CHECK(answer[2].error == 10);
    CHECK(answer[3].error == 0);
    CHECK(answer[3].base == 0);
    CHECK(answer[4].error == 87);
    // With acks = 0 it ends the connection.
    client.send_bytes(produce_bytes(client, {{"state", {{0, packed(pack({nameless}))}}}}, {.acks = 0}));
    CHECK(served.until([&] { return client.closed; }));
    KafkaServed without(compacted_config("none"));
    KafkaClient& other = without.connect_kafka();
    CHECK(produce(other, {{"state", {{0, sound}}}})[0].error == 76);
    CHECK(produce(other, {{"state", {{0, of_key("a", 300)}}}})[0].error == 0);
}

TEST_CASE("compressed batches on a compacted topic: a connection that ends meanwhile leaves nothing") {
    KafkaServed served(compacted_config("1280K"));
    for (int round = 0; round < 12; ++round) {
        KafkaClient& client = served.connect_kafka();
        client.send_bytes(produce_bytes(client, {{"state", {{0, packed(of_key("a", 50'000))}, {0, packed(of_key("b", 300))}}}}));
        served.run(round * ns_per_ms / 2);
        close(served, client);
        served.run(20 * ns_per_ms);
    }
    KafkaClient& client = served.connect_kafka();
    CHECK(produce(client, {{"state", {{0, packed(of_key("a", 300))}}}})[0].error == 0);
    CHECK(served.program->server->broker().store().state().staged_blocks == 0);
}

TEST_CASE("compressed batches on a compacted topic: one that is appended is answered so, though the topic is no longer compacted") {
    KafkaServed served(compacted_config("1280K"));
    KafkaClient& client = served.connect_kafka();
    broker::Broker& broker = served.program->server->broker();
    broker::Topic& topic = *broker.find_topic("state");
    client.send_bytes(produce_bytes(client, {{"state", {{0, packed(of_key("a", 300))}}}}));
    // Its connection is not told yet.
    REQUIRE(served.until([&] { return broker.partition(topic, 0)->end == Offset(1); }));
    act(served, [&] {
        char buffer[300];
        Text why(buffer);
        config::TopicConfig config = topic.config;
        REQUIRE(config::set(config, "cleanup.policy", "delete", why));
        REQUIRE(broker.alter_topic(topic, config, topic.partitions, why).ok());
    });
    const auto answer = placed(client);
    REQUIRE(answer.size() == 1);
    CHECK(answer[0].error == 0);
    CHECK(answer[0].base == 0);
    CHECK(broker.partition(topic, 0)->end == Offset(1));
}

TEST_CASE("compressed batches on a compacted topic: one that waits while appends are held is answered when the store goes offline") {
    KafkaServed served(compacted_config("1280K"));
    KafkaClient& client = served.connect_kafka();
    broker::Broker& broker = served.program->server->broker();
    act(served, [&] { broker.hold_appends(broker::Broker::Holder::cleaner, true); });
    client.send_bytes(produce_bytes(client, {{"state", {{0, packed(of_key("a", 300))}}}}));
    REQUIRE(served.until([&] { return broker.room_wanted(); }));
    served.server_node->disk().fail_nth(sim::DiskOp::sync, 1);
    act(served, [&] { REQUIRE(broker.delete_topic("fast").ok()); });
    REQUIRE(served.until([&] { return broker.offline(); }));
    const auto answer = placed(client, {}, 5 * ns_per_s);
    REQUIRE(answer.size() == 1);
    CHECK(answer[0].error == 56);
}

TEST_CASE("compressed batches on a compacted topic: appends are held while one is opened, and no more before its connection is told") {
    KafkaServed served(compacted_config("1280K"));
    KafkaClient& client = served.connect_kafka();
    broker::Broker& broker = served.program->server->broker();
    const auto staged = [&] { return broker.store().state().staged_blocks; };
    client.send_bytes(produce_bytes(client, {{"state", {{0, packed(of_key("a", 300))}}}}));
    REQUIRE(served.until([&] { return staged() == 2; }));
    act(served, [&] { broker.hold_appends(broker::Broker::Holder::cleaner, true); });
    REQUIRE(served.until([&] { return staged() == 1; }));
    act(served, [&] { broker.hold_appends(broker::Broker::Holder::cleaner, false); });
    const auto answer = placed(client, {}, 5 * ns_per_s);
    REQUIRE(answer.size() == 1);
    CHECK(answer[0].error == 0);
}
