#include "support/kafka_messages.h"

#include <fstream>

#include "support/kafka_consumer_offsets.h"
#include "support/kafka_consumer_protocol.h"
#include "wire/kafka/alter_configs.h"
#include "wire/kafka/api_versions.h"
#include "wire/kafka/create_partitions.h"
#include "wire/kafka/create_topics.h"
#include "wire/kafka/delete_groups.h"
#include "wire/kafka/delete_records.h"
#include "wire/kafka/delete_topics.h"
#include "wire/kafka/describe_cluster.h"
#include "wire/kafka/describe_configs.h"
#include "wire/kafka/describe_groups.h"
#include "wire/kafka/describe_log_dirs.h"
#include "wire/kafka/fetch.h"
#include "wire/kafka/find_coordinator.h"
#include "wire/kafka/heartbeat.h"
#include "wire/kafka/incremental_alter_configs.h"
#include "wire/kafka/init_producer_id.h"
#include "wire/kafka/join_group.h"
#include "wire/kafka/leave_group.h"
#include "wire/kafka/list_groups.h"
#include "wire/kafka/list_offsets.h"
#include "wire/kafka/metadata.h"
#include "wire/kafka/offset_commit.h"
#include "wire/kafka/offset_delete.h"
#include "wire/kafka/offset_fetch.h"
#include "wire/kafka/offset_for_leader_epoch.h"
#include "wire/kafka/produce.h"
#include "wire/kafka/sync_group.h"

namespace rivulet::test {

using namespace wire::kafka;

namespace {

KafkaBytes written(std::size_t bytes_max, auto encode) {
    KafkaBytes buffer(bytes_max);
    Writer out(buffer);
    encode(out);
    RIVULET_CHECK(out.ok());
    buffer.resize(out.size());
    return buffer;
}

template <class T>
KafkaMessage api_message(std::string_view name) {
    return {name,
            // Varints may have been written longer than need be, never shorter.
            [](Bytes bytes, std::int16_t version, bool flexible) -> Result<KafkaBytes> {
                Result<T> message = decode<T>(bytes, version, flexible);
                if (!message) return message.failure();
                return written(bytes.size(), [&](Writer& out) {
                    Codec codec(out, version, flexible);
                    message.value().describe(codec);
                });
            },
            [](std::int16_t version, bool flexible) {
                return written(256, [&](Writer& out) {
                    T message;
                    Codec codec(out, version, flexible);
                    message.describe(codec);
                });
            },
            [](Bytes bytes, std::int16_t version, bool flexible) {
                T message;
                Codec codec(bytes, version, flexible);
                message.describe(codec);
                return codec.truncated();
            }};
}

// The version of these is in the bytes.
template <class T>
KafkaMessage versioned_message(std::string_view name) {
    return {name,
            [](Bytes bytes, std::int16_t, bool) -> Result<KafkaBytes> {
                Result<T> value = decode_versioned<T>(bytes);
                if (!value) return value.failure();
                const auto version = load_be<std::int16_t>(bytes.data());
                return written(bytes.size(), [&](Writer& out) { encode_versioned(out, value.value(), std::min(version, T::versions.highest)); });
            },
            [](std::int16_t version, bool) {
                T value;
                return written(256, [&](Writer& out) { encode_versioned(out, value, version); });
            },
            [](Bytes bytes, std::int16_t, bool) { return decode_versioned<T>(bytes).error() == Error::malformed; }};
}

const KafkaMessage messages[] = {
    api_message<ProduceRequest>("produce_request"), api_message<ProduceResponse>("produce_response"),
    api_message<FetchRequest>("fetch_request"), api_message<FetchResponse>("fetch_response"),
    api_message<ListOffsetsRequest>("list_offsets_request"), api_message<ListOffsetsResponse>("list_offsets_response"),
    api_message<MetadataRequest>("metadata_request"), api_message<MetadataResponse>("metadata_response"),
    api_message<OffsetCommitRequest>("offset_commit_request"), api_message<OffsetCommitResponse>("offset_commit_response"),
    api_message<OffsetFetchRequest>("offset_fetch_request"), api_message<OffsetFetchResponse>("offset_fetch_response"),
    api_message<FindCoordinatorRequest>("find_coordinator_request"), api_message<FindCoordinatorResponse>("find_coordinator_response"),
    api_message<JoinGroupRequest>("join_group_request"), api_message<JoinGroupResponse>("join_group_response"),
    api_message<HeartbeatRequest>("heartbeat_request"), api_message<HeartbeatResponse>("heartbeat_response"),
    api_message<LeaveGroupRequest>("leave_group_request"), api_message<LeaveGroupResponse>("leave_group_response"),
    api_message<SyncGroupRequest>("sync_group_request"), api_message<SyncGroupResponse>("sync_group_response"),
    api_message<DescribeGroupsRequest>("describe_groups_request"), api_message<DescribeGroupsResponse>("describe_groups_response"),
    api_message<ListGroupsRequest>("list_groups_request"), api_message<ListGroupsResponse>("list_groups_response"),
    api_message<ApiVersionsRequest>("api_versions_request"), api_message<ApiVersionsResponse>("api_versions_response"),
    api_message<CreateTopicsRequest>("create_topics_request"), api_message<CreateTopicsResponse>("create_topics_response"),
    api_message<DeleteTopicsRequest>("delete_topics_request"), api_message<DeleteTopicsResponse>("delete_topics_response"),
    api_message<DeleteRecordsRequest>("delete_records_request"), api_message<DeleteRecordsResponse>("delete_records_response"),
    api_message<InitProducerIdRequest>("init_producer_id_request"), api_message<InitProducerIdResponse>("init_producer_id_response"),
    api_message<OffsetForLeaderEpochRequest>("offset_for_leader_epoch_request"), api_message<OffsetForLeaderEpochResponse>("offset_for_leader_epoch_response"),
    api_message<DescribeConfigsRequest>("describe_configs_request"), api_message<DescribeConfigsResponse>("describe_configs_response"),
    api_message<AlterConfigsRequest>("alter_configs_request"), api_message<AlterConfigsResponse>("alter_configs_response"),
    api_message<DescribeLogDirsRequest>("describe_log_dirs_request"), api_message<DescribeLogDirsResponse>("describe_log_dirs_response"),
    api_message<CreatePartitionsRequest>("create_partitions_request"), api_message<CreatePartitionsResponse>("create_partitions_response"),
    api_message<DeleteGroupsRequest>("delete_groups_request"), api_message<DeleteGroupsResponse>("delete_groups_response"),
    api_message<IncrementalAlterConfigsRequest>("incremental_alter_configs_request"), api_message<IncrementalAlterConfigsResponse>("incremental_alter_configs_response"),
    api_message<OffsetDeleteRequest>("offset_delete_request"), api_message<OffsetDeleteResponse>("offset_delete_response"),
    api_message<DescribeClusterRequest>("describe_cluster_request"), api_message<DescribeClusterResponse>("describe_cluster_response"),
    versioned_message<ConsumerOffsetsKey>("offset_commit_key"), versioned_message<ConsumerOffsetsKey>("group_metadata_key"),
    versioned_message<OffsetCommitValue>("offset_commit_value"), versioned_message<GroupMetadataValue>("group_metadata_value"),
    versioned_message<ConsumerProtocolSubscription>("consumer_protocol_subscription"), versioned_message<ConsumerProtocolAssignment>("consumer_protocol_assignment"),
};

std::uint8_t nibble(char c) { return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

}  // namespace

const KafkaMessage* find_kafka_message(std::string_view name) {
    for (const KafkaMessage& message : messages)
        if (message.name == name) return &message;
    return nullptr;
}

const KafkaMessage& kafka_request(Api api) {
    const KafkaMessage* const message = find_kafka_message(std::string(api_info(api).name) + "_request");
    RIVULET_CHECK(message);
    return *message;
}

bool KafkaVector::flexible() const {
    const std::string api = name.substr(0, name.rfind('_'));
    for (const ApiInfo& info : apis())
        if (info.name == api) return info.flexible(version);
    return false;
}

std::vector<KafkaVector> kafka_vectors() {
    std::vector<KafkaVector> all;
    std::ifstream file("tests/golden/kafka/vectors.txt");
    for (std::string line; std::getline(file, line);) {
        const std::size_t a = line.find(' ');
        const std::size_t b = line.find(' ', a + 1);
        const std::size_t c = std::min(line.find(' ', b + 1), line.size());
        RIVULET_CHECK(a < b && b < c);
        KafkaVector vector{line.substr(0, a), static_cast<std::int16_t>(std::stoi(line.substr(a + 1))), line.substr(b + 1, c - b - 1), {}};
        for (std::size_t i = c + 1; i + 1 < line.size(); i += 2) vector.bytes.push_back(static_cast<std::uint8_t>(nibble(line[i]) << 4 | nibble(line[i + 1])));
        all.push_back(vector);
    }
    return all;
}

}  // namespace rivulet::test
