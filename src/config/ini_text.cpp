#include "config/ini_text.h"

#include <ini.h>

#include "base/text.h"

static_assert(INI_HANDLER_LINENO == 1 && INI_CALL_HANDLER_ON_NEW_SECTION == 1 && INI_ALLOW_MULTILINE == 0 && INI_ALLOW_INLINE_COMMENTS == 0);
static_assert(INI_USE_STACK == 1 && INI_STOP_ON_FIRST_ERROR == 0 && INI_ALLOW_NO_VALUE == 0);
static_assert(INI_MAX_LINE >= rivulet::config::ini_line_bytes_max + 2);

namespace rivulet::config {

namespace {

std::string_view trim(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

struct Stream {
    std::string_view left;
    IniHandler& handler;
    int line = 0;
    int bad_lines = 0;
};

struct Verdict {
    const char* why = nullptr;  // nullptr: fine
    bool section = false;
};

Verdict judge(std::string_view line) {
    const std::string_view text = trim(line);
    const bool section = text.starts_with('[');
    for (const char c : line) {
        const auto byte = static_cast<unsigned char>(c);
        if ((byte < 0x20 && c != '\t') || byte == 0x7f) return {"control character in the line", section};
    }
    if (line.size() > ini_line_bytes_max) return {"line longer than 1000 bytes", section};
    if (text.empty() || text.front() == '#' || text.front() == ';') return {};
    if (section) {
        const std::size_t end = text.find(']');
        if (end == std::string_view::npos) return {"section without ]", true};
        if (end - 1 > ini_section_bytes_max) return {"section name longer than 49 characters; use rivulet topic create or alter", true};
        if (end + 1 != text.size()) return {"text after the section's ]; comments need a line of their own", true};
        return {};
    }
    const std::size_t separator = text.find_first_of("=:");
    if (separator == std::string_view::npos || separator == 0) return {"expected key = value", false};
    return {};
}

// One line for inih per call, as fgets() would give it; a bad one comes as an empty one, so that lines keep their numbers.
char* read_line(char* into, int size, void* user) {
    auto& stream = *static_cast<Stream*>(user);
    if (stream.left.empty()) return nullptr;
    const std::size_t end = stream.left.find('\n');
    std::string_view line = stream.left.substr(0, end);
    stream.left.remove_prefix(end == std::string_view::npos ? stream.left.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (stream.line == 0 && line.starts_with("\xef\xbb\xbf")) line.remove_prefix(3);
    ++stream.line;
    const Verdict verdict = judge(line);
    if (verdict.why) {
        stream.handler.on_bad_line(stream.line, verdict.why, verdict.section);
        ++stream.bad_lines;
        line = {};
    }
    RIVULET_CHECK(line.size() + 2 <= static_cast<std::size_t>(size));
    if (!line.empty()) std::memcpy(into, line.data(), line.size());
    into[line.size()] = '\n';
    into[line.size() + 1] = '\0';
    return into;
}

int on_event(void* user, const char* section, const char* name, const char* value, int line) {
    IniHandler& handler = static_cast<Stream*>(user)->handler;
    if (name == nullptr) handler.on_section(line, section);
    else handler.on_value(line, name, value);
    return 1;
}

}  // namespace

void parse_ini(Bytes text, IniHandler& handler) {
    Stream stream{as_text(text), handler};
    const int bad_line = ini_parse_stream(read_line, &stream, on_event, &stream);
    // What the reader lets through, inih can read.
    if (bad_line != 0) handler.on_bad_line(bad_line, "cannot be read", false);
}

}  // namespace rivulet::config
