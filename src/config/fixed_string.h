// Text in place, of a stated greatest length: configuration is read again at SIGHUP, when nothing may be allocated.
// Owns:     its bytes. Bounds: N bytes; assign() of more changes nothing and says so.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"

namespace rivulet::config {

template <std::size_t N>
class FixedString {
    static_assert(N <= 0xffff);

public:
    static constexpr std::size_t capacity = N;

    FixedString() = default;

    [[nodiscard]] bool assign(std::string_view text) {
        if (text.size() > N) return false;
        if (!text.empty()) std::memmove(bytes_.data(), text.data(), text.size());
        size_ = static_cast<std::uint16_t>(text.size());
        return true;
    }
    void clear() { size_ = 0; }
    std::string_view view() const { return {bytes_.data(), size_}; }
    bool empty() const { return size_ == 0; }
    bool operator==(const FixedString& other) const { return view() == other.view(); }
    bool operator==(std::string_view other) const { return view() == other; }

private:
    std::uint16_t size_ = 0;
    std::array<char, N> bytes_{};
};

}  // namespace rivulet::config
