// Lines out of a stream of bytes: LF or CRLF ends one, the end of the stream ends the last one.
// Owns:     a buffer for the longest line and a read ahead. Bounds: line_bytes_max; a longer line shows as too_long().
// Guarantee: a line is a view that holds until drop(); an empty line is a line.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace rivulet::cli {

class LineBuffer {
public:
    explicit LineBuffer(std::size_t line_bytes_max) : line_bytes_max_(line_bytes_max), buffer_(line_bytes_max + read_bytes) {}

    // Where the next bytes go; added() tells how many came.
    MutableBytes space();
    void added(std::size_t n) { end_ += n; }
    // The stream has ended.
    void finish() { finished_ = true; }

    // The next complete line without its end, again and again until it is dropped.
    std::optional<std::string_view> line();
    void drop();
    // No line end within line_bytes_max bytes.
    bool too_long() const { return scanned_ - begin_ > line_bytes_max_ + 1; }
    bool at_end() const { return finished_ && begin_ == end_; }

private:
    static constexpr std::size_t read_bytes = 64U << 10;

    std::size_t line_bytes_max_;
    std::vector<std::uint8_t> buffer_;
    std::size_t begin_ = 0;    // of the next line
    std::size_t scanned_ = 0;  // no line end in [begin_, scanned_)
    std::size_t end_ = 0;
    std::size_t next_ = 0;     // where drop() goes on
    bool found_ = false;
    bool finished_ = false;
};

}  // namespace rivulet::cli
