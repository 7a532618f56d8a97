// What a member's metadata says of the topics that it is subscribed to, for groups of consumers.
// Owns:     nothing. Bounds: stops at the first topic of that name. Errors: malformed.
// Thread:   any.
// Format:   Kafka's ConsumerProtocolSubscription.json, the part that all versions share: version (2 bytes, big-endian), topic count (4), then each: length (2), name.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

namespace rivulet::broker {

constexpr std::string_view consumer_protocol_type = "consumer";

Result<bool> subscribes(Bytes metadata, std::string_view topic);

}  // namespace rivulet::broker
