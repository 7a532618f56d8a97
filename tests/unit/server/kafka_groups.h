// Members of consumer groups in the simulated world, each with a connection of its own to a broker.
#pragma once

#include "unit/server/kafka_client.h"
#include "wire/kafka/describe_groups.h"
#include "wire/kafka/find_coordinator.h"
#include "wire/kafka/heartbeat.h"
#include "wire/kafka/join_group.h"
#include "wire/kafka/leave_group.h"
#include "wire/kafka/offset_commit.h"
#include "wire/kafka/offset_fetch.h"
#include "wire/kafka/sync_group.h"

namespace rivulet::test {

using kafka::Api;

inline const std::string groups_config = [] {
    std::string text = kafka_config;
    return text.replace(text.find("total = 6M"), 10, "total = 8M");
}();

// The codes of Kafka's protocol.
namespace code {
constexpr std::int16_t offset_metadata_too_large = 12, unknown_topic_or_partition = 3, message_too_large = 10, invalid_topic = 17, illegal_generation = 22, inconsistent_group_protocol = 23,
                       invalid_group_id = 24, unknown_member = 25, invalid_session_timeout = 26, rebalance_in_progress = 27, invalid_request = 42, non_empty_group = 68, group_not_found = 69,
                       member_id_required = 79, group_full = 81, fenced_instance = 82, group_subscribed = 86;
}

inline std::int16_t version_of(Api api, std::int16_t wanted) {
    const kafka::ApiInfo& info = kafka::api_info(api);
    return wanted < info.lowest ? info.lowest : wanted > info.highest ? info.highest : wanted;
}

class Consumer {
public:
    Consumer(KafkaServed& served, std::string of_group, std::int16_t of_version = 9) : group(std::move(of_group)), version(of_version), served_(served) { connect(); }

    void connect() {
        client = &served_.connect_kafka();
        kafka::FindCoordinatorRequest request;
        request.key = group;
        REQUIRE(client->call<kafka::FindCoordinatorResponse>(Api::find_coordinator, 1, request).error_code == 0);
    }
    void send_join() {
        Items<kafka::JoinGroupRequest::Protocol> items(protocols);
        kafka::JoinGroupRequest request;
        request.group_id = group;
        request.session_timeout_ms = session_ms;
        request.rebalance_timeout_ms = rebalance_ms;
        request.member_id = id;
        if (!instance.empty()) request.group_instance_id = instance;
        request.protocol_type = type;
        request.protocols = items;
        client->send(Api::join_group, version_of(Api::join_group, version), request);
    }
    std::int16_t receive_join() {
        joined = client->receive<kafka::JoinGroupResponse>(Api::join_group, version_of(Api::join_group, version), 120 * ns_per_s);
        if (joined.error_code == 0 || joined.error_code == code::member_id_required) id = joined.member_id;
        if (joined.error_code == 0) generation = joined.generation_id;
        return joined.error_code;
    }
    // Up to where it waits for the others; with an id, where the version has these.
    void begin_join() {
        send_join();
        if (version < 4 || !id.empty() || !instance.empty()) return;
        REQUIRE(receive_join() == code::member_id_required);
        REQUIRE_FALSE(id.empty());
        send_join();
    }
    bool leads() const { return joined.leader == id; }
    void send_sync(const std::vector<std::pair<std::string, std::string>>& assignments = {}) {
        std::vector<kafka::SyncGroupRequest::Assignment> list;
        for (const auto& [member, bytes] : assignments) list.push_back({member, as_bytes(bytes)});
        Items<kafka::SyncGroupRequest::Assignment> items(list);
        kafka::SyncGroupRequest request;
        request.group_id = group;
        request.generation_id = generation;
        request.member_id = id;
        if (!instance.empty()) request.group_instance_id = instance;
        request.protocol_type = type;
        request.protocol_name = protocols[0].name;
        request.assignments = items;
        client->send(Api::sync_group, version_of(Api::sync_group, version), request);
    }
    std::int16_t receive_sync() {
        const auto response = client->receive<kafka::SyncGroupResponse>(Api::sync_group, version_of(Api::sync_group, version), 120 * ns_per_s);
        assignment = as_text(response.assignment);
        return response.error_code;
    }
    std::int16_t heartbeat() {
        kafka::HeartbeatRequest request;
        request.group_id = group;
        request.generation_id = generation;
        request.member_id = id;
        if (!instance.empty()) request.group_instance_id = instance;
        const std::int16_t of = version_of(Api::heartbeat, version);
        return client->call<kafka::HeartbeatResponse>(Api::heartbeat, of, request).error_code;
    }
    std::int16_t leave() {
        kafka::LeaveGroupRequest::Member member{id, std::nullopt, std::nullopt};
        if (!instance.empty()) member.group_instance_id = instance;
        Items<kafka::LeaveGroupRequest::Member> members{member};
        kafka::LeaveGroupRequest request;
        request.group_id = group;
        request.member_id = id;
        request.members = members;
        const std::int16_t of = version_of(Api::leave_group, version);
        const auto response = client->call<kafka::LeaveGroupResponse>(Api::leave_group, of, request);
        if (of < 3 || response.error_code != 0) return response.error_code;
        REQUIRE(response.members.size() == 1);
        return (*response.members.begin()).error_code;
    }
    std::int16_t commit(std::string_view topic, std::int32_t partition, std::int64_t offset, std::string_view metadata = {}) {
        Items<kafka::OffsetCommitRequest::Partition> partitions{{partition, Offset(offset), Epoch(3), metadata}};
        Items<kafka::OffsetCommitRequest::Topic> topics{{topic, partitions}};
        kafka::OffsetCommitRequest request;
        request.group_id = group;
        request.generation_id_or_member_epoch = generation;
        request.member_id = id;
        if (!instance.empty()) request.group_instance_id = instance;
        request.topics = topics;
        const std::int16_t of = version_of(Api::offset_commit, version);
        const auto response = client->call<kafka::OffsetCommitResponse>(Api::offset_commit, of, request);
        REQUIRE(response.topics.size() == 1);
        const auto answered = *response.topics.begin();
        CHECK(answered.name == topic);
        const auto answers = items_of(answered.partitions);
        REQUIRE(answers.size() == 1);
        CHECK(answers[0].partition_index == partition);
        return answers[0].error_code;
    }
    struct Fetched {
        std::string topic;
        std::int32_t partition = 0;
        std::int64_t offset = 0;
        std::int32_t epoch = 0;
        std::string metadata;
        std::int16_t error = 0;
        bool operator==(const Fetched&) const = default;
    };
    // In the version of this consumer, which names a group in one place or another. No topic: all.
    std::vector<Fetched> fetch(std::string_view topic, std::vector<std::int32_t> wanted, std::int16_t* error = nullptr) {
        const std::int16_t of = version_of(Api::offset_fetch, version);
        Items<std::int32_t> partitions(std::move(wanted));
        Items<kafka::OffsetFetchRequest::Topic> topics{{topic, partitions}};
        kafka::Array<kafka::OffsetFetchRequest::Topic> asked = topics;
        if (topic.empty()) asked = decltype(asked)::none();
        Items<kafka::OffsetFetchRequest::Group> groups{{group, std::nullopt, -1, asked}};
        kafka::OffsetFetchRequest request;
        request.group_id = group;
        request.topics = asked;
        request.groups = groups;
        request.require_stable = true;
        const auto response = client->call<kafka::OffsetFetchResponse>(Api::offset_fetch, of, request);
        std::int16_t of_group = response.error_code;
        auto answered = response.topics;
        if (of >= 8) {
            REQUIRE(response.groups.size() == 1);
            const auto one = *response.groups.begin();
            CHECK(one.group_id == group);
            of_group = one.error_code;
            answered = one.topics;
        }
        if (error) *error = of_group;
        else CHECK(of_group == 0);
        std::vector<Fetched> all;
        for (const auto& item : answered)
            for (const auto& partition : item.partitions)
                all.push_back({std::string(item.name), partition.partition_index, partition.committed_offset.value, partition.committed_leader_epoch.value,
                               std::string(partition.metadata.value_or("")), partition.error_code});
        return all;
    }

    std::string group;
    std::string id;
    std::string instance;
    std::string type = "consumer";
    std::vector<kafka::JoinGroupRequest::Protocol> protocols{{"range", as_bytes("m")}};
    std::int16_t version;
    std::int32_t session_ms = 10'000;
    std::int32_t rebalance_ms = 60'000;
    std::int32_t generation = -1;
    std::string assignment;
    kafka::JoinGroupResponse joined;
    KafkaClient* client = nullptr;

private:
    KafkaServed& served_;
};

// All of them in one generation, each with its own id as its assignment.
inline void settle(std::initializer_list<Consumer*> consumers) {
    for (Consumer* consumer : consumers) consumer->begin_join();
    std::vector<std::pair<std::string, std::string>> assignments;
    for (Consumer* consumer : consumers) {
        REQUIRE(consumer->receive_join() == 0);
        assignments.emplace_back(consumer->id, consumer->id);
    }
    for (Consumer* consumer : consumers) consumer->send_sync(consumer->leads() ? assignments : decltype(assignments)());
    for (Consumer* consumer : consumers) {
        REQUIRE(consumer->receive_sync() == 0);
        CHECK(consumer->assignment == consumer->id);
    }
}

}  // namespace rivulet::test
