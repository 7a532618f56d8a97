#include "store/segment_index.h"

#include <algorithm>
#include <limits>

namespace rivulet::store {

namespace {

constexpr std::uint32_t bytes_limit = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint32_t page_mask = 0x7fffffff;

std::uint32_t add_bytes(std::uint32_t a, std::uint32_t b) { return b > bytes_limit - a ? bytes_limit : a + b; }

Sample make_sample(std::uint64_t sequence, std::uint32_t page, Offset first, std::uint32_t bytes, std::uint32_t max_time) {
    Sample sample;
    sample.set_first(first);
    sample.segment = static_cast<std::uint32_t>(sequence);
    sample.page = page & page_mask;
    sample.bytes = bytes;
    sample.max_time = max_time;
    return sample;
}

}  // namespace

std::uint32_t sample_time(Timestamp timestamp) {
    if (timestamp.value <= 0) return 0;
    const std::int64_t seconds = timestamp.value / 1000 + (timestamp.value % 1000 != 0 ? 1 : 0);
    return static_cast<std::uint32_t>(std::min<std::int64_t>(seconds, time_unknown - 1));
}

SegmentIndex::SegmentIndex(Arena& arena, std::uint32_t capacity) : samples_(arena.make_array<Sample>(capacity)) {
    RIVULET_CHECK(capacity < chain_end);
}

void SegmentIndex::note(LogTable& logs, Log& log, const Geometry& geometry, Lsn group, Offset base, std::uint32_t bytes,
                        std::uint32_t max_time) {
    const std::uint64_t sequence = geometry.sequence(group);
    if (log.first_sample != no_sample && base <= samples_[log.last_sample].first()) drop_from(log, base);
    if (!takes_more(log, sequence)) {
        const SampleIndex index = take(logs);
        const auto page = static_cast<std::uint32_t>(geometry.position_in_segment(group) / page_bytes);
        const std::uint32_t before = length(log);
        samples_[index] = make_sample(sequence, page, base, 0, 0);
        if (before == 0) log.first_sample = index;
        else samples_[log.last_sample].next = index;
        log.last_sample = index;
        set_length(log, before + 1);
    }
    Sample& sample = samples_[log.last_sample];
    sample.bytes = add_bytes(sample.bytes, bytes);
    sample.max_time = std::max(sample.max_time, max_time);
}

void SegmentIndex::prepend(LogTable& logs, Log& log, std::uint64_t sequence, std::uint32_t page, Offset first, std::uint32_t bytes,
                           std::uint32_t max_time) {
    if (log.first_sample != no_sample && first >= samples_[log.first_sample].first()) return;  // cut off by a truncation
    const SampleIndex index = take(logs);
    const std::uint32_t before = length(log);
    samples_[index] = make_sample(sequence, page, first, bytes, max_time);
    log.bytes += bytes;
    if (before == 0) log.last_sample = index;
    else samples_[index].next = log.first_sample;
    log.first_sample = index;
    set_length(log, before + 1);
}

// Whether the last sample stands for `sequence` too.
bool SegmentIndex::takes_more(const Log& log, std::uint64_t sequence) const {
    if (log.first_sample == no_sample) return false;
    const Sample& last = samples_[log.last_sample];
    return last.segment == static_cast<std::uint32_t>(sequence) || (last.merged && used_ == samples_.size());
}

// A log goes on below the first offset of samples that it had: it was truncated, and they stand for void extents.
void SegmentIndex::drop_from(Log& log, Offset offset) {
    const std::uint32_t before = length(log);
    std::uint32_t kept = 0;
    SampleIndex last = no_sample;
    SampleIndex index = log.first_sample;
    for (; kept < before && samples_[index].first() < offset; ++kept) {
        last = index;
        index = samples_[index].next;
    }
    for (std::uint32_t left = before - kept; left != 0; --left) {
        const SampleIndex next = samples_[index].next;
        log.bytes -= std::min<std::uint64_t>(log.bytes, samples_[index].bytes);
        give(index);
        index = next;
    }
    log.last_sample = last;
    if (kept == 0) log.first_sample = no_sample;
    else set_length(log, kept);
}

Lsn SegmentIndex::find(const Log& log, Offset offset, const Geometry& geometry, std::uint64_t head) const {
    const Sample* best = nullptr;
    for (const Sample* sample = first(log); sample; sample = next(*sample))
        if (sample->first() <= offset) best = sample;
    if (!best) return Lsn(0);
    return geometry.segment_start(sequence_of(*best, head)) + std::uint64_t{best->page} * page_bytes;
}

Lsn SegmentIndex::onward(const Log& log, Lsn lsn, const Geometry& geometry, std::uint64_t head) const {
    const std::uint64_t sequence = geometry.sequence(lsn);
    const Sample* before = nullptr;
    for (const Sample* sample = first(log); sample; before = sample, sample = next(*sample)) {
        const std::uint64_t there = sequence_of(*sample, head);
        if (there < sequence) continue;
        if (before && before->merged) return lsn;
        return std::max(lsn, geometry.segment_start(there) + std::uint64_t{sample->page} * page_bytes);
    }
    return before && before->merged ? lsn : Lsn(std::numeric_limits<std::uint64_t>::max());
}

Offset SegmentIndex::find_time(const Log& log, std::uint32_t seconds) const {
    for (const Sample* sample = first(log); sample; sample = next(*sample))
        if (sample->max_time >= seconds) return sample->first();
    return Offset(-1);
}

Offset SegmentIndex::retire(Log& log, const Geometry&, std::uint64_t first_live, std::uint64_t head) {
    while (log.first_sample != no_sample) {
        const SampleIndex index = log.first_sample;
        const Sample& sample = samples_[index];
        const Sample* const later = next(sample);
        const std::uint64_t last = !sample.merged ? sequence_of(sample, head) : later ? sequence_of(*later, head) - 1 : head;
        if (last >= first_live) break;
        log.bytes -= std::min<std::uint64_t>(log.bytes, sample.bytes);
        const std::uint32_t left = length(log) - 1;
        if (left == 0) {
            log.first_sample = log.last_sample = no_sample;
        } else {
            log.first_sample = sample.next;
            set_length(log, left);
        }
        give(index);
    }
    // After a truncation the first sample may stand for void extents alone, until more is appended.
    return log.first_sample == no_sample ? log.durable_end : std::min(log.durable_end, samples_[log.first_sample].first());
}

void SegmentIndex::drop_all(Log& log) {
    for (std::uint32_t left = length(log); left != 0; --left) {
        const SampleIndex index = log.first_sample;
        log.first_sample = samples_[index].next;
        give(index);
    }
    log.first_sample = log.last_sample = no_sample;
}

void SegmentIndex::settle_unknown_times(LogTable& logs, std::uint32_t now_seconds) {
    for (std::uint32_t rank = 0; rank < logs.count(); ++rank) {
        const Log& log = logs.at(rank);
        SampleIndex index = log.first_sample;
        for (std::uint32_t left = length(log); left != 0; --left) {
            Sample& sample = samples_[index];
            if (sample.max_time == time_unknown) sample.max_time = now_seconds;
            index = sample.next;
        }
    }
}

std::uint64_t SegmentIndex::sequence_of(const Sample& sample, std::uint64_t head) {
    return head - static_cast<std::uint32_t>(static_cast<std::uint32_t>(head) - sample.segment);
}

SampleIndex SegmentIndex::take(LogTable& logs) {
    if (first_free_ == no_sample && untouched_ == samples_.size()) thin(logs);
    SampleIndex index = first_free_;
    if (index != no_sample) {
        first_free_ = samples_[index].next;
    } else {
        RIVULET_CHECK(untouched_ < samples_.size());
        index = untouched_++;
    }
    ++used_;
    return index;
}

void SegmentIndex::give(SampleIndex index) {
    samples_[index].next = first_free_;
    first_free_ = index;
    --used_;
}

// Bytes saturate at 4 GiB: log.bytes would then stay too high, but no limits that StoreOptions::check passes come near.
void SegmentIndex::absorb(Sample& sample, const Sample& later) {
    sample.bytes = add_bytes(sample.bytes, later.bytes);
    sample.max_time = std::max(sample.max_time, later.max_time);
    sample.merged = 1;
}

// Every second sample of the longest chain goes, but the last one, which is being added to; of two the last goes all the same.
void SegmentIndex::thin(LogTable& logs) {
    Log* longest = nullptr;
    for (std::uint32_t rank = 0; rank < logs.count(); ++rank)
        if (!longest || length(logs.at(rank)) > length(*longest)) longest = &logs.at(rank);
    if (!longest || length(*longest) < 2) return;
    Log& log = *longest;
    const std::uint32_t count = length(log);
    if (count == 2) {
        const SampleIndex last = log.last_sample;
        absorb(samples_[log.first_sample], samples_[last]);
        give(last);
        log.last_sample = log.first_sample;
        set_length(log, 1);
        return;
    }
    const std::uint32_t pairs = (count - 1) / 2;
    SampleIndex keeper = log.first_sample;
    for (std::uint32_t pair = 0; pair < pairs; ++pair) {
        const SampleIndex dropped = samples_[keeper].next;
        const SampleIndex following = samples_[dropped].next;
        absorb(samples_[keeper], samples_[dropped]);
        samples_[keeper].next = following;
        give(dropped);
        keeper = following;
    }
    set_length(log, count - pairs);
}

}  // namespace rivulet::store
