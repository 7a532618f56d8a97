#include "config/describe.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "collect.h"

namespace rivulet::config {

namespace {

struct Described : KeySink {
    struct Row {
        std::string value, broker_value, built_in_value, documentation;
        ValueSource source;
        ValueType type;
        bool read_only;
    };
    std::map<std::string, Row> rows;
    void on_key(const KeyDescription& key) override {
        const Row row{std::string(key.value), std::string(key.broker_value), std::string(key.built_in_value), std::string(key.documentation), key.source, key.type, key.read_only};
        CHECK(rows.emplace(std::string(key.name), row).second);
        CHECK_FALSE(row.documentation.empty());
    }
};

void describe_topic(const TopicConfig& config, const TopicConfig& defaults, KeySink& sink) {
    for (KeyCursor cursor; describe_next(config, defaults, cursor, sink);) continue;
}

TEST_CASE("descriptions: of a topic, whose values and where they come from") {
    TopicConfig defaults;
    defaults.retention_bytes = 9000;
    TopicConfig config = defaults;
    char buffer[128];
    Text why(buffer);
    REQUIRE(set(config, "retention.ms", "2h", why).ok());
    Described topic;
    describe_topic(config, defaults, topic);
    CHECK(topic.rows.size() == topic_keys_count);
    const auto& set_here = topic.rows.at("retention.ms");
    CHECK(set_here.value == "7200000");
    CHECK(set_here.broker_value == "-1");
    CHECK(set_here.source == ValueSource::topic);
    CHECK(set_here.type == ValueType::long_integer);
    CHECK_FALSE(set_here.read_only);
    const auto& followed = topic.rows.at("retention.bytes");
    CHECK(followed.value == "9000");
    CHECK(followed.built_in_value == "-1");
    CHECK(followed.source == ValueSource::broker);
    CHECK(topic.rows.at("max.message.bytes").source == ValueSource::built_in);
    CHECK(topic.rows.at("max.message.bytes").type == ValueType::integer);
    CHECK(topic.rows.at("cleanup.policy").type == ValueType::list);
    CHECK(topic.rows.at("compression.type").type == ValueType::text);
    CHECK(topic.rows.at("min.insync.replicas").type == ValueType::integer);
}

TEST_CASE("descriptions: what is shown can be written again, and means the same") {
    TopicConfig config;
    char buffer[256];
    Text why(buffer);
    for (const auto& [key, value] : {std::pair{"retention.ms", "5m"}, {"retention.bytes", "3K"}, {"durability", "memory"}, {"message.timestamp.type", "LogAppendTime"}})
        REQUIRE(set(config, key, value, why).ok());
    Described shown;
    describe_topic(config, TopicConfig(), shown);
    TopicConfig written;
    for (const auto& [key, row] : shown.rows) {
        CAPTURE(key);
        CHECK(set(written, key, row.value, why).ok());
    }
    Described again;
    describe_topic(written, TopicConfig(), again);
    for (const auto& [key, row] : shown.rows) CHECK(again.rows.at(key).value == row.value);
}

TEST_CASE("descriptions: of the broker") {
    const Parsed p = parse_text("[memory]\ntotal = 64M\nprefault = on\n[broker]\nlog_level = debug\n[topic.temps]\npartitions = 3\n");
    REQUIRE_MESSAGE(p.status.ok(), p.problems.text());
    Described broker;
    for (KeyCursor cursor; describe_next(p.config, cursor, broker);) continue;
    const auto& total = broker.rows.at("memory.total");
    CHECK(total.value == "67108864");
    CHECK(total.source == ValueSource::broker);
    CHECK(total.read_only);
    CHECK(total.type == ValueType::integer);
    CHECK(broker.rows.at("memory.prefault").value == "true");
    CHECK(broker.rows.at("memory.prefault").type == ValueType::boolean);
    CHECK(broker.rows.at("broker.log_level").value == "debug");
    CHECK_FALSE(broker.rows.at("broker.log_level").read_only);
    CHECK(broker.rows.at("broker.drain_timeout").value == "10000");
    CHECK(broker.rows.at("broker.drain_timeout").source == ValueSource::built_in);
    CHECK(broker.rows.at("broker.drain_timeout").type == ValueType::long_integer);
    CHECK(broker.rows.at("storage.size").type == ValueType::long_integer);
    CHECK(broker.rows.at("storage.dir").value == "./rivulet-data");
    CHECK(broker.rows.at("listener.compact.bind").value == "127.0.0.1:9192");
    CHECK(broker.rows.at("defaults.auto.create.topics.enable").value == "true");
    CHECK(broker.rows.count("topic.temps.partitions") == 0);
}

}  // namespace

}  // namespace rivulet::config
