// OffsetForLeaderEpoch, also of epochs that are not kept any more, and what Metadata may tell of.
#include "unit/server/kafka_calls.h"
#include "wire/kafka/create_partitions.h"
#include "wire/kafka/metadata.h"
#include "wire/kafka/offset_for_leader_epoch.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

using kafka::Api;

kafka::OffsetForLeaderEpochResponse::Partition end_of(KafkaClient& client, std::int32_t epoch, std::int32_t partition = 0, std::int32_t current = -1, std::int16_t version = 4) {
    Items<kafka::OffsetForLeaderEpochRequest::Partition> partitions{{partition, Epoch(current), Epoch(epoch)}};
    Items<kafka::OffsetForLeaderEpochRequest::Topic> topics{{"temps", partitions}};
    kafka::OffsetForLeaderEpochRequest request;
    request.topics = topics;
    const auto response = client.call<kafka::OffsetForLeaderEpochResponse>(Api::offset_for_leader_epoch, version, request);
    REQUIRE(response.topics.size() == 1);
    const auto topic = *response.topics.begin();
    REQUIRE(topic.partitions.size() == 1);
    return *topic.partitions.begin();
}

const store::Log& log_of(KafkaServed& served) {
    broker::Broker& broker = served.program->server->broker();
    return *broker.partition(*broker.find_topic("temps"), 0);
}

}  // namespace

TEST_CASE("OffsetForLeaderEpoch: an epoch ends where the next begins; one older than all that are kept, where the first of these begins") {
    KafkaServed served;
    std::vector<std::int32_t> epochs;
    std::vector<std::int64_t> ends;
    for (int life = 0; life < 36; ++life) {
        KafkaClient& client = served.connect_kafka();
        REQUIRE(produce(client, {{"temps", {{0, values_batch(2)}}}})[0].error == 0);
        epochs.push_back(log_of(served).epoch.value);
        ends.push_back(log_of(served).high_watermark().value);
        if (life + 1 == 36) break;
        served.server_node->power_cut();
        served.server_node->boot();
        REQUIRE(served.until([&] { return served.program != nullptr; }));
    }
    const store::Log& log = log_of(served);
    REQUIRE(log.epoch_count == store::log_epochs_max);
    REQUIRE(log.epochs[0].value > epochs[0]);
    KafkaClient& client = served.connect_kafka();
    for (std::size_t i = 0; i < epochs.size(); ++i) {
        const auto answer = end_of(client, epochs[i]);
        CHECK(answer.error_code == 0);
        CHECK(answer.leader_epoch.value == epochs[i]);
        // Never beyond where it ended and the kept ones begin, so that a client which truncates to it keeps nothing that is not there.
        if (epochs[i] >= log.epochs[0].value) CHECK(answer.end_offset.value == ends[i]);
        else CHECK(answer.end_offset == log.epoch_starts[0]);
    }
    CHECK(end_of(client, epochs.back() + 1).leader_epoch.value == -1);
    CHECK(end_of(client, epochs.back(), 0, epochs.front()).error_code == 74);
    CHECK(end_of(client, epochs.back(), 9).error_code == 3);
}

TEST_CASE("Metadata tells of partitions that were added when they are on flash, and not before") {
    KafkaServed served;
    KafkaClient& admin = served.connect_kafka();
    KafkaClient& client = served.connect_kafka();
    served.run(100 * ns_per_ms);
    std::size_t told = 4;
    Items<kafka::CreatePartitionsRequest::Topic> grown{{"temps", 6, kafka::Array<kafka::CreatePartitionsRequest::Assignment>::none()}};
    kafka::CreatePartitionsRequest growth;
    growth.topics = grown;
    growth.timeout_ms = 1000;
    admin.send(Api::create_partitions, 3, growth);
    const std::uint64_t before = served.program->server->broker().created_ticket();
    for (int i = 0; i < 10000 && told == 4; ++i) {
        Items<kafka::MetadataRequest::Topic> topics{{Uuid{}, "temps"}};
        kafka::MetadataRequest request;
        request.topics = topics;
        const auto response = client.call<kafka::MetadataResponse>(Api::metadata, 12, request);
        told = (*response.topics.begin()).partitions.size();
    }
    CHECK(told == 6);
    broker::Broker& broker = served.program->server->broker();
    CHECK(broker.created_ticket() > before);
    CHECK(broker.durable_ticket() >= broker.created_ticket());
    served.server_node->power_cut();
    served.server_node->boot();
    REQUIRE(served.until([&] { return served.program != nullptr; }));
    CHECK(served.program->server->broker().find_topic("temps")->partitions == 6);
}
