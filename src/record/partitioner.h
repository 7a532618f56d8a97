// Which partition a key belongs to, as Kafka's Java client decides: the same key lands in the same partition whoever produces.
// Owns:     nothing. Bounds: no allocation, one pass. Errors: none; no partitions at all is a broken invariant.
// Thread:   any. Format: murmur2 of 32 bits (Appleby), seed 0x9747b28c, little-endian words; then & 0x7fffffff, % partitions.
#pragma once

#include "base/bytes.h"

namespace rivulet::record {

std::int32_t murmur2(Bytes key);
std::int32_t partition_for_key(Bytes key, int partitions);

}  // namespace rivulet::record
