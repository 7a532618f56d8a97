// Strings and opaque bytes of groups, of any length, in one region that closes its gaps by moving what is alive.
// Owns:     `bytes_max` bytes and an eighth more from the arena.
// Bounds:   a blob takes its size and 16 bytes, in units of 8. A move goes through the region once per `bytes_max` / 8 bytes that were given out, so nothing is lost to gaps
//           and each byte that is stored is moved a few times at most. work() counts the bytes moved since it was asked last, for who charges.
// Errors:   none: what does not fit is refused, and nothing has changed.
// Guarantee: views stand until the next call that gives out bytes.
// Thread:   loop only.
#pragma once

#include <utility>

#include "base/arena.h"

namespace rivulet::broker {

// Embedded in its owner, which stays where it is while the blob has bytes.
struct Blob {
    std::uint32_t at = 0;
    std::uint32_t size = 0;  // 0: none, and takes nothing
};

class BlobPool {
public:
    BlobPool(Arena& arena, std::uint32_t bytes_max);
    static std::size_t memory_bytes(std::uint32_t bytes_max) { return region_bytes(bytes_max); }
    // What `size` bytes take of bytes_max.
    static constexpr std::uint64_t cost(std::uint64_t size) { return size == 0 ? 0 : header_bytes + (size + 7) / 8 * 8; }

    std::uint64_t used() const { return used_; }
    // Whether blobs of this cost fit once others of the cost `freed` are gone.
    bool fits(std::uint64_t cost, std::uint64_t freed = 0) const { return used_ - freed + cost <= bytes_max_; }
    // Gives the blob `size` bytes to be written, in place of what it had.
    [[nodiscard]] bool allocate(Blob& blob, std::uint64_t size);
    // `bytes` are none of this pool's.
    [[nodiscard]] bool assign(Blob& blob, Bytes bytes);
    [[nodiscard]] bool assign(Blob& blob, std::string_view text) { return assign(blob, as_bytes(text)); }
    void clear(Blob& blob);

    Bytes view(const Blob& blob) const { return blob.size == 0 ? Bytes() : Bytes(region_).subspan(blob.at, blob.size); }
    MutableBytes bytes(const Blob& blob) { return blob.size == 0 ? MutableBytes() : region_.subspan(blob.at, blob.size); }
    std::string_view text(const Blob& blob) const { return as_text(view(blob)); }
    std::uint64_t work() { return std::exchange(work_, 0); }

private:
    // Before each blob's bytes.
    struct Header {
        Blob* owner;  // nullptr: a gap
        std::uint32_t bytes;  // with this header
    };
    static constexpr std::uint32_t header_bytes = 16;
    static_assert(sizeof(Header) <= header_bytes);
    static std::size_t region_bytes(std::uint32_t bytes_max) { return (std::size_t{bytes_max} + bytes_max / 8 + 7) / 8 * 8; }

    Header load(std::size_t at) const;
    void store(std::size_t at, const Header& header);
    void close_gaps();

    MutableBytes region_;
    std::uint64_t bytes_max_;
    std::size_t end_ = 0;      // of what was given out, gaps included
    std::uint64_t used_ = 0;   // without gaps
    std::uint64_t work_ = 0;
};

}  // namespace rivulet::broker
