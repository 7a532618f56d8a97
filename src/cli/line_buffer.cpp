#include "cli/line_buffer.h"

namespace rivulet::cli {

MutableBytes LineBuffer::space() {
    if (begin_ != 0 && buffer_.size() - end_ < read_bytes / 2) {
        std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
        end_ -= begin_;
        scanned_ -= begin_;
        next_ -= found_ ? begin_ : next_;
        begin_ = 0;
    }
    return MutableBytes(buffer_).subspan(end_);
}

std::optional<std::string_view> LineBuffer::line() {
    if (!found_) {
        const void* const at = scanned_ == end_ ? nullptr : std::memchr(buffer_.data() + scanned_, '\n', end_ - scanned_);
        if (at) {
            scanned_ = static_cast<std::size_t>(static_cast<const std::uint8_t*>(at) - buffer_.data());
            next_ = scanned_ + 1;
            found_ = true;
        } else {
            scanned_ = end_;
            if (!finished_ || begin_ == end_) return std::nullopt;
            next_ = end_;
            found_ = true;
        }
    }
    std::string_view line = as_text(Bytes(buffer_).subspan(begin_, scanned_ - begin_));
    if (line.ends_with('\r')) line.remove_suffix(1);
    return line;
}

void LineBuffer::drop() {
    begin_ = scanned_ = next_;
    found_ = false;
    if (begin_ == end_) begin_ = scanned_ = end_ = next_ = 0;
}

}  // namespace rivulet::cli
