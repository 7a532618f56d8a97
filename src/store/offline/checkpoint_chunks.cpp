#include "store/offline/checkpoint_chunks.h"

#include "store/page.h"

namespace rivulet::store {

namespace {

template <class Image>
Result<std::uint64_t> count(Bytes chunk, bool (*decode)(Reader&, Image&)) {
    Reader in(chunk);
    Image image;
    std::uint64_t n = 0;
    for (; !in.at_end(); ++n)
        if (!decode(in, image)) return fail(Error::corrupt);
    return n;
}

std::uint64_t count_catalogue(Bytes chunk) {
    Reader in(chunk);
    CatalogueEntry entry;
    std::uint64_t n = 0;
    while (!in.at_end()) {
        const Bytes block = in.block();
        n += in.ok() && decode_catalogue_entry(block, entry);
    }
    return n;
}

}  // namespace

Status CheckpointChunks::read_next() {
    std::uint8_t raw[chunk_header_bytes];
    if (left_ < sizeof raw) return fail(Error::corrupt);
    RIVULET_TRY(store_.read_checkpoint(area_, position_, raw));
    RIVULET_TRY_ASSIGN(const ChunkHeader header, decode_chunk_header(raw));
    left_ -= sizeof raw;
    if (header.length > left_ || header.length > scratch_.size()) return fail(Error::corrupt);
    RIVULET_TRY(store_.read_checkpoint(area_, position_ + sizeof raw, scratch_.first(header.length)));
    left_ -= header.length;
    position_ += sizeof raw + header.length;
    section_ = header.section;
    chunk_ = scratch_.first(header.length);
    return {};
}

bool CheckpointChunks::next() {
    if (error_ != Error::none || left_ == 0) return false;
    error_ = read_next().error();
    return error_ == Error::none;
}

Result<std::uint64_t> count_entries(Section section, Bytes chunk) {
    switch (section) {
        case Section::logs: return count(chunk, decode_log_image);
        case Section::truncations: return count(chunk, decode_truncation);
        case Section::fences: return count(chunk, decode_fence);
        case Section::boots: return count(chunk, decode_boot);
        case Section::sessions: return count(chunk, decode_session);
        case Section::producers: return count(chunk, decode_producer);
        case Section::clean_logs: return count(chunk, decode_clean_log);
        case Section::catalogue: return count_catalogue(chunk);
    }
    return std::uint64_t{0};
}

bool decode_catalogue_entry(Bytes block, CatalogueEntry& out) {
    Reader in(block);
    const Bytes id = in.bytes(sizeof out.topic_id.bytes);
    out.name = in.text();
    out.first = LogId(in.varint());
    out.partitions = in.varint();
    const std::uint64_t further = in.varint();
    for (std::uint64_t i = 0; i < further && in.ok(); ++i) {
        in.varint();
        out.partitions += in.varint();
    }
    out.ranges = 1 + further;
    out.keys = in.varint();
    if (!in.ok()) return false;
    for (std::uint64_t i = 0; i < out.keys && in.ok(); ++i) {
        in.varint();
        in.zigzag_varint();
    }
    if (!in.ok() || !in.at_end()) return false;
    out.topic_id = load_uuid(id.data());
    return true;
}

}  // namespace rivulet::store
