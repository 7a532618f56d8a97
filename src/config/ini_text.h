// The bytes of an INI file as events: inih, behind a reader that finds what inih would let pass.
// Bounds:   lines of at most ini_line_bytes_max bytes, section names of at most ini_section_bytes_max. No allocation.
// Errors:   by on_bad_line(), one per line: control characters (NUL too), over-long lines and section names (inih would cut them), text
//           after a section's ], lines without = (of which inih reports the first alone). A BOM and CRLF are fine.
#pragma once

#include <string_view>

#include "base/bytes.h"

namespace rivulet::config {

constexpr std::size_t ini_line_bytes_max = 1000;
constexpr std::size_t ini_section_bytes_max = 49;

class IniHandler {
public:
    virtual void on_section(int line, std::string_view name) = 0;
    virtual void on_value(int line, std::string_view key, std::string_view value) = 0;
    // `section`: it was meant to begin one, so that the keys that follow belong nowhere.
    virtual void on_bad_line(int line, std::string_view why, bool section) = 0;

protected:
    ~IniHandler() = default;
};

void parse_ini(Bytes text, IniHandler& handler);

}  // namespace rivulet::config
