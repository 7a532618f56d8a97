#include "record/partitioner.h"

namespace rivulet::record {

std::int32_t murmur2(Bytes key) {
    constexpr std::uint32_t seed = 0x9747b28c;
    constexpr std::uint32_t m = 0x5bd1e995;
    constexpr unsigned r = 24;
    std::uint32_t h = seed ^ static_cast<std::uint32_t>(key.size());
    for (; key.size() >= 4; key = key.subspan(4)) {
        std::uint32_t k = load_le<std::uint32_t>(key.data()) * m;
        k = (k ^ (k >> r)) * m;
        h = (h * m) ^ k;
    }
    if (!key.empty()) {
        for (std::size_t i = key.size(); i-- > 0;) h ^= static_cast<std::uint32_t>(key[i]) << (8 * i);
        h *= m;
    }
    h = (h ^ (h >> 13)) * m;
    return static_cast<std::int32_t>(h ^ (h >> 15));
}

std::int32_t partition_for_key(Bytes key, int partitions) {
    RIVULET_CHECK(partitions > 0);
    return (murmur2(key) & 0x7fffffff) % partitions;
}

}  // namespace rivulet::record
