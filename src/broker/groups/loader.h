// Reads __consumer_offsets at a start, from the beginning of each partition to its end, into the tables.
// Owns:     one fetch. Bounds: a view of read_bytes and one batch at most per turn; one record at a time in the Journal's buffer.
// Errors:   none stops it: what cannot be read is skipped, counted and logged; so is what finds no room, since limits were lowered (`incomplete`).
// Guarantee: a later record of a key overrules an earlier one. Offsets of topics that are gone are not taken.
// Thread:   loop only. Format: records.h.
#pragma once

#include "broker/broker.h"
#include "broker/groups/offset_table.h"
#include "broker/groups/records.h"
#include "record/record.h"

namespace rivulet::broker {

class ViewCursor;

class LoaderListener {
public:
    // A partition has been read; so many bytes were there.
    virtual void on_partition_loaded(std::uint32_t partition, std::uint64_t bytes) = 0;
    virtual void on_loaded() = 0;

protected:
    ~LoaderListener() = default;
};

class Loader final : private Fetch {
public:
    Loader(Broker& broker, BlobPool& blobs, GroupTable& groups, OffsetTable& offsets, MutableBytes record)
        : broker_(broker), blobs_(blobs), groups_(groups), offsets_(offsets), record_(record) {}

    // `topic`: nullptr if there is none. The answer comes later in any case but that.
    void start(const Topic* topic, Coordinator& coordinator, LoaderListener& listener);
    void stop() { broker_.cancel(static_cast<Fetch&>(*this)); }
    // Something that the log has is not in the tables: it must stay in the log.
    bool incomplete() const { return no_room_ != 0; }
    std::uint64_t records() const { return records_; }
    std::uint64_t skipped() const { return skipped_; }

private:
    void on_fetched(Failure outcome) override;
    void next_partition();
    void finish();
    void read_view();
    bool read_batch(ViewCursor& in);
    void take(Bytes encoded);
    void apply(const record::Record& record);
    void apply_offset(const RecordKey& key, const record::Record& record);
    void apply_group(const RecordKey& key, const record::Record& record);
    bool restore_members(Group& group, const GroupRecord& head, GroupRecordReader& in);
    void drop_members(Group& group);
    void collect(Group& group);
    Topic* topic_of(const RecordKey& key, const record::Record& record);

    Broker& broker_;
    BlobPool& blobs_;
    GroupTable& groups_;
    OffsetTable& offsets_;
    MutableBytes record_;
    Coordinator* coordinator_ = nullptr;
    LoaderListener* listener_ = nullptr;
    LogId first_log_{0};
    std::uint32_t partitions_ = 0;
    std::uint32_t partition_ = 0;
    Offset end_{0};
    std::uint64_t bytes_ = 0;      // of this partition
    std::uint64_t records_ = 0;
    std::uint64_t skipped_ = 0;
    std::uint64_t no_room_ = 0;
};

}  // namespace rivulet::broker
