// What groups have committed, and what others see and do of groups: fetch, list, describe, delete.
#include "record/batch.h"
#include "support/kafka_consumer_protocol.h"
#include "unit/server/kafka_groups.h"
#include "wire/kafka/delete_groups.h"
#include "wire/kafka/incremental_alter_configs.h"
#include "wire/kafka/list_groups.h"
#include "wire/kafka/metadata.h"
#include "wire/kafka/offset_delete.h"
#include "wire/kafka/produce.h"

using namespace rivulet;
using namespace rivulet::test;

namespace {

void restart(KafkaServed& served, bool cut) {
    if (cut) {
        served.server_node->power_cut(sim::CrashPlan::all_lost());
    } else {
        served.program->server->request_stop();
        REQUIRE(served.until([&] { return served.server_node->stopped(); }));
    }
    served.server_node->boot();
    REQUIRE(served.until([&] { return served.program && !served.program->server->groups().loading(); }));
}

std::vector<std::string> listed(Consumer& by, std::int16_t version, std::vector<std::string_view> states = {}, std::vector<std::string_view> types = {}) {
    Items<std::string_view> state_items(states);
    Items<std::string_view> type_items(types);
    kafka::ListGroupsRequest request;
    request.states_filter = state_items;
    request.types_filter = type_items;
    const auto response = by.client->call<kafka::ListGroupsResponse>(Api::list_groups, version, request);
    CHECK(response.error_code == 0);
    std::vector<std::string> out;
    for (const auto& group : response.groups)
        out.push_back(std::string(group.group_id) + ' ' + std::string(group.protocol_type) + (version >= 4 ? ' ' + std::string(group.group_state) : "") +
                      (version >= 5 ? ' ' + std::string(group.group_type) : ""));
    std::ranges::sort(out);
    return out;
}

std::vector<kafka::DescribeGroupsResponse::Group> described(Consumer& by, std::int16_t version, std::vector<std::string_view> groups) {
    Items<std::string_view> items(groups);
    kafka::DescribeGroupsRequest request;
    request.groups = items;
    return items_of(by.client->call<kafka::DescribeGroupsResponse>(Api::describe_groups, version, request).groups);
}

std::int16_t delete_group(Consumer& by, std::string_view group, std::int16_t version = 2) {
    Items<std::string_view> names{group};
    kafka::DeleteGroupsRequest request;
    request.groups_names = names;
    const auto results = items_of(by.client->call<kafka::DeleteGroupsResponse>(Api::delete_groups, version, request).results);
    REQUIRE(results.size() == 1);
    CHECK(results[0].group_id == group);
    return results[0].error_code;
}

// The error of the group, or else of the partition.
std::int16_t delete_offset(Consumer& by, std::string_view topic, std::int32_t partition) {
    Items<kafka::OffsetDeleteRequest::Partition> partitions{{partition}};
    Items<kafka::OffsetDeleteRequest::Topic> topics{{topic, partitions}};
    kafka::OffsetDeleteRequest request;
    request.group_id = by.group;
    request.topics = topics;
    const auto response = by.client->call<kafka::OffsetDeleteResponse>(Api::offset_delete, 0, request);
    if (response.error_code != 0) return response.error_code;
    REQUIRE(response.topics.size() == 1);
    const auto answered = *response.topics.begin();
    CHECK(answered.name == topic);
    REQUIRE(answered.partitions.size() == 1);
    return (*answered.partitions.begin()).error_code;
}

std::vector<std::uint8_t> subscription(std::string_view topic) {
    std::vector<std::uint8_t> bytes(128);
    Writer out(bytes);
    out.be(std::int16_t{0});
    out.be(std::int32_t{1});
    out.be(static_cast<std::int16_t>(topic.size()));
    out.bytes(as_bytes(topic));
    out.be(std::int32_t{-1});
    bytes.resize(out.size());
    return bytes;
}

}  // namespace

TEST_CASE("offsets: committed and fetched in every version, with metadata and epoch; what nobody has committed is -1") {
    KafkaServed served(groups_config);
    for (std::int16_t version = 1; version <= 9; ++version) {
        CAPTURE(version);
        Consumer alone(served, "g" + std::to_string(version), version);  // assigns its partitions itself
        CHECK(alone.commit("temps", 1, 100 + version, "where") == 0);
        CHECK(alone.commit("temps", 3, 7) == 0);
        CHECK(alone.commit("fast", 0, 9) == 0);
        const std::int32_t epoch = version >= 6 ? 3 : -1;  // OffsetCommit has one from 6, OffsetFetch from 5
        const auto told = alone.fetch("temps", {3, 0, 1, 99});
        REQUIRE(told.size() == 4);
        CHECK(told[0] == Consumer::Fetched{"temps", 3, 7, version >= 5 ? epoch : -1, "", 0});
        CHECK(told[1] == Consumer::Fetched{"temps", 0, -1, -1, "", 0});
        CHECK(told[2] == Consumer::Fetched{"temps", 1, 100 + version, version >= 5 ? epoch : -1, "where", 0});
        CHECK(told[3] == Consumer::Fetched{"temps", 99, -1, -1, "", 0});
        CHECK(alone.fetch("nowhere", {0})[0] == Consumer::Fetched{"nowhere", 0, -1, -1, "", 0});
        if (version < 2) continue;
        const auto all = alone.fetch("", {});
        REQUIRE(all.size() == 3);
        CHECK(all[0].topic == "fast");
        CHECK(all[0].offset == 9);
        CHECK(all[1].topic == "temps");
        CHECK(all[1].partition == 1);
        CHECK(all[1].metadata == "where");
        CHECK(all[2].partition == 3);
        Consumer nobody(served, "nobody", version);
        CHECK(nobody.fetch("", {}).empty());
        alone.client->connection->close();
        nobody.client->connection->close();
        served.run(ns_per_s);
    }
}

TEST_CASE("offsets: an error of the group has the place that the version has for it") {
    KafkaServed served(groups_config);
    for (std::int16_t version = 1; version <= 9; ++version) {
        CAPTURE(version);
        Consumer consumer(served, "g", version);
        consumer.group = "";
        std::int16_t error = 0;
        const auto told = consumer.fetch("temps", {0, 1}, &error);
        if (version == 1) {
            REQUIRE(told.size() == 2);
            CHECK(told[1].error == code::invalid_group_id);
            CHECK(told[1].offset == -1);
        } else {
            CHECK(error == code::invalid_group_id);
            CHECK(told.empty());
        }
        consumer.client->connection->close();
        served.run(100 * ns_per_ms);
    }
}

TEST_CASE("offsets: several groups at once, each with its own topics, in the order of the request") {
    KafkaServed served(groups_config);
    Consumer a(served, "a");
    Consumer b(served, "b");
    CHECK(a.commit("temps", 0, 1) == 0);
    CHECK(b.commit("temps", 0, 2) == 0);
    CHECK(b.commit("fast", 1, 3) == 0);
    Items<std::int32_t> partitions{0};
    Items<kafka::OffsetFetchRequest::Topic> topics{{"temps", partitions}};
    const auto all = kafka::Array<kafka::OffsetFetchRequest::Topic>::none();
    Items<kafka::OffsetFetchRequest::Group> groups{{"b", std::nullopt, -1, all}, {"", std::nullopt, -1, all}, {"a", std::nullopt, -1, topics}};
    kafka::OffsetFetchRequest request;
    request.groups = groups;
    const auto told = items_of(a.client->call<kafka::OffsetFetchResponse>(Api::offset_fetch, 8, request).groups);
    REQUIRE(told.size() == 3);
    CHECK(told[0].group_id == "b");
    const auto of_b = items_of(told[0].topics);
    REQUIRE(of_b.size() == 2);
    CHECK(of_b[0].name == "fast");
    CHECK((*of_b[0].partitions.begin()).committed_offset == Offset(3));
    CHECK((*of_b[1].partitions.begin()).committed_offset == Offset(2));
    CHECK(told[1].error_code == code::invalid_group_id);
    CHECK(told[2].group_id == "a");
    REQUIRE(told[2].topics.size() == 1);
    CHECK((*(*told[2].topics.begin()).partitions.begin()).committed_offset == Offset(1));
}

TEST_CASE("offsets: more than an answer has room for is an error, and less can still be asked for") {
    KafkaServed served(groups_config);
    Consumer consumer(served, "g");
    const std::string metadata(4000, 'x');
    for (std::int32_t p = 0; p < 4; ++p) REQUIRE(consumer.commit("temps", p, p, metadata) == 0);
    for (std::int32_t p = 0; p < 2; ++p) REQUIRE(consumer.commit("fast", p, p, metadata) == 0);
    CHECK(consumer.fetch("", {}).size() == 6);
    std::int16_t error = 0;
    std::vector<std::int32_t> twice{0, 1, 2, 3, 0, 1, 2, 3, 0};
    CHECK(consumer.fetch("temps", twice, &error).empty());
    CHECK(error == code::message_too_large);
    twice.resize(4);
    CHECK(consumer.fetch("temps", twice).size() == 4);
}

TEST_CASE("offsets: what was acknowledged is there after a restart and after a power cut") {
    KafkaServed served(groups_config);
    Consumer alone(served, "alone");
    Consumer member(served, "g");
    settle({&member});
    for (std::int64_t round = 0; round < 4; ++round) {
        CHECK(alone.commit("temps", 0, 10 + round, "m" + std::to_string(round)) == 0);
        CHECK(member.commit("temps", 2, 20 + round) == 0);
        restart(served, round % 2 == 0);
        alone.connect();
        member.connect();
        const auto told = alone.fetch("temps", {0});
        CHECK(told[0].offset == 10 + round);
        CHECK(told[0].metadata == "m" + std::to_string(round));
        CHECK(member.fetch("temps", {2})[0].offset == 20 + round);
        CHECK(member.heartbeat() == 0);
    }
}

TEST_CASE("offsets: no answer before the commit is durable, and none if it never becomes so") {
    KafkaServed served(groups_config);
    Consumer alone(served, "g");
    served.run(ns_per_s);
    Items<kafka::OffsetCommitRequest::Partition> partitions{{0, Offset(5), Epoch(-1), std::nullopt}};
    Items<kafka::OffsetCommitRequest::Topic> topics{{"temps", partitions}};
    kafka::OffsetCommitRequest request;
    request.group_id = "g";
    request.topics = topics;
    alone.client->send(Api::offset_commit, 8, request);
    served.run(20 * ns_per_ms);
    CHECK(alone.client->waiting() == 0);
    // Nor is it told to whoever asks meanwhile.
    Consumer other(served, "g");
    CHECK(served.program->server->groups().fetch_offset("g", "temps", 0).value().offset == Offset(5));
    served.server_node->power_cut(sim::CrashPlan::all_lost());
    served.server_node->boot();
    REQUIRE(served.until([&] { return served.program && !served.program->server->groups().loading(); }));
    CHECK(alone.client->waiting() == 0);
    alone.connect();
    CHECK(alone.fetch("temps", {0})[0].offset == -1);
}

TEST_CASE("offsets: deleted one by one where no member is subscribed, and with their group where there are no members") {
    KafkaServed served(groups_config);
    Consumer member(served, "g");
    const auto topics = subscription("temps");
    member.protocols[0].metadata = topics;
    CHECK(delete_offset(member, "temps", 0) == code::group_not_found);
    CHECK(delete_group(member, "g") == code::group_not_found);
    settle({&member});
    CHECK(member.commit("temps", 0, 5) == 0);
    CHECK(member.commit("fast", 0, 6) == 0);
    CHECK(delete_offset(member, "temps", 0) == code::group_subscribed);
    CHECK(delete_offset(member, "nowhere", 0) == code::unknown_topic_or_partition);
    CHECK(delete_offset(member, "fast", 0) == 0);
    CHECK(member.fetch("fast", {0})[0].offset == -1);
    CHECK(delete_group(member, "g") == code::non_empty_group);
    CHECK(member.leave() == 0);
    CHECK(member.fetch("temps", {0})[0].offset == 5);
    for (std::int16_t version = 0; version <= 2; ++version) {
        CHECK(delete_group(member, "", version) == code::invalid_group_id);
        CHECK(delete_group(member, "other", version) == code::group_not_found);
    }
    served.run(ns_per_s);
    CHECK(delete_group(member, "g") == 0);
    CHECK(member.fetch("temps", {0})[0].offset == -1);
    restart(served, true);
    member.connect();
    CHECK(member.fetch("temps", {0})[0].offset == -1);
    CHECK(member.fetch("fast", {0})[0].offset == -1);
}

TEST_CASE("offsets: of a group whose members are no consumers none is deleted while it has members") {
    KafkaServed served(groups_config);
    Consumer worker(served, "workers");
    worker.type = "connect";
    settle({&worker});
    CHECK(worker.commit("temps", 0, 5) == 0);
    CHECK(delete_offset(worker, "temps", 0) == code::non_empty_group);
    CHECK(worker.leave() == 0);
    served.run(ns_per_s);
    CHECK(delete_offset(worker, "temps", 0) == 0);
}

TEST_CASE("groups: listed in every version, by state and by type") {
    KafkaServed served(groups_config);
    Consumer member(served, "members");
    Consumer alone(served, "offsets");
    settle({&member});
    CHECK(alone.commit("temps", 0, 1) == 0);
    using Lines = std::vector<std::string>;
    for (std::int16_t version = 0; version <= 5; ++version) {
        CAPTURE(version);
        const auto lines = listed(alone, version);
        if (version < 4) CHECK(lines == Lines{"members consumer", "offsets "});
        else if (version == 4) CHECK(lines == Lines{"members consumer Stable", "offsets  Empty"});
        else CHECK(lines == Lines{"members consumer Stable classic", "offsets  Empty classic"});
    }
    CHECK(listed(alone, 4, {"Stable"}) == Lines{"members consumer Stable"});
    CHECK(listed(alone, 4, {"empty", "Dead"}) == Lines{"offsets  Empty"});
    CHECK(listed(alone, 4, {"PreparingRebalance"}).empty());
    CHECK(listed(alone, 5, {}, {"Classic"}).size() == 2);
    CHECK(listed(alone, 5, {}, {"consumer"}).empty());
}

TEST_CASE("groups: described in every version, with their members; one that is not there is dead, or unknown") {
    KafkaServed served(groups_config);
    Consumer member(served, "g");
    member.instance = "instance";
    settle({&member});
    for (std::int16_t version = 0; version <= 6; ++version) {
        CAPTURE(version);
        const auto groups = described(member, version, {"nobody", "g", ""});
        REQUIRE(groups.size() == 3);
        CHECK(groups[0].group_id == "nobody");
        CHECK(groups[0].group_state == "Dead");
        CHECK(groups[0].error_code == (version < 6 ? 0 : code::group_not_found));
        if (version == 6) CHECK_FALSE(groups[0].error_message.value_or("").empty());
        CHECK(groups[1].error_code == 0);
        CHECK(groups[1].group_state == "Stable");
        CHECK(groups[1].protocol_type == "consumer");
        CHECK(groups[1].protocol_data == "range");
        const auto members = items_of(groups[1].members);
        REQUIRE(members.size() == 1);
        CHECK(members[0].member_id == member.id);
        if (version >= 4) CHECK(members[0].group_instance_id.value_or("") == "instance");
        CHECK(members[0].client_id == "test");
        CHECK(members[0].client_host.starts_with("/"));
        CHECK(members[0].client_host.find(':') == std::string_view::npos);
        CHECK(as_text(members[0].member_metadata) == "m");
        CHECK(as_text(members[0].member_assignment) == member.id);
        CHECK(groups[2].error_code == code::invalid_group_id);
    }
    CHECK(member.leave() == 0);
    served.run(ns_per_s);
    CHECK(described(member, 6, {"g"})[0].group_state == "Empty");
}

TEST_CASE("groups: what does not fit a description is an error of that group alone") {
    KafkaServed served(groups_config);  // 32K an answer
    const std::string large(14'000, 'm');
    Consumer a(served, "a");
    Consumer b(served, "b");
    for (Consumer* consumer : {&a, &b}) {
        consumer->protocols[0].metadata = as_bytes(large);
        consumer->begin_join();
        REQUIRE(consumer->receive_join() == 0);
        consumer->send_sync({{consumer->id, large}});
        REQUIRE(consumer->receive_sync() == 0);
    }
    const auto both = described(a, 6, {"a", "b"});
    REQUIRE(both.size() == 2);
    CHECK(both[0].error_code == 0);
    CHECK(both[0].members.size() == 1);
    CHECK(both[1].error_code == code::message_too_large);
    CHECK(described(a, 6, {"b"})[0].members.size() == 1);
}

TEST_CASE("__consumer_offsets: an internal topic, made at the first look for a coordinator, that no client writes to") {
    KafkaServed served(groups_config);
    KafkaClient& client = served.connect_kafka();
    CHECK_FALSE(served.program->server->broker().find_topic("__consumer_offsets"));
    // By its name alone it comes with the settings of its own, too.
    Items<kafka::MetadataRequest::Topic> topics{{{}, "__consumer_offsets"}};
    kafka::MetadataRequest request;
    request.topics = topics;
    request.allow_auto_topic_creation = true;
    const auto answered = items_of(client.call<kafka::MetadataResponse>(Api::metadata, 9, request).topics);
    REQUIRE(answered.size() == 1);
    CHECK(answered[0].error_code == 0);
    CHECK(answered[0].is_internal);
    CHECK(answered[0].partitions.size() == served.program->budget.groups.partitions);
    const broker::Topic* const topic = served.program->server->broker().find_topic("__consumer_offsets");
    REQUIRE(topic);
    CHECK(topic->config.durability == config::Durability::disk);

    using Alter = kafka::IncrementalAlterConfigsRequest;
    Items<Alter::Config> configs{{"retention.bytes", 0, "1"}};
    Items<Alter::Resource> resources{{2, "__consumer_offsets", configs}};
    Alter alter;
    alter.resources = resources;
    const auto altered = items_of(client.call<kafka::IncrementalAlterConfigsResponse>(Api::incremental_alter_configs, 1, alter).responses);
    REQUIRE(altered.size() == 1);
    CHECK(altered[0].error_code == code::invalid_topic);
    CHECK(topic->config.retention_bytes == -1);

    std::vector<std::uint8_t> room(1024);
    Writer out(room);
    kafka::begin_request(out, Api::produce, 8, 1, "test");
    out.be(std::int16_t{-1});                 // transactional id
    out.be(std::int16_t{-1});                 // acks
    out.be(std::int32_t{1000});
    out.be(std::int32_t{1});                  // topics
    out.be(std::int16_t{18});
    out.bytes(as_bytes("__consumer_offsets"));
    out.be(std::int32_t{1});                  // partitions
    out.be(std::int32_t{0});
    out.be(std::int32_t{3});                  // bytes
    out.bytes(as_bytes("xyz"));
    kafka::finish_frame(out, 0);
    KafkaClient& producer = served.connect_kafka();
    producer.send_bytes(out.written());
    const auto produced = producer.receive<kafka::ProduceResponse>(Api::produce, 8);
    REQUIRE(produced.responses.size() == 1);
    const auto of_topic = *produced.responses.begin();
    CHECK((*of_topic.partition_responses.begin()).error_code == code::invalid_topic);
}

TEST_CASE("groups: a broker without a Kafka listener keeps what groups have committed while the ring goes round") {
    std::string text = groups_config;
    KafkaServed served(groups_config);
    served.server_node->program = [&](sim::NodeEnv& env) {
        auto made = std::make_unique<ServerProgram>(env, text);
        served.program = made.get();
        return made;
    };
    Consumer alone(served, "g");
    CHECK(alone.commit("temps", 0, 5) == 0);
    const std::string kafka_listener = "[listener.kafka]\nbind = 0.0.0.0:9092\nadvertise = board:9092\n";
    text.erase(text.find(kafka_listener), kafka_listener.size());
    restart(served, true);
    Client& sensor = served.connect();
    sensor.open();
    sensor.alias(0, "temps", 0);
    REQUIRE(served.until(sensor, frames::Kind::alias));
    std::uint64_t sent = 0;
    for (int round = 0; round < 600; ++round) {
        while (sensor.put(0, std::string(900, 'v'))) ++sent;
        served.send(sensor);
        REQUIRE(served.until([&] { return !sensor.acks.empty() && sensor.acks.back().sequence == sent; }));
    }
    CHECK(sent * 900 > 3 * served.program->budget.broker.store.size);
    text = groups_config;
    restart(served, true);
    alone.connect();
    CHECK(alone.fetch("temps", {0})[0].offset == 5);
}
