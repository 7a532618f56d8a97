#include "cli/json.h"

namespace rivulet::cli {

namespace {

// Bytes of the UTF-8 sequence at the front, 0 if there is none.
std::size_t utf8_bytes(std::string_view text) {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned first = at(0);
    if (first < 0x80) return 1;
    const std::size_t n = first >= 0xf0 && first < 0xf5 ? 4 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xc2 && first < 0xe0 ? 2 : 0;
    if (n == 0 || n > text.size()) return 0;
    for (std::size_t i = 1; i < n; ++i)
        if ((at(i) & 0xc0U) != 0x80) return 0;
    const unsigned second = at(1);
    // Overlong forms, surrogates, beyond the last code point.
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second >= 0xa0) || (first == 0xf0 && second < 0x90) || (first == 0xf4 && second >= 0x90))
        return 0;
    return n;
}

void append_escaped(std::string& out, std::string_view text) {
    constexpr char digits[] = "0123456789abcdef";
    while (!text.empty()) {
        const std::size_t n = utf8_bytes(text);
        const char c = text.front();
        if (n == 0) {
            out += "\xef\xbf\xbd";
        } else if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
            out += "\\u00";
            out += digits[static_cast<unsigned char>(c) >> 4];
            out += digits[static_cast<unsigned char>(c) & 15U];
        } else {
            out += text.substr(0, n);
        }
        text.remove_prefix(n == 0 ? 1 : n);
    }
}

}  // namespace

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t n = utf8_bytes(text);
        if (n == 0) return false;
        text.remove_prefix(n);
    }
    return true;
}

void Json::separate() {
    if (comma_) text_ += ',';
    comma_ = true;
}

Json& Json::open(char first, char last) {
    separate();
    text_ += first;
    ends_.push_back(last);
    comma_ = false;
    return *this;
}

Json& Json::end() {
    text_ += ends_.back();
    ends_.pop_back();
    comma_ = true;
    return *this;
}

Json& Json::raw(std::string_view text) {
    separate();
    text_ += text;
    return *this;
}

Json& Json::key(std::string_view name) {
    value(name);
    text_ += ':';
    comma_ = false;
    return *this;
}

Json& Json::value(std::string_view text) {
    separate();
    text_ += '"';
    append_escaped(text_, text);
    text_ += '"';
    return *this;
}

}  // namespace rivulet::cli
