// Kafka's messages, field by field, and all of them broken in every way. The bytes are those of tests/golden/kafka/vectors.txt.
#include <doctest/doctest.h>

#include "support/kafka_consumer_offsets.h"
#include "support/kafka_consumer_protocol.h"
#include "support/kafka_messages.h"
#include "wire/kafka/create_topics.h"
#include "wire/kafka/fetch.h"
#include "wire/kafka/join_group.h"
#include "wire/kafka/metadata.h"
#include "wire/kafka/produce.h"

using namespace rivulet;
using namespace rivulet::wire::kafka;
using test::KafkaBytes;
using test::KafkaVector;

namespace {

KafkaVector vector_of(std::string_view name, std::int16_t version, std::string_view kind = "full") {
    for (const KafkaVector& vector : test::kafka_vectors())
        if (vector.name == name && vector.version == version && vector.kind == kind) return vector;
    FAIL("no such vector");
    return {};
}

// Numbers in the vectors count up from these.
constexpr std::int32_t number = 0x01020300;
constexpr std::int64_t long_number = 0x0102030405060700;

}  // namespace

TEST_CASE("kafka messages: fields of a fetch request by value") {
    const KafkaVector vector = vector_of("fetch_request", 11);
    const Result<FetchRequest> request = decode<FetchRequest>(vector.bytes, 11, false);
    REQUIRE(request);
    const FetchRequest& fetch = request.value();
    CHECK(fetch.replica_id == number + 1);
    CHECK(fetch.max_wait_ms == number + 2);
    CHECK(fetch.min_bytes == number + 3);
    CHECK(fetch.max_bytes == number + 4);
    CHECK(fetch.isolation_level == 5);
    CHECK(fetch.session_id == number + 6);
    CHECK(fetch.session_epoch == number + 7);
    REQUIRE(fetch.topics.size() == 2);
    auto topic = fetch.topics.begin();
    CHECK(topic->topic == "s8");
    REQUIRE(topic->partitions.size() == 2);
    auto partition = topic->partitions.begin();
    CHECK(partition->partition == number + 9);
    CHECK(partition->current_leader_epoch == Epoch(number + 10));
    CHECK(partition->fetch_offset == Offset(long_number + 11));
    CHECK(partition->log_start_offset == Offset(long_number + 12));
    CHECK(partition->partition_max_bytes == number + 13);
    CHECK(partition->last_fetched_epoch == Epoch(-1));
    ++topic;
    CHECK(topic->topic == "s19");
    REQUIRE(fetch.forgotten_topics_data.size() == 2);
    CHECK(fetch.forgotten_topics_data.begin()->topic == "s30");
    CHECK(*fetch.forgotten_topics_data.begin()->partitions.begin() == number + 31);
    CHECK(fetch.rack_id == "s36");
}

TEST_CASE("kafka messages: topics of a fetch have a name until 12, an id from 13") {
    const KafkaVector named = vector_of("fetch_request", 12);
    CHECK_FALSE(decode<FetchRequest>(named.bytes, 12, true).value().topics.begin()->topic.empty());
    const KafkaVector by_id = vector_of("fetch_request", 13);
    const Result<FetchRequest> request = decode<FetchRequest>(by_id.bytes, 13, true);
    REQUIRE(request);
    CHECK(request.value().topics.begin()->topic.empty());
    CHECK(request.value().topics.begin()->topic_id.bytes[0] == 0x11);
}

TEST_CASE("kafka messages: null topics of metadata are not no topics") {
    const KafkaVector all = vector_of("metadata_request", 4, "null");
    CHECK(decode<MetadataRequest>(all.bytes, 4, false).value().topics.null());
    const KafkaVector none = vector_of("metadata_request", 4, "default");
    const Result<MetadataRequest> request = decode<MetadataRequest>(none.bytes, 4, false);
    CHECK_FALSE(request.value().topics.null());
    CHECK(request.value().topics.empty());
    CHECK(request.value().allow_auto_topic_creation);
    KafkaBytes null_in_0{0xff, 0xff, 0xff, 0xff};
    CHECK(decode<MetadataRequest>(null_in_0, 0, false).error() == Error::malformed);
}

TEST_CASE("kafka messages: fields of a version that has none hold their defaults") {
    const KafkaVector vector = vector_of("join_group_request", 0);
    const Result<JoinGroupRequest> request = decode<JoinGroupRequest>(vector.bytes, 0, false);
    REQUIRE(request);
    CHECK(request.value().session_timeout_ms == number + 2);
    CHECK(request.value().rebalance_timeout_ms == -1);
    CHECK_FALSE(request.value().group_instance_id.has_value());
    CHECK(request.value().protocols.size() == 2);
    CHECK(equal(request.value().protocols.begin()->metadata, KafkaBytes{6, 1, 2}));
    const KafkaVector create = vector_of("create_topics_request", 2);
    const Result<CreateTopicsRequest> topics = decode<CreateTopicsRequest>(create.bytes, 2, false);
    REQUIRE(topics);
    CHECK(topics.value().validate_only);
    CHECK(topics.value().topics.begin()->configs.begin()->value.has_value());
    CHECK(CreateTopicsRequest().timeout_ms == 60000);
}

TEST_CASE("kafka messages: a produce request is the same in parts and as a whole") {
    for (std::int16_t version = 3; version <= 12; ++version) {
        const KafkaVector vector = vector_of("produce_request", version);
        const Result<ProduceRequest> whole = decode<ProduceRequest>(vector.bytes, version, vector.flexible());
        REQUIRE(whole);
        Codec codec(vector.bytes, version, vector.flexible());
        ProduceRequestHead head;
        head.describe(codec);
        CHECK(head.transactional_id == whole.value().transactional_id);
        CHECK(head.acks == whole.value().acks);
        CHECK(head.timeout_ms == whole.value().timeout_ms);
        CHECK(head.topic_count == 2);
        auto topic = whole.value().topic_data.begin();
        for (std::int32_t t = 0; t < head.topic_count; ++t, ++topic) {
            ProduceTopicHead topic_head;
            topic_head.describe(codec);
            CHECK(topic_head.name == topic->name);
            CHECK(topic_head.partition_count == 2);
            auto partition = topic->partition_data.begin();
            for (std::int32_t p = 0; p < topic_head.partition_count; ++p, ++partition) {
                ProducePartitionHead partition_head;
                partition_head.describe(codec);
                CHECK(partition_head.index == partition->index);
                CHECK(partition_head.records_length == 3);
                Records records;
                codec.content(records, partition_head.records_length);
                CHECK(equal(records.bytes, partition->records.bytes));
                codec.tags();
            }
            codec.tags();
        }
        codec.tags();
        CHECK(codec.ok());
        CHECK(codec.at_end());
    }
}

TEST_CASE("kafka messages: records of __consumer_offsets") {
    KafkaBytes buffer(256);
    Writer out(buffer);
    ConsumerOffsetsKey key{.kind = ConsumerOffsetsKey::Kind::offset, .group = "g", .topic = "t", .partition = 7};
    encode_key(out, key);
    CHECK(equal(out.written(), KafkaBytes{0, 1, 0, 1, 'g', 0, 1, 't', 0, 0, 0, 7}));
    const Result<ConsumerOffsetsKey> read = decode_versioned<ConsumerOffsetsKey>(out.written());
    REQUIRE(read);
    CHECK(read.value().kind == ConsumerOffsetsKey::Kind::offset);
    CHECK(read.value().topic == "t");
    CHECK(read.value().partition == 7);
    out.rewind(0);
    key.kind = ConsumerOffsetsKey::Kind::group;
    encode_key(out, key);
    CHECK(equal(out.written(), KafkaBytes{0, 2, 0, 1, 'g'}));
    CHECK(decode_versioned<ConsumerOffsetsKey>(out.written()).value().kind == ConsumerOffsetsKey::Kind::group);
    const KafkaBytes of_a_later_kind{0, 3, 0, 1, 'g'};
    const Result<ConsumerOffsetsKey> later = decode_versioned<ConsumerOffsetsKey>(of_a_later_kind);
    CHECK(later.error() == Error::unsupported_version);
    CHECK(later.failure().detail == 3);
    CHECK(decode_versioned<ConsumerOffsetsKey>(KafkaBytes{0}).error() == Error::malformed);

    out.rewind(0);
    OffsetCommitValue value;
    value.offset = Offset(5);
    value.leader_epoch = Epoch(2);
    value.metadata = "m";
    value.commit_timestamp = Timestamp(9);
    encode_versioned(out, value);
    CHECK(equal(out.written(), KafkaBytes{0, 3, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 1, 'm', 0, 0, 0, 0, 0, 0, 0, 9}));
    const KafkaVector oldest = vector_of("offset_commit_value", 1);
    const Result<OffsetCommitValue> with_expiry = decode_versioned<OffsetCommitValue>(oldest.bytes);
    REQUIRE(with_expiry);
    CHECK(with_expiry.value().expire_timestamp == Timestamp(long_number + 4));
    CHECK(with_expiry.value().leader_epoch == Epoch(-1));
    const KafkaVector flexible = vector_of("offset_commit_value", 4);
    CHECK(decode_versioned<OffsetCommitValue>(flexible.bytes).value().topic_id.bytes[0] == 0x11);
}

TEST_CASE("kafka messages: what consumers want is read from later versions too") {
    KafkaVector vector = vector_of("consumer_protocol_subscription", 3);
    for (int pass = 0; pass < 2; ++pass) {
        const Result<ConsumerProtocolSubscription> subscription = decode_versioned<ConsumerProtocolSubscription>(vector.bytes);
        REQUIRE(subscription);
        REQUIRE(subscription.value().topics.size() == 2);
        CHECK(*subscription.value().topics.begin() == "s1");
        CHECK(subscription.value().owned_partitions.size() == 2);
        CHECK(subscription.value().rack_id.has_value());
        vector.bytes[1] = 9;  // a version that is yet to come, with a field more
        vector.bytes.push_back(1);
    }
    vector.bytes[0] = 0x80;
    CHECK(decode_versioned<ConsumerProtocolSubscription>(vector.bytes).error() == Error::unsupported_version);
}

TEST_CASE("kafka messages: cut anywhere they are malformed, and more might follow") {
    for (const KafkaVector& vector : test::kafka_vectors()) {
        const test::KafkaMessage& message = *test::find_kafka_message(vector.name);
        CAPTURE(vector.name);
        CAPTURE(vector.version);
        for (std::size_t size = 0; size < vector.bytes.size(); ++size) {
            const KafkaBytes exact(vector.bytes.begin(), vector.bytes.begin() + static_cast<std::ptrdiff_t>(size));
            if (message.again(exact, vector.version, vector.flexible()).error() != Error::malformed) FAIL_CHECK("taken at ", size);
            if (!message.truncated(exact, vector.version, vector.flexible())) FAIL_CHECK("refused at ", size);
        }
        KafkaBytes longer = vector.bytes;
        longer.push_back(0);
        const bool open = vector.name.starts_with("consumer_protocol");
        CHECK(message.again(longer, vector.version, vector.flexible()).ok() == open);
    }
}

TEST_CASE("kafka messages: with any byte changed they are refused, or taken as something that is written and read again") {
    std::size_t taken = 0;
    std::size_t refused = 0;
    for (const KafkaVector& vector : test::kafka_vectors()) {
        const test::KafkaMessage& message = *test::find_kafka_message(vector.name);
        CAPTURE(vector.name);
        CAPTURE(vector.version);
        KafkaBytes bytes = vector.bytes;
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            for (const std::uint8_t flip : {0x01, 0x80, 0xff}) {
                bytes[i] = static_cast<std::uint8_t>(bytes[i] ^ flip);
                const Result<KafkaBytes> once = message.again(bytes, vector.version, vector.flexible());
                if (once) {
                    const Result<KafkaBytes> twice = message.again(once.value(), vector.version, vector.flexible());
                    if (!twice || twice.value() != once.value()) FAIL_CHECK("not itself again at ", i);
                }
                ++(once ? taken : refused);
                bytes[i] = vector.bytes[i];
            }
        }
    }
    CHECK(taken > 10000);
    CHECK(refused > 10000);
}
