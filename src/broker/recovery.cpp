// What recovery and checkpoint make of topics.
#include "broker/broker.h"
#include "env/log.h"

namespace rivulet::broker {

namespace {

constexpr store::Section sections[] = {store::Section::catalogue};
constexpr std::string_view recovered_prefix = "recovered.";

}  // namespace

Status Broker::restore_topic(Bytes entry) {
    Topic topic;
    Reader in(entry);
    RIVULET_TRY(decode_catalogue_entry(in, options_.defaults.config, topic));
    if (Topic* known = topics_.find(topic.id)) {
        // An entry that is older than the checkpoint has fewer partitions, never others.
        const bool grown = topic.partitions > known->partitions;
        if (!grown) {
            topic.range_slots = known->range_slots;
            topic.range_count = known->range_count;
            topic.partitions = known->partitions;
        }
        topics_.update(*known, topic);
        if (grown) restore_logs(*known);
        return {};
    }
    for (const store::LogRange& range : topic.ranges()) remove_topics(range);
    LogId moved{0};
    if (Topic* const holder = topics_.find(topic.name.view())) {
        if (made_up(*holder)) {
            moved = holder->first_log();
        } else {
            // A name is given again when the topic that had it is deleted, and not before.
            env::LogLine(env_, env::LogLevel::error) << "topic " << topic.name.view() << ": the record of its deletion is damaged; logs " << holder->first_log().value << " to "
                                                     << holder->log_of(holder->partitions - 1).value << " are deleted, since it was created again with logs from "
                                                     << topic.first_log().value;
            for (const store::LogRange& range : holder->ranges()) store_.forget_logs(range.first, range.count);
        }
        topics_.remove(*holder);
    }
    Result<Topic*> added = topics_.add(topic);
    if (!added && give_up_made_up()) added = topics_.add(topic);
    if (!added) {
        env::LogLine(env_, env::LogLevel::error) << "topic " << topic.name.view() << ": limits.topics = " << options_.topics_max << " is less than this store has: at least "
                                                 << topics_.count() + 1 << " is needed";
        return added.failure();
    }
    restore_logs(**added);
    // Without room it is seen to at the end (name_unnamed_logs).
    if (moved.value != 0) static_cast<void>(make_up_topic(moved));
    return {};
}

// Logs of it may have come back before without it (on_orphan): they are its own again.
void Broker::restore_logs(const Topic& topic) {
    for (const store::LogRange& range : topic.ranges()) remove_topics(range, &topic);
    while (topics_.catalogue_bytes() > catalogue_bytes_max_ && give_up_made_up()) {}
    for (const store::LogRange& range : topic.ranges()) store_.claim_logs(range.first, range.count, topic.config.durability == config::Durability::memory);
}

// Topics that begin there; of others what they were given there since.
void Broker::remove_topics(store::LogRange logs, const Topic* except) {
    for (std::uint32_t rank = topics_.count(); rank-- > 0;) {
        Topic& topic = topics_.at(rank);
        if (&topic == except) continue;
        if (logs.has(topic.first_log())) {
            topics_.remove(topic);
        } else if (topic.has(logs.first)) {
            Topic cut = topic;
            cut.cut_ranges(logs.first);
            topics_.update(topic, cut);
        }
    }
}

Status Broker::on_checkpoint_chunk(store::Section section, Bytes chunk) {
    if (section != store::Section::catalogue) return fail(Error::store_newer, static_cast<std::int64_t>(section));
    std::uint64_t topics = topics_.count();
    for (Reader in(chunk); !in.at_end() && in.ok(); ++topics) in.block();
    if (topics > options_.topics_max) {
        env::LogLine(env_, env::LogLevel::error) << "limits.topics = " << options_.topics_max << " is less than this store has: at least " << topics << " is needed";
        return fail(Error::limit_reached);
    }
    Reader in(chunk);
    while (!in.at_end()) {
        const Bytes entry = in.block();
        if (!in.ok()) return fail(Error::corrupt);
        RIVULET_TRY(restore_topic(entry));
    }
    return {};
}

Status Broker::on_record(store::RecordType type, LogId first, std::uint32_t count, Bytes body) {
    switch (type) {
        case store::RecordType::log_create:
        case store::RecordType::topic:
            return restore_topic(body);
        case store::RecordType::log_delete:
            remove_topics({first, count});
            return {};
        default:
            return fail(Error::store_newer, static_cast<std::int64_t>(type));
    }
}

bool Broker::has_recovered_topics() {
    for (std::uint32_t rank = 0; rank < topics_.count(); ++rank)
        if (topics_.at(rank).name.view().starts_with(recovered_prefix)) return true;
    return false;
}

Status Broker::on_orphan(store::Log& log) {
    if (!topics_.find_log(log.id)) return make_up_topic(log.id);
    log.orphan = false;
    return {};
}

bool Broker::made_up(const Topic& topic) {
    const store::Log* const log = store_.find(topic.first_log());
    return log && log->orphan;
}

Status Broker::make_up_topic(LogId log) {
    // Users have topics of such names, too.
    char name[64];
    std::size_t bytes = 0;
    for (std::uint32_t n = 0; bytes == 0 || topics_.find(std::string_view(name, bytes)); ++n) {
        Text text(name);
        text << recovered_prefix << log.value;
        if (n != 0) text << '.' << n;
        bytes = text.view().size();
    }
    Topic topic;
    std::array<std::uint8_t, 16> random{};
    env_.entropy(random);
    topic.id = uuid_from_random(random);
    RIVULET_CHECK(topic.name.assign(std::string_view(name, bytes)));
    RIVULET_CHECK(topic.add_range({log, 1}));
    topic.config = default_config();
    if (topics_.catalogue_bytes() + catalogue_bytes(topic) > catalogue_bytes_max_) return fail(Error::limit_reached);
    const Result<Topic*> added = topics_.add(topic);
    return added ? Status() : Status(added.failure());
}

// A topic that was created needs its room; the log stays.
bool Broker::give_up_made_up() {
    for (std::uint32_t rank = 0; rank < topics_.count(); ++rank) {
        if (!made_up(topics_.at(rank))) continue;
        topics_.remove(topics_.at(rank));
        return true;
    }
    return false;
}

// Logs whose topic found no room in the course of recovery, or was lost by an earlier version.
void Broker::name_unnamed_logs() {
    std::uint32_t left = 0;
    for (std::uint32_t rank = 0; rank < store_.log_count(); ++rank) {
        const LogId log = store_.log_at(rank).id;
        if (store_.log_at(rank).clean_part || topics_.find_log(log)) continue;
        if (!make_up_topic(log)) {
            ++left;
            continue;
        }
        env::LogLine(env_, env::LogLevel::warning) << "log " << log.value << " has no topic: it comes back as a topic of its own";
    }
    if (left != 0)
        env::LogLine(env_, env::LogLevel::error) << left << " logs have no topic, and there is no room for more: they are kept, and come back at a start with limits.topics = "
                                                 << topics_.count() + left << " or fewer topics";
}

bool Broker::encode_checkpoint(store::Section, LogId bound, std::uint64_t& cursor, Writer& out) {
    // The cursor is the first log id not yet written: names may come and go in between, log ids only grow.
    for (;;) {
        Topic* next = nullptr;
        for (std::uint32_t rank = 0; rank < topics_.count(); ++rank) {
            Topic& topic = topics_.at(rank);
            if (topic.first_log().value >= cursor && topic.first_log() < bound && (!next || topic.first_log() < next->first_log())) next = &topic;
        }
        env_.charge(topics_.count() * 16);
        if (!next) return false;
        if (out.room() < catalogue_entry_bytes_max + 2 || out.size() > 4096) return true;
        // Logs at the bound and above are created by records that a start replays.
        Topic captured = *next;
        captured.cut_ranges(bound);
        std::uint8_t buffer[catalogue_entry_bytes_max];
        Writer entry(buffer);
        encode_catalogue_entry(captured, entry);
        out.block(entry.written());
        cursor = next->first_log().value + 1;
    }
}

std::span<const store::Section> Broker::checkpoint_sections() const { return sections; }

}  // namespace rivulet::broker
