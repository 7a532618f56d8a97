// Frozen bytes: every message of Kafka's protocol that is served, in every version, as Kafka's own classes write it. How they were written: kafka/README.md.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "support/kafka_messages.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

std::string told(const KafkaVector& vector) { return vector.name + " " + std::to_string(vector.version) + " " + vector.kind; }

// Texts that may be null are null here, where Kafka has set some to be empty.
const std::set<std::string> null_by_default{"find_coordinator_response", "join_group_response", "init_producer_id_request", "group_metadata_value"};

}  // namespace

TEST_CASE("golden kafka: what Kafka wrote is read, and written again to the same bytes") {
    const std::vector<KafkaVector> vectors = kafka_vectors();
    REQUIRE(vectors.size() > 1000);
    std::map<std::string, KafkaBytes> full;
    for (const KafkaVector& vector : vectors) {
        const std::string name = told(vector);
        CAPTURE(name);
        const KafkaMessage* const message = find_kafka_message(vector.name);
        REQUIRE(message);
        const Result<KafkaBytes> again = message->again(vector.bytes, vector.version, vector.flexible());
        REQUIRE(again);
        if (vector.kind == "full") full[vector.name + std::to_string(vector.version)] = vector.bytes;
        // Tagged fields that are not known are passed over.
        const KafkaBytes& expected = vector.kind == "tagged" ? full.at(vector.name + std::to_string(vector.version)) : vector.bytes;
        CHECK(again.value() == expected);
        if (vector.kind == "tagged") CHECK(again.value().size() < vector.bytes.size());
    }
}

TEST_CASE("golden kafka: a message of which nothing is set is Kafka's") {
    for (const KafkaVector& vector : kafka_vectors()) {
        if (vector.kind != "default" || null_by_default.contains(vector.name)) continue;
        const std::string name = told(vector);
        CAPTURE(name);
        CHECK(find_kafka_message(vector.name)->fresh(vector.version, vector.flexible()) == vector.bytes);
    }
}

TEST_CASE("golden kafka: every API and version of the table has its messages") {
    std::set<std::string> there;
    for (const KafkaVector& vector : kafka_vectors()) there.insert(told(vector));
    for (const wire::kafka::ApiInfo& info : wire::kafka::apis()) {
        for (std::int16_t version = info.lowest; version <= info.highest; ++version) {
            for (const char* const end : {"_request", "_response"}) {
                for (const char* const kind : {"default", "full", "null"}) {
                    const std::string name = std::string(info.name) + end + " " + std::to_string(version) + " " + kind;
                    CAPTURE(name);
                    CHECK(there.contains(name));
                }
            }
        }
    }
    for (const char* const name : {"offset_commit_key 1", "group_metadata_key 2", "offset_commit_value 3", "group_metadata_value 3", "consumer_protocol_subscription 3",
                                   "consumer_protocol_assignment 3"})
        CHECK(there.contains(std::string(name) + " full"));
}
