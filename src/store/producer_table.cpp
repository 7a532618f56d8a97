#include "store/producer_table.h"

#include <algorithm>

#include "store/chained_hash.h"

namespace rivulet::store {

namespace {

// Sequences are counted modulo 2^31.
constexpr std::uint32_t sequence_mask = 0x7fffffff;
// What is said to have been stored before is at most half of them: the other half lies ahead.
constexpr std::uint64_t before_max = std::uint64_t{1} << 30;

const ProducerBatch& last_of(const Producer& producer) { return producer.batches[producer.count - 1]; }

Offset last_offset(const ProducerBatch& batch) { return batch.base + std::int64_t{batch.span}; }

std::uint32_t next_sequence(const Producer& producer) {
    const ProducerBatch& last = last_of(producer);
    return (static_cast<std::uint32_t>(last.first_sequence) + last.span + 1) & sequence_mask;
}

}  // namespace

ProducerTable::ProducerTable(Arena& arena, std::uint32_t capacity)
    : entries_(room_for<Producer>(arena, capacity)),
      buckets_(arena.make_array<ProducerIndex>(bucket_count(capacity))),
      log_buckets_(arena.make_array<ProducerIndex>(bucket_count(capacity))),
      shift_(bucket_shift(capacity)) {
    for (const auto buckets : {buckets_, log_buckets_})
        for (ProducerIndex& first : buckets) first = no_producer;
}

std::size_t ProducerTable::memory_bytes(std::uint32_t capacity) {
    return std::size_t{capacity} * bytes_each + 2 * bucket_count(capacity) * sizeof(ProducerIndex) + alignof(Producer);
}

std::size_t ProducerTable::bucket(std::int64_t producer, LogId log) const {
    return static_cast<std::size_t>(mix(mix(static_cast<std::uint64_t>(producer)) ^ std::rotl(log.value, 32) ^ log.value) >> shift_);
}

std::size_t ProducerTable::log_bucket(LogId log) const { return static_cast<std::size_t>(mix(log.value) >> shift_); }

ProducerIndex ProducerTable::find(std::int64_t producer, LogId log) const {
    ProducerIndex i = buckets_[bucket(producer, log)];
    while (i != no_producer && (entries_[i].id != producer || entries_[i].log != log)) i = entries_[i].hash_next;
    return i;
}

Result<const ProducerBatch*> ProducerTable::judge(const record::BatchHeader& header, LogId log) {
    constexpr const ProducerBatch* appendable = nullptr;
    const ProducerIndex index = find(header.producer_id, log);
    if (index == no_producer) return appendable;
    touch(index);
    const Producer& producer = entries_[index];
    if (header.producer_epoch < producer.epoch) return fail(Error::invalid_producer_epoch, producer.epoch);
    if (header.producer_epoch > producer.epoch) {
        if (header.base_sequence != 0) return fail(Error::out_of_order_sequence, header.base_sequence);
        return appendable;
    }
    const auto span = static_cast<std::uint32_t>(header.last_offset_delta);
    std::uint64_t known = producer.before;
    for (std::size_t i = 0; i < producer.count; ++i) {
        const ProducerBatch& batch = producer.batches[i];
        if (batch.first_sequence == header.base_sequence && batch.span == span) return &batch;
        known += std::uint64_t{batch.span} + 1;
    }
    // Its distance behind the next one that is expected: stored already is only what lies wholly within what is known to have come without a gap.
    const std::uint32_t back = (next_sequence(producer) - static_cast<std::uint32_t>(header.base_sequence)) & sequence_mask;
    if (back == 0) return appendable;
    const bool stored = back <= std::min(known, before_max) && span < back;
    return fail(stored ? Error::duplicate_sequence : Error::out_of_order_sequence, header.base_sequence);
}

// Those with batches that are not durable were used not long ago, so the first without lies near the front of the list.
Status ProducerTable::make_room(std::int64_t producer, LogId log, std::uint64_t durable_ticket) {
    if (free_ != no_producer || touched_ != entries_.size() || find(producer, log) != no_producer) return {};
    for (ProducerIndex i = lru_first_; i != no_producer; i = entries_[i].lru_next, ++work_) {
        if (last_of(entries_[i]).ticket > durable_ticket) continue;
        erase(i);
        ++evictions_;
        return {};
    }
    return fail(Error::busy);
}

void ProducerTable::note(const record::BatchHeader& header, LogId log, std::uint64_t ticket) { add(take(header.producer_id, log), header, ticket); }

void ProducerTable::replay(const record::BatchHeader& header, LogId log) {
    const ProducerIndex index = find(header.producer_id, log);
    if (index != no_producer && header.base_offset <= last_offset(last_of(entries_[index]))) return;
    RIVULET_CHECK(make_room(header.producer_id, log, UINT64_MAX).ok());
    note(header, log, 0);
}

void ProducerTable::restore(const ProducerImage& image) {
    RIVULET_CHECK(image.count != 0 && image.count <= producer_batches_max);
    RIVULET_CHECK(make_room(image.producer, image.log, UINT64_MAX).ok());
    Producer& producer = take(image.producer, image.log);
    producer.epoch = image.epoch;
    producer.before = 0;
    producer.count = static_cast<std::uint8_t>(image.count);
    auto sequence = static_cast<std::uint32_t>(image.first_sequence);
    for (std::size_t i = 0; i < image.count; ++i) {
        producer.batches[i] = {image.bases[i], 0, static_cast<std::int32_t>(sequence), image.spans[i]};
        sequence = (sequence + image.spans[i] + 1) & sequence_mask;
    }
}

bool ProducerTable::image_at(std::uint32_t index, ProducerImage& out) const {
    if (index >= touched_ || entries_[index].log.value == 0) return false;
    const Producer& producer = entries_[index];
    out = {producer.id, producer.log, producer.epoch, producer.batches[0].first_sequence, producer.count, {}, {}};
    for (std::size_t i = 0; i < producer.count; ++i) {
        out.spans[i] = producer.batches[i].span;
        out.bases[i] = producer.batches[i].base;
    }
    return true;
}

// Of a batch that is cut the rest is void, too.
void ProducerTable::truncate(LogId log, Offset end) {
    for (ProducerIndex i = log_buckets_[log_bucket(log)]; i != no_producer; ++work_) {
        Producer& producer = entries_[i];
        const ProducerIndex next = producer.log_next;
        if (producer.log == log) {
            while (producer.count != 0 && last_offset(last_of(producer)) >= end) --producer.count;
            if (producer.count == 0) erase(i);
        }
        i = next;
    }
}

// ---- entries ----

// A new epoch starts over; so does a producer of which something is missing, which recovery alone meets.
void ProducerTable::add(Producer& producer, const record::BatchHeader& header, std::uint64_t ticket) {
    const bool goes_on = producer.count != 0 && producer.epoch == header.producer_epoch && static_cast<std::uint32_t>(header.base_sequence) == next_sequence(producer);
    if (!goes_on) producer.count = 0, producer.before = 0;
    if (producer.count == producer_batches_max) {
        producer.before = static_cast<std::uint32_t>(std::min(producer.before + std::uint64_t{producer.batches[0].span} + 1, before_max));
        std::move(producer.batches + 1, producer.batches + producer_batches_max, producer.batches);
        --producer.count;
    }
    producer.epoch = header.producer_epoch;
    producer.batches[producer.count++] = {header.base_offset, ticket, header.base_sequence, static_cast<std::uint32_t>(header.last_offset_delta)};
}

// The entry, new if there was none, which then needs a batch; counts as used.
Producer& ProducerTable::take(std::int64_t id, LogId log) {
    RIVULET_CHECK(log.value != 0);
    if (const ProducerIndex known = find(id, log); known != no_producer) {
        touch(known);
        return entries_[known];
    }
    const ProducerIndex index = free_ != no_producer ? std::exchange(free_, entries_[free_].hash_next) : touched_++;
    RIVULET_CHECK(index < entries_.size());
    Producer& producer = *::new (static_cast<void*>(&entries_[index])) Producer();
    producer.id = id;
    producer.log = log;
    producer.hash_next = std::exchange(buckets_[bucket(id, log)], index);
    ProducerIndex& of_log = log_buckets_[log_bucket(log)];
    if (of_log != no_producer) entries_[of_log].log_previous = index;
    producer.log_next = std::exchange(of_log, index);
    link_lru(index);
    ++used_;
    return producer;
}

void ProducerTable::erase(ProducerIndex index) {
    Producer& producer = entries_[index];
    ProducerIndex* at = &buckets_[bucket(producer.id, producer.log)];
    while (*at != index) at = &entries_[*at].hash_next;
    *at = producer.hash_next;
    if (producer.log_previous != no_producer) entries_[producer.log_previous].log_next = producer.log_next;
    else log_buckets_[log_bucket(producer.log)] = producer.log_next;
    if (producer.log_next != no_producer) entries_[producer.log_next].log_previous = producer.log_previous;
    unlink_lru(index);
    producer = Producer{};
    producer.hash_next = std::exchange(free_, index);
    --used_;
    ++work_;
}

void ProducerTable::link_lru(ProducerIndex index) {
    Producer& producer = entries_[index];
    producer.lru_previous = lru_last_;
    producer.lru_next = no_producer;
    (lru_last_ != no_producer ? entries_[lru_last_].lru_next : lru_first_) = index;
    lru_last_ = index;
}

void ProducerTable::unlink_lru(ProducerIndex index) {
    const Producer& producer = entries_[index];
    (producer.lru_previous != no_producer ? entries_[producer.lru_previous].lru_next : lru_first_) = producer.lru_next;
    (producer.lru_next != no_producer ? entries_[producer.lru_next].lru_previous : lru_last_) = producer.lru_previous;
}

void ProducerTable::touch(ProducerIndex index) {
    if (lru_last_ == index) return;
    unlink_lru(index);
    link_lru(index);
}

}  // namespace rivulet::store
