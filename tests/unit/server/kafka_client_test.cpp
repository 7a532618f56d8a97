// The client of the tests, with what every client asks first.
#include "unit/server/kafka_client.h"

#include "wire/kafka/api_versions.h"
#include "wire/kafka/metadata.h"

using namespace rivulet;
using namespace rivulet::test;

TEST_CASE("a Kafka client hears which APIs are served, in every version") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const kafka::ApiInfo& info = kafka::api_info(kafka::Api::api_versions);
    for (std::int16_t version = info.lowest; version <= info.highest; ++version) {
        CAPTURE(version);
        kafka::ApiVersionsRequest request;
        request.client_software_name = "unit-test";
        request.client_software_version = "1.0";
        const auto response = client.call<kafka::ApiVersionsResponse>(kafka::Api::api_versions, version, request);
        CHECK(response.error_code == 0);
        const auto apis = items_of(response.api_keys);
        REQUIRE(apis.size() == kafka::apis().size());
        CHECK(apis.front().api_key == 0);
        CHECK(apis.front().max_version == kafka::api_info(kafka::Api::produce).highest);
    }
    kafka::ApiVersionsRequest request;
    request.client_software_name = "-not a name-";
    request.client_software_version = "1.0";
    CHECK(client.call<kafka::ApiVersionsResponse>(kafka::Api::api_versions, 3, request).error_code == 42);
}

TEST_CASE("metadata in every version: the brokers, topics and partitions that were asked for, in the order of the request") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const kafka::ApiInfo& info = kafka::api_info(kafka::Api::metadata);
    for (std::int16_t version = info.lowest; version <= info.highest; ++version) {
        CAPTURE(version);
        Items<kafka::MetadataRequest::Topic> topics{{{}, "temps"}, {{}, "no such topic"}, {{}, "fast"}};
        kafka::MetadataRequest request;
        request.topics = topics;
        request.allow_auto_topic_creation = false;
        const auto response = client.call<kafka::MetadataResponse>(kafka::Api::metadata, version, request);
        const auto brokers = items_of(response.brokers);
        REQUIRE(brokers.size() == 1);
        CHECK(brokers[0].host == "board");
        CHECK(brokers[0].port == 9092);
        const auto answered = items_of(response.topics);
        REQUIRE(answered.size() == 3);
        CHECK(answered[0].name == "temps");
        CHECK(answered[0].error_code == 0);
        CHECK(answered[0].partitions.size() == 4);
        CHECK(answered[1].error_code == 17);
        CHECK(answered[2].name == "fast");
        CHECK(answered[2].partitions.size() == 2);
    }
}

TEST_CASE("a request of an API that is not served ends the connection") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const std::uint8_t request[] = {0, 0, 0, 10, 0, 99, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    client.send_bytes(request);
    CHECK(served.until([&] { return client.closed; }));
}
