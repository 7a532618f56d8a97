// CRC-32C (Castagnoli, RFC 3720 appendix B.4; the one of Kafka, iSCSI, ext4), with the processor's instruction where it has one.
// Bounds:   no allocation, no statics that change. Values are final (inverted), so that crc32c({}) == 0.
#pragma once

#include "base/bytes.h"

namespace rivulet {

// Continues `crc` over `bytes`: crc32c(b, crc32c(a)) == crc32c(a followed by b).
std::uint32_t crc32c(Bytes bytes, std::uint32_t crc = 0);

// CRC of a followed by b from crc(a), crc(b) and the length of b, without the bytes (the method of zlib's crc32_combine).
std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b);

// The table form, whatever the processor: for tests that compare the two.
std::uint32_t crc32c_software(Bytes bytes, std::uint32_t crc = 0);

}  // namespace rivulet
