// The body of a checkpoint, chunk by chunk.
// Owns:     nothing; a chunk is a view into the caller's scratch. Bounds: a chunk that is larger than the scratch is corrupt.
// Errors:   corrupt, store_newer, io.  Format: FORMAT.md, section 8.
#pragma once

#include "store/offline/files.h"

namespace rivulet::store {

class CheckpointChunks {
public:
    CheckpointChunks(const OfflineStore& store, std::size_t area, MutableBytes scratch)
        : store_(store), area_(area), scratch_(scratch), left_(store.checkpoint(area).value.body_bytes) {}
    // False at the end or at an error.
    bool next();
    Section section() const { return section_; }
    Bytes chunk() const { return chunk_; }
    Error error() const { return error_; }

private:
    Status read_next();

    const OfflineStore& store_;
    std::size_t area_;
    MutableBytes scratch_;
    std::uint64_t position_ = 0;
    std::uint64_t left_;
    Section section_{};
    Bytes chunk_;
    Error error_ = Error::none;
};

// How many entries a chunk has; corrupt if one is malformed. Sections of the layer above are not judged: of the catalogue those
// entries count that can be read, of others none.
Result<std::uint64_t> count_entries(Section section, Bytes chunk);

// A catalogue entry (FORMAT.md, section 7), which is opaque to the store but not to people.
struct CatalogueEntry {
    Uuid topic_id;
    std::string_view name;
    LogId first;                   // of partition 0
    std::uint64_t partitions = 0;  // of all ranges
    std::uint64_t ranges = 0;      // of logs
    std::uint64_t keys = 0;
};
bool decode_catalogue_entry(Bytes block, CatalogueEntry& out);

}  // namespace rivulet::store
