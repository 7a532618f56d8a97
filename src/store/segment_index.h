// Where on flash each log is: per log a chain of samples, one per segment that holds records of it.
// Owns:     limits.index_samples entries from the arena.
// Bounds:   when they run out, the log with the longest chain gives up every second of its older samples: look-ups then scan further, nothing
//           is lost. `bytes` and `max_time` of a dropped sample are added to the one before, which is then `merged`. There must be two per log at
//           least (StoreOptions::check). note() and prepend() are O(1), when samples have run out O(logs + chain); find() is O(chain).
// Guarantee: samples of a log ascend by LSN and by offset: where a log goes on at a lower offset it was truncated, and the samples beyond go. (A writer of relocated
//           extents must not note them here, but keep samples of their own.)
// Thread:   loop only. Derived data: rebuilt from footers and groups.
#pragma once

#include "base/arena.h"
#include "store/log_table.h"

namespace rivulet::store {

struct Sample {
    std::uint32_t first_low = 0;   // first offset in this segment, in halves: keeps the entry at 28 bytes
    std::uint32_t first_high = 0;
    SampleIndex next = no_sample;  // of the last one: how many there are in the chain, with chain_end set. Use SegmentIndex::next
    std::uint32_t segment = 0;     // sequence, low 32 bits
    std::uint32_t page : 31 = 0;   // position of the first group with this log, in pages
    std::uint32_t merged : 1 = 0;  // stands for later segments too, up to the next sample's
    std::uint32_t bytes = 0;       // of the log in this segment
    std::uint32_t max_time = 0;    // seconds since 1970, rounded up; time_unknown: stamped under an untrusted clock

    Offset first() const { return Offset(static_cast<std::int64_t>(std::uint64_t{first_high} << 32 | first_low)); }
    void set_first(Offset offset) {
        first_low = static_cast<std::uint32_t>(offset.value);
        first_high = static_cast<std::uint32_t>(static_cast<std::uint64_t>(offset.value) >> 32);
    }
};
constexpr std::uint32_t time_unknown = 0xffffffff;
std::uint32_t sample_time(Timestamp timestamp);  // rounded up, saturating; below 1970: 0

class SegmentIndex {
public:
    SegmentIndex(Arena& arena, std::uint32_t capacity);
    static std::size_t memory_bytes(std::uint32_t capacity) { return std::size_t{capacity} * sizeof(Sample); }

    // An extent of `log` at `lsn` was written, or met in recovery in ascending order of LSN.
    void note(LogTable& logs, Log& log, const Geometry& geometry, Lsn group, Offset base, std::uint32_t bytes, std::uint32_t max_time);
    // What a footer says of an older segment than any sample of the log: goes to the front of its chain. Loading runs from newer to older segments; log.bytes grows.
    void prepend(LogTable& logs, Log& log, std::uint64_t sequence, std::uint32_t page, Offset first, std::uint32_t bytes, std::uint32_t max_time);
    // LSN of a group at or before the one that holds `offset`, perhaps in a segment that is not live any more; Lsn(0) if the index knows nothing that old.
    Lsn find(const Log& log, Offset offset, const Geometry& geometry, std::uint64_t head) const;
    // The same for what comes next: the first LSN at or beyond `lsn` where a group may have something of the log; the largest LSN if there is none. What the
    // index does not know yet counts as nothing.
    Lsn onward(const Log& log, Lsn lsn, const Geometry& geometry, std::uint64_t head) const;
    // No record of the log below this offset has that time or a later one (in seconds, rounded down), as far as the index goes; Offset(-1): none that it knows of has.
    Offset find_time(const Log& log, std::uint32_t seconds) const;
    // Drops all samples of segments below `first_live`; log.bytes goes down. Returns the first offset of what is left, or log.durable_end if nothing is. A merged
    // sample stays while a live segment may have some of what it stands for: the offset returned is then lower than the first that is left.
    Offset retire(Log& log, const Geometry& geometry, std::uint64_t first_live, std::uint64_t head);
    void drop_all(Log& log);   // log.bytes stays
    const Sample* first(const Log& log) const { return log.first_sample == no_sample ? nullptr : &samples_[log.first_sample]; }
    const Sample* next(const Sample& sample) const { return (sample.next & chain_end) != 0 ? nullptr : &samples_[sample.next]; }
    // Times that were unknown become `now`, an upper bound: called once when the clock becomes trusted.
    void settle_unknown_times(LogTable& logs, std::uint32_t now_seconds);
    // Full sequence of a sample from its low 32 bits and the head's.
    static std::uint64_t sequence_of(const Sample& sample, std::uint64_t head);
    std::uint32_t used() const { return used_; }
    std::uint32_t capacity() const { return static_cast<std::uint32_t>(samples_.size()); }

private:
    static constexpr SampleIndex chain_end = 0x80000000;

    std::uint32_t length(const Log& log) const { return log.first_sample == no_sample ? 0 : samples_[log.last_sample].next & ~chain_end; }
    void set_length(const Log& log, std::uint32_t length) { samples_[log.last_sample].next = length | chain_end; }
    SampleIndex take(LogTable& logs);
    void give(SampleIndex index);
    void thin(LogTable& logs);
    bool takes_more(const Log& log, std::uint64_t sequence) const;
    void drop_from(Log& log, Offset offset);
    static void absorb(Sample& sample, const Sample& later);

    std::span<Sample> samples_;
    SampleIndex first_free_ = no_sample;
    std::uint32_t untouched_ = 0;
    std::uint32_t used_ = 0;
};
static_assert(sizeof(Sample) == 28);

}  // namespace rivulet::store
