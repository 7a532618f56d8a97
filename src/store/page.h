// What super, segment header and checkpoint header have in common: a page with magic, version and CRC in fixed places.
// Errors:   corrupt, store_newer. The CRC is checked before the version, so that a flipped bit is not taken for a newer writer.
// Format:   FORMAT.md, sections 2, 3, 8. Later versions keep these three fields where they are.
#pragma once

#include "base/crc32c.h"
#include "store/format.h"

namespace rivulet::store {

using PageOut = std::span<std::uint8_t, page_bytes>;
using PageIn = std::span<const std::uint8_t, page_bytes>;

constexpr std::size_t page_magic_at = 0;
constexpr std::size_t page_magic_bytes = 8;
constexpr std::size_t page_version_at = 8;
constexpr std::size_t page_crc_at = page_bytes - 4;

// A page of zeros with magic and version.
inline void begin_page(PageOut page, std::string_view magic) {
    RIVULET_CHECK(magic.size() == page_magic_bytes);
    std::memset(page.data(), 0, page.size());
    copy(as_bytes(magic), page.subspan(page_magic_at));
    store_le(page.data() + page_version_at, format_version);
}

inline void seal_page(PageOut page) { store_le(page.data() + page_crc_at, crc32c(page.first(page_crc_at))); }

inline Status check_page(PageIn page, std::string_view magic) {
    if (!equal(page.first(page_magic_bytes), as_bytes(magic))) return fail(Error::corrupt, page_magic_at);
    if (load_le<std::uint32_t>(page.data() + page_crc_at) != crc32c(page.first(page_crc_at))) return fail(Error::corrupt, page_crc_at);
    const auto version = load_le<std::uint16_t>(page.data() + page_version_at);
    if (version != format_version) return fail(Error::store_newer, version);
    return {};
}

inline Uuid load_uuid(const std::uint8_t* at) {
    Uuid uuid;
    std::memcpy(uuid.bytes.data(), at, uuid.bytes.size());
    return uuid;
}
inline void store_uuid(std::uint8_t* at, const Uuid& uuid) { std::memcpy(at, uuid.bytes.data(), uuid.bytes.size()); }

}  // namespace rivulet::store
