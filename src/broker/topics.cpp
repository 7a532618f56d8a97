// Topics: creation, deletion, and what recovery and checkpoint make of them.
#include "broker/broker.h"
#include "env/log.h"

namespace rivulet::broker {

namespace {

constexpr store::Section sections[] = {store::Section::catalogue};
constexpr std::string_view recovered_prefix = "recovered.";

}  // namespace

config::TopicConfig Broker::default_config() const {
    config::TopicConfig config = options_.defaults.config;
    config.overrides = 0;
    return config;
}

Status Broker::check_request(const TopicRequest& request, Topic& topic, Text& why) const {
    if (!config::valid_topic_name(request.name)) {
        why << "a topic name has 1 to " << config::topic_name_bytes_max << " of a-z A-Z 0-9 . _ - and is neither \".\" nor \"..\"";
        return fail(Error::invalid_topic);
    }
    const std::uint32_t factor = request.replication_factor != 0 ? request.replication_factor : options_.defaults.replication_factor;
    if (factor > 1) {
        why << "replication factor " << factor << ": this is a single board";
        return fail(Error::invalid_replication_factor);
    }
    topic.partitions = request.partitions != 0 ? request.partitions : options_.defaults.partitions;
    topic.config = request.config;
    config::follow(topic.config, options_.defaults.config);
    // Durability is part of what the journal knows of a log, so it is the topic's own from now on.
    topic.config.overrides |= 1U << (static_cast<unsigned>(config::TopicKey::durability) - 1);
    return config::check(topic.config, options_.store.batch_bytes_max, why);
}

// A checkpoint must always have room for all topics.
Status Broker::check_catalogue(std::size_t added, std::size_t removed, Text& why) const {
    if (topics_.catalogue_bytes() - removed + added <= catalogue_bytes_max_ || added <= removed) return {};
    why << "names and settings of topics fill the checkpoint: " << topics_.catalogue_bytes() << " of " << catalogue_bytes_max_ << " bytes, see storage.checkpoint_bytes_max";
    return fail(Error::limit_reached);
}

Result<Broker::TopicChanged> Broker::create_topic(const TopicRequest& request, Text& why) {
    Topic topic;
    RIVULET_TRY(check_request(request, topic, why));
    if (topics_.find(request.name)) return fail(Error::topic_exists);
    if (topics_.count() == options_.topics_max) {
        why << "limits.topics = " << options_.topics_max << " is reached";
        return fail(Error::limit_reached);
    }
    if (topic.partitions > options_.store.logs_max - store_.log_count()) {
        why << topic.partitions << " more partitions: " << store_.log_count() << " of limits.partitions = " << options_.store.logs_max << " are in use";
        return fail(Error::limit_reached);
    }
    std::array<std::uint8_t, 16> random{};
    env_.entropy(random);
    topic.id = uuid_from_random(random);
    RIVULET_CHECK(topic.name.assign(request.name));
    topic.first_log = store_.next_log_id();
    RIVULET_TRY(check_catalogue(catalogue_bytes(topic), 0, why));
    std::uint8_t buffer[catalogue_entry_bytes_max];
    Writer entry(buffer);
    encode_catalogue_entry(topic, entry);
    RIVULET_CHECK(entry.ok());
    const bool memory = topic.config.durability == config::Durability::memory;
    RIVULET_TRY_ASSIGN(const std::uint64_t ticket, store_.create_logs(topic.partitions, memory, entry.written()));
    const Result<Topic*> added = topics_.add(topic);
    RIVULET_CHECK(added.ok());
    apply_config(**added);
    env::LogLine(env_, env::LogLevel::info) << "topic " << request.name << " created: " << topic.partitions << " partitions, logs from " << topic.first_log.value;
    return TopicChanged{*added, ticket};
}

Result<Broker::TopicChanged> Broker::alter_topic(Topic& topic, const config::TopicConfig& config, Text& why) {
    if (config.durability != topic.config.durability || config.is_set(config::TopicKey::durability) != topic.config.is_set(config::TopicKey::durability)) {
        why << "durability cannot be altered: create another topic";
        return fail(Error::invalid_config);
    }
    RIVULET_TRY(config::check(config, options_.store.batch_bytes_max, why));
    Topic altered = topic;
    altered.config = config;
    RIVULET_TRY(check_catalogue(catalogue_bytes(altered), catalogue_bytes(topic), why));
    std::uint8_t buffer[catalogue_entry_bytes_max];
    Writer entry(buffer);
    encode_catalogue_entry(altered, entry);
    RIVULET_CHECK(entry.ok());
    RIVULET_TRY_ASSIGN(const std::uint64_t ticket, store_.append_record(store::RecordType::topic, entry.written()));
    topics_.set_config(topic, config);
    apply_config(topic);
    env::LogLine(env_, env::LogLevel::info) << "topic " << topic.name.view() << " altered";
    return TopicChanged{&topic, ticket};
}

Result<Broker::TopicChanged> Broker::delete_topic(std::string_view name) {
    Topic* const topic = topics_.find(name);
    if (!topic) return fail(Error::unknown_topic_or_partition);
    RIVULET_TRY_ASSIGN(const std::uint64_t ticket, store_.delete_logs(topic->first_log, topic->partitions));
    // Fetches that wait for it are told on their next try.
    for (Fetch* fetch = parked_.front(); fetch;) {
        Fetch* const next = parked_.next(*fetch);
        if (fetch->log >= topic->first_log && fetch->log < topic->first_log + topic->partitions) {
            List<Fetch, FetchTag>::remove(*fetch);
            fetch->parked_ = false;
            fresh_.push_back(*fetch);
        }
        fetch = next;
    }
    wake_soon();
    env::LogLine(env_, env::LogLevel::info) << "topic " << name << " deleted";
    topics_.remove(*topic);
    return TopicChanged{nullptr, ticket};
}

Status Broker::restore_topic(Bytes entry) {
    Topic topic;
    Reader in(entry);
    RIVULET_TRY(decode_catalogue_entry(in, options_.defaults.config, topic));
    if (Topic* known = topics_.find(topic.id)) {
        topics_.set_config(*known, topic.config);
        return {};
    }
    // Logs of it may have come back before without it (on_orphan): they are its own again.
    remove_topics(topic.first_log, topic.partitions);
    LogId moved{0};
    if (Topic* const holder = topics_.find(topic.name.view())) {
        if (made_up(*holder)) {
            moved = holder->first_log;
        } else {
            // A name is given again when the topic that had it is deleted, and not before.
            env::LogLine(env_, env::LogLevel::error) << "topic " << topic.name.view() << ": the record of its deletion is damaged; logs " << holder->first_log.value << " to "
                                                     << (holder->first_log + (holder->partitions - 1)).value << " are deleted, since it was created again with logs from "
                                                     << topic.first_log.value;
            store_.forget_logs(holder->first_log, holder->partitions);
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
    while (topics_.catalogue_bytes() > catalogue_bytes_max_ && give_up_made_up()) {}
    store_.claim_logs(topic.first_log, topic.partitions, topic.config.durability == config::Durability::memory);
    // Without room it is seen to at the end (name_unnamed_logs).
    if (moved.value != 0) static_cast<void>(make_up_topic(moved));
    return {};
}

void Broker::remove_topics(LogId first, std::uint32_t count) {
    for (std::uint32_t rank = topics_.count(); rank-- > 0;) {
        Topic& topic = topics_.at(rank);
        if (first <= topic.first_log && topic.first_log < first + count) topics_.remove(topic);
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
            remove_topics(first, count);
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
    const store::Log* const log = store_.find(topic.first_log);
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
    topic.first_log = log;
    topic.partitions = 1;
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
        if (topics_.find_log(log)) continue;
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
            if (topic.first_log.value >= cursor && topic.first_log < bound && (!next || topic.first_log < next->first_log)) next = &topic;
        }
        env_.charge(topics_.count() * 16);
        if (!next) return false;
        if (out.room() < catalogue_entry_bytes_max + 2 || out.size() > 4096) return true;
        std::uint8_t buffer[catalogue_entry_bytes_max];
        Writer entry(buffer);
        encode_catalogue_entry(*next, entry);
        out.block(entry.written());
        cursor = next->first_log.value + 1;
    }
}

std::span<const store::Section> Broker::checkpoint_sections() const { return sections; }

}  // namespace rivulet::broker
