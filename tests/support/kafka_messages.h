// Kafka's messages by name, whatever their type, and the frozen ones of tests/golden/kafka/vectors.txt.
#pragma once

#include <string>
#include <vector>

#include "wire/kafka/apis.h"

namespace rivulet::test {

using KafkaBytes = std::vector<std::uint8_t>;

// Decodes, and encodes what was decoded.
struct KafkaMessage {
    std::string_view name;  // as in vectors.txt
    Result<KafkaBytes> (*again)(Bytes bytes, std::int16_t version, bool flexible);
    // A message of which nothing is set.
    KafkaBytes (*fresh)(std::int16_t version, bool flexible);
    // Whether bytes that do not decode might do so with more behind them.
    bool (*truncated)(Bytes bytes, std::int16_t version, bool flexible);
};
// nullptr: there is none of that name.
const KafkaMessage* find_kafka_message(std::string_view name);
const KafkaMessage& kafka_request(wire::kafka::Api api);

struct KafkaVector {
    std::string name;
    std::int16_t version = 0;
    std::string kind;
    KafkaBytes bytes;
    bool flexible() const;
};
std::vector<KafkaVector> kafka_vectors();

}  // namespace rivulet::test
