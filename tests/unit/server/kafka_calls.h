// Produce and fetch requests as values, and their answers.
#pragma once

#include "unit/record/batches.h"
#include "unit/server/kafka_client.h"
#include "wire/kafka/api_versions.h"
#include "wire/kafka/fetch.h"
#include "wire/kafka/produce.h"

namespace rivulet::test {

// ---- produce ----

// On a turn of the server.
template <class Call>
void act(KafkaServed& served, Call call) {
    sim::NodeEnv& env = *served.server_node->env();
    env.turn(sim::EventKind::harness, [&] { env.call([&] { call(); }); });
}

struct PartitionBatch {
    std::int32_t partition = 0;
    Buffer batch;
    bool null = false;
};
struct TopicBatches {
    std::string topic;
    std::vector<PartitionBatch> partitions;
};
struct ProduceOptions {
    std::int16_t version = 7;
    std::int16_t acks = -1;
    std::string transactional_id = {};
    std::size_t bytes_max = 256 * 1024;
};
struct Placed {
    std::string topic;
    std::int32_t partition = 0;
    std::int16_t error = 0;
    std::int64_t base = 0;
    std::int64_t append_time = 0;
    std::int64_t log_start = 0;
};

inline Buffer values_batch(std::int32_t records, std::string_view value = "value", std::uint16_t attributes = 0) {
    return pack(std::vector<record::Reading>(static_cast<std::size_t>(records), reading(1000, "key", value)), attributes);
}
inline Buffer big_batch(std::size_t value_bytes, char fill = 'v') { return values_batch(1, std::string(value_bytes, fill)); }
inline Buffer idempotent_batch(std::int64_t producer, std::int16_t epoch, std::int32_t sequence, std::int32_t records = 1, std::uint16_t attributes = 0) {
    const Buffer packed = values_batch(records);
    record::BatchHeader header = record::decode_header(packed);
    header.attributes |= attributes;
    header.producer_id = producer;
    header.producer_epoch = epoch;
    header.base_sequence = sequence;
    return seal(header, body_of(packed));
}

class ProduceMessage {
public:
    ProduceMessage(const std::vector<TopicBatches>& topics, const ProduceOptions& options) : topics_(topics) {
        request.acks = options.acks;
        request.timeout_ms = 1000;
        if (!options.transactional_id.empty()) request.transactional_id = options.transactional_id;
        request.topic_data = kafka::Array<kafka::ProduceRequest::Topic>::of(topics.size(), *this);
    }
    void operator()(std::size_t index, kafka::ProduceRequest::Topic& topic) {
        topic_ = &topics_[index];
        topic.name = topic_->topic;
        topic.partition_data = kafka::Array<kafka::ProduceRequest::Partition>::of(topic_->partitions.size(), *this);
    }
    void operator()(std::size_t index, kafka::ProduceRequest::Partition& partition) {
        const PartitionBatch& one = topic_->partitions[index];
        partition.index = one.partition;
        partition.records.null = one.null;
        partition.records.bytes = one.batch;
    }
    kafka::ProduceRequest request;

private:
    const std::vector<TopicBatches>& topics_;
    const TopicBatches* topic_ = nullptr;
};

inline Buffer produce_bytes(KafkaClient& client, const std::vector<TopicBatches>& topics, const ProduceOptions& options = {}) {
    ProduceMessage message(topics, options);
    return client.encode(kafka::Api::produce, options.version, message.request, options.bytes_max);
}
inline std::vector<Placed> placed(KafkaClient& client, const ProduceOptions& options = {}, std::int64_t ns = 30 * ns_per_s) {
    const auto response = client.receive<kafka::ProduceResponse>(kafka::Api::produce, options.version, ns);
    std::vector<Placed> all;
    for (const auto& topic : response.responses)
        for (const auto& one : topic.partition_responses)
            all.push_back({std::string(topic.name), one.index, one.error_code, one.base_offset.value, one.log_append_time_ms.value, one.log_start_offset.value});
    return all;
}
inline std::vector<Placed> produce(KafkaClient& client, const std::vector<TopicBatches>& topics, const ProduceOptions& options = {}) {
    client.send_bytes(produce_bytes(client, topics, options));
    return placed(client, options);
}

// ---- fetch ----

struct FetchFrom {
    std::string topic;
    std::int32_t partition = 0;
    std::int64_t offset = 0;
    std::int32_t bytes_max = 1 << 20;
    std::int32_t epoch = -1;
    Uuid id = {};
};
struct FetchOptions {
    std::int16_t version = 11;
    std::int32_t wait_ms = 0;
    std::int32_t min_bytes = 1;
    std::int32_t max_bytes = INT32_MAX;
    std::int8_t isolation = 0;
    std::int32_t session_id = 0;
    std::int32_t session_epoch = -1;
};
struct FetchedPartition {
    std::string topic;
    Uuid id;
    std::int32_t partition = 0;
    std::int16_t error = 0;
    std::int64_t high_watermark = 0;
    std::int64_t log_start = 0;
    bool aborted_null = false;
    Buffer records;
};
struct FetchAnswer {
    std::int16_t error = 0;
    std::int32_t session = 0;
    std::vector<FetchedPartition> partitions;
};

class FetchMessage {
public:
    // Partitions of a topic that stand side by side share its entry.
    FetchMessage(const std::vector<FetchFrom>& from, const FetchOptions& options) : from_(from) {
        for (std::size_t i = 0; i < from.size(); ++i)
            if (i == 0 || from[i].topic != from[i - 1].topic || from[i].id != from[i - 1].id) starts_.push_back(i);
        request.max_wait_ms = options.wait_ms;
        request.min_bytes = options.min_bytes;
        request.max_bytes = options.max_bytes;
        request.isolation_level = options.isolation;
        request.session_id = options.session_id;
        request.session_epoch = options.session_epoch;
        request.topics = kafka::Array<kafka::FetchRequest::Topic>::of(starts_.size(), *this);
    }
    void operator()(std::size_t index, kafka::FetchRequest::Topic& topic) {
        start_ = starts_[index];
        const std::size_t end = index + 1 < starts_.size() ? starts_[index + 1] : from_.size();
        topic.topic = from_[start_].topic;
        topic.topic_id = from_[start_].id;
        topic.partitions = kafka::Array<kafka::FetchRequest::Partition>::of(end - start_, *this);
    }
    void operator()(std::size_t index, kafka::FetchRequest::Partition& partition) {
        const FetchFrom& one = from_[start_ + index];
        partition.partition = one.partition;
        partition.fetch_offset = Offset(one.offset);
        partition.partition_max_bytes = one.bytes_max;
        partition.current_leader_epoch = Epoch(one.epoch);
    }
    kafka::FetchRequest request;

private:
    const std::vector<FetchFrom>& from_;
    std::vector<std::size_t> starts_;
    std::size_t start_ = 0;
};

inline void send_fetch(KafkaClient& client, const std::vector<FetchFrom>& from, const FetchOptions& options = {}) {
    FetchMessage message(from, options);
    client.send(kafka::Api::fetch, options.version, message.request);
}
inline FetchAnswer fetched(KafkaClient& client, const FetchOptions& options = {}, std::int64_t ns = 30 * ns_per_s) {
    const auto response = client.receive<kafka::FetchResponse>(kafka::Api::fetch, options.version, ns);
    FetchAnswer answer{response.error_code, response.session_id, {}};
    for (const auto& topic : response.responses)
        for (const auto& one : topic.partitions)
            answer.partitions.push_back({std::string(topic.topic), topic.topic_id, one.partition_index, one.error_code, one.high_watermark.value, one.log_start_offset.value,
                                         one.aborted_transactions.null(), to_buffer(one.records.bytes)});
    return answer;
}
inline FetchAnswer fetch(KafkaClient& client, const std::vector<FetchFrom>& from, const FetchOptions& options = {}) {
    send_fetch(client, from, options);
    return fetched(client, options);
}
// The headers of whole batches, whose sums are right.
inline std::vector<record::BatchHeader> batches_of(const Buffer& records) {
    std::vector<record::BatchHeader> headers;
    for (Bytes left = records; !left.empty();) {
        REQUIRE(left.size() >= record::batch_header_bytes);
        const record::BatchHeader header = record::decode_header(left);
        REQUIRE(header.total_bytes() <= left.size());
        CHECK(verdict(left.first(header.total_bytes()), record::Origin::stored) == Error::none);
        headers.push_back(header);
        left = left.subspan(header.total_bytes());
    }
    return headers;
}

// ---- the rest ----

// Whether the server still serves who comes now.
inline bool still_serves(KafkaServed& served, std::int64_t ns = 30 * ns_per_s) {
    KafkaClient& client = served.connect_kafka();
    kafka::ApiVersionsRequest request;
    client.send(kafka::Api::api_versions, 0, request);
    return served.until([&] { return client.waiting() != 0; }, ns);
}
inline void close(KafkaServed& served, KafkaClient& client) {
    served.world.after(0, [&client] {
        if (!client.closed) client.connection->close();
    });
    REQUIRE(served.until([&] { return client.closed; }));
}
// kafka_config with another line in place of this one.
inline std::string with_line(std::string_view line, std::string_view other) {
    std::string text = kafka_config;
    text.replace(text.find(line), line.size(), other);
    return text;
}
inline std::string with_connections(std::size_t n) { return with_line("kafka_connections = 8", "kafka_connections = " + std::to_string(n)); }

}  // namespace rivulet::test
