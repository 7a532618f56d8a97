// Readings and faults. Topics: history_topics.cpp; reads: history_reads.cpp; the end: history_end.cpp.
#include "sim/run/history.h"

#include "record/batch.h"
#include "record/partitioner.h"

namespace rivulet::sim {

History::History(World& world, const Plan& plan)
    : world_(world), plan_(plan), kafka_(world, plan), topics_(plan.topics.size()), partitions_(plan.topics.size()), readings_(plan.producers.size()) {
    for (std::size_t t = 0; t < plan.topics.size(); ++t) {
        partitions_[t].resize(plan.topics[t].partitions);
        begin_settings(t);
    }
}

bool History::fail(const std::string& text) {
    world_.fail(text);
    return false;
}

std::string History::where(std::size_t topic, std::uint64_t partition) const {
    return plan_.topics[topic].name + "[" + std::to_string(partition) + "] (life " + std::to_string(topics_[topic].life) + ")";
}

std::string History::describe(ReadingId id) {
    const Sent& sent = at(id);
    static constexpr const char* states[] = {"made", "sent", "settled", "refused", "given up"};
    return "reading " + std::to_string(id.sequence) + " of producer " + std::to_string(id.producer) + ", incarnation " + std::to_string(id.incarnation) + " (" +
           plan_.topics[alias(id).topic].name + "[" + std::to_string(sent.partition) + "], life " + std::to_string(sent.life) + ", acks " +
           std::to_string(static_cast<int>(alias(id).acks)) + ", " + states[sent.state] +
           (sent.may_repeat ? ", may repeat" : "") + ", HW then " + std::to_string(sent.hw_before) + ", settled at " + std::to_string(sent.settled_at / ns_per_ms) +
           " ms, read at offset " + std::to_string(sent.offset) + ")";
}

// ---- readings ----

std::uint8_t History::new_incarnation(std::uint16_t producer) {
    readings_[producer].emplace_back();
    RIVULET_CHECK(readings_[producer].size() < 256);
    return static_cast<std::uint8_t>(readings_[producer].size() - 1);
}

Sent& History::make(ReadingId id, std::size_t alias_index, std::int16_t partition) {
    std::vector<Sent>& all = readings_[id.producer][id.incarnation];
    RIVULET_CHECK(id.sequence == all.size() + 1);
    Sent sent;
    sent.alias = static_cast<std::uint8_t>(alias_index);
    sent.partition = partition;
    all.push_back(sent);
    const AliasPlan& of = alias(id);
    const Content what = content(id);
    if (what.has_key && of.placement != wire::compact::Placement::partition) {
        all.back().partition = static_cast<std::int16_t>(record::partition_for_key(what.key, static_cast<int>(plan_.topics[of.topic].partitions)));
    }
    return all.back();
}

Sent& History::at(ReadingId id) { return readings_[id.producer][id.incarnation][id.sequence - 1]; }

// As its record should be: with the alias' key if it has none of its own.
Content History::content(ReadingId id) {
    const AliasPlan& of = alias(id);
    Content content = make_reading(plan_.seed, id, of.style);
    if (!content.has_key && of.placement == wire::compact::Placement::key) {
        content.has_key = true;
        content.key.assign(of.key.begin(), of.key.end());
    }
    return content;
}

void History::sending(ReadingId id, std::int32_t life) {
    Sent& sent = at(id);
    if (plan_.topics[alias(id).topic].keeps()) {
        const Content what = content(id);
        kept_bytes_sent_ += record::batch_header_bytes + 32 + what.key.size() + what.value.size() + what.headers.size();
    }
    // Refused beyond the position of the last ACK, then the connection broke: the numbers leave no gap, so it goes again.
    if (sent.state == Sent::refused) sent.state = Sent::sent;
    if (sent.state != Sent::made) return;
    sent.state = Sent::sent;
    const std::size_t index = alias(id).topic;
    sent.life = life;
    if (sent.partition >= 0) sent.hw_before = partitions_[index][static_cast<std::size_t>(sent.partition)].high_watermark;
}

void History::settled(ReadingId id, std::int64_t connected_at) {
    Sent& sent = at(id);
    if (sent.state == Sent::made) return static_cast<void>(fail("settled before it was sent: " + describe(id)));
    if (sent.state != Sent::sent) return;
    sent.state = Sent::settled;
    sent.settled_at = connected_at;
    ++settled_count_;
    Topic& topic = topics_[alias(id).topic];
    const bool durable = alias(id).acks != wire::compact::Acks::none && !plan_.topics[alias(id).topic].memory;
    if (durable && sent.life == topic.life) topic.assured = true;
    const Content what = content(id);
    if (what.bad_time || (what.too_large && !larger_allowed(alias(id).topic))) fail("settled though it should be refused: " + describe(id));
}

void History::refused(ReadingId id, Error error) {
    Sent& sent = at(id);
    if (sent.state == Sent::made) return static_cast<void>(fail("refused before it was sent: " + describe(id)));
    sent.state = Sent::refused;
    const Content what = content(id);
    const Topic& topic = topics_[alias(id).topic];
    bool fair = false;
    if (error == Error::invalid_timestamp) fair = what.bad_time;
    if (error == Error::batch_too_large) fair = what.too_large;
    if (error == Error::unknown_topic_or_partition) fair = !topic.there || topic.ever_deleted || topic.ever_uncertain || sent.life < 0 || damages_ != 0;
    if (error == Error::limit_reached) fair = alias(id).key.size() > 24;  // no room for long default keys
    if (!fair) fail("refused with " + std::string(error_info(error).name) + ": " + describe(id));
}

void History::refused_at_share(ReadingId id, bool certain) {
    Sent& sent = at(id);
    const std::size_t topic = alias(id).topic;
    const bool stored = sent.offset >= 0 && sent.life_read == topics_[topic].life && sent.life == sent.life_read;
    if (!plan_.topics[topic].refuses() || !share_may_be_full()) return static_cast<void>(fail("refused though there is room: " + describe(id)));
    if (certain && stored) return static_cast<void>(fail("refused though it is stored: " + describe(id)));
    sent.state = certain ? Sent::refused : Sent::given_up;
    ++refused_count_;
}

std::uint64_t History::reading_count() const {
    std::uint64_t n = 0;
    for (const auto& producer : readings_)
        for (const auto& incarnation : producer) n += incarnation.size();
    return n;
}

// ---- faults ----

// What was not durable of memory topics is gone, and so may topics be that were only seen.
void History::unclean_stop() {
    last_unclean_ = world_.now();
    for (Topic& topic : topics_)
        if (!topic.assured) topic.there = topic.hoped = false;
}

// Class B: what was there may be gone, fenced. C: so may the end of a log, whose offsets are then used again. D: the last syncs never were, whatever
// they held. In all of them nothing is invented, and what is sent from now on is as safe as ever.
void History::damaged(FaultKind kind, bool silent) {
    ++damages_;
    const bool lying = kind == FaultKind::lying_flush;
    for (auto& producer : readings_) {
        for (auto& incarnation : producer) {
            for (Sent& sent : incarnation) {
                if (sent.state == Sent::made) continue;
                sent.may_repeat = true;
                sent.weak = true;
                sent.free |= silent;
                sent.offset = -1;
                sent.life_read = -1;
            }
        }
    }
    for (auto& topic : partitions_)
        for (Partition& partition : topic) partition = Partition();
    for (std::size_t t = 0; t < topics_.size(); ++t) {
        if (lying) deleting(t);
        topics_[t].ever_uncertain = true;
        topics_[t].there = topics_[t].assured = false;
    }
}

}  // namespace rivulet::sim
