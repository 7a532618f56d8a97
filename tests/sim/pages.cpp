#include "sim/pages.h"

#include <algorithm>

namespace rivulet::sim {

namespace {
constexpr Page zero_page{};
}

const Page& content_of(const PageRef& page) { return page ? *page : zero_page; }

PageRef make_page(const Page& content) { return content == zero_page ? nullptr : std::make_shared<const Page>(content); }

PageRef patched(const PageRef& page, std::size_t at, Bytes bytes) {
    Page copy_of = content_of(page);
    copy(bytes, MutableBytes(copy_of).subspan(at));
    return make_page(copy_of);
}

PageRef torn(const PageRef& from, const PageRef& to, std::uint8_t mask) {
    if (mask == 0) return from;
    if (mask == 0xff) return to;
    Page mixed = content_of(from);
    for (std::size_t s = 0; s < page_sectors; ++s) {
        if ((mask >> s & 1) == 0) continue;
        copy(Bytes(content_of(to)).subspan(s * sector_bytes, sector_bytes), MutableBytes(mixed).subspan(s * sector_bytes));
    }
    return make_page(mixed);
}

PageRef PagedBytes::page(std::uint64_t number) const {
    const std::size_t c = static_cast<std::size_t>(number / chunk_pages);
    return c < chunks_.size() && chunks_[c] ? (*chunks_[c])[number % chunk_pages] : nullptr;
}

void PagedBytes::set_page(std::uint64_t number, PageRef page) {
    const std::size_t c = static_cast<std::size_t>(number / chunk_pages);
    if (c >= chunks_.size()) {
        if (!page) return;
        chunks_.resize(c + 1);
    }
    std::shared_ptr<Chunk>& chunk = chunks_[c];
    if (!chunk) {
        if (!page) return;
        chunk = std::make_shared<Chunk>();
    } else if (chunk.use_count() > 1) {
        chunk = std::make_shared<Chunk>(*chunk);
    }
    (*chunk)[number % chunk_pages] = std::move(page);
}

void PagedBytes::read(std::uint64_t position, MutableBytes into) const {
    while (!into.empty()) {
        const auto at = static_cast<std::size_t>(position % page_bytes);
        const std::size_t n = std::min(into.size(), page_bytes - at);
        copy(Bytes(content_of(page(position / page_bytes))).subspan(at, n), into);
        into = into.subspan(n);
        position += n;
    }
}

void PagedBytes::cut(std::uint64_t bytes) {
    const std::uint64_t full = bytes / page_bytes;
    std::uint64_t keep = full;
    if (bytes % page_bytes != 0) {
        Page tail = content_of(page(full));
        for (auto i = static_cast<std::size_t>(bytes % page_bytes); i < page_bytes; ++i) tail[i] = 0;
        set_page(full, make_page(tail));
        ++keep;
    }
    for (std::uint64_t n = keep; n < chunks_.size() * chunk_pages && n % chunk_pages != 0; ++n) set_page(n, nullptr);
    const auto chunks = static_cast<std::size_t>((keep + chunk_pages - 1) / chunk_pages);
    if (chunks < chunks_.size()) chunks_.resize(chunks);
}

}  // namespace rivulet::sim
