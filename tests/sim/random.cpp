#include "sim/random.h"

namespace rivulet::sim {

namespace {

std::uint64_t splitmix(std::uint64_t& state) {
    std::uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

}  // namespace

Random::Random(std::uint64_t seed) : seed_(seed) {
    std::uint64_t state = seed;
    for (std::uint64_t& word : state_) word = splitmix(state);
}

Random Random::split(std::string_view name, std::uint64_t number) const {
    TraceHash hash;
    hash.add(seed_);
    hash.add(name);
    hash.add(number);
    return Random(hash.value());
}

std::uint64_t Random::next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

std::uint64_t Random::below(std::uint64_t n) {
    RIVULET_CHECK(n >= 1);
    const std::uint64_t unfair = (0 - n) % n;  // 2^64 mod n: below it, some remainders would come once more than others
    std::uint64_t r = next();
    while (r < unfair) r = next();
    return r % n;
}

void Random::fill(MutableBytes into) {
    std::size_t i = 0;
    for (; i + 8 <= into.size(); i += 8) store_le(into.data() + i, next());
    for (std::uint64_t rest = i < into.size() ? next() : 0; i < into.size(); ++i, rest >>= 8) into[i] = static_cast<std::uint8_t>(rest);
}

void TraceHash::add(Bytes bytes) {
    add(bytes.size());
    std::size_t i = 0;
    for (; i + 8 <= bytes.size(); i += 8) add(load_le<std::uint64_t>(bytes.data() + i));
    std::uint64_t rest = 0;
    for (; i < bytes.size(); ++i) rest = rest << 8 | bytes[i];
    add(rest);
}

}  // namespace rivulet::sim
