// What a member's metadata says of the topics that it is subscribed to, and its assignment of what it has, for groups of consumers.
// Owns:     nothing. Bounds: stops at the first topic of that name. Errors: malformed.
// Thread:   any.
// Format:   Kafka's ConsumerProtocolSubscription.json, the part that all versions share: version (2 bytes, big-endian), topic count (4), then each: length (2), name.
//           ConsumerProtocolAssignment.json, likewise: behind each name the partitions, count (4) and numbers (4 each).
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace rivulet::broker {

constexpr std::string_view consumer_protocol_type = "consumer";

Result<bool> subscribes(Bytes metadata, std::string_view topic);

// As a member says it that gives its topics alone.
std::size_t subscription_bytes(std::size_t topics, std::size_t name_bytes);
void encode_subscription_head(Writer& out, std::size_t topics);
void encode_subscription_topic(Writer& out, std::string_view topic);
void encode_subscription_end(Writer& out);

// Topic by topic, as far as the bytes can be read.
class SubscriptionReader {
public:
    explicit SubscriptionReader(Bytes subscription);
    bool next(std::string_view& topic);

private:
    Reader in_;
    std::int32_t left_ = 0;
};

// Partition by partition, as far as the bytes can be read.
class AssignmentReader {
public:
    explicit AssignmentReader(Bytes assignment);
    // False: there are no more, or what follows is malformed.
    bool next();
    bool ok() const { return in_.ok(); }
    std::string_view topic() const { return topic_; }
    std::int32_t partition() const { return partition_; }

private:
    Reader in_;
    std::int32_t topics_left_ = 0;
    std::int32_t partitions_left_ = 0;
    std::string_view topic_;
    std::int32_t partition_ = 0;
};

}  // namespace rivulet::broker
