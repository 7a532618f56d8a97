#include "broker/groups/offset_table.h"

namespace rivulet::broker {

OffsetTable::OffsetTable(Arena& arena, std::uint32_t offsets_max, BlobPool& blobs)
    : offsets_(arena.make_array<CommittedOffset>(offsets_max)), buckets_(arena.make_array<OffsetIndex>(buckets(offsets_max))), blobs_(blobs) {
    for (OffsetIndex& bucket : buckets_) bucket = no_offset;
    for (OffsetIndex i = offsets_max; i-- > 0;) {
        offsets_[i].hash_next = first_free_;
        first_free_ = i;
    }
}

OffsetIndex& OffsetTable::bucket(std::uint32_t group, LogId log) {
    const std::uint64_t hash = (log.value << 16 ^ group) * 0x9e3779b97f4a7c15U;
    return buckets_[static_cast<std::size_t>(hash >> 32) & (buckets_.size() - 1)];
}

CommittedOffset* OffsetTable::find(const Group& group, LogId log) {
    for (CommittedOffset* offset = at(bucket(group.slot, log)); offset; offset = at(offset->hash_next))
        if (offset->group == group.slot && offset->log == log) return offset;
    return nullptr;
}

Status OffsetTable::room(const Group& group, LogId log, std::string_view metadata) {
    const CommittedOffset* const known = find(group, log);
    if (!known && first_free_ == no_offset) return fail(Error::too_many_offsets);
    if (!blobs_.fits(BlobPool::cost(metadata.size()), known ? BlobPool::cost(known->metadata.size) : 0)) return fail(Error::too_many_offsets);
    return {};
}

void OffsetTable::put(Group& group, LogId log, const OffsetCommit& commit) {
    CommittedOffset* offset = find(group, log);
    if (!offset) {
        offset = at(first_free_);
        RIVULET_CHECK(offset);
        const OffsetIndex index = first_free_;
        first_free_ = offset->hash_next;
        offset->log = log;
        offset->group = group.slot;
        OffsetIndex& head = bucket(group.slot, log);
        offset->hash_next = head;
        head = index;
        offset->group_next = group.first_offset;
        if (CommittedOffset* const before = at(group.first_offset)) before->group_previous = index;
        group.first_offset = index;
        ++group.offset_count;
        ++count_;
    }
    offset->offset = commit.offset;
    offset->epoch = commit.epoch;
    offset->commit_time = commit.time;
    RIVULET_CHECK(blobs_.assign(offset->metadata, commit.metadata));
}

void OffsetTable::remove(Group& group, CommittedOffset& offset) {
    RIVULET_CHECK(offset.group == group.slot && offset.log.value != 0);
    const OffsetIndex index = index_of(offset);
    OffsetIndex* link = &bucket(group.slot, offset.log);
    while (*link != index) link = &offsets_[*link].hash_next;
    *link = offset.hash_next;
    if (CommittedOffset* const after = at(offset.group_next)) after->group_previous = offset.group_previous;
    if (CommittedOffset* const before = at(offset.group_previous)) before->group_next = offset.group_next;
    else group.first_offset = offset.group_next;
    blobs_.clear(offset.metadata);
    offset = CommittedOffset();
    offset.hash_next = first_free_;
    first_free_ = index;
    --group.offset_count;
    --count_;
}

}  // namespace rivulet::broker
