#include "record/xxh32.h"

namespace rivulet::record {

void Xxh32::take_stripe(const std::uint8_t* stripe) {
    for (std::uint32_t& lane : lanes_) {
        lane = std::rotl(lane + load_le<std::uint32_t>(stripe) * prime2, 13) * prime1;
        stripe += 4;
    }
    long_ = true;
}

void Xxh32::update(Bytes piece) {
    std::size_t held = total_ % sizeof rest_;
    total_ += static_cast<std::uint32_t>(piece.size());
    while (!piece.empty()) {
        if (held == 0 && piece.size() >= sizeof rest_) {
            take_stripe(piece.data());
            piece = piece.subspan(sizeof rest_);
            continue;
        }
        const std::size_t n = piece.size() < sizeof rest_ - held ? piece.size() : sizeof rest_ - held;
        copy(piece.first(n), MutableBytes(rest_).subspan(held));
        piece = piece.subspan(n);
        held = (held + n) % sizeof rest_;
        if (held == 0) take_stripe(rest_);
    }
}

std::uint32_t Xxh32::value() const {
    std::uint32_t hash = prime5;
    if (long_) {
        hash = 0;
        constexpr int turns[] = {1, 7, 12, 18};
        for (int i = 0; i < 4; ++i) hash += std::rotl(lanes_[i], turns[i]);
    }
    hash += total_;
    const std::size_t held = total_ % sizeof rest_;
    std::size_t i = 0;
    for (; i + 4 <= held; i += 4) hash = std::rotl(hash + load_le<std::uint32_t>(rest_ + i) * prime3, 17) * prime4;
    for (; i < held; ++i) hash = std::rotl(hash + rest_[i] * prime5, 11) * prime1;
    hash = (hash ^ (hash >> 15)) * prime2;
    hash = (hash ^ (hash >> 13)) * prime3;
    return hash ^ (hash >> 16);
}

}  // namespace rivulet::record
