// What answers say, against what is known.
#include <algorithm>

#include "sim/run/history.h"

namespace rivulet::sim {

namespace {

constexpr std::uint16_t append_time = 0x0008;

std::string numbers(const Ends& e) {
    return "log start " + std::to_string(e.log_start) + ", durable " + std::to_string(e.durable_end) + ", HW " + std::to_string(e.high_watermark) + ", end " +
           std::to_string(e.log_end) + ", epoch " + std::to_string(e.epoch);
}

}  // namespace

Known History::known(std::size_t topic, std::uint64_t partition) const {
    const Partition& p = partitions_[topic][partition];
    return {topic, partition, topics_[topic].there ? topics_[topic].life : -1, p.high_watermark, p.epoch, p.log_start, damages_};
}

// Whether question and answer were about the topic as it is now.
bool History::current(const Known& known) const {
    return known.life >= 0 && topics_[known.topic].there && topics_[known.topic].life == known.life && known.damages == damages_;
}

bool History::ends(const Known& known, const Ends& e) {
    const std::string at = where(known.topic, known.partition) + ": ";
    if (e.log_start > e.high_watermark || e.high_watermark > e.log_end || e.durable_end > e.log_end) return fail(at + "wrong order of " + numbers(e));
    if (!plan_.topics[known.topic].memory && e.high_watermark != e.durable_end) return fail(at + "a disk topic shows what is not durable: " + numbers(e));
    if (!current(known)) return true;
    if (e.high_watermark < known.high_watermark) return fail(at + "HW went back from " + std::to_string(known.high_watermark) + ": " + numbers(e));
    if (e.epoch < known.epoch) return fail(at + "the epoch went back from " + std::to_string(known.epoch) + ": " + numbers(e));
    if (e.log_start >= 0 && e.epoch == known.epoch && e.log_start < known.log_start) return fail(at + "log start went back from " + std::to_string(known.log_start) + ": " + numbers(e));
    if (!check_pinned(known, e)) return false;
    Partition& partition = partitions_[known.topic][known.partition];
    if (e.high_watermark > partition.high_watermark) partition.high_watermark = e.high_watermark;
    if (e.epoch > partition.epoch) partition.log_start = 0;
    if (e.epoch > partition.epoch) partition.epoch = e.epoch;
    if (e.epoch == partition.epoch && e.log_start > partition.log_start) partition.log_start = e.log_start;
    return true;
}

// Switched off, the ring takes it.
bool History::check_pinned(const Known& known, const Ends& e) {
    const TopicPlan& topic = plan_.topics[known.topic];
    if (!topic.pinned || e.log_start <= 0 || !strict() || topics_[known.topic].settings["pinned"].ever.size() > 1) return true;
    if (topic.rejects) return fail(where(known.topic, known.partition) + ": pinned and refusing, it has lost records: " + numbers(e));
    return share_may_be_full() || fail(where(known.topic, known.partition) + ": pinned, it has lost records though there is room: " + numbers(e));
}

// Offsets [expected, found) were passed over. Right at a log start that has moved they may have gone with the ring's tail: an index with too few samples does not know better.
bool History::check_gap(const Known& known, const Ends& e, std::int64_t expected, std::int64_t found) {
    if (found <= expected || !strict() || plan_.topics[known.topic].memory || plan_.topics[known.topic].compacted || (e.log_start > 0 && expected == e.log_start)) return true;
    return fail(where(known.topic, known.partition) + ": offsets " + std::to_string(expected) + " to " + std::to_string(found - 1) + " are missing: " + numbers(e));
}

std::int64_t History::fetched(const Known& known, std::int64_t offset, const Ends& e, Bytes batches) {
    if (!ends(known, e)) return -1;
    std::int64_t next = offset;
    std::int32_t epoch = 0;
    bool first = true;
    bool good = true;
    const std::string at = where(known.topic, known.partition) + ", fetched from " + std::to_string(offset) + ": ";
    const auto on_batch = [&](const SeenBatch& batch) {
        if (!good) return;
        const std::string here = at + "batch " + std::to_string(batch.base) + " to " + std::to_string(batch.last);
        if (batch.last < offset) good = fail(here + " is wholly below what was asked");
        else if (batch.last >= e.high_watermark) good = fail(here + " reaches beyond the high watermark " + std::to_string(e.high_watermark));
        else if (batch.epoch < epoch || batch.epoch > e.epoch) good = fail(here + " has epoch " + std::to_string(batch.epoch) + " after " + std::to_string(epoch));
        else if (!first || (e.log_start >= 0 && offset >= e.log_start)) good = check_gap(known, e, next, batch.base);
        first = false;
        next = batch.last + 1;
        epoch = batch.epoch;
    };
    const auto on_record = [&](const SeenBatch& batch, const SeenRecord& record) {
        if (good) good = check_record(known, batch, record);
    };
    const TopicPlan& topic = plan_.topics[known.topic];
    // What was compressed is not, where it is compacted.
    const std::string wrong = parse_batches(batches, {on_batch, on_record, topic.of_producers, topic.of_producers && !topic.compacted, topic.compacted, topic.pinned && !strict()});
    if (good && !wrong.empty()) good = fail(at + wrong);
    return good ? next : -1;
}

bool History::check_record(const Known& known, const SeenBatch& batch, const SeenRecord& record) {
    ++read_count_;
    const std::string at = where(known.topic, known.partition) + ", offset " + std::to_string(record.offset) + ": ";
    const std::optional<ReadingId> id = read_mark(record.has_key ? record.key : Bytes(), record.has_value ? record.value : Bytes(), record.headers);
    if (!id) return fail(at + "a record that nobody sent");
    if (id->producer == hostile_producer) return fail(at + "a reading was stored whose frame was damaged");
    const bool known_reading = id->producer < readings_.size() && id->incarnation < readings_[id->producer].size() && id->sequence != 0 &&
                               id->sequence <= readings_[id->producer][id->incarnation].size();
    if (!known_reading || this->at(*id).state == Sent::made) return fail(at + "invented: a record with a mark that was never sent");
    const Sent& sent = this->at(*id);
    if (alias(*id).topic != known.topic) return fail(at + "belongs to another topic: " + describe(*id));
    if (sent.partition >= 0 && static_cast<std::uint64_t>(sent.partition) != known.partition) return fail(at + "belongs to another partition: " + describe(*id));
    if (!check_content(known, batch, record, *id)) return false;
    if (!current(known)) return true;
    const std::int64_t time = content(*id).stamped && (batch.attributes & append_time) == 0 ? record.time : -1;
    return check_place(known, record.offset, {*id, batch.epoch, batch.base, time});
}

bool History::check_content(const Known& known, const SeenBatch& batch, const SeenRecord& record, ReadingId id) {
    const auto differs = [&](const char* what) {
        return fail(where(known.topic, known.partition) + ", offset " + std::to_string(record.offset) + ": altered " + what + ": " + describe(id));
    };
    const Content sent = content(id);
    if (record.has_key != sent.has_key || !equal(record.key, sent.key)) return differs("key");
    if (record.has_value != sent.has_value || !equal(record.value, sent.value)) return differs("value");
    if (record.header_count != sent.header_count || !equal(record.headers, sent.headers)) return differs("headers");
    if (sent.bad_time || (sent.too_large && !larger_allowed(known.topic))) return fail("stored though it must be refused: " + describe(id));
    const bool by_broker = (batch.attributes & append_time) != 0;
    if (!ever_set(known.topic, "message.timestamp.type", by_broker ? "LogAppendTime" : "CreateTime")) return differs("time (of another type)");
    if (sent.stamped && !by_broker && record.time != sent.time) return differs("time");
    if (record.time < 0) return differs("time (none)");
    return true;
}

bool History::check_place(const Known& known, std::int64_t offset, const Place& place) {
    const TopicPlan& topic = plan_.topics[known.topic];
    std::map<std::int64_t, Place>& places = partitions_[known.topic][known.partition].places;
    const std::string at = where(known.topic, known.partition) + ", offset " + std::to_string(offset) + ": ";
    const auto [found, fresh] = places.try_emplace(offset, place);
    if (!fresh) {
        if (found->second == place) return true;
        return fail(at + "changed between two reads: was " + describe(found->second.id) + " in batch " + std::to_string(found->second.batch) + " of epoch " +
                    std::to_string(found->second.epoch) + ", is " + describe(place.id) + " in batch " + std::to_string(place.batch) + " of epoch " +
                    std::to_string(place.epoch));
    }
    Sent& sent = this->at(place.id);
    // Stored, not acknowledged, and refused when it came again under a lower limit.
    const bool limit_lowered = larger_allowed(known.topic) && content(place.id).too_large;
    if (sent.state == Sent::refused && !limit_lowered && !topics_[known.topic].ever_deleted && !topics_[known.topic].ever_uncertain) return fail(at + "a refused reading: " + describe(place.id));
    const bool again = sent.offset >= 0 && sent.offset != offset && sent.life_read == known.life;
    const bool once = plan_.producers[place.id.producer].session != 0 || plan_.producers[place.id.producer].idempotent;
    if (again && !topic.memory && once && !sent.may_repeat) return fail(at + "stored twice: " + describe(place.id));
    if (sent.offset < 0 || sent.life_read != known.life || topic.memory) {
        sent.offset = offset;
        sent.partition_read = static_cast<std::uint16_t>(known.partition);
        sent.life_read = known.life;
    }
    return true;
}

// ---- by time ----

std::int64_t History::some_time(std::size_t topic, std::uint64_t partition, Random& random) const {
    const Partition& p = partitions_[topic][partition];
    const std::uint64_t dice = random.below(16);
    if (dice == 0) return random.chance(1, 2) ? 0 : INT64_MAX;
    const auto near = p.places.lower_bound(static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(p.high_watermark) + 1)));
    if (near == p.places.end() || near->second.time <= 0 || dice == 1) return static_cast<std::int64_t>(random.below(2'000'000'000'000));
    return near->second.time - 1 + static_cast<std::int64_t>(random.below(3));
}

bool History::found(const Known& known, std::int64_t at, std::int64_t offset, std::int64_t time, std::int32_t epoch) {
    const std::string text = where(known.topic, known.partition) + ", searched for time " + std::to_string(at) + ": offset " + std::to_string(offset) + ", time " + std::to_string(time);
    if (offset < 0 || time < -1 || (time >= 0 && time < at)) return fail(text);
    // Where there is none, the answer is the high watermark; else that is above it, or an answer to come will be below what is known then.
    const std::int64_t high_watermark = time < 0 ? offset : std::max(known.high_watermark, offset + 1);
    if (!ends(known, {-1, high_watermark, high_watermark, high_watermark, epoch})) return false;
    if (!current(known)) return true;
    partitions_[known.topic][known.partition].found.push_back({at, offset, time, known.high_watermark, epoch, -1});
    return true;
}

void History::described_after(const Known& known, const Ends& e) {
    if (!current(known)) return;
    for (Found& found : partitions_[known.topic][known.partition].found)
        if (found.log_start < 0 && found.epoch == e.epoch) found.log_start = e.log_start;
}

bool History::check_ascends(const Known& first, std::int64_t first_offset, const Known& second, std::int64_t second_offset) {
    // What the broker had stamped may have got another time in between, when its clock was set.
    if (second_offset >= first_offset || !current(first) || !current(second) || !stamped_by_senders(first.topic)) return true;
    return fail(where(first.topic, first.partition) + ": a search for a later time found offset " + std::to_string(second_offset) + " after " + std::to_string(first_offset));
}

}  // namespace rivulet::sim
