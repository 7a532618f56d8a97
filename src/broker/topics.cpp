// Topics: creation, alteration, deletion.
#include "broker/broker.h"
#include "env/log.h"

namespace rivulet::broker {

namespace {

constexpr std::string_view internal_prefix = "__";

}  // namespace

config::TopicConfig Broker::default_config() const {
    config::TopicConfig config = options_.defaults.config;
    config.overrides = 0;
    return config;
}

Status Broker::check_counts(const TopicRequest& request, Topic& topic, Text& why) const {
    if (request.partitions != count_default && (request.partitions < 1 || request.partitions > INT32_MAX)) {
        why << "the number of partitions is above 0, or -1 for the default";
        return fail(Error::invalid_partitions);
    }
    topic.partitions = request.partitions != count_default ? static_cast<std::uint32_t>(request.partitions) : options_.defaults.partitions;
    if (request.replication_factor != count_default && request.replication_factor < 1) {
        why << "the replication factor is above 0, or -1 for the default";
        return fail(Error::invalid_replication_factor);
    }
    const std::int64_t factor = request.replication_factor != count_default ? request.replication_factor : options_.defaults.replication_factor;
    if (factor > 1) {
        why << "replication factor " << factor << ": this is a single board";
        return fail(Error::invalid_replication_factor);
    }
    return {};
}

// Each partition of a topic that outlives the ring has its clean log beside it, and one is written anew at a time.
Status Broker::check_logs(std::uint32_t more, const Topic& planned, Text& why) {
    std::uint64_t clean = Cleaner::keeps(planned) ? std::uint64_t{planned.partitions} + 1 : 0;
    std::uint64_t plain = more;
    for (std::uint32_t rank = 0; rank < topics_.count(); ++rank) {
        const Topic& topic = topics_.at(rank);
        plain += topic.partitions;
        if (Cleaner::keeps(topic) && topic.id != planned.id) clean += topic.partitions + (clean == 0 ? 1 : 0);
        // Compacted or pinned before: what was kept is still there.
        for (std::uint32_t p = 0; !Cleaner::keeps(topic.id == planned.id ? planned : topic) && p < topic.partitions; ++p)
            if (const store::Log* const log = store_.find(topic.log_of(p)); log && log->clean.value != 0) ++plain;
    }
    if (plain + clean <= options_.store.logs_max && more <= options_.store.logs_max - store_.log_count()) return {};
    if (clean != 0) {
        why << more << " more partitions: " << plain - more << " of limits.partitions = " << options_.store.logs_max << " are in use, and each one of a compacted or pinned topic takes a second";
        return fail(Error::limit_reached);
    }
    why << more << " more partitions: " << store_.log_count() << " of limits.partitions = " << options_.store.logs_max << " are in use";
    return fail(Error::limit_reached);
}

// A checkpoint must always have room for all topics.
Status Broker::check_catalogue(std::size_t added, std::size_t removed, Text& why) const {
    if (topics_.catalogue_bytes() - removed + added <= catalogue_bytes_max_ || added <= removed) return {};
    why << "names and settings of topics fill the checkpoint: " << topics_.catalogue_bytes() << " of " << catalogue_bytes_max_ << " bytes, see storage.checkpoint_bytes_max";
    return fail(Error::limit_reached);
}

Status Broker::check_policy(const config::TopicConfig& config, Text& why) const {
    if (config.cleanup_policy == config::CleanupPolicy::remove || cleaner_.possible()) return {};
    why << "cleanup.policy = compact: limits.compact_keys is 0";
    return fail(Error::invalid_config);
}

// A topic that refuses what is too much keeps all that it has, from the moment on at which it is told to.
Status Broker::check_room(const Topic& topic, const Topic& planned, Text& why) const {
    if (!Cleaner::refuses(planned) || Cleaner::refuses(topic)) return {};
    if (store_.state().index_loaded_from > store_.state().head.first_live) {
        why << "overflow = reject: how much the topic has is not known before the start is over; try it again in a moment";
        return fail(Error::busy);
    }
    const std::uint64_t bytes = cleaner_.alive_bytes_of(topic);
    if (bytes <= cleaner_.room()) return {};
    why << "overflow = reject: the topic has " << bytes << " bytes, and " << cleaner_.room() << " are left of the " << Cleaner::live_share
        << "th of storage.size for all that outlives the ring; delete some of it first, or take overflow = drop-oldest";
    return fail(Error::limit_reached);
}

Status Broker::check_create(const TopicRequest& request, Topic& planned, Text& why) {
    if (!config::valid_topic_name(request.name)) {
        why << "a topic name has 1 to " << config::topic_name_bytes_max << " of a-z A-Z 0-9 . _ - and is neither \".\" nor \"..\"";
        return fail(Error::invalid_topic);
    }
    if (topics_.find(request.name)) return fail(Error::topic_exists);
    planned = Topic();
    RIVULET_CHECK(planned.name.assign(request.name));
    RIVULET_TRY(check_counts(request, planned, why));
    planned.config = request.config;
    config::follow(planned.config, options_.defaults.config);
    // Durability is part of what the journal knows of a log, so it is the topic's own from now on.
    planned.config.overrides |= 1U << (static_cast<unsigned>(config::TopicKey::durability) - 1);
    RIVULET_TRY(config::check(planned.config, options_.store.batch_bytes_max, why));
    if (topics_.count() == options_.topics_max) {
        why << "limits.topics = " << options_.topics_max << " is reached";
        return fail(Error::limit_reached);
    }
    RIVULET_TRY(check_policy(planned.config, why));
    RIVULET_TRY(check_logs(planned.partitions, planned, why));
    const store::LogRange logs{store_.next_log_id(), planned.partitions};
    planned.partitions = 0;
    RIVULET_CHECK(planned.add_range(logs));
    return check_catalogue(catalogue_bytes(planned), 0, why);
}

Result<Broker::TopicChanged> Broker::create_topic(const TopicRequest& request, Text& why) {
    Topic topic;
    RIVULET_TRY(check_create(request, topic, why));
    std::array<std::uint8_t, 16> random{};
    env_.entropy(random);
    topic.id = uuid_from_random(random);
    std::uint8_t buffer[catalogue_entry_bytes_max];
    Writer entry(buffer);
    encode_catalogue_entry(topic, entry);
    RIVULET_CHECK(entry.ok());
    const bool memory = topic.config.durability == config::Durability::memory;
    RIVULET_TRY_ASSIGN(const std::uint64_t ticket, store_.create_logs(topic.partitions, memory, entry.written()));
    created_ticket_ = ticket;
    const Result<Topic*> added = topics_.add(topic);
    RIVULET_CHECK(added.ok());
    apply_config(**added);
    env::LogLine(env_, env::LogLevel::info) << "topic " << request.name << " created: " << topic.partitions << " partitions, logs from " << topic.first_log().value;
    tell_of_topics();
    return TopicChanged{*added, ticket};
}

Result<Broker::TopicChanged> Broker::auto_create(std::string_view name, Text& why) {
    if (!options_.defaults.auto_create || name.starts_with(internal_prefix)) return fail(Error::unknown_topic_or_partition);
    TopicRequest request;
    request.name = name;
    request.config = default_config();
    return create_topic(request, why);
}

Status Broker::plan_growth(Topic& planned, std::uint32_t partitions, Text& why) {
    if (partitions < planned.partitions) {
        why << "the topic has " << planned.partitions << " partitions: there cannot be fewer";
        return fail(Error::invalid_partitions);
    }
    const std::uint32_t more = partitions - planned.partitions;
    Topic grown = planned;
    grown.partitions = partitions;
    RIVULET_TRY(check_logs(more, grown, why));
    if (more == 0) return {};
    if (planned.add_range({store_.next_log_id(), more})) return {};
    why << "the topic was given more partitions " << topic_ranges_max - 1 << " times, between which other topics came, and it cannot be once more";
    return fail(Error::limit_reached);
}

Status Broker::check_alter(const Topic& topic, const config::TopicConfig& config, std::uint32_t partitions, Topic& planned, Text& why) {
    planned = topic;
    planned.config = config;
    RIVULET_TRY(plan_growth(planned, partitions, why));
    if (config.durability != topic.config.durability || config.is_set(config::TopicKey::durability) != topic.config.is_set(config::TopicKey::durability)) {
        why << "durability cannot be altered: create another topic";
        return fail(Error::invalid_config);
    }
    RIVULET_TRY(config::check(config, options_.store.batch_bytes_max, why));
    RIVULET_TRY(check_policy(config, why));
    RIVULET_TRY(check_room(topic, planned, why));
    return check_catalogue(catalogue_bytes(planned), catalogue_bytes(topic), why);
}

Result<Broker::TopicChanged> Broker::alter_topic(Topic& topic, const config::TopicConfig& config, std::uint32_t partitions, Text& why) {
    Topic altered;
    RIVULET_TRY(check_alter(topic, config, partitions, altered, why));
    std::uint8_t buffer[catalogue_entry_bytes_max];
    Writer entry(buffer);
    encode_catalogue_entry(altered, entry);
    RIVULET_CHECK(entry.ok());
    const std::uint32_t more = altered.partitions - topic.partitions;
    const bool memory = config.durability == config::Durability::memory;
    RIVULET_TRY_ASSIGN(const std::uint64_t ticket, more != 0 ? store_.create_logs(more, memory, entry.written()) : store_.append_record(store::RecordType::topic, entry.written()));
    if (more != 0) created_ticket_ = ticket;
    topics_.update(topic, altered);
    apply_config(topic);
    env::LogLine line(env_, env::LogLevel::info);
    line << "topic " << topic.name.view() << " altered";
    if (more != 0) {
        line << ": " << topic.partitions << " partitions, " << more << " more";
        tell_of_topics();
    }
    return TopicChanged{&topic, ticket};
}

Status Broker::check_grow(const Topic& topic, std::int64_t partitions, Text& why) {
    if (partitions <= topic.partitions || partitions > INT32_MAX) {
        why << "the topic has " << topic.partitions << " partitions: " << partitions << " would not be an increase";
        return fail(Error::invalid_partitions);
    }
    Topic planned;
    return check_alter(topic, topic.config, static_cast<std::uint32_t>(partitions), planned, why);
}

Result<Broker::TopicChanged> Broker::grow_topic(Topic& topic, std::int64_t partitions, Text& why) {
    RIVULET_TRY(check_grow(topic, partitions, why));
    return alter_topic(topic, topic.config, static_cast<std::uint32_t>(partitions), why);
}

Result<std::uint64_t> Broker::delete_records(store::Log& log, Offset before) {
    const Offset end = log.high_watermark();
    if (before.value == -1) before = end;
    if (before.value < 0 || before > end) return fail(Error::offset_out_of_range, end.value);
    return store_.set_start(log, before);
}

Result<Broker::TopicChanged> Broker::delete_topic(std::string_view name) {
    Topic* const topic = topics_.find(name);
    if (!topic) return fail(Error::unknown_topic_or_partition);
    // Fetches that wait for it are told on their next try.
    for (std::uint32_t p = 0; p < topic->partitions; ++p)
        if (const store::Log* const log = partition(*topic, p)) watches_.note(log->slot);
    wake_soon();
    RIVULET_TRY_ASSIGN(const std::uint64_t ticket, store_.delete_logs(topic->ranges()));
    for (Fetch* fetch = parked_.front(); fetch;) {
        Fetch* const next = parked_.next(*fetch);
        if (topic->has(fetch->log)) {
            List<Fetch, FetchTag>::remove(*fetch);
            fetch->parked_ = false;
            fresh_.push_back(*fetch);
        }
        fetch = next;
    }
    env::LogLine(env_, env::LogLevel::info) << "topic " << name << " deleted";
    topics_.remove(*topic);
    tell_of_topics();
    return TopicChanged{nullptr, ticket};
}

}  // namespace rivulet::broker
