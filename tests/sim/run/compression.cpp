#include "sim/run/compression.h"

#include <array>

namespace rivulet::sim {

namespace {

using Buffer = std::vector<std::uint8_t>;

constexpr std::size_t content_max = 64U << 10;
constexpr std::size_t run_min = 16;  // bytes that are equal, and worth a copy or a block

constexpr std::uint8_t gzip_head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
constexpr std::uint8_t lz4_head[] = {0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82};  // independent blocks of 64 KiB at most
constexpr std::uint8_t zstd_head[] = {0x28, 0xb5, 0x2f, 0xfd, 0xa0};             // one segment, whose size follows in 4 bytes

void add(Buffer& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

void add_le(Buffer& out, std::uint64_t value, unsigned bytes) {
    for (; bytes != 0; --bytes, value >>= 8) out.push_back(static_cast<std::uint8_t>(value));
}

std::uint64_t take_le(Reader& in, unsigned bytes) {
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i) value |= std::uint64_t{in.u8()} << (8 * i);
    return value;
}

bool take_head(Reader& in, Bytes head) { return equal(in.bytes(head.size()), head); }

// How many bytes from there on are equal, and else how many come before such ones.
std::size_t run_at(Bytes content) {
    std::size_t n = 1;
    while (n < content.size() && content[n] == content[0]) ++n;
    return n;
}

std::size_t literal_at(Bytes content, std::size_t most) {
    std::size_t n = 1;
    while (n < content.size() && n < most && run_at(content.subspan(n, std::min(run_min, content.size() - n))) < run_min) ++n;
    return n;
}

std::uint32_t crc32_of(Bytes bytes) {
    static const std::array<std::uint32_t, 256> table = [] {
        std::array<std::uint32_t, 256> t{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t c = i;
            for (int bit = 0; bit < 8; ++bit) c = (c >> 1) ^ ((c & 1U) != 0 ? 0xedb88320U : 0U);
            t[i] = c;
        }
        return t;
    }();
    std::uint32_t crc = 0xffffffff;
    for (const std::uint8_t b : bytes) crc = (crc >> 8) ^ table[(crc ^ b) & 0xffU];
    return ~crc;
}

// ---- gzip ----

Buffer gzip(Bytes content) {
    Buffer out;
    add(out, gzip_head);
    for (Bytes left = content;;) {
        const Bytes block = left.first(std::min<std::size_t>(left.size(), 0xffff));
        left = left.subspan(block.size());
        out.push_back(left.empty());
        add_le(out, block.size(), 2);
        add_le(out, ~block.size(), 2);
        add(out, block);
        if (left.empty()) break;
    }
    add_le(out, crc32_of(content), 4);
    add_le(out, content.size(), 4);
    return out;
}

bool gunzip(Reader& in, Buffer& out) {
    if (!take_head(in, gzip_head)) return false;
    for (bool last = false; !last;) {
        const std::uint8_t head = in.u8();
        const std::uint64_t n = take_le(in, 2);
        if (head > 1 || take_le(in, 2) != (~n & 0xffff)) return false;
        add(out, in.bytes(n));
        last = head == 1;
        if (!in.ok()) return false;
    }
    return take_le(in, 4) == crc32_of(out) && take_le(in, 4) == out.size();
}

// ---- snappy ----

constexpr std::uint8_t snappy_literal = 61 << 2;  // its length less one follows in 2 bytes

Buffer snap(Bytes content) {
    Buffer out;
    std::uint8_t length[varint_bytes_max];
    Writer writer(length);
    writer.varint(content.size());
    add(out, writer.written());
    for (Bytes left = content; !left.empty();) {
        const std::size_t n = literal_at(left, 0x10000);
        out.push_back(snappy_literal);
        add_le(out, n - 1, 2);
        add(out, left.first(n));
        const std::uint8_t before = left[n - 1];
        left = left.subspan(n);
        // Copies of the byte before.
        while (left.size() >= run_min && left.front() == before && run_at(left) >= run_min) {
            const std::size_t copied = std::min<std::size_t>(run_at(left), 64);
            out.push_back(static_cast<std::uint8_t>((copied - 1) << 2 | 2));
            add_le(out, 1, 2);
            left = left.subspan(copied);
        }
    }
    return out;
}

bool unsnap(Reader& in, Buffer& out) {
    const std::uint64_t size = in.varint();
    while (in.ok() && !in.at_end() && out.size() <= content_max) {
        const std::uint8_t tag = in.u8();
        if (tag == snappy_literal) add(out, in.bytes(take_le(in, 2) + 1));
        else if ((tag & 3) == 2 && take_le(in, 2) == 1 && !out.empty()) out.insert(out.end(), (tag >> 2) + std::size_t{1}, out.back());
        else return false;
    }
    return out.size() == size;
}

// ---- LZ4 ----

constexpr std::uint32_t lz4_as_it_is = 0x80000000;

Buffer lz4(Bytes content) {
    Buffer out;
    add(out, lz4_head);
    if (!content.empty()) add_le(out, content.size() | lz4_as_it_is, 4);
    add(out, content);
    add_le(out, 0, 4);
    return out;
}

bool unlz4(Reader& in, Buffer& out) {
    if (!take_head(in, lz4_head)) return false;
    for (std::uint64_t size = take_le(in, 4); size != 0 && in.ok(); size = take_le(in, 4)) {
        if ((size & lz4_as_it_is) == 0) return false;
        add(out, in.bytes(size - lz4_as_it_is));
    }
    return true;
}

// ---- Zstandard ----

Buffer zstd(Bytes content) {
    Buffer out;
    add(out, zstd_head);
    add_le(out, content.size(), 4);
    Bytes left = content;
    do {
        const bool same = !left.empty() && run_at(left) >= run_min;
        const std::size_t n = left.empty() ? 0 : same ? run_at(left) : literal_at(left, left.size());
        add_le(out, std::uint64_t{n == left.size()} | std::uint64_t{same} << 1 | std::uint64_t{n} << 3, 3);
        add(out, left.first(same ? 1 : n));
        left = left.subspan(n);
    } while (!left.empty());
    return out;
}

bool unzstd(Reader& in, Buffer& out) {
    if (!take_head(in, zstd_head)) return false;
    const std::uint64_t size = take_le(in, 4);
    for (bool last = false; !last && in.ok();) {
        const std::uint64_t head = take_le(in, 3);
        const std::uint64_t n = head >> 3;
        last = (head & 1) != 0;
        if ((head & 4) != 0 || n > content_max) return false;
        if ((head & 2) != 0) out.insert(out.end(), static_cast<std::size_t>(n), in.u8());
        else add(out, in.bytes(n));
    }
    return out.size() == size;
}

}  // namespace

std::vector<std::uint8_t> compress(record::Compression how, Bytes content) {
    RIVULET_CHECK(content.size() <= content_max);
    switch (how) {
        case record::Compression::gzip: return gzip(content);
        case record::Compression::snappy: return snap(content);
        case record::Compression::lz4: return lz4(content);
        case record::Compression::zstd: return zstd(content);
        default: return Buffer(content.begin(), content.end());
    }
}

std::optional<std::vector<std::uint8_t>> expand(record::Compression how, Bytes compressed) {
    Reader in(compressed);
    Buffer out;
    bool right = false;
    switch (how) {
        case record::Compression::gzip: right = gunzip(in, out); break;
        case record::Compression::snappy: right = unsnap(in, out); break;
        case record::Compression::lz4: right = unlz4(in, out); break;
        case record::Compression::zstd: right = unzstd(in, out); break;
        default: break;
    }
    if (!right || !in.ok() || !in.at_end()) return std::nullopt;
    return out;
}

}  // namespace rivulet::sim
