#include "server/budget.h"

#include "config/problems.h"
#include "server/reloader.h"
#include "server/serve.h"
#include "store/checkpoint_load.h"

namespace rivulet::server {

namespace {

constexpr std::uint64_t mib = 1024 * 1024;
constexpr std::uint64_t tls_connection_bytes = 26 * 1024;  // 16K in, 4K out, and what mbedTLS keeps beside
constexpr std::uint64_t tls_handshake_bytes = 16 * 1024;   // certificates, big numbers, a key exchange
constexpr std::uint64_t page = 4096;
constexpr std::uint64_t serving_bytes_max = 256;           // what serve.cpp keeps
// No clock that tells a time before this release is trusted (June 2025).
constexpr Timestamp clock_floor{1'748'736'000'000};

bool has_tls(const config::Config& config) {
    for (const config::Listener& listener : config.listeners())
        if (listener.tls) return true;
    return false;
}

std::size_t kafka_connections(const config::Config& config) { return config.speaks(config::Protocol::kafka) ? config.limits.kafka_connections : 0; }

class Planner {
public:
    Planner(const config::Config& config, const PlatformCosts& costs, std::string_view software, Budget& out, config::ProblemSink& problems)
        : config_(config), costs_(costs), software_(software), out_(out), problems_(problems) {}
    Status run();

private:
    void add(std::string_view name, std::uint64_t count, std::uint64_t each, std::string_view note, std::string_view keys = {}) {
        add_sum(name, count, count * each, note, keys, each);
    }
    void add_sum(std::string_view name, std::uint64_t count, std::uint64_t bytes, std::string_view note, std::string_view keys = {}, std::uint64_t each = 0) {
        RIVULET_CHECK(out_.line_count < Budget::lines_max);
        out_.lines[out_.line_count++] = {name, count, each, bytes, note, keys};
        sum_ += bytes;
    }
    void set_options();
    void add_connections();
    void add_kafka();
    void add_store();
    void add_rest();
    void add_flash();
    void complain_of_memory(std::uint64_t left, std::uint64_t needed);
    void check_store();

    const config::Config& config_;
    const PlatformCosts& costs_;
    std::string_view software_;
    Budget& out_;
    config::Problems problems_;
    std::uint64_t sum_ = 0;
    std::uint64_t parts_ = 0;  // of the broker, on lines of their own
};

void Planner::set_options() {
    const config::Limits& limits = config_.limits;
    store::StoreOptions& store = out_.broker.store;
    store.dir = config_.storage.dir.view();
    store.size = config_.storage.journal_bytes();
    store.segment_bytes = config_.storage.segment_bytes;
    store.checkpoint_area_bytes = static_cast<std::uint32_t>(config_.storage.checkpoint_bytes_max / page * page);
    store.commit_bytes = static_cast<std::uint32_t>(config_.storage.commit_bytes);
    store.batch_bytes_max = limits.batch_bytes;
    store.mark_idle_ns = config_.storage.mark_idle_ms * ns_per_ms;
    store.logs_max = limits.partitions;
    store.sessions_max = limits.sessions;
    store.producers_max = limits.producers;
    store.index_samples_max = static_cast<std::uint32_t>(limits.index_bytes / sizeof(store::Sample));
    store.blocks = 0;
    store.windows = limits.read_windows;
    out_.broker.defaults = config_.defaults;
    out_.broker.topics_max = limits.topics;
    out_.broker.compact_keys = limits.compact_keys;
    out_.broker.decode_bytes = kafka_connections(config_) != 0 ? limits.decode_bytes : 0;  // who speaks compact compresses nothing
    out_.broker.retention_check_ns = config_.retention.check_interval_ms * ns_per_ms;
    out_.broker.clock_trust = config_.clock.trust;
    out_.broker.clock_floor = clock_floor;

    broker::GroupOptions& groups = out_.groups;
    groups.groups_max = limits.groups;
    groups.members_max = limits.members;
    groups.group_members_max = limits.group_members;
    groups.assigned_partitions_max = limits.partitions;
    groups.blob_bytes = limits.group_bytes;
    groups.offsets_max = limits.committed_offsets;
    groups.offset_metadata_bytes_max = config_.broker.offset_metadata_bytes_max;
    groups.partitions = config_.broker.offsets_topic_partitions;
    groups.batch_bytes_max = limits.batch_bytes;
    groups.answer_bytes_max = limits.kafka_response_bytes;
    groups.initial_rebalance_delay_ns = config_.broker.group_initial_rebalance_delay_ms * ns_per_ms;
    groups.offsets_retention_ns = config_.broker.offsets_retention_ms * ns_per_ms;
    groups.clock_floor = clock_floor;

    compact::HubOptions& hub = out_.hub;
    hub.connections = limits.connections;
    hub.aliases_per_connection = limits.aliases_per_connection;
    hub.parked_fetches = limits.parked_fetches;
    hub.receive_pool_bytes = limits.receive_pool_bytes;
    hub.frame_bytes = limits.frame_bytes;
    hub.credit_bytes = limits.credit_bytes;
    hub.inflight_bytes = limits.inflight_bytes;
    const std::uint32_t framing = 64;
    hub.reading_bytes_max = (limits.frame_bytes < limits.credit_bytes ? limits.frame_bytes : limits.credit_bytes) - framing;
    hub.group_slots = limits.partitions;
    hub.node = config_.broker.id;
    hub.software = software_;

    kafka::HubOptions& kafka = out_.kafka;
    kafka.connections = kafka_connections(config_);
    kafka.receive_bytes = limits.kafka_receive_bytes;
    kafka.request_bytes = limits.kafka_request_bytes;
    kafka.response_bytes = limits.kafka_response_bytes;
    kafka.fetch_partitions = limits.fetch_partitions;
    kafka.inflight_bytes = limits.inflight_bytes;
    kafka.node = config_.broker.id;
}

void Planner::add_connections() {
    const config::Limits& limits = config_.limits;
    const compact::HubOptions& hub = out_.hub;
    using compact::Session;
    add("connections", limits.connections, costs_.connection_bytes, "the platform's part", "limits.connections");
    add_sum("sessions", limits.connections, LazyPool<Session>::memory_bytes(limits.connections), "the protocol's part", "limits.connections", sizeof(Session));
    add("spare connections", spare_connections(limits.connections), costs_.connection_bytes + sizeof(Session), "both parts: to refuse what is too many, to part",
        "limits.connections");
    add_sum("receive buffers", 1, ReceivePool::memory_bytes(hub.receive()), "lent while bytes arrive", "limits.receive_pool_bytes");
    add_sum("output buffers", hub.output_buffers(), BufferPool::memory_bytes(hub.output_buffers(), Session::output_bytes), "lent while there is something to send",
            "limits.connections", Session::output_bytes);
    add_sum("aliases", hub.aliases(), compact::AliasPool::memory_bytes(hub.aliases()), "with room for long keys", "limits.connections, limits.aliases_per_connection", 63);
    add_sum("parked fetches", limits.parked_fetches, LazyPool<compact::FetchRequest>::memory_bytes(limits.parked_fetches), "each with its view of what is read",
            "limits.parked_fetches", sizeof(compact::FetchRequest));
    add_sum("members' connections", limits.parked_fetches, LazyPool<compact::Membership>::memory_bytes(limits.parked_fetches), "of groups, whose partitions the broker assigns",
            "limits.parked_fetches", sizeof(compact::Membership));
    add_sum("members' partitions", hub.group_slots, LazyPool<compact::GroupSlot>::memory_bytes(hub.group_slots), "that these have, all together", "limits.partitions",
            sizeof(compact::GroupSlot));
    add_sum("topic changes", compact::topic_requests_max, LazyPool<compact::TopicRequest>::memory_bytes(compact::topic_requests_max), "that wait for their commit", {},
            sizeof(compact::TopicRequest));
    if (!has_tls(config_)) return;
    add("TLS connections", limits.tls_connections, tls_connection_bytes, "reserved: 16K in, 4K out, session", "limits.tls_connections");
    const std::uint64_t handshakes = limits.tls_connections != 0 ? limits.tls_handshakes : 0;
    add("TLS handshakes", handshakes, tls_handshake_bytes, "reserved: keys and certificates", "limits.tls_handshakes");
    out_.reserved_bytes = limits.tls_connections * tls_connection_bytes + handshakes * tls_handshake_bytes;
}

void Planner::add_kafka() {
    const kafka::HubOptions& hub = out_.kafka;
    if (hub.connections == 0) return;
    const std::string_view connections = "limits.kafka_connections";
    add("Kafka connections", hub.sessions(), costs_.connection_bytes, "the platform's part, the spare ones included", connections);
    add_sum("Kafka sessions", hub.sessions(), LazyPool<kafka::Session>::memory_bytes(hub.sessions()), "the protocol's part", connections, sizeof(kafka::Session));
    add_sum("Kafka requests", hub.sessions(), LazyPool<kafka::ProduceInHand>::memory_bytes(hub.sessions()) + LazyPool<kafka::FetchPlan>::memory_bytes(hub.sessions()) +
                LazyPool<kafka::GroupWait>::memory_bytes(hub.sessions()),
            "produce requests on their way in, fetches and members that wait", connections, sizeof(kafka::ProduceInHand) + sizeof(kafka::FetchPlan) + sizeof(kafka::GroupWait));
    add_sum("Kafka receive buffers", 1, ReceivePool::memory_bytes(hub.receive()), "lent while bytes arrive", "limits.kafka_receive_bytes");
    add_sum("Kafka output buffers", hub.output_buffers(), BufferPool::memory_bytes(hub.output_buffers(), kafka::Session::output_bytes), "lent while there is something to send", connections,
            kafka::Session::output_bytes);
    add_sum("Kafka large outputs", hub.large_outputs(), BufferPool::memory_bytes(hub.large_outputs(), hub.response_bytes), "for answers that need one", "limits.kafka_response_bytes", hub.response_bytes);
    add_sum("Kafka fetch partitions", hub.fetch_partitions, LazyPool<kafka::FetchCell>::memory_bytes(hub.fetch_partitions), "of fetches that wait", "limits.fetch_partitions", sizeof(kafka::FetchCell));
    add_sum("Kafka streams", hub.streams(), LazyPool<kafka::Stream>::memory_bytes(hub.streams()), "record batches on their way out", connections, sizeof(kafka::Stream));
    add_sum("Kafka searches", hub.searches(), LazyPool<kafka::OffsetSearch>::memory_bytes(hub.searches()), "for offsets by time", {}, sizeof(kafka::OffsetSearch));
}

void Planner::add_store() {
    const config::Limits& limits = config_.limits;
    const store::StoreOptions& store = out_.broker.store;
    const auto part = [&](std::string_view name, std::uint64_t count, std::uint64_t bytes, std::uint64_t each, std::string_view note, std::string_view keys) {
        add_sum(name, count, bytes, note, keys, each);
        parts_ += bytes;
    };
    part("index", store.index_samples_max, store::SegmentIndex::memory_bytes(store.index_samples_max), sizeof(store::Sample), "where on flash each log is", "limits.index_bytes");
    part("logs", limits.partitions, store::LogTable::memory_bytes(limits.partitions), sizeof(store::Log), "one per partition", "limits.partitions");
    part("sessions' states", limits.sessions, store::SessionTable::memory_bytes(limits.sessions), store::SessionTable::bytes_each, "(session, partition)", "limits.sessions");
    part("producers' states", limits.producers, store::ProducerTable::memory_bytes(limits.producers), store::ProducerTable::bytes_each, "(producer, partition)", "limits.producers");
    part("topics", limits.topics, broker::TopicTable::memory_bytes(limits.topics), sizeof(broker::Topic), "", "limits.topics");
    part("cleaning", limits.compact_keys, broker::Cleaner::memory_bytes(limits.compact_keys), 32, "keys that a pass tells apart", "limits.compact_keys");
    part("record decoder", 1, broker::BatchOpener::memory_bytes(out_.broker.decode_bytes), 0, "to open compressed batches in", "limits.decode_bytes");
    part("commit buffers", 1, store::GroupWriter::memory_bytes(store) + store::Committer::memory_bytes(store), 0, "group header, table, footer, records",
         "limits.partitions, limits.batch_bytes");
    part("read windows", limits.read_windows, store::Reader::memory_bytes(store), 0, "catch-up reads, each a batch and its directory", "limits.read_windows, limits.batch_bytes");
    part("checkpoint buffer", 1, store::Checkpointer::memory_bytes(store), 0, "one slice", {});
    part("zeroing buffer", 1, store::Zeroer::memory_bytes(), 0, "a store's first lap", {});
    add_sum("broker", 1, broker::Broker::memory_bytes(out_.broker) - parts_, "fences, truncations, epochs, the rest", {});
    add_sum("consumer groups", limits.groups, broker::Coordinator::memory_bytes(out_.groups), "members, offsets, their names and bytes",
            "limits.groups, limits.members, limits.group_bytes, limits.committed_offsets");
    add_sum("configuration", 1, Server::memory_bytes() + Reloader::memory_bytes() + serving_bytes_max, "in force, the next one, its text", {});
}

void Planner::add_rest() {
    const std::uint64_t each = store::block_bytes + sizeof(store::Block);
    const std::uint64_t left = config_.memory.total > sum_ ? config_.memory.total - sum_ : 0;
    const std::uint64_t largest = 2 * std::uint64_t{config_.limits.batch_bytes};
    const std::uint64_t needed = config_.memory.ring_min > largest ? config_.memory.ring_min : largest;
    std::uint64_t blocks = left / each;
    if (blocks * store::block_bytes < needed) {
        blocks = (needed + store::block_bytes - 1) / store::block_bytes;
        complain_of_memory(left, blocks * each);
    }
    out_.broker.store.blocks = static_cast<std::uint32_t>(blocks);
    add_sum("ring blocks", blocks, store::BlockPool::memory_bytes(static_cast<std::uint32_t>(blocks)), "the partitions' tails: what all others leave", "memory.total", each);
    add_sum("spare", 1, config_.memory.total > sum_ ? config_.memory.total - sum_ : 0, "less than a block", {});
    out_.total = sum_;
    out_.arena_bytes = sum_ - costs_.process_bytes;
}

void Planner::complain_of_memory(std::uint64_t left, std::uint64_t needed) {
    {
        config::Problem problem(problems_, config_.file_name.view(), config::origin_default);
        problem << "memory.total = " << config_.memory.total / mib << "M: " << left / 1024 << "K are left for ring blocks, at least " << (needed + 1023) / 1024
                << "K are needed (the larger of memory.ring_min and twice limits.batch_bytes, with their book-keeping). The largest lines:";
        std::uint64_t below = UINT64_MAX;
        for (int i = 0; i < 4; ++i) {
            const BudgetLine* largest = nullptr;
            for (const BudgetLine& line : out_.memory_lines())
                if (line.bytes < below && !line.keys.empty() && (!largest || line.bytes > largest->bytes)) largest = &line;
            if (!largest) break;
            below = largest->bytes;
            problem << (i == 0 ? " " : "; ") << largest->name << ' ' << largest->bytes / 1024 << "K (lower " << largest->keys << ')';
        }
        const std::uint64_t missing = sum_ > config_.memory.total ? sum_ - config_.memory.total : 0;
        problem << "; or raise memory.total by " << (missing + needed - left + mib - 1) / mib << 'M';
    }
}

void Planner::check_store() {
    const store::StoreOptions& store = out_.broker.store;
    const Status status = store.check();
    if (status) return;
    config::Problem problem(problems_, config_.file_name.view(), config::origin_default);
    switch (status.failure().detail) {
        case 1: problem << "storage.segment_bytes = " << store.segment_bytes << ": not a power of two from 64K on"; break;
        case 2: problem << "storage.size = " << store.size << ": fewer than " << store::segment_count_min << " segments"; break;
        case 3:
            problem << "storage.segment_bytes = " << store.segment_bytes << ": too small for one batch of limits.batch_bytes = " << store.batch_bytes_max
                    << " and a footer that names limits.partitions = " << store.logs_max;
            break;
        case 4:
            problem << "storage.checkpoint_bytes_max = " << store.checkpoint_area_bytes << ": at least " << store.checkpoint_bytes_min() << ", in pages of " << store::page_bytes
                    << ", is needed for the state of limits.partitions = " << store.logs_max << ", limits.sessions = " << store.sessions_max << " and limits.producers = " << store.producers_max;
            break;
        case 5: problem << "memory.ring_min: less than two batches of limits.batch_bytes = " << store.batch_bytes_max; break;
        case 6:
            problem << "limits.index_bytes = " << config_.limits.index_bytes << ": needs " << 2 * sizeof(store::Sample) << " bytes for each of limits.partitions = "
                    << store.logs_max;
            break;
        case 8:
            problem << "limits.batch_bytes = " << store.batch_bytes_max << ": too small for a commit that creates a topic of limits.partitions = " << store.logs_max;
            break;
        default: problem << "limits.batch_bytes = " << store.batch_bytes_max << ": too small"; break;
    }
}

void Planner::add_flash() {
    const config::Storage& storage = config_.storage;
    const std::uint64_t area = out_.broker.store.checkpoint_area_bytes;
    out_.flash[out_.flash_count++] = {"journal", storage.segments(), storage.segment_bytes, storage.journal_bytes(), "segments, used round and round", "storage.size"};
    out_.flash[out_.flash_count++] = {"checkpoints", 2, area, 2 * area, "areas, written in turns", "storage.checkpoint_bytes_max"};
    out_.flash[out_.flash_count++] = {"super", store::super_slots, store::page_bytes, store::super_bytes, "identity and clean mark", {}};
    for (const BudgetLine& line : out_.flash_lines()) out_.flash_total += line.bytes;
    // The kernel counts its own book-keeping in and doubles what is asked for.
    std::uint64_t compact = 0;
    std::uint64_t kafka = 0;
    std::uint64_t bulk = 0;
    bool known = true;
    for (const config::Listener& listener : config_.listeners()) {
        const std::uint64_t each = 2 * (std::uint64_t{listener.send_buffer} + listener.receive_buffer);
        if (listener.send_buffer == 0 || listener.receive_buffer == 0) known = false;
        if (2 * std::uint64_t{listener.send_buffer} < costs_.bulk_sender_bytes) bulk = config_.limits.bulk_senders * std::uint64_t{costs_.bulk_sender_bytes};
        std::uint64_t& largest = listener.protocol == config::Protocol::kafka ? kafka : compact;
        if (each > largest) largest = each;
    }
    out_.sockets_bytes = known ? compact * out_.hub.sessions() + kafka * out_.kafka.sessions() + bulk : 0;
}

Status Planner::run() {
    out_ = Budget();
    set_options();
    add("process", 1, costs_.process_bytes, "program image, stacks, C library: measured bound");
    add("event loop", 1, costs_.env_bytes, "loop, files, timers, the library's pool", "limits.parked_fetches");
    add_connections();
    add_kafka();
    add_store();
    add_rest();
    add_flash();
    check_store();
    return problems_.finish();
}

}  // namespace

EnvNeeds env_needs(const config::Config& config) {
    // One timer for each fetch that waits; the broker, the store and the server have a handful.
    constexpr std::size_t timers_of_our_own = 24;
    kafka::HubOptions kafka;
    kafka.connections = kafka_connections(config);
    return {config.limits.connections + spare_connections(config.limits.connections) + kafka.sessions(), config.limits.parked_fetches + kafka.timers() + timers_of_our_own,
            config.listener_count, config.limits.bulk_senders};
}

Status make_budget(const config::Config& config, const PlatformCosts& costs, std::string_view software, Budget& out, config::ProblemSink& problems) {
    return Planner(config, costs, software, out, problems).run();
}

}  // namespace rivulet::server
