// Compresses for tests: runs of one byte become short, the rest stays. Raw snappy, which needs no library.
#pragma once

#include "unit/record/batches.h"

namespace rivulet::test {

inline Buffer snappy(Bytes content) {
    Buffer out;
    for (std::size_t n = content.size(); ; n >>= 7) {
        out.push_back(static_cast<std::uint8_t>(n < 0x80 ? n : 0x80 | (n & 0x7f)));
        if (n < 0x80) break;
    }
    for (std::size_t i = 0; i < content.size();) {
        std::size_t run = 1;
        while (i + run < content.size() && content[i + run] == content[i]) ++run;
        std::size_t literal = 1;
        if (run < 8)
            while (literal < 60 && i + literal < content.size()) {
                const auto same = [&](std::size_t k) { return i + literal + k < content.size() && content[i + literal + k] == content[i + literal]; };
                if (same(1) && same(2) && same(3) && same(4) && same(5) && same(6) && same(7)) break;
                ++literal;
            }
        out.push_back(static_cast<std::uint8_t>((literal - 1) << 2));
        out.insert(out.end(), content.begin() + static_cast<std::ptrdiff_t>(i), content.begin() + static_cast<std::ptrdiff_t>(i + literal));
        i += literal;
        if (run < 8) continue;
        for (std::size_t left = run - 1; left != 0;) {
            const std::size_t n = std::min<std::size_t>(left, 64);
            out.push_back(static_cast<std::uint8_t>((n - 1) << 2 | 2));
            out.insert(out.end(), {1, 0});
            left -= n;
            i += n;
        }
    }
    return out;
}

// An uncompressed batch, compressed.
inline Buffer packed(const Buffer& batch) {
    record::BatchHeader header = record::decode_header(batch);
    header.attributes |= static_cast<std::uint16_t>(record::Compression::snappy);
    return seal(header, snappy(body_of(batch)));
}

}  // namespace rivulet::test
