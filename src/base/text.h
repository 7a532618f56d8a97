// Text into a fixed buffer: for log lines and answers, without allocation or locale.
// Bounds:   what does not fit is cut, and cut() says so.
#pragma once

#include <charconv>
#include <concepts>
#include <string_view>

#include "base/bytes.h"

namespace rivulet {

class Text {
public:
    explicit Text(std::span<char> buffer) : buffer_(buffer) {}

    Text& operator<<(std::string_view s) {
        const std::size_t room = buffer_.size() - size_;
        const std::size_t n = s.size() < room ? s.size() : room;
        cut_ |= n < s.size();
        if (n != 0) std::memcpy(buffer_.data() + size_, s.data(), n);
        size_ += n;
        return *this;
    }
    Text& operator<<(const char* s) { return *this << std::string_view(s); }
    Text& operator<<(char c) { return *this << std::string_view(&c, 1); }
    Text& operator<<(bool b) { return *this << (b ? std::string_view("true") : std::string_view("false")); }
    template <std::integral N>
    Text& operator<<(N n) {
        char digits[24] = {};  // g++ 12 cannot see that to_chars fills it
        const auto end = std::to_chars(digits, digits + sizeof digits, n).ptr;
        return *this << std::string_view(digits, static_cast<std::size_t>(end - digits));
    }
    Text& hex(std::uint64_t n, unsigned width = 0) {
        char digits[17] = {};
        const auto end = std::to_chars(digits, digits + sizeof digits, n, 16).ptr;
        for (auto have = static_cast<unsigned>(end - digits); have < width; ++have) *this << '0';
        return *this << std::string_view(digits, static_cast<std::size_t>(end - digits));
    }
    std::string_view view() const { return {buffer_.data(), size_}; }
    std::size_t size() const { return size_; }
    bool cut() const { return cut_; }
    void clear() { size_ = 0; cut_ = false; }

private:
    std::span<char> buffer_;
    std::size_t size_ = 0;
    bool cut_ = false;
};

}  // namespace rivulet
