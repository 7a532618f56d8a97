// The broker without its protocols: topics over the store, appends, fetches that wait, retention, the trusted clock.
// Owns:     the Store and the topic table; memory_bytes() from the arena.
// Bounds:   BrokerOptions. Nothing allocates after construction.
// Errors:   those of Store, and of topics: topic_exists, unknown_topic_or_partition, invalid_topic, invalid_partitions, invalid_replication_factor, invalid_config, limit_reached.
// Guarantee: a topic change or append is durable once its ticket is (CommitWaiter); reads show nothing beyond the high watermark.
// Thread:   loop only. No statics: several brokers run in one simulated process.
#pragma once

#include "broker/cleaner.h"
#include "broker/clock_trust.h"
#include "broker/log_watch.h"
#include "broker/record_search.h"
#include "broker/topic.h"
#include "broker/unpacker.h"
#include "broker/waiters.h"
#include "config/config.h"

namespace rivulet::broker {

struct BrokerOptions {
    store::StoreOptions store;
    config::TopicSection defaults;          // name unused
    std::uint32_t topics_max = 1000;
    std::uint32_t compact_keys = 0;     // that a cleaning pass tells apart; 0: no topic may be compacted
    std::int64_t retention_check_ns = 30 * ns_per_s;
    config::ClockTrust clock_trust = config::ClockTrust::automatic;
    std::size_t decode_bytes = 0;           // to open compressed batches in; 0: they stay closed
    Timestamp clock_floor{0};               // this build: no time before it is trusted
};

class BrokerListener {
public:
    virtual void on_offline(Failure failure) = 0;
    virtual void on_stopped(Status status) = 0;

protected:
    ~BrokerListener() = default;
};

// Topics were created or deleted, or were given more partitions.
class TopicsListener {
public:
    virtual void on_topics_changed() = 0;

protected:
    ~TopicsListener() = default;
};

class Broker final : private store::StoreListener, private store::RecoveryListener, private store::CheckpointSource {
public:
    Broker(env::Env& env, Arena& arena, const BrokerOptions& options);
    static std::size_t memory_bytes(const BrokerOptions& options);

    // Blocking, before Env::serving(): recovers the store and the topics.
    Result<store::OpenReport> open();
    void serve(BrokerListener& listener);
    // Finishes what was taken, marks the store clean, on_stopped().
    void stop();
    // Settings that a reload may change: defaults for new topics, intervals, clock trust.
    void reload(const config::TopicSection& defaults, std::int64_t retention_check_ns, config::ClockTrust clock_trust);

    // --- Topics
    static constexpr std::int64_t count_default = -1;  // Kafka's number for it; others below 1 are refused
    struct TopicRequest {
        std::string_view name;
        std::int64_t partitions = count_default;
        std::int64_t replication_factor = count_default;
        config::TopicConfig config;            // with its overrides set; others follow the defaults
    };
    struct TopicChanged {
        Topic* topic = nullptr;                // nullptr once deleted
        std::uint64_t ticket = 0;
    };
    // `why` gets a sentence on failure where the error does not say all. The first mistake counts, in Kafka's order: name, topic_exists, partitions, replication
    // factor, configuration, limits.
    Result<TopicChanged> create_topic(const TopicRequest& request, Text& why);
    // What create_topic() would make, and nothing is made: `planned` has all but an id.
    Status check_create(const TopicRequest& request, Topic& planned, Text& why);
    // The topic of that name with all defaults, if auto.create.topics.enable is on: otherwise, and for names of internal topics (`__`), unknown_topic_or_partition.
    Result<TopicChanged> auto_create(std::string_view name, Text& why);
    // With this ticket all topics are durable that were created so far.
    std::uint64_t created_ticket() const { return created_ticket_; }
    // `config`: the topic's, with overrides changed. invalid_config: durability, which is for life. `partitions`: as many as there are or more, and then both come
    // with one record; invalid_partitions: fewer. Readings that were placed before stay where they are.
    Result<TopicChanged> alter_topic(Topic& topic, const config::TopicConfig& config, std::uint32_t partitions, Text& why);
    // What alter_topic() would say; `planned` is what the topic would become.
    Status check_alter(const Topic& topic, const config::TopicConfig& config, std::uint32_t partitions, Topic& planned, Text& why);
    // Kafka's CreatePartitions: to more than there are, otherwise invalid_partitions.
    Result<TopicChanged> grow_topic(Topic& topic, std::int64_t partitions, Text& why);
    Status check_grow(const Topic& topic, std::int64_t partitions, Text& why);
    Result<TopicChanged> delete_topic(std::string_view name);
    // A configuration as new topics have it, to set overrides in.
    config::TopicConfig default_config() const;
    // Some topic came back without its name (`recovered.N`), after damage.
    bool has_recovered_topics();
    Topic* find_topic(std::string_view name) { return topics_.find(name); }
    TopicTable& topics() { return topics_; }
    // One listener; from within the calls that change something.
    void listen_to_topics(TopicsListener& listener) { topics_listener_ = &listener; }
    store::Log* partition(const Topic& topic, std::uint64_t index) {
        return index < topic.partitions ? store_.find(topic.log_of(static_cast<std::uint32_t>(index))) : nullptr;
    }
    // Of the topic whose partition 0 is this log; nullptr once it is deleted.
    store::Log* partition(LogId first_log, std::uint64_t index) {
        const store::Log* const first = store_.find(first_log);
        return first ? partition(topics_.at_slot(first->owner), index) : nullptr;
    }
    // Nothing below `before` is served again; -1: below the high watermark. Durable with the ticket. offset_out_of_range: beyond it, the detail says where it is.
    Result<std::uint64_t> delete_records(store::Log& log, Offset before);

    // --- Appends. busy: wait with wait_for_room() and try again.
    // Batches of producers, validated. On a log with LogAppendTime they are stamped, with the mark of an untrusted clock where that is so.
    Result<store::Appended> append(store::Log& log, Bytes batch) { return store_.append(log, batch, append_time(log)); }
    // See store::Store::begin_stage. What ends a stage may make room for others.
    Status begin_stage(store::Stage& stage, std::size_t bytes, store::StageShare share = store::StageShare::whole) { return store_.begin_stage(stage, bytes, share); }
    bool stage_fits(std::size_t bytes, store::StageShare share) { return store_.stage_fits(bytes, share); }
    Result<store::Appended> append(store::Log& log, store::Stage& stage);
    void drop(store::Stage& stage);
    Result<std::int64_t> new_producer_id() { return store_.new_producer_id(); }
    // timestamp -1: stamped here, with the mark of an untrusted clock where that is so.
    Result<store::Appended> append(store::Log& log, const record::Reading& reading, const store::SessionReading& session);
    // The same while appends are held: of who holds them, or is not to wait for that.
    Result<store::Appended> append_held(store::Log& log, const record::Reading& reading);
    std::uint64_t durable_ticket() const { return store_.durable_ticket(); }
    // waiter.ticket is set; if it is durable already the callback still comes later, on a next turn.
    void wait_for_commit(CommitWaiter& waiter);
    void wait_for_room(RoomWaiter& waiter);
    bool room_wanted() const { return !room_waiters_.empty(); }
    bool blocks_wanted() const { return room_wanted() && store_.blocks_wanted(); }
    bool blocks_wanted(store::StageShare of) const { return room_wanted() && store_.blocks_wanted(of); }  // which a stage of that share holds
    bool pinned_wanted() const { return room_wanted() && store_.short_of_blocks(); }                      // which readers pin
    static void cancel(CommitWaiter& waiter);
    static void cancel(RoomWaiter& waiter);

    // --- Reads. fetch.on_fetched() comes later, on this or a next turn, never from within the call.
    void fetch(Fetch& fetch);
    void cancel(Fetch& fetch);
    // Either may make room: the blocks that a view held can be evicted.
    void release(store::ReadView& view) {
        store_.release(view);
        if (!room_waiters_.empty()) wake_soon();
    }
    // See store::Reader::refill.
    bool refill(store::ReadView& view) {
        if (!room_waiters_.empty()) wake_soon();
        return store_.refill(view);
    }

    // See RecordSearch::begin.
    bool search(RecordWaiter& waiter) { return record_search_.begin(waiter); }
    void cancel(RecordWaiter& waiter) { record_search_.cancel(waiter); }
    // A compressed batch on a log of a compacted topic: see Unpacker::begin.
    bool unpack(UnpackWaiter& waiter, LogId log, store::Stage& stage) { return unpacker_.begin(waiter, log, stage); }
    void cancel(UnpackWaiter& waiter) { unpacker_.cancel(waiter); }
    RecordSearch::Statistics search_statistics() const { return record_search_.statistics(); }

    // Until there is more of this log, or it goes: then the watch fires, once, on a later turn. LogWatches::cancel() before.
    void watch(const store::Log& log, LogWatch& watch) { watches_.watch(log.slot, watch); }

    // Of the logs of compacted and pinned topics.
    void set_intake();
    // Appends find the store busy for as long as one of these says so: the ring's tail is near to what it has to write anew.
    enum class Holder : std::uint8_t { cleaner = 1, groups = 2 };
    void hold_appends(Holder holder, bool hold);
    // So near that not even offsets of groups are committed: hardly more than what has to be written is left.
    void hold_offsets(bool hold) { offsets_held_ = hold; }
    bool offsets_held() const { return offsets_held_; }
    // What may still be written when appends are held, in segments.
    std::uint64_t margin() const;
    const Cleaner& cleaner() const { return cleaner_; }
    bool clock_trusted() const { return clock_.trusted(); }
    Timestamp wall() const { return env_.wall(); }
    // The time of what happens now, as ClockTrust has it.
    Timestamp stamp() const { return clock_.stamp(env_); }
    store::Store& store() { return store_; }
    const store::Store& store() const { return store_; }
    env::Env& env() { return env_; }
    bool offline() const { return store_.offline(); }
    bool stopping() const { return store_.stopping(); }

private:
    friend class Fetch;
    struct Tick final : env::Timer {
        explicit Tick(Broker& broker) : broker_(broker) {}
        void on_timer() override { broker_.on_tick(); }
        Broker& broker_;
    };
    struct Wake final : env::Timer {
        explicit Wake(Broker& broker) : broker_(broker) {}
        void on_timer() override { broker_.on_wake(); }
        Broker& broker_;
    };

    void on_commit() override;
    void on_readable(store::Log& log) override;
    void on_offline(Failure failure) override;
    void on_stopped(Status status) override;
    Status on_checkpoint_chunk(store::Section section, Bytes chunk) override;
    Status on_record(store::RecordType type, LogId first, std::uint32_t count, Bytes body) override;
    Status on_orphan(store::Log& log) override;
    bool encode_checkpoint(store::Section section, LogId bound, std::uint64_t& cursor, Writer& out) override;
    std::span<const store::Section> checkpoint_sections() const override;

    Status check_counts(const TopicRequest& request, Topic& topic, Text& why) const;
    Status check_logs(std::uint32_t more, const Topic& planned, Text& why);
    Status check_policy(const config::TopicConfig& config, Text& why) const;
    Status check_room(const Topic& topic, const Topic& planned, Text& why) const;
    static Status check_goes_together(const Topic& topic, Text& why);
    Status check_followed(const Topic& topic, const Topic& planned, Text& why);
    void keep_policy(Topic& topic, const config::TopicConfig& before, std::string_view why);
    Status plan_growth(Topic& planned, std::uint32_t partitions, Text& why);
    Status check_catalogue(std::size_t added, std::size_t removed, Text& why) const;
    Status restore_topic(Bytes entry);
    void restore_logs(const Topic& topic);
    void remove_topics(store::LogRange logs, const Topic* except = nullptr);
    // Topics that recovery makes up for logs of which none is known.
    Status make_up_topic(LogId log);
    bool made_up(const Topic& topic);
    bool give_up_made_up();
    void name_unnamed_logs();
    void apply_config(Topic& topic);
    void tell_of_topics() {
        if (topics_listener_) topics_listener_->on_topics_changed();
    }
    store::AppendTime append_time(const store::Log& log) const;
    void on_tick();
    void on_wake();
    void wake_soon();
    void try_fetch(Fetch& fetch);
    void finish(Fetch& fetch, Failure outcome);

    env::Env& env_;
    BrokerOptions options_;
    store::Store store_;
    TopicTable topics_;
    LogWatches watches_;
    BatchOpener opener_;
    RecordSearch record_search_;
    Unpacker unpacker_;
    std::uint64_t created_ticket_ = 0;
    std::uint64_t catalogue_bytes_max_;
    ClockTrust clock_;
    Cleaner cleaner_;
    BrokerListener* listener_ = nullptr;
    TopicsListener* topics_listener_ = nullptr;
    Tick tick_{*this};
    Wake wake_{*this};
    Instant retention_due_{0};
    std::uint8_t holders_ = 0;            // of appends
    bool offsets_held_ = false;
    List<CommitWaiter> commit_waiters_;   // by ticket, which only grows
    List<RoomWaiter> room_waiters_;
    List<Fetch, FetchTag> fresh_;         // to be tried on the next turn
    List<Fetch, FetchTag> parked_;        // wait for data; found by log
};

}  // namespace rivulet::broker
