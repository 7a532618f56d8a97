// What each idempotent producer has appended to each log last, so that a batch that comes again is recognised, and a gap is (KIP-98).
// Owns:     limits.producers entries of producer and log, with the last five batches of each, from the arena; found by (producer, log), and by log.
// Bounds:   with no entry free the one least recently used goes, but none with a batch that is not durable yet: busy, if that holds for all. Calls are O(1) or O(entries touched);
//           making room walks past entries that a commit ends. work() counts what was walked since it was asked last, for who charges.
// Errors:   out_of_order_sequence, invalid_producer_epoch, duplicate_sequence, busy.
// Guarantee: who is not known may begin with any sequence: what was forgotten is never taken for a gap. Nothing is called stored that was not.
// Thread:   loop only. Format: FORMAT.md, section 8, "Producers". Sequences count records, from 0 to 2^31 - 1 and on from 0.
#pragma once

#include <utility>

#include "base/arena.h"
#include "record/batch.h"
#include "store/checkpoint_file.h"

namespace rivulet::store {

using ProducerIndex = std::uint32_t;
constexpr ProducerIndex no_producer = 0xffffffff;

struct ProducerBatch {
    Offset base{0};
    std::uint64_t ticket = 0;             // of the commit that makes it durable; 0: it is
    std::int32_t first_sequence = 0;
    std::uint32_t span = 0;               // last sequence - first, which is last offset - base
};

// A producer and a log.
struct Producer {
    std::int64_t id = 0;
    LogId log{0};                         // 0: unused
    ProducerBatch batches[producer_batches_max];  // the last ones, oldest first; each begins where the one before it ends
    std::uint32_t before = 0;             // sequences right before the oldest of them, stored too
    std::int16_t epoch = 0;
    std::uint8_t count = 0;
    ProducerIndex hash_next = no_producer;
    ProducerIndex log_next = no_producer;      // among those of its log, and of logs with the same hash
    ProducerIndex log_previous = no_producer;
    ProducerIndex lru_next = no_producer;
    ProducerIndex lru_previous = no_producer;
};

class ProducerTable {
public:
    ProducerTable(Arena& arena, std::uint32_t capacity);
    static constexpr std::size_t bytes_each = sizeof(Producer);
    static std::size_t memory_bytes(std::uint32_t capacity);

    // The batch that this one is an exact repeat of; nullptr: it may be appended. Errors say why it may not.
    Result<const ProducerBatch*> judge(const record::BatchHeader& header, LogId log);
    // Before a batch that may be appended: an entry for it. busy: all others have batches beyond `durable_ticket`.
    Status make_room(std::int64_t producer, LogId log, std::uint64_t durable_ticket);
    // Appended, as its header says now; make_room() has come before.
    void note(const record::BatchHeader& header, LogId log, std::uint64_t ticket);

    // Recovery: a batch that the log holds, in order; those that are known already are passed over.
    void replay(const record::BatchHeader& header, LogId log);
    void restore(const ProducerImage& image);
    // The log ends at `end` now.
    void truncate(LogId log, Offset end);
    // The log is gone, or may have lost its last batches: they may begin anew.
    void remove_log(LogId log) { truncate(log, Offset(0)); }

    // For the checkpoint: images by index, in a fixed order; false: none there.
    std::uint32_t capacity() const { return static_cast<std::uint32_t>(entries_.size()); }
    bool image_at(std::uint32_t index, ProducerImage& out) const;
    std::uint32_t used() const { return used_; }
    std::uint64_t evictions() const { return evictions_; }
    // Entries that went, or were looked through, since the last call.
    std::uint64_t work() { return std::exchange(work_, 0); }

private:
    std::size_t bucket(std::int64_t producer, LogId log) const;
    std::size_t log_bucket(LogId log) const;
    ProducerIndex find(std::int64_t producer, LogId log) const;
    Producer& take(std::int64_t producer, LogId log);
    void erase(ProducerIndex index);
    void add(Producer& producer, const record::BatchHeader& header, std::uint64_t ticket);
    void link_lru(ProducerIndex index);
    void unlink_lru(ProducerIndex index);
    void touch(ProducerIndex index);

    std::span<Producer> entries_;
    std::span<ProducerIndex> buckets_;      // by producer and log, a power of two of them
    std::span<ProducerIndex> log_buckets_;  // by log
    unsigned shift_ = 0;                    // 64 - log2 of the number of buckets
    ProducerIndex free_ = no_producer;
    ProducerIndex lru_first_ = no_producer;
    ProducerIndex lru_last_ = no_producer;
    std::uint32_t touched_ = 0;             // entries from here on were never used
    std::uint32_t used_ = 0;
    std::uint64_t evictions_ = 0;
    std::uint64_t work_ = 0;
};

}  // namespace rivulet::store
