// What a decoder has put out: the latest content, contiguous, in one buffer; history to copy from and a view for whoever reads it.
// Owns:     nothing; the caller's buffer. Bounds: the buffer; at most `chunk_bytes` more per turn, so that a reader who finds early stops early.
// Thread:   any.
#pragma once

#include "base/bytes.h"

namespace rivulet::record {

class ContentWindow {
public:
    static constexpr std::size_t chunk_bytes = 32 * 1024;

    void begin(MutableBytes area) {
        area_ = area;
        end_ = limit_ = 0;
    }
    // A turn. The last `kept` bytes stay in front of what comes, wherever they are then. False: there is no room for more.
    bool start(std::size_t kept) {
        if (end_ == area_.size()) {
            if (kept >= end_) return false;
            move_to_front(kept);
        }
        open(chunk_bytes, area_.size());
        return true;
    }
    // So many more bytes, but not beyond `end`, nor beyond the buffer.
    void open(std::size_t bytes, std::size_t end) {
        if (end > area_.size()) end = area_.size();
        limit_ = end < end_ ? end_ : end - end_ < bytes ? end : end_ + bytes;
    }
    // The last `kept` bytes go to the front of the buffer.
    void move_to_front(std::size_t kept) {
        std::memmove(area_.data(), area_.data() + end_ - kept, kept);
        end_ = kept;
    }

    std::size_t size() const { return area_.size(); }
    std::size_t end() const { return end_; }       // of the content; all before it is history
    std::size_t room() const { return limit_ - end_; }
    MutableBytes space() { return area_.subspan(end_, room()); }
    // The end of the buffer, for something else; empty if content is there.
    MutableBytes tail(std::size_t n) { return area_.size() - end_ < n ? MutableBytes() : area_.last(n); }
    Bytes last(std::size_t n) const { return Bytes(area_).subspan(end_ - n, n); }
    void added(std::size_t n) { end_ += n; }

    // As much as there is room for; that much is taken from the count, or from the front of the bytes.
    void literal(Bytes& from, std::size_t& left) {
        std::size_t n = left < room() ? left : room();
        if (from.size() < n) n = from.size();
        copy(from.first(n), space());
        from = from.subspan(n);
        end_ += n;
        left -= n;
    }
    void match(std::size_t offset, std::size_t& left) {
        RIVULET_CHECK(offset != 0 && offset <= end_);
        const std::size_t n = left < room() ? left : room();
        std::uint8_t* const to = area_.data() + end_;
        const std::uint8_t* const from = to - offset;
        if (offset >= n) std::memcpy(to, from, n);
        else for (std::size_t i = 0; i < n; ++i) to[i] = from[i];
        end_ += n;
        left -= n;
    }

private:
    MutableBytes area_;
    std::size_t end_ = 0;
    std::size_t limit_ = 0;
};

// Little fields of a format, byte by byte over the seams of its input.
class FieldBuffer {
public:
    // True once `n` bytes are there (bytes()); the next call begins anew.
    bool gather(Bytes& input, std::size_t n) {
        if (full_) have_ = 0;
        full_ = false;
        const std::size_t taken = n - have_ < input.size() ? n - have_ : input.size();
        copy(input.first(taken), MutableBytes(bytes_).subspan(have_));
        input = input.subspan(taken);
        have_ += taken;
        full_ = have_ == n;
        return full_;
    }
    void reset() { have_ = 0; full_ = false; }
    bool between() const { return full_ || have_ == 0; }
    const std::uint8_t* data() const { return bytes_; }
    Bytes bytes() const { return Bytes(bytes_).first(have_); }

private:
    std::uint8_t bytes_[16];
    std::size_t have_ = 0;
    bool full_ = false;
};

}  // namespace rivulet::record
