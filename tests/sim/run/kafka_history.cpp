// Records of Kafka clients. Groups: group_history.cpp.
#include "sim/run/kafka_history.h"

#include <algorithm>

#include "sim/run/batches.h"

namespace rivulet::sim {

namespace {

constexpr std::size_t mark = 12;

}  // namespace

KafkaHistory::KafkaHistory(World& world, const Plan& plan) : world_(world), plan_(plan), lives_(plan.kafka.producers.size()), groups_(plan.kafka.groups.size()) {
    for (const KafkaTopicPlan& topic : plan.kafka.topics) {
        topics_.emplace_back();
        topics_.back().partitions.resize(topic.grows ? kafka_partitions_max : topic.partitions);
        topics_.back().growth = {topic.partitions, topic.partitions};
    }
}

void KafkaHistory::broker_ended() { ends_.push_back(world_.now()); }

void KafkaHistory::check_partitions(std::size_t topic, std::size_t answered_before, std::size_t partitions) {
    const Growth& growth = topics_[topic].growth;
    if (partitions >= answered_before && partitions <= growth.asked) return;
    world_.fail("topic " + plan_.kafka.topics[topic].name + " has " + std::to_string(partitions) + " partitions; answered were " + std::to_string(answered_before) + ", asked for " + std::to_string(growth.asked));
}

// ---- producers ----

void KafkaHistory::given_producer_id(std::int64_t id) {
    if (id < 0 || !producer_ids_.insert(id).second) world_.fail("producer id " + std::to_string(id) + " was given before");
}

KafkaId KafkaHistory::make(std::uint16_t producer, std::uint16_t life, std::size_t topic, std::size_t partition) {
    KafkaId id{producer, life, static_cast<std::uint8_t>(topic), static_cast<std::uint8_t>(partition), 0};
    std::vector<Sent>& all = sent_[{producer, life, id.topic, id.partition}];
    id.number = static_cast<std::uint32_t>(all.size());
    all.emplace_back();
    return id;
}

std::vector<std::uint8_t> KafkaHistory::content(KafkaId id) const {
    std::uint64_t mix = plan_.seed ^ (std::uint64_t{id.producer} << 48 | std::uint64_t{id.life} << 32 | id.number) * 0x9e3779b97f4a7c15U ^ (std::uint64_t{id.topic} << 8 | id.partition);
    const auto next = [&] {
        mix ^= mix << 13;
        mix ^= mix >> 7;
        mix ^= mix << 17;
        return mix;
    };
    next();
    std::vector<std::uint8_t> value(mark + next() % (plan_.kafka.producers[id.producer].value_max + 1));
    value[0] = 'K';
    value[1] = id.topic;
    value[2] = id.partition;
    value[3] = 0;
    store_le(value.data() + 4, id.producer);
    store_le(value.data() + 6, id.life);
    store_le(value.data() + 8, id.number);
    std::uint64_t bits = next();
    for (std::size_t i = mark; i < value.size(); ++i) {
        value[i] = static_cast<std::uint8_t>(bits);
        bits = bits >> 8 | bits << 56;
    }
    return value;
}

std::string KafkaHistory::describe(KafkaId id) const {
    return "record " + std::to_string(id.number) + " of Kafka producer " + std::to_string(id.producer) + ", life " + std::to_string(id.life) + ", for " + plan_.kafka.topics[id.topic].name + "[" +
           std::to_string(id.partition) + "]";
}

void KafkaHistory::sending(KafkaId first, std::size_t count) {
    for (; count != 0; --count, ++first.number) at(first).sent = true;
}

// What an offset held once it holds for ever; a record of an idempotent producer has one.
bool KafkaHistory::place(std::size_t topic, std::size_t partition, std::int64_t offset, KafkaId id) {
    const auto [known, fresh] = topics_[topic].partitions[partition].places.try_emplace(offset, id);
    const std::string text = describe(id) + " at offset " + std::to_string(offset);
    if (!fresh && known->second != id) {
        world_.fail(text + ", where " + describe(known->second) + " was");
        return false;
    }
    if (!idempotent(id)) return true;
    Sent& sent = at(id);
    if (sent.offset >= 0 && sent.offset != offset) {
        world_.fail(text + " and at " + std::to_string(sent.offset));
        return false;
    }
    sent.offset = offset;
    return true;
}

void KafkaHistory::acknowledged(KafkaId first, std::size_t count, std::int64_t base) {
    if (base < 0) return world_.fail("acknowledged at no offset: " + describe(first));
    Partition& partition = topics_[first.topic].partitions[first.partition];
    for (std::size_t i = 0; i < count; ++i, ++first.number) {
        const std::int64_t offset = base + static_cast<std::int64_t>(i);
        if (!place(first.topic, first.partition, offset, first)) return;
        Sent& sent = at(first);
        sent.offset = offset;
        sent.acknowledged = true;
    }
    partition.acknowledged_end = std::max(partition.acknowledged_end, base + static_cast<std::int64_t>(count));
    acknowledged_ += count;
}

// ---- reads ----

std::int64_t KafkaHistory::fetched(std::size_t topic, std::size_t partition, std::int64_t from, std::int64_t known, const KafkaEnds& ends, Bytes batches, std::vector<std::int64_t>* offsets) {
    Partition& state = topics_[topic].partitions[partition];
    const std::string where = plan_.kafka.topics[topic].name + "[" + std::to_string(partition) + "]";
    if (ends.high_watermark < known) world_.fail("the high watermark of " + where + " went back from " + std::to_string(known) + " to " + std::to_string(ends.high_watermark));
    if (ends.log_start > ends.high_watermark) world_.fail("the log of " + where + " begins behind its high watermark");
    state.high_watermark = std::max(state.high_watermark, ends.high_watermark);
    std::int64_t next = from;
    bool first = true;
    const auto take = [&](const SeenBatch& batch, const SeenRecord& record) {
        if (world_.failed()) return;
        if (first && batch.last < from) world_.fail(where + ": a batch that ends at " + std::to_string(batch.last) + " answers a fetch from " + std::to_string(from));
        // Right at the log start they may have gone with the ring's tail.
        const bool may_be_gone = first && (ends.log_start < 0 || (from == ends.log_start && from > 0));
        first = false;
        if (record.offset >= ends.high_watermark) world_.fail(where + ": offset " + std::to_string(record.offset) + " is read beyond the high watermark");
        if (record.offset > next && !may_be_gone) world_.fail(where + ": offsets " + std::to_string(next) + " to " + std::to_string(record.offset - 1) + " are passed over");
        KafkaId id;
        if (record.value.size() >= mark && record.value[0] == 'K') {
            id = {load_le<std::uint16_t>(record.value.data() + 4), load_le<std::uint16_t>(record.value.data() + 6), record.value[1], record.value[2], load_le<std::uint32_t>(record.value.data() + 8)};
        }
        const auto sent = sent_.find({id.producer, id.life, id.topic, id.partition});
        const bool is_known = record.value.size() >= mark && record.value[0] == 'K' && sent != sent_.end() && id.number < sent->second.size() && sent->second[id.number].sent;
        if (!is_known || id.topic != topic || id.partition != partition) return world_.fail(where + ", offset " + std::to_string(record.offset) + ": nobody has sent it there");
        if (const std::vector<std::uint8_t> wanted = content(id); !equal(record.value, wanted) || record.has_key || record.header_count != 0 || record.time != plan_.kafka.time_of(id.number))
            return world_.fail("another content than was sent: " + describe(id));
        place(topic, partition, record.offset, id);
        if (offsets && record.offset >= from) offsets->push_back(record.offset);
        next = std::max(next, record.offset + 1);
        ++read_;
    };
    if (const std::string wrong = parse_batches(batches, {{}, take, true, true}); !wrong.empty()) world_.fail(where + ": " + wrong);
    return next;
}

void KafkaHistory::check_end(std::size_t topic, std::size_t partition, std::int64_t log_start, const std::vector<std::int64_t>& offsets) {
    const Partition& state = topics_[topic].partitions[partition];
    const std::string where = plan_.kafka.topics[topic].name + "[" + std::to_string(partition) + "] at the end: ";
    for (auto at = state.places.lower_bound(log_start); at != state.places.end(); ++at)
        if (!std::binary_search(offsets.begin(), offsets.end(), at->first)) return world_.fail(where + "offset " + std::to_string(at->first) + " is lost: " + describe(at->second));
    // In order and without gaps, once.
    std::map<std::pair<std::uint16_t, std::uint16_t>, std::uint32_t> last;
    for (const std::int64_t offset : offsets) {
        const KafkaId id = state.places.at(offset);
        if (!idempotent(id)) continue;
        const auto [before, fresh] = last.try_emplace({id.producer, id.life}, id.number);
        if (fresh && log_start == 0 && id.number != 0) return world_.fail(where + "the first of its producer is " + describe(id));
        if (!fresh && id.number != before->second + 1) return world_.fail(where + describe(id) + " follows number " + std::to_string(before->second));
        before->second = id.number;
    }
    // Acknowledged, at an offset that is not gone.
    for (const auto& [of, all] : sent_) {
        if (std::get<2>(of) != topic || std::get<3>(of) != partition) continue;
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (!all[i].acknowledged || all[i].offset < log_start || std::binary_search(offsets.begin(), offsets.end(), all[i].offset)) continue;
            return world_.fail(where + "acknowledged and lost: " + describe({std::get<0>(of), std::get<1>(of), std::get<2>(of), std::get<3>(of), static_cast<std::uint32_t>(i)}));
        }
    }
}

}  // namespace rivulet::sim
