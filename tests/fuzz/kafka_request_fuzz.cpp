// Any bytes as a request of a Kafka client: header and body, of any API and version. What must hold besides no crash:
//   - a header that is taken names an API and a version that are served, or ApiVersions;
//   - a body that is taken is written to bytes that are taken, and written again to the same;
//   - a body that is cut is not taken, and nothing is said against it but that more is missing;
//   - a produce request is the same in parts and as a whole.
#include <cstdlib>

#include "support/kafka_consumer_offsets.h"
#include "support/kafka_consumer_protocol.h"
#include "support/kafka_messages.h"
#include "wire/kafka/produce.h"

using namespace rivulet;
using namespace rivulet::wire::kafka;
using test::KafkaBytes;

namespace {

void require(bool condition) {
    if (!condition) std::abort();
}

// How many bytes of records a request has, by its heads; -1: it is not sound.
std::int64_t records_in_parts(Bytes body, std::int16_t version, bool flexible) {
    Codec codec(body, version, flexible);
    ProduceRequestHead request;
    request.describe(codec);
    std::int64_t sum = 0;
    for (std::int32_t t = 0; t < request.topic_count && codec.ok(); ++t) {
        ProduceTopicHead topic;
        topic.describe(codec);
        for (std::int32_t p = 0; p < topic.partition_count && codec.ok(); ++p) {
            ProducePartitionHead partition;
            partition.describe(codec);
            Records records;
            codec.content(records, partition.records_length);
            sum += static_cast<std::int64_t>(records.bytes.size());
            codec.tags();
        }
        codec.tags();
    }
    codec.tags();
    return codec.ok() && codec.at_end() ? sum : -1;
}

std::int64_t records_of_whole(Bytes body, std::int16_t version, bool flexible) {
    const Result<ProduceRequest> request = decode<ProduceRequest>(body, version, flexible);
    if (!request) return -1;
    std::int64_t sum = 0;
    for (const ProduceRequest::Topic& topic : request.value().topic_data)
        for (const ProduceRequest::Partition& partition : topic.partition_data) sum += static_cast<std::int64_t>(partition.records.bytes.size());
    return sum;
}

void again(std::string_view name, Bytes bytes, std::int16_t version, bool flexible) {
    const test::KafkaMessage* const message = test::find_kafka_message(name);
    require(message);
    const Result<KafkaBytes> once = message->again(bytes, version, flexible);
    if (!once) return;
    const Result<KafkaBytes> twice = message->again(once.value(), version, flexible);
    require(twice && twice.value() == once.value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const Bytes frame(data, size);
    for (const char* const name : {"offset_commit_key", "offset_commit_value", "group_metadata_value", "consumer_protocol_subscription", "consumer_protocol_assignment"})
        again(name, frame, 0, false);
    const Result<RequestHeader> header = decode_request_header(frame);
    if (!header) return 0;
    const RequestHeader& head = header.value();
    require(head.bytes <= size && (head.served || head.api == Api::api_versions));
    if (!head.served) return 0;
    require(api_info(head.api).serves(head.version));
    const Bytes body = frame.subspan(head.bytes);
    const test::KafkaMessage& request = test::kafka_request(head.api);
    again(request.name, body, head.version, head.flexible);
    again(std::string(api_info(head.api).name) + "_response", body, head.version, head.flexible);
    if (!body.empty() && request.again(body, head.version, head.flexible)) {
        const Bytes cut = body.first(body.size() - 1);
        require(!request.again(cut, head.version, head.flexible) && request.truncated(cut, head.version, head.flexible));
    }
    if (head.api == Api::produce)
        require(records_in_parts(body, head.version, head.flexible) == records_of_whole(body, head.version, head.flexible));
    return 0;
}
