// Committed offsets of all groups: where each stands in each partition.
// Owns:     offsets_max entries and their index from the arena; metadata lies in the BlobPool.
// Bounds:   find(), put() and remove() are O(1) on average.
// Errors:   too_many_offsets: all entries are in use, or there is no room for the metadata. Nothing has changed then.
// Guarantee: a partition is known by its log, whose id is never used again: what was committed for a topic that was deleted never counts for another of its name.
// Thread:   loop only. Algorithm: separate chaining with a fixed hash; order never leaks into behaviour but that of each() of a group, which is that of commits.
#pragma once

#include "base/result.h"
#include "broker/groups/group.h"

namespace rivulet::broker {

using OffsetIndex = std::uint32_t;
constexpr OffsetIndex no_offset = 0xffffffff;

struct CommittedOffset {
    LogId log{0};            // 0: free
    Offset offset{0};
    Timestamp commit_time{-1};
    Epoch epoch{-1};
    Blob metadata;
    std::uint32_t group = 0;  // slot
    OffsetIndex hash_next = no_offset;
    OffsetIndex group_next = no_offset;
    OffsetIndex group_previous = no_offset;
};

struct OffsetCommit {
    Offset offset{0};
    Epoch epoch{-1};
    Timestamp time{-1};
    std::string_view metadata;
};

class OffsetTable {
public:
    OffsetTable(Arena& arena, std::uint32_t offsets_max, BlobPool& blobs);
    static std::size_t memory_bytes(std::uint32_t offsets_max) { return std::size_t{offsets_max} * sizeof(CommittedOffset) + buckets(offsets_max) * sizeof(OffsetIndex) + 64; }

    CommittedOffset* find(const Group& group, LogId log);
    // Whether put() would succeed.
    Status room(const Group& group, LogId log, std::string_view metadata);
    void put(Group& group, LogId log, const OffsetCommit& commit);
    void remove(Group& group, CommittedOffset& offset);

    CommittedOffset* first(const Group& group) { return at(group.first_offset); }
    CommittedOffset* next(const CommittedOffset& offset) { return at(offset.group_next); }
    std::span<CommittedOffset> all() { return offsets_; }  // with those that are free
    std::uint32_t count() const { return count_; }

private:
    static constexpr std::size_t buckets(std::uint32_t offsets_max) { return std::bit_ceil(offsets_max < 16 ? std::size_t{16} : std::size_t{offsets_max}); }
    CommittedOffset* at(OffsetIndex index) { return index == no_offset ? nullptr : &offsets_[index]; }
    OffsetIndex index_of(const CommittedOffset& offset) const { return static_cast<OffsetIndex>(&offset - offsets_.data()); }
    OffsetIndex& bucket(std::uint32_t group, LogId log);

    std::span<CommittedOffset> offsets_;
    std::span<OffsetIndex> buckets_;
    BlobPool& blobs_;
    OffsetIndex first_free_ = no_offset;  // linked by hash_next
    std::uint32_t count_ = 0;
};

}  // namespace rivulet::broker
