#include "broker/groups/blob_pool.h"

namespace rivulet::broker {

BlobPool::BlobPool(Arena& arena, std::uint32_t bytes_max) : region_(arena.take_bytes(region_bytes(bytes_max), 8)), bytes_max_(bytes_max) {}

BlobPool::Header BlobPool::load(std::size_t at) const {
    Header header;
    std::memcpy(&header, region_.data() + at, sizeof header);
    return header;
}

void BlobPool::store(std::size_t at, const Header& header) { std::memcpy(region_.data() + at, &header, sizeof header); }

bool BlobPool::allocate(Blob& blob, std::uint64_t size) {
    const std::uint64_t needed = cost(size);
    if (!fits(needed, cost(blob.size))) return false;
    clear(blob);
    if (needed == 0) return true;
    if (region_.size() - end_ < needed) close_gaps();
    RIVULET_CHECK(region_.size() - end_ >= needed);
    store(end_, {&blob, static_cast<std::uint32_t>(needed)});
    blob = {static_cast<std::uint32_t>(end_ + header_bytes), static_cast<std::uint32_t>(size)};
    end_ += static_cast<std::size_t>(needed);
    used_ += needed;
    return true;
}

bool BlobPool::assign(Blob& blob, Bytes from) {
    if (!allocate(blob, from.size())) return false;
    copy(from, bytes(blob));
    return true;
}

void BlobPool::clear(Blob& blob) {
    if (blob.size == 0) return;
    const std::size_t at = blob.at - header_bytes;
    Header header = load(at);
    RIVULET_CHECK(header.owner == &blob);
    used_ -= header.bytes;
    header.owner = nullptr;
    store(at, header);
    // The last one leaves no gap.
    if (at + header.bytes == end_) end_ = at;
    blob = {};
}

void BlobPool::close_gaps() {
    std::size_t to = 0;
    for (std::size_t at = 0; at < end_;) {
        const Header header = load(at);
        if (header.owner) {
            if (to != at) std::memmove(region_.data() + to, region_.data() + at, header.bytes);
            header.owner->at = static_cast<std::uint32_t>(to + header_bytes);
            to += header.bytes;
        }
        at += header.bytes;
    }
    work_ += to;
    end_ = to;
}

}  // namespace rivulet::broker
