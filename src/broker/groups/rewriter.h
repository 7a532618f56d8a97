// Keeps the partitions of __consumer_offsets short and alive: appends what is live in one anew, then moves its start behind what was there before.
// Owns:     nothing but its place. Bounds: slices of slice_bytes per turn, one partition at a time; waits where the store has no room.
// Errors:   none: what fails is begun again at a later commit; after a disk error it rests.
// Guarantee: the start moves only once all that was appended anew is durable. A partition is begun well before the ring takes its oldest segment, and when it has become larger than
//           rewrite_bytes_min and rewrite_ratio times what is alive in it. While it is read or written anew, appends of others are held as soon as the tail is near.
// Thread:   loop only. A group that is in a rebalance is written as its generation without members: they join again anyway.
#pragma once

#include "broker/broker.h"
#include "broker/groups/offset_table.h"

namespace rivulet::broker {

constexpr std::uint32_t offsets_partitions_max = 50;

class RewriteSource {
public:
    // Appends it as it is now; the bytes that it took.
    virtual Result<std::uint64_t> rewrite_group(Group& group) = 0;
    virtual Result<std::uint64_t> rewrite_offset(const CommittedOffset& offset) = 0;
    virtual bool in_partition(const Group& group, std::uint32_t partition) const = 0;
    virtual const Topic* topic() const = 0;  // nullptr: there is none

protected:
    ~RewriteSource() = default;
};

class Rewriter final : private CommitWaiter, private RoomWaiter, private env::Timer {
public:
    Rewriter(Broker& broker, GroupTable& groups, OffsetTable& offsets, RewriteSource& source, std::uint64_t rewrite_bytes_min)
        : broker_(broker), groups_(groups), offsets_(offsets), source_(source), bytes_min_(rewrite_bytes_min) {}

    // All is being read. Until start(), or stop() if it cannot be, the ring does not come to it.
    void wait_for_load();
    // Once everything is loaded. Looks at each commit.
    void start();
    void stop();
    // Of a partition: what was read, or has been appended since.
    void count(std::uint32_t partition, std::uint64_t bytes) { if (partition < offsets_partitions_max) partitions_[partition].bytes += bytes; }
    std::uint64_t bytes(std::uint32_t partition) const { return partitions_[partition].bytes; }
    std::uint64_t rewrites() const { return rewrites_; }
    bool busy() const { return phase_ != Phase::idle && phase_ != Phase::loading; }

private:
    struct Partition {
        std::uint64_t bytes = 0;
        std::uint64_t due_bytes = 0;   // no need to look below; 0: not known
        std::uint64_t begun_at = 0;    // head segment when the last rewrite that was finished began
    };
    enum class Phase : std::uint8_t { idle, loading, groups, offsets, durable };

    static constexpr std::int64_t again_ns = 10 * ns_per_s;  // after one that failed

    void on_committed(Error error) override;
    void on_room() override;
    void on_timer() override;

    void watch();
    void look();
    store::Log* log_of(std::uint32_t partition) const;
    bool grown(std::uint32_t partition);
    // To be entered until the ring takes the oldest that it has; UINT64_MAX: not known, or nothing.
    std::uint64_t segments_left(const store::Log& log) const;
    void hold();
    bool near_the_end(const store::Log& log, std::uint32_t partition) const;
    void begin(std::uint32_t partition, const store::Log& log);
    Result<std::uint64_t> rewrite_next();
    void finish();

    Broker& broker_;
    GroupTable& groups_;
    OffsetTable& offsets_;
    RewriteSource& source_;
    std::uint64_t bytes_min_;
    std::array<Partition, offsets_partitions_max> partitions_{};
    Phase phase_ = Phase::idle;
    std::uint32_t partition_ = 0;
    std::uint32_t cursor_ = 0;
    Offset start_{0};          // of the log, when all is durable
    Offset end_{0};            // of what was appended anew
    std::uint64_t appended_ = 0;
    std::uint64_t rewrites_ = 0;
    std::uint64_t head_ = 0;           // segment, when it began
    Instant again_at_{INT64_MIN};
};

}  // namespace rivulet::broker
