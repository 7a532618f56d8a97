#include "client/window.h"

namespace rivulet::client {

using wire::compact::Header;
using wire::compact::Reading;

Window::Entry Window::entry(std::size_t at) const {
    Entry entry;
    std::memcpy(&entry, buffer_.data() + at, sizeof entry);
    return entry;
}

// Tail and head are equal only when nothing is there: push() leaves at least one byte free.
bool Window::push(const Reading& reading) {
    const std::size_t n = bytes_of(reading);
    if (count_ == 0) head_ = tail_ = 0;
    std::size_t at = tail_;
    if (tail_ >= head_) {
        if (n > buffer_.size() - tail_ || (n == buffer_.size() - tail_ && head_ == 0)) {
            if (n >= head_) return false;
            const Entry gap;
            if (buffer_.size() - tail_ >= sizeof gap) std::memcpy(buffer_.data() + tail_, &gap, sizeof gap);
            at = 0;
        }
    } else if (n >= head_ - tail_) {
        return false;
    }
    Entry e;
    e.time = reading.time.value;
    e.total = static_cast<std::uint32_t>(n);
    e.key_bytes = static_cast<std::uint32_t>(reading.key.size());
    e.header_bytes = static_cast<std::uint32_t>(reading.headers.encoded().size());
    e.header_count = static_cast<std::uint32_t>(reading.headers.size());
    e.value_bytes = static_cast<std::uint32_t>(reading.value.size());
    e.stamped = reading.stamped;
    e.has_key = reading.has_key;
    e.has_value = reading.has_value;
    std::memcpy(buffer_.data() + at, &e, sizeof e);
    Writer bytes(buffer_.subspan(at + sizeof e, n - sizeof e));
    bytes.bytes(reading.key);
    bytes.bytes(reading.headers.encoded());
    bytes.bytes(reading.value);
    RIVULET_CHECK(bytes.ok());
    tail_ = at + n;
    ++count_;
    return true;
}

// Past the unused rest of the buffer.
std::size_t Window::skip_gap(std::size_t at) const {
    if (at == tail_) return at;
    return buffer_.size() - at < sizeof(Entry) || entry(at).total == 0 ? 0 : at;
}

Reading Window::read(Cursor cursor) const {
    const std::size_t at = skip_gap(cursor);
    const Entry e = entry(at);
    Reader bytes(Bytes(buffer_).subspan(at + sizeof e, e.total - sizeof e));
    Reading reading;
    reading.stamped = e.stamped;
    reading.time = Timestamp(e.time);
    reading.has_key = e.has_key;
    reading.has_value = e.has_value;
    reading.key = bytes.bytes(e.key_bytes);
    reading.headers = wire::compact::List<Header>::over(bytes.bytes(e.header_bytes), e.header_count);
    reading.value = bytes.bytes(e.value_bytes);
    return reading;
}

Window::Cursor Window::after(Cursor cursor) const {
    const std::size_t at = skip_gap(cursor);
    return at + entry(at).total;
}

void Window::pop(std::uint64_t n) {
    RIVULET_CHECK(n <= count_);
    for (; n != 0; --n, --count_) head_ = after(head_);
}

}  // namespace rivulet::client
