// Which names of a request's array come more than once.
// Owns:     a kilobyte of bits. Bounds: one pass; another for each name that has a hash with another in common.
// Thread:   loop only.
#pragma once

#include "base/crc32c.h"
#include "wire/kafka/codec.h"

namespace rivulet::server::kafka {

template <class T, class NameOf>
class Repeated {
public:
    // `name_of(item)`: a std::string_view; an empty one is of an item that has none.
    Repeated(const wire::kafka::Array<T>& array, NameOf name_of) : array_(array), name_of_(name_of) {
        for (const T& item : array_) {
            const std::uint32_t bit = hash(name_of_(item));
            auto& word = once_[bit / 64];
            const std::uint64_t mask = std::uint64_t{1} << bit % 64;
            if ((word & mask) != 0) twice_[bit / 64] |= mask;
            word |= mask;
        }
    }
    bool operator()(std::string_view name) const {
        const std::uint32_t bit = hash(name);
        if (name.empty() || (twice_[bit / 64] >> bit % 64 & 1) == 0) return false;
        std::size_t count = 0;
        for (const T& item : array_)
            if (name_of_(item) == name && ++count == 2) return true;
        return false;
    }

private:
    static constexpr std::uint32_t bits = 4096;
    static std::uint32_t hash(std::string_view name) { return crc32c(as_bytes(name)) % bits; }

    const wire::kafka::Array<T>& array_;
    NameOf name_of_;
    std::uint64_t once_[bits / 64] = {};
    std::uint64_t twice_[bits / 64] = {};
};

}  // namespace rivulet::server::kafka
