// Bytes of a simulated file in 4 KiB pages, shared between copies until one of them changes.
// Owns:     references to pages, in chunks of 256, so that a copy of a file of 64 MiB costs 64 references.
// Bounds:   a page of zeros costs nothing. Beyond the end: zeros.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "base/bytes.h"

namespace rivulet::sim {

constexpr std::size_t sector_bytes = 512;
constexpr std::size_t page_bytes = 4096;
constexpr std::size_t page_sectors = page_bytes / sector_bytes;
constexpr std::size_t flash_page_pages = 4;  // what one interrupted program can damage: 16 KiB

using Page = std::array<std::uint8_t, page_bytes>;
using PageRef = std::shared_ptr<const Page>;  // nullptr: all zeros

PageRef make_page(const Page& content);
const Page& content_of(const PageRef& page);
// `page` with `bytes` written over it at `at`.
PageRef patched(const PageRef& page, std::size_t at, Bytes bytes);
// `from` with the sectors of `to` whose bit is set in `mask`.
PageRef torn(const PageRef& from, const PageRef& to, std::uint8_t mask);

class PagedBytes {
public:
    PageRef page(std::uint64_t number) const;
    void set_page(std::uint64_t number, PageRef page);
    void read(std::uint64_t position, MutableBytes into) const;
    // Zeros from `bytes` on.
    void cut(std::uint64_t bytes);

private:
    static constexpr std::size_t chunk_pages = 256;
    using Chunk = std::array<PageRef, chunk_pages>;
    std::vector<std::shared_ptr<Chunk>> chunks_;
};

}  // namespace rivulet::sim
