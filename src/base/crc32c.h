// CRC-32C (Castagnoli, RFC 3720 appendix B.4; the one of Kafka, iSCSI, ext4), with the processor's instructions where it has them.
// Bounds:   no allocation, no statics that change. Values are final (inverted), so that crc32c({}) == 0.
#pragma once

#include "base/bytes.h"

namespace rivulet {

// Continues `crc` over `bytes`: crc32c(b, crc32c(a)) == crc32c(a followed by b).
std::uint32_t crc32c(Bytes bytes, std::uint32_t crc = 0);

// CRC of a followed by b from crc(a), crc(b) and the length of b, without the bytes (the method of zlib's crc32_combine).
std::uint32_t crc32c_combine(std::uint32_t crc_a, std::uint32_t crc_b, std::uint64_t length_b);

// The ways to compute it; crc32c takes the fastest that the processor has. `folding` is used on 128 bytes and more.
enum class Crc32cMethod : std::uint8_t { tables, instruction, folding };
bool crc32c_has(Crc32cMethod method);
// By that way, which the processor must have: for tests that compare them.
std::uint32_t crc32c_by(Crc32cMethod method, Bytes bytes, std::uint32_t crc = 0);

}  // namespace rivulet
