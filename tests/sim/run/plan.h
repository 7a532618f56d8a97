// All that is random about one run before it begins: the configuration of the broker, topics, clients, and which faults may come.
// Owns:     plain values. Guarantee: a function of the seed alone.
#pragma once

#include <string>
#include <vector>

#include "sim/run/readings.h"
#include "sim/world.h"

namespace rivulet::sim {

enum class FaultKind : std::uint8_t {
    power_cut,       // class A: unsynced writes are lost, reordered, torn, garbage
    recovery_cut,    // power goes again while the store is starting
    kill,            // kill -9: the page cache stays
    restart,         // a clean stop and start
    sync_error, write_error,  // EIO: the log goes offline until a restart
    no_space,        // ENOSPC, at creation or from a write
    pause,           // the process does not run for a while
    clock_jump,      // the wall clock goes forwards or back
    reload,          // of the configuration
    connection_reset, one_way_link, partition, slow_link,
    client_power_cut, client_kill,
    rebalance_cut,   // class A, between the answers to joins and those to syncs
    commit_cut,      // ... while offsets are being committed
    rewrite_cut,     // ... while a partition of __consumer_offsets is written anew
    loading_cut,     // ... while the coordinator reads what it had
    damage,          // class B: synced pages become noise or land elsewhere
    tail_damage,     // class C: the last group becomes noise
    lying_flush,     // class D
};
constexpr std::size_t fault_kind_count = 23;
std::string_view name_of(FaultKind kind);

struct TopicPlan {
    std::string name;
    std::uint32_t partitions = 1;
    bool memory = false;
    bool append_time = false;
    bool retention = false;     // by bytes
    bool configured = false;    // a [topic.NAME] section; the others are created by a client
    bool compacted = false;     // the last known values of keys
    bool pinned = false;        // outlives the ring, up to its share
    bool rejects = false;       // and refuses what is more than that
    bool of_producers = false;  // Kafka's, whose batches may be compressed
    // Shares a sixth of the ring with others like it.
    bool keeps() const { return compacted || pinned; }
    // At that share producers are refused, and sensors wait.
    bool refuses() const { return compacted || rejects; }
    std::uint32_t batch_bytes_max = 0;
    std::vector<std::pair<std::string, std::string>> config;
};

struct AliasPlan {
    std::size_t topic = 0;  // of Plan::topics
    wire::compact::Placement placement = wire::compact::Placement::by_key;
    std::uint64_t partition = 0;
    std::string key;
    wire::compact::Acks acks = wire::compact::Acks::leader;
    ReadingStyle style;
};

struct ProducerPlan {
    std::uint64_t session = 0;
    std::vector<AliasPlan> aliases;
    std::int64_t tick_ns = 50 * ns_per_ms;
    std::uint32_t burst_max = 4;
    std::uint32_t window = 64;      // readings that are not settled
    bool packed = false;            // PUTB
    bool regular = false;           // its values of equal length as such
    bool eager = false;             // sends before the answer to OPEN
    bool confirm = true;            // waits for the answers to ALIAS
    bool gives_up = false;          // now and then skips readings after a broken connection
    std::int64_t connection_ns = 0;  // hangs up by itself about so often; 0 = never
    bool kafka = false;             // speaks Kafka's protocol: one alias, by key, and no session
    bool idempotent = false;        // and then has a producer id
    unsigned compressed = 0;        // of a hundred of its batches
};

struct ConsumerPlan {
    std::uint64_t frame_bytes_max = 64 << 10;
    std::uint64_t bytes_max = 16 << 10;
    std::uint64_t bytes_min = 1;
    std::uint64_t wait_ms_max = 500;
    std::int64_t tick_ns = 20 * ns_per_ms;
    unsigned jumps = 0;             // in a hundred fetches, to anywhere
    bool slow = false;
    bool by_alias = false;
    bool push = false;              // a follower: subscribes and grants credit
    std::size_t requests_max = 4;
};

// ---- Kafka clients: in one seed of four, which has fewer of the others then
struct KafkaTopicPlan {
    std::string name;
    std::uint32_t partitions = 1;
    bool grows = false;             // up to kafka_partitions_max
};
constexpr std::uint32_t kafka_partitions_max = 6;

struct KafkaProducerPlan {
    std::vector<std::size_t> topics;
    bool idempotent = true;
    bool wraps = false;             // its sequences begin right before they wrap
    std::int64_t tick_ns = 50 * ns_per_ms;
    std::uint32_t batches_max = 2;  // made in a tick
    std::uint32_t records_max = 4;  // in a batch
    std::uint32_t value_max = 50;
    std::size_t in_flight = 5;      // requests
    std::size_t window = 5;         // batches of a partition that are not acknowledged
    unsigned compressed = 0;        // of a hundred of its batches
};

struct GroupPlan {
    std::string name;
    std::vector<std::size_t> topics;
    bool cooperative = false;       // else eager
    bool lone = false;              // one consumer that assigns its partitions itself
};

struct MemberPlan {
    std::size_t group = 0;
    std::string instance;           // empty: dynamic
    std::int64_t tick_ns = 50 * ns_per_ms;
    std::int32_t session_ms = 6000;
    std::int64_t heartbeat_ns = ns_per_s;
    std::int64_t commit_ns = ns_per_s;
    unsigned restless = 0;          // in a thousand ticks: leaves, joins again, commits what it must not
};

struct KafkaPlan {
    bool on = false;
    std::vector<KafkaTopicPlan> topics;
    std::vector<KafkaProducerPlan> producers;
    std::vector<GroupPlan> groups;
    std::vector<MemberPlan> members;
    // Of the record with that number.
    static std::int64_t time_of(std::uint32_t number) { return 1'700'000'000'000 + number; }
};

struct Plan {
    std::uint64_t seed = 1;
    WorldOptions world;
    NodeOptions broker;
    std::vector<std::string> sets;  // configuration, "section.key=value"
    std::uint64_t ring_bytes = 0;   // beyond the least that the limits need
    std::uint64_t journal_bytes = 0;  // at least
    std::uint32_t connections = 0;
    std::uint32_t batch_bytes = 0;
    std::uint32_t frame_bytes = 0;
    std::vector<TopicPlan> topics;
    std::vector<ProducerPlan> producers;
    std::vector<ConsumerPlan> consumers;
    KafkaPlan kafka;
    bool deletes = false;           // topics come and go
    bool hostile = false;
    bool idlers = false;
    std::int64_t duration_ns = 0;   // until everything heals
    std::int64_t fault_gap_ns = 0;  // mean
    std::vector<FaultKind> faults;  // that may come; some more than once
    bool full_at_creation = false;
    bool noise_in_memory = false;   // fresh memory of the broker is not zero

    bool may_forget() const;        // faults beyond class A
    // Of the ring, for all that outlives it: at least.
    std::uint64_t share_bytes() const { return journal_bytes / 6; }
    std::string text() const;
};

Plan make_plan(std::uint64_t seed);

}  // namespace rivulet::sim
