// JSON as text, written from the front: objects and arrays nest, commas come by themselves.
// Owns:     the text. Bounds: none but memory. Guarantee: valid JSON in valid UTF-8: bytes that are not UTF-8 become U+FFFD.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

namespace rivulet::cli {

bool is_utf8(std::string_view text);

class Json {
public:
    Json& object() { return open('{', '}'); }
    Json& array() { return open('[', ']'); }
    // Ends the innermost object or array.
    Json& end();
    Json& key(std::string_view name);
    Json& value(std::string_view text);
    Json& value(const char* text) { return value(std::string_view(text)); }
    Json& value(bool b) { return raw(b ? "true" : "false"); }
    Json& null() { return raw("null"); }
    template <std::integral N>
        requires(!std::same_as<N, bool>)
    Json& value(N n) { return raw(std::to_string(n)); }
    template <class T>
    Json& pair(std::string_view name, const T& v) { return key(name).value(v); }

    const std::string& text() const { return text_; }

private:
    Json& open(char first, char last);
    Json& raw(std::string_view text);
    void separate();

    std::string text_;
    std::vector<char> ends_;
    bool comma_ = false;
};

}  // namespace rivulet::cli
