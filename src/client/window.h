// The readings of a producer that are not acknowledged yet, in order: a ring of bytes.
// Owns:     a buffer out of the arena. Bounds: its size; no allocation. A reading takes its bytes and about 40 more.
// Errors:   push() says false when there is no room; a reading that could never fit (fits()) is the caller's to refuse.
// Guarantee: readings stand still and contiguous until they are popped; `cursor` walks from the oldest to the newest.
#pragma once

#include "base/arena.h"
#include "wire/compact/put_state.h"

namespace rivulet::client {

class Window {
public:
    // A place between readings: of the next one to be sent.
    using Cursor = std::size_t;

    explicit Window(MutableBytes buffer) : buffer_(buffer) {}

    bool fits(const wire::compact::Reading& reading) const { return bytes_of(reading) <= buffer_.size() / 2; }
    bool push(const wire::compact::Reading& reading);
    bool empty() const { return count_ == 0; }
    std::uint64_t count() const { return count_; }
    void pop(std::uint64_t n);

    Cursor oldest() const { return head_; }
    // The reading at the cursor, a view; the cursor must not be at the end.
    wire::compact::Reading read(Cursor at) const;
    Cursor after(Cursor at) const;
    bool at_end(Cursor at) const { return at == tail_; }

private:
    // What lies before a reading's bytes. total 0: the rest of the buffer is unused, the next entry is at its start.
    struct Entry {
        std::int64_t time = 0;
        std::uint32_t total = 0;
        std::uint32_t key_bytes = 0;
        std::uint32_t header_bytes = 0;
        std::uint32_t header_count = 0;
        std::uint32_t value_bytes = 0;
        bool stamped = false;
        bool has_key = false;
        bool has_value = false;
    };
    static constexpr std::size_t round(std::size_t n) { return (n + alignof(Entry) - 1) & ~(alignof(Entry) - 1); }
    static std::size_t bytes_of(const wire::compact::Reading& reading) {
        return round(sizeof(Entry) + reading.key.size() + reading.headers.encoded().size() + reading.value.size());
    }
    Entry entry(std::size_t at) const;
    std::size_t skip_gap(std::size_t at) const;

    MutableBytes buffer_;
    std::size_t head_ = 0;  // of the oldest
    std::size_t tail_ = 0;  // where the next one goes
    std::uint64_t count_ = 0;
};

}  // namespace rivulet::client
