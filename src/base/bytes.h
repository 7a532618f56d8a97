// Views of bytes, loads and stores with a stated byte order, and two bounded cursors.
// Owns:     nothing. Bounds: every read and write is checked against the view; the writer has a sticky overflow flag.
// Errors:   a Reader that ran out gives zeros and stays !ok(); a Writer that is full drops bytes and stays !ok().
// Format:   varint = LEB128 of at most 10 bytes, minimal form only; zigzag as in Protocol Buffers and Kafka's record format.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

#include "base/check.h"

namespace rivulet {

using Bytes = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

inline Bytes as_bytes(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }
inline std::string_view as_text(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline bool equal(Bytes a, Bytes b) { return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0); }
inline void copy(Bytes from, MutableBytes to) {
    RIVULET_CHECK(from.size() <= to.size());
    if (!from.empty()) std::memcpy(to.data(), from.data(), from.size());
}

template <class T>
T load_le(const std::uint8_t* at) {
    std::make_unsigned_t<T> v;
    std::memcpy(&v, at, sizeof v);
    if constexpr (std::endian::native == std::endian::big && sizeof v > 1) v = std::byteswap(v);
    return static_cast<T>(v);
}
template <class T>
T load_be(const std::uint8_t* at) {
    std::make_unsigned_t<T> v;
    std::memcpy(&v, at, sizeof v);
    if constexpr (std::endian::native == std::endian::little && sizeof v > 1) v = std::byteswap(v);
    return static_cast<T>(v);
}
template <class T>
void store_le(std::uint8_t* at, T value) {
    auto v = static_cast<std::make_unsigned_t<T>>(value);
    if constexpr (std::endian::native == std::endian::big && sizeof v > 1) v = std::byteswap(v);
    std::memcpy(at, &v, sizeof v);
}
template <class T>
void store_be(std::uint8_t* at, T value) {
    auto v = static_cast<std::make_unsigned_t<T>>(value);
    if constexpr (std::endian::native == std::endian::little && sizeof v > 1) v = std::byteswap(v);
    std::memcpy(at, &v, sizeof v);
}

constexpr std::size_t varint_bytes_max = 10;

constexpr std::size_t varint_size(std::uint64_t v) { return v < 0x80 ? 1 : (static_cast<std::size_t>(std::bit_width(v)) + 6) / 7; }
// To where varint_size(v) bytes have room; returns their end.
inline std::uint8_t* store_varint(std::uint8_t* at, std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) *at++ = static_cast<std::uint8_t>(v | 0x80);
    *at++ = static_cast<std::uint8_t>(v);
    return at;
}
constexpr std::uint64_t zigzag(std::int64_t v) { return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63); }
constexpr std::int64_t unzigzag(std::uint64_t v) { return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1); }

// Reads from the front of a view.
class Reader {
public:
    explicit Reader(Bytes bytes) : bytes_(bytes) {}

    bool ok() const { return ok_; }
    bool at_end() const { return position_ == bytes_.size(); }
    std::size_t position() const { return position_; }
    std::size_t remaining() const { return bytes_.size() - position_; }
    void invalidate() { ok_ = false; position_ = bytes_.size(); }

    template <class T>
    T le() { const std::uint8_t* at = take(sizeof(T)); return at ? load_le<T>(at) : T{}; }
    template <class T>
    T be() { const std::uint8_t* at = take(sizeof(T)); return at ? load_be<T>(at) : T{}; }
    std::uint8_t u8() { return le<std::uint8_t>(); }

    // Minimal LEB128; a non-minimal or over-long form invalidates the reader.
    std::uint64_t varint() {
        // Most have one byte.
        if (position_ != bytes_.size() && bytes_[position_] < 0x80) return bytes_[position_++];
        std::uint64_t v = 0;
        for (unsigned shift = 0; shift < 70; shift += 7) {
            const std::uint8_t* at = take(1);
            if (!at) return 0;
            const std::uint64_t group = *at & 0x7fU;
            if (shift == 63 && group > 1) break;
            v |= group << shift;
            if ((*at & 0x80U) == 0) {
                if (group == 0 && shift != 0) break;
                return v;
            }
        }
        invalidate();
        return 0;
    }
    std::int64_t zigzag_varint() { return unzigzag(varint()); }

    Bytes bytes(std::uint64_t n) {
        if (n > remaining()) { invalidate(); return {}; }
        const Bytes view = bytes_.subspan(position_, static_cast<std::size_t>(n));
        position_ += static_cast<std::size_t>(n);
        return view;
    }
    // A varint length, then that many bytes.
    Bytes block() { const std::uint64_t n = varint(); return bytes(n); }
    std::string_view text() { return as_text(block()); }
    Bytes rest() { return bytes(remaining()); }

private:
    const std::uint8_t* take(std::size_t n) {
        if (n > remaining()) { invalidate(); return nullptr; }
        const std::uint8_t* at = bytes_.data() + position_;
        position_ += n;
        return at;
    }

    Bytes bytes_;
    std::size_t position_ = 0;
    bool ok_ = true;
};

// Appends to a fixed buffer.
class Writer {
public:
    explicit Writer(MutableBytes buffer) : buffer_(buffer) {}

    bool ok() const { return ok_; }
    std::size_t size() const { return size_; }
    std::size_t room() const { return buffer_.size() - size_; }
    Bytes written() const { return buffer_.first(size_); }
    MutableBytes buffer() const { return buffer_; }

    template <class T>
    void le(T value) { if (std::uint8_t* at = take(sizeof(T))) store_le(at, value); }
    template <class T>
    void be(T value) { if (std::uint8_t* at = take(sizeof(T))) store_be(at, value); }
    void u8(std::uint8_t value) { le(value); }
    void varint(std::uint64_t v) { if (std::uint8_t* at = take(varint_size(v))) store_varint(at, v); }
    void zigzag_varint(std::int64_t v) { varint(zigzag(v)); }
    void bytes(Bytes from) { if (std::uint8_t* at = take(from.size())) copy(from, {at, from.size()}); }
    void block(Bytes from) { varint(from.size()); bytes(from); }
    void text(std::string_view from) { block(as_bytes(from)); }
    void zeros(std::size_t n) { if (std::uint8_t* at = take(n)) { if (n != 0) std::memset(at, 0, n); } }
    // For the caller to fill; empty if there is no room.
    MutableBytes claim(std::size_t n) { std::uint8_t* at = take(n); return at ? MutableBytes(at, n) : MutableBytes(); }
    // Gives back the tail beyond n bytes, and forgets an overflow since.
    void rewind(std::size_t n) { RIVULET_CHECK(n <= size_); size_ = n; ok_ = true; }

private:
    std::uint8_t* take(std::size_t n) {
        if (!ok_ || n > room()) { ok_ = false; return nullptr; }
        std::uint8_t* at = buffer_.data() + size_;
        size_ += n;
        return at;
    }

    MutableBytes buffer_;
    std::size_t size_ = 0;
    bool ok_ = true;
};

}  // namespace rivulet
