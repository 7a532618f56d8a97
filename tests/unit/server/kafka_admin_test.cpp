// Topics, partitions and settings as Kafka's admin clients ask for them: request and version to exact codes.
#include "unit/server/kafka_client.h"
#include "wire/kafka/alter_configs.h"
#include "wire/kafka/create_partitions.h"
#include "wire/kafka/create_topics.h"
#include "wire/kafka/delete_records.h"
#include "wire/kafka/delete_topics.h"
#include "wire/kafka/describe_configs.h"
#include "wire/kafka/describe_log_dirs.h"
#include "wire/kafka/incremental_alter_configs.h"

using namespace rivulet;
using namespace rivulet::test;
using kafka::Api;

namespace {

using Create = kafka::CreateTopicsRequest;
using Created = kafka::CreateTopicsResponse;

template <class F>
void each_version(Api api, F test) {
    const kafka::ApiInfo& info = kafka::api_info(api);
    for (std::int16_t version = info.lowest; version <= info.highest; ++version) {
        CAPTURE(version);
        test(version);
    }
}

Create::Topic topic_of(std::string_view name, std::int32_t partitions, std::int16_t factor, kafka::Array<Create::Assignment> assignments = {}, kafka::Array<Create::Config> configs = {}) {
    return {name, partitions, factor, assignments, configs};
}

std::vector<Created::Topic> create(KafkaClient& client, std::int16_t version, std::initializer_list<Create::Topic> topics, bool validate_only = false) {
    Items<Create::Topic> items{topics};
    Create request;
    request.topics = items;
    request.validate_only = validate_only;
    return items_of(client.call<Created>(Api::create_topics, version, request).topics);
}

std::vector<kafka::DeleteTopicsResponse::Topic> remove(KafkaClient& client, std::int16_t version, std::initializer_list<kafka::DeleteTopicsRequest::Topic> topics) {
    Items<kafka::DeleteTopicsRequest::Topic> items{topics};
    std::vector<std::string_view> listed;
    for (const auto& topic : topics)
        if (topic.name) listed.push_back(*topic.name);
    Items<std::string_view> names{listed};
    kafka::DeleteTopicsRequest request;
    request.topics = items;
    request.topic_names = names;
    return items_of(client.call<kafka::DeleteTopicsResponse>(Api::delete_topics, version, request).responses);
}

std::string value_of(const std::vector<kafka::DescribeConfigsResponse::Config>& configs, std::string_view name) {
    for (const auto& config : configs)
        if (config.name == name) return std::string(config.value.value_or("null"));
    return "not there";
}

std::vector<kafka::DescribeConfigsResponse::Config> configs_of(KafkaClient& client, std::string_view topic) {
    kafka::DescribeConfigsRequest request;
    Items<kafka::DescribeConfigsRequest::Resource> resources{{2, topic, kafka::Array<std::string_view>::none()}};
    request.resources = resources;
    const auto results = items_of(client.call<kafka::DescribeConfigsResponse>(Api::describe_configs, 4, request).results);
    REQUIRE(results.size() == 1);
    REQUIRE(results[0].error_code == 0);
    return items_of(results[0].configs);
}

}  // namespace

TEST_CASE("CreateTopics: every version creates, answers what it made, and says so when it is there already") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    each_version(Api::create_topics, [&](std::int16_t version) {
        Items<Create::Config> configs{{"retention.ms", "7200000"}};
        const std::string name = "made." + std::to_string(version);
        const auto made = create(client, version, {topic_of(name, 3, 1, {}, configs)});
        REQUIRE(made.size() == 1);
        CHECK(made[0].name == name);
        CHECK(made[0].error_code == 0);
        CHECK_FALSE(made[0].error_message.has_value());
        const broker::Topic* const topic = served.program->server->broker().find_topic(name);
        REQUIRE(topic);
        CHECK(topic->partitions == 3);
        CHECK(topic->config.retention_ms == 7'200'000);
        if (version >= 7) CHECK(made[0].topic_id == topic->id);
        if (version >= 5) {
            CHECK(made[0].num_partitions == 3);
            CHECK(made[0].replication_factor == 1);
            const auto shown = items_of(made[0].configs);
            CHECK(shown.size() == config::topic_keys_count);
            CHECK(shown[0].name == "retention.ms");
            CHECK(shown[0].value == "7200000");
            CHECK(shown[0].config_source == 1);
            CHECK(shown[1].config_source == 5);
        }
        const auto again = create(client, version, {topic_of(name, 3, 1)});
        REQUIRE(again.size() == 1);
        CHECK(again[0].error_code == 36);
        if (version >= 1) CHECK(again[0].error_message.has_value());
        CHECK(remove(client, 1, {{name, {}}})[0].error_code == 0);
    });
}

TEST_CASE("CreateTopics: what is wrong with a topic, and nothing is made then") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    Items<std::int32_t> here{0};
    Items<std::int32_t> elsewhere{7};
    Items<std::int32_t> two{0, 1};
    Items<Create::Assignment> good{{1, here}, {0, here}};
    Items<Create::Assignment> gap{{0, here}, {2, here}};
    Items<Create::Assignment> twice{{0, here}, {0, here}};
    Items<Create::Assignment> other{{0, elsewhere}};
    Items<Create::Assignment> wide{{0, two}};
    Items<Create::Config> unknown{{"retention.sm", "1"}};
    Items<Create::Config> bad{{"retention.ms", "soon"}};
    Items<Create::Config> null{{"retention.ms", {}}};
    Items<Create::Config> later{{"compression.type", "gzip"}};
    Items<Create::Config> no_size{{"segment.bytes", "large"}};
    Items<Create::Config> streams{{"cleanup.policy", "delete"}, {"segment.bytes", "52428800"}, {"retention.ms", "-1"}};
    const struct {
        Create::Topic topic;
        int code;
    } cases[] = {
        {topic_of("no good", 1, 1), 17},
        {topic_of("", 1, 1), 17},
        {topic_of("..", 0, 9), 17},
        {topic_of("temps", 0, 9), 36},
        {topic_of("__consumer_offsets", 1, 1), 17},
        {topic_of("x", 0, 1), 37},
        {topic_of("x", -2, 1), 37},
        {topic_of("x", 0, 3), 37},
        {topic_of("x", 1, 0), 38},
        {topic_of("x", 1, 2), 38},
        {topic_of("x", 1, 2, {}, bad), 38},
        {topic_of("x", 1, 1, {}, unknown), 40},
        {topic_of("x", 1, 1, {}, bad), 40},
        {topic_of("x", 1, 1, {}, null), 40},
        {topic_of("x", 1, 1, {}, later), 40},
        {topic_of("x", 1, 1, {}, no_size), 40},
        {topic_of("x", 1000, 1), 44},
        {topic_of("x", 1, -1, good), 42},
        {topic_of("x", -1, 1, good), 42},
        {topic_of("x", -1, -1, gap), 39},
        {topic_of("x", -1, -1, twice), 39},
        {topic_of("x", -1, -1, other), 39},
        {topic_of("x", -1, -1, wide), 39},
    };
    const std::uint32_t before = served.program->server->broker().topics().count();
    int row = 0;
    for (const auto& [topic, code] : cases) {
        CAPTURE(row++);
        const auto answer = create(client, 7, {topic});
        REQUIRE(answer.size() == 1);
        CHECK(answer[0].error_code == code);
        CHECK(answer[0].name == topic.name);
        CHECK(answer[0].error_message.value_or("").size() > 0);
        CHECK(answer[0].num_partitions == -1);
        CHECK(create(client, 7, {topic}, true)[0].error_code == code);
    }
    CHECK(served.program->server->broker().topics().count() == before);
    CHECK(create(client, 7, {topic_of("placed", -1, -1, good)})[0].num_partitions == 2);
    CHECK(create(client, 4, {topic_of("defaults", -1, -1)})[0].error_code == 0);
    CHECK(served.program->server->broker().find_topic("defaults")->partitions == 2);
    // As Kafka Streams makes the topics by which it repartitions.
    CHECK(create(client, 7, {topic_of("repartition", 1, 1, {}, streams)})[0].error_code == 0);
}

TEST_CASE("CreateTopics: several, in the order of the request; one that comes twice is refused both times; to validate makes nothing") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    const auto tried = create(client, 5, {topic_of("a", 1, 1)}, true);
    CHECK(tried[0].error_code == 0);
    CHECK(tried[0].num_partitions == 1);
    CHECK_FALSE(served.program->server->broker().find_topic("a"));
    const auto answer = create(client, 7, {topic_of("a", 1, 1),
                                           topic_of("b", 1, 1),
                                           topic_of("temps", 1, 1),
                                           topic_of("a", 2, 1)});
    REQUIRE(answer.size() == 4);
    const std::pair<std::string_view, int> wanted[] = {{"a", 42}, {"b", 0}, {"temps", 36}, {"a", 42}};
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(answer[i].name == wanted[i].first);
        CHECK(answer[i].error_code == wanted[i].second);
    }
    CHECK_FALSE(served.program->server->broker().find_topic("a"));
    CHECK(served.program->server->broker().find_topic("b"));
}

TEST_CASE("CreateTopics: a request whose answer is larger than an answer may be does what it has room to tell, and says so of the rest") {
    std::string text = kafka_config;
    text.replace(text.find("kafka_response_bytes = 32K"), 26, "kafka_response_bytes = 8K");
    text.replace(text.find("topics = 16"), 11, "topics = 32");
    KafkaServed served(text);
    KafkaClient& client = served.connect_kafka();
    std::vector<std::string> names;
    for (int i = 0; i < 24; ++i) names.push_back("topic" + std::to_string(i));
    std::vector<Create::Topic> topics;
    for (const std::string& name : names) topics.push_back(topic_of(name, 1, 1));
    Items<Create::Topic> items{topics};
    Create request;
    request.topics = items;
    const auto answer = items_of(client.call<Created>(Api::create_topics, 7, request).topics);
    REQUIRE(answer.size() == names.size());
    std::size_t made = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
        CHECK(answer[i].name == names[i]);
        const bool there = served.program->server->broker().find_topic(names[i]) != nullptr;
        CHECK(answer[i].error_code == (there ? 0 : 7));
        made += there;
    }
    CHECK(made > 4);
    CHECK(made < names.size());
    CHECK_FALSE(client.closed);
}

TEST_CASE("DeleteTopics: by name in every version, by id from 6 on") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    each_version(Api::delete_topics, [&](std::int16_t version) {
        CHECK(create(client, 7, {topic_of("gone", 1, 1)})[0].error_code == 0);
        const auto answer = remove(client, version, {{"gone", {}}, {"never there", {}}, {"__consumer_offsets", {}}});
        REQUIRE(answer.size() == 3);
        CHECK(answer[0].name == "gone");
        CHECK(answer[0].error_code == 0);
        CHECK(answer[1].error_code == 3);
        CHECK(answer[1].name == "never there");
        CHECK(answer[2].error_code == 3);  // nobody has asked for a coordinator yet
        if (version >= 5) CHECK(answer[1].error_message.has_value());
        CHECK_FALSE(served.program->server->broker().find_topic("gone"));
    });
    const auto made = create(client, 7, {topic_of("by.id", 1, 1)});
    Uuid unknown;
    unknown.bytes[3] = 9;
    const auto answer = remove(client, 6, {{{}, unknown}, {{}, made[0].topic_id}, {"temps", made[0].topic_id}, {{}, {}}, {"fast", {}}, {"fast", {}}});
    REQUIRE(answer.size() == 6);
    CHECK(answer[0].error_code == 100);
    CHECK(answer[1].error_code == 0);
    CHECK(answer[1].name == "by.id");
    CHECK(answer[1].topic_id == made[0].topic_id);
    CHECK(answer[2].error_code == 42);
    CHECK(answer[3].error_code == 42);
    CHECK(answer[4].error_code == 42);
    CHECK(answer[5].error_code == 42);
    CHECK(served.program->server->broker().find_topic("fast"));
}

TEST_CASE("CreatePartitions: every version grows; fewer, equal, unknown, assigned elsewhere are refused") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    using Request = kafka::CreatePartitionsRequest;
    const auto grow = [&](std::int16_t version, std::initializer_list<Request::Topic> topics, bool validate_only = false) {
        Items<Request::Topic> items{topics};
        Request request;
        request.topics = items;
        request.validate_only = validate_only;
        return items_of(client.call<kafka::CreatePartitionsResponse>(Api::create_partitions, version, request).results);
    };
    const auto none = kafka::Array<Request::Assignment>::none();
    const auto partitions = [&] { return static_cast<std::int32_t>(served.program->server->broker().find_topic("temps")->partitions); };
    each_version(Api::create_partitions, [&](std::int16_t version) {
        const std::int32_t before = partitions();
        CHECK(grow(version, {{"temps", before + 1, none}}, true)[0].error_code == 0);
        CHECK(partitions() == before);
        const auto answer = grow(version, {{"temps", before + 1, none}, {"none", 3, none}});
        REQUIRE(answer.size() == 2);
        CHECK(answer[0].error_code == 0);
        CHECK_FALSE(answer[0].error_message.has_value());
        CHECK(answer[1].error_code == 3);
        CHECK(partitions() == before + 1);
    });
    Items<std::int32_t> here{0};
    Items<std::int32_t> elsewhere{3};
    Items<Request::Assignment> one{{here}};
    Items<Request::Assignment> other{{elsewhere}};
    const std::int32_t now = partitions();
    const struct {
        Request::Topic topic;
        int code;
    } cases[] = {
        {{"temps", now, none}, 37},     {{"temps", now - 1, none}, 37},          {{"temps", -1, none}, 37},   {{"temps", now + 2, one}, 39},
        {{"temps", now + 1, other}, 39}, {{"__consumer_offsets", 9, none}, 17}, {{"temps", 5000, none}, 44},
    };
    for (const auto& [topic, code] : cases) {
        CAPTURE(topic.count);
        const auto answer = grow(3, {topic});
        CHECK(answer[0].error_code == code);
        CHECK(answer[0].error_message.value_or("").size() > 0);
    }
    CHECK(partitions() == now);
    CHECK(grow(3, {{"temps", now + 1, one}})[0].error_code == 0);
    const auto twice = grow(3, {{"temps", now + 2, none}, {"temps", now + 3, none}});
    CHECK(twice[0].error_code == 42);
    CHECK(twice[1].error_code == 42);
}

TEST_CASE("DescribeConfigs: a topic's settings in every version, whose they are, and what they would be otherwise") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    Items<Create::Config> set{{"retention.bytes", "5000"}};
    CHECK(create(client, 7, {topic_of("mine", 1, 1, {}, set)})[0].error_code == 0);
    each_version(Api::describe_configs, [&](std::int16_t version) {
        Items<std::string_view> keys{"retention.bytes", "max.message.bytes", "unknown.key"};
        Items<std::string_view> no_keys{};
        Items<kafka::DescribeConfigsRequest::Resource> resources{{2, "mine", keys}, {2, "none", no_keys}, {4, "0", no_keys}, {2, "mine", no_keys}, {8, "0", no_keys}, {4, "3", no_keys}, {2, "?", no_keys}};
        kafka::DescribeConfigsRequest request;
        request.resources = resources;
        request.include_synonyms = request.include_documentation = true;
        const auto results = items_of(client.call<kafka::DescribeConfigsResponse>(Api::describe_configs, version, request).results);
        REQUIRE(results.size() == 7);
        const int codes[] = {0, 3, 0, 0, 42, 42, 17};
        for (std::size_t i = 0; i < 7; ++i) CHECK(results[i].error_code == codes[i]);
        const auto two = items_of(results[0].configs);
        REQUIRE(two.size() == 2);
        const auto& limit = two[0].name == "max.message.bytes" ? two[0] : two[1];
        const auto& kept = two[0].name == "max.message.bytes" ? two[1] : two[0];
        CHECK(kept.value == "5000");
        CHECK(limit.value == "65536");
        CHECK_FALSE(kept.read_only);
        if (version == 0) CHECK_FALSE(limit.is_default);
        if (version >= 1) {
            CHECK(kept.config_source == 1);
            CHECK(limit.config_source == 4);
            const auto synonyms = items_of(kept.synonyms);
            REQUIRE(synonyms.size() == 2);
            CHECK(synonyms[0].name == "retention.bytes");
            CHECK(synonyms[0].value == "5000");
            CHECK(synonyms[1].source == 5);
            CHECK(synonyms[1].value == "-1");
            const auto of_limit = items_of(limit.synonyms);
            REQUIRE(of_limit.size() == 2);
            CHECK(of_limit[0].name == "defaults.max.message.bytes");
            CHECK(of_limit[0].source == 4);
            CHECK(of_limit[1].source == 5);
        }
        if (version >= 3) {
            CHECK(kept.config_type == 5);
            CHECK(kept.documentation.value_or("").size() > 0);
        }
        bool total = false;
        for (const auto& key : items_of(results[2].configs)) {
            CHECK((!key.read_only || key.name != "retention.check_interval"));
            if (key.name == "memory.total") total = key.read_only && key.value == "6291456";
        }
        CHECK(total);
        CHECK(results[3].configs.size() == config::topic_keys_count);
    });
}

TEST_CASE("AlterConfigs replaces all settings, IncrementalAlterConfigs those that it names; neither anything when it validates or something is wrong") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    using Alter = kafka::AlterConfigsRequest;
    using Change = kafka::IncrementalAlterConfigsRequest;
    const auto alter = [&](std::int16_t version, std::initializer_list<Alter::Resource> resources, bool validate_only = false) {
        Items<Alter::Resource> items{resources};
        Alter request;
        request.resources = items;
        request.validate_only = validate_only;
        return items_of(client.call<kafka::AlterConfigsResponse>(Api::alter_configs, version, request).responses);
    };
    const auto change = [&](std::int16_t version, std::initializer_list<Change::Resource> resources, bool validate_only = false) {
        Items<Change::Resource> items{resources};
        Change request;
        request.resources = items;
        request.validate_only = validate_only;
        return items_of(client.call<kafka::IncrementalAlterConfigsResponse>(Api::incremental_alter_configs, version, request).responses);
    };
    Items<Alter::Config> two{{"retention.ms", "1000"}, {"retention.bytes", "2000"}};
    Items<Alter::Config> one{{"retention.bytes", "3000"}};
    Items<Alter::Config> durable{{"durability", "disk"}};
    Items<Alter::Config> null{{"retention.ms", {}}};
    Items<Alter::Config> twice{{"retention.ms", "1"}, {"retention.ms", "2"}};
    Items<Alter::Config> later{{"retention.bytes", "1"}, {"segment.bytes", "4096"}};
    each_version(Api::alter_configs, [&](std::int16_t version) {
        CHECK(alter(version, {{2, "fast", two}})[0].error_code == 0);
        CHECK(value_of(configs_of(client, "fast"), "retention.ms") == "1000");
        CHECK(alter(version, {{2, "fast", one}}, true)[0].error_code == 0);
        CHECK(value_of(configs_of(client, "fast"), "retention.bytes") == "2000");
        const auto answer = alter(version, {{2, "fast", one}, {2, "none", one}, {4, "0", one}, {8, "0", one}, {2, "temps", later}});
        REQUIRE(answer.size() == 5);
        const int codes[] = {0, 3, 42, 42, 40};
        for (std::size_t i = 0; i < 5; ++i) CHECK(answer[i].error_code == codes[i]);
        CHECK(answer[2].error_message.value_or("").find("SIGHUP") != std::string_view::npos);
        CHECK(value_of(configs_of(client, "fast"), "retention.ms") == "-1");
        CHECK(value_of(configs_of(client, "fast"), "retention.bytes") == "3000");
        CHECK(value_of(configs_of(client, "fast"), "durability") == "memory");
        CHECK(value_of(configs_of(client, "temps"), "retention.bytes") == "-1");
    });
    CHECK(alter(2, {{2, "fast", durable}})[0].error_code == 40);
    CHECK(alter(2, {{2, "fast", null}})[0].error_code == 42);
    CHECK(alter(2, {{2, "fast", twice}})[0].error_code == 42);
    Items<Change::Config> sets{{"retention.ms", 0, "7000"}};
    Items<Change::Config> removes{{"retention.bytes", 1, {}}};
    Items<Change::Config> appends{{"cleanup.policy", 2, "delete"}};
    Items<Change::Config> subtracts{{"retention.ms", 3, "1"}};
    Items<Change::Config> operation{{"retention.ms", 9, "1"}};
    Items<Change::Config> no_value{{"retention.ms", 0, {}}};
    each_version(Api::incremental_alter_configs, [&](std::int16_t version) {
        CHECK(alter(2, {{2, "fast", two}})[0].error_code == 0);
        CHECK(change(version, {{2, "fast", sets}}, true)[0].error_code == 0);
        CHECK(value_of(configs_of(client, "fast"), "retention.ms") == "1000");
        CHECK(change(version, {{2, "fast", sets}})[0].error_code == 0);
        CHECK(value_of(configs_of(client, "fast"), "retention.ms") == "7000");
        CHECK(value_of(configs_of(client, "fast"), "retention.bytes") == "2000");
        CHECK(change(version, {{2, "fast", removes}})[0].error_code == 0);
        CHECK(value_of(configs_of(client, "fast"), "retention.bytes") == "-1");
        CHECK(change(version, {{2, "fast", appends}})[0].error_code == 0);
        const auto answer = change(version, {{2, "temps", subtracts}, {2, "fast", operation}, {4, "0", sets}, {2, "none", sets}});
        REQUIRE(answer.size() == 4);
        const int codes[] = {40, 42, 42, 3};
        for (std::size_t i = 0; i < 4; ++i) CHECK(answer[i].error_code == codes[i]);
        CHECK(change(version, {{2, "fast", no_value}})[0].error_code == 42);
        const auto repeated = change(version, {{2, "fast", sets}, {2, "fast", removes}});
        CHECK(repeated[0].error_code == 42);
        CHECK(repeated[1].error_code == 42);
    });
}

TEST_CASE("settings that DescribeConfigs shows can be written back as they are") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    Items<Create::Config> set{{"retention.ms", "3600000"}, {"message.timestamp.type", "LogAppendTime"}};
    CHECK(create(client, 7, {topic_of("mine", 1, 1, {}, set)})[0].error_code == 0);
    const auto before = configs_of(client, "mine");
    std::vector<kafka::AlterConfigsRequest::Config> all;
    for (const auto& config : before) all.push_back({config.name, config.value});
    Items<kafka::AlterConfigsRequest::Config> pairs{all};
    Items<kafka::AlterConfigsRequest::Resource> resources{{2, "mine", pairs}};
    kafka::AlterConfigsRequest request;
    request.resources = resources;
    const auto answer = items_of(client.call<kafka::AlterConfigsResponse>(Api::alter_configs, 2, request).responses);
    CHECK(answer[0].error_code == 0);
    const auto after = configs_of(client, "mine");
    REQUIRE(after.size() == before.size());
    for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i].value == before[i].value);
}

TEST_CASE("pinned and overflow: taken, shown, altered, and refused where they contradict") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    Items<Create::Config> both{{"pinned", "true"}, {"overflow", "reject"}};
    Items<Create::Config> alone{{"overflow", "reject"}};
    Items<Create::Config> word{{"pinned", "yes"}};
    CHECK(create(client, 7, {topic_of("kept", 1, 1, {}, both)})[0].error_code == 0);
    for (auto* const wrong : {&alone, &word}) {
        const auto answer = create(client, 7, {topic_of("wrong", 1, 1, {}, *wrong)});
        CHECK(answer[0].error_code == 40);
        CHECK(answer[0].error_message.has_value());
    }
    CHECK(value_of(configs_of(client, "kept"), "pinned") == "true");
    CHECK(value_of(configs_of(client, "kept"), "overflow") == "reject");
    for (const auto& shown : configs_of(client, "temps"))
        if (shown.name == "pinned") CHECK(shown.config_type == 1);
    using Change = kafka::IncrementalAlterConfigsRequest;
    const auto change = [&](Items<Change::Config> changes) {
        Items<Change::Resource> resources{{2, "kept", changes}};
        Change request;
        request.resources = resources;
        return items_of(client.call<kafka::IncrementalAlterConfigsResponse>(Api::incremental_alter_configs, 1, request).responses)[0].error_code;
    };
    CHECK(change({{"pinned", 1, {}}}) == 40);
    CHECK(change({{"pinned", 1, {}}, {"overflow", 1, {}}}) == 0);
    CHECK(value_of(configs_of(client, "kept"), "pinned") == "false");
    CHECK(change({{"pinned", 0, "true"}}) == 0);
    CHECK(change({{"cleanup.policy", 0, "compact"}}) == 40);
}

TEST_CASE("DescribeLogDirs: all partitions, or those that are asked for and there, in every version") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    each_version(Api::describe_log_dirs, [&](std::int16_t version) {
        kafka::DescribeLogDirsRequest request;
        request.topics = kafka::Array<kafka::DescribeLogDirsRequest::Topic>::none();
        const auto dirs = items_of(client.call<kafka::DescribeLogDirsResponse>(Api::describe_log_dirs, version, request).results);
        REQUIRE(dirs.size() == 1);
        CHECK(dirs[0].error_code == 0);
        CHECK(dirs[0].topics.size() == 2);
        if (version >= 4) {
            CHECK(dirs[0].total_bytes == 2 * 1024 * 1024);
            CHECK(dirs[0].usable_bytes > 0);
            CHECK(dirs[0].usable_bytes <= dirs[0].total_bytes);
        }
        Items<std::int32_t> some{3, 9, 0};
        Items<std::int32_t> bad{-1, 7};
        Items<kafka::DescribeLogDirsRequest::Topic> topics{{"none", some}, {"fast", bad}, {"temps", some}};
        request.topics = topics;
        const auto asked = items_of(client.call<kafka::DescribeLogDirsResponse>(Api::describe_log_dirs, version, request).results);
        const auto answered = items_of(asked[0].topics);
        REQUIRE(answered.size() == 1);
        CHECK(answered[0].name == "temps");
        const auto partitions = items_of(answered[0].partitions);
        REQUIRE(partitions.size() == 2);
        CHECK(partitions[0].partition_index == 3);
        CHECK(partitions[1].partition_index == 0);
    });
}

TEST_CASE("a change is durable before it is answered") {
    KafkaServed served;
    KafkaClient& client = served.connect_kafka();
    CHECK(create(client, 7, {topic_of("kept", 2, 1)})[0].error_code == 0);
    CHECK(create(client, 7, {topic_of("dropped", 2, 1)})[0].error_code == 0);
    CHECK(remove(client, 6, {{"dropped", {}}})[0].error_code == 0);
    served.server_node->power_cut();
    served.server_node->boot();
    served.run(ns_per_s);
    REQUIRE(served.program);
    CHECK(served.program->server->broker().find_topic("kept"));
    CHECK_FALSE(served.program->server->broker().find_topic("dropped"));
}
