// The table of sections and keys, but for the topic-level ones: topic_keys.cpp.
#include "config/keys.h"

#include "config/topic_keys.h"
#include "config/value.h"

namespace rivulet::config {

namespace {

constexpr std::int64_t kib = 1 << 10;
constexpr std::int64_t mib = 1 << 20;
constexpr std::int64_t gib = 1 << 30;
constexpr std::int64_t second = 1000;
constexpr std::int64_t minute = 60 * second;

constexpr Choice log_level_choices[] = {{"error", 0, {}}, {"warning", 1, {}}, {"info", 2, {}}, {"debug", 3, {}}};
constexpr Choice protocol_choices[] = {{"compact", 0, {}}, {"kafka", 1, {}}};
constexpr Choice tls_choices[] = {{"off", 0, {}}, {"on", 1, "tls=on is not built yet"}};
constexpr Choice trust_choices[] = {{"auto", 0, {}}, {"always", 1, {}}, {"never", 2, {}}};
constexpr Choice auto_create_choices[] = {{"off", 0, {}}, {"on", 1, {}}};

constexpr Key broker_keys[] = {
    {.name = "id", .type = KeyType::integer, .default_text = "0", .minimum = 0, .maximum = 2'147'483'647,
     .access = number_at<&Broker::id>(), .why = "Number of this board among its peers, as clients see it."},
    {.name = "log_level", .type = KeyType::choice, .default_text = "info",
     .access = number_at<&Broker::log_level>(), .why = "Least severe lines that are logged.", .reloadable = true, .choices = log_level_choices},
    {.name = "drain_timeout", .type = KeyType::duration, .default_text = "10s", .minimum = 0, .maximum = 5 * minute,
     .access = number_at<&Broker::drain_timeout_ms>(), .why = "Longest wait at a stop for what is under way: commits and answers.", .reloadable = true},
    {.name = "group.initial.rebalance.delay.ms", .type = KeyType::milliseconds, .default_text = "3s", .minimum = 0, .maximum = 5 * minute,
     .access = number_at<&Broker::group_initial_rebalance_delay_ms>(), .why = "How long the first member of a consumer group waits for others."},
    {.name = "offsets.topic.num.partitions", .type = KeyType::integer, .default_text = "4", .minimum = 1, .maximum = 50,
     .access = number_at<&Broker::offsets_topic_partitions>(), .why = "Partitions of __consumer_offsets, which is created when the first consumer group comes."},
    {.name = "offsets.retention.ms", .type = KeyType::milliseconds, .default_text = "7d", .minimum = minute, .maximum = 36'500 * 24 * 60 * minute,
     .access = number_at<&Broker::offsets_retention_ms>(), .why = "How long the offsets of a group without members are kept (Kafka counts this in minutes)."},
    {.name = "offset.metadata.max.bytes", .type = KeyType::bytes, .default_text = "4096", .minimum = 0, .maximum = 32'000,
     .access = number_at<&Broker::offset_metadata_bytes_max>(), .why = "Largest note that a consumer may commit with an offset."},
};

constexpr Key memory_keys[] = {
    {.name = "total", .type = KeyType::size, .default_text = "32M", .minimum = 2 * mib, .maximum = gib,
     .access = number_at<&Memory::total>(), .why = "All memory of the broker, taken at start and never exceeded. 8M is the least that the product is tested with."},
    {.name = "ring_min", .type = KeyType::size, .default_text = "3M", .minimum = 64 * kib, .maximum = gib,
     .access = number_at<&Memory::ring_min>(), .why = "Least that the limits below must leave for the tails of the partitions in memory, which get all the rest."},
    {.name = "prefault", .type = KeyType::choice, .default_text = "off",
     .access = number_at<&Memory::prefault>(), .why = "Touch all memory at start, so that it is not missing later.", .choices = switch_choices},
};

constexpr Key storage_keys[] = {
    {.name = "dir", .type = KeyType::text, .default_text = "./rivulet-data", .minimum = 1,
     .access = text_at<&Storage::dir>(), .why = "Directory of the store."},
    {.name = "size", .type = KeyType::size, .default_text = "256M", .minimum = 256 * kib, .maximum = 1024 * gib,
     .access = number_at<&Storage::size>(), .why = "Flash for the journal, reserved at the first start; in whole segments, at least 8. When it is full the oldest data goes."},
    {.name = "segment_bytes", .type = KeyType::size, .default_text = "8M", .minimum = 64 * kib, .maximum = 256 * mib,
     .access = number_at<&Storage::segment_bytes>(), .why = "Unit in which the journal is recycled: a multiple of the card's erase block, which is often 4M.", .power_of_two = true},
    {.name = "commit_bytes", .type = KeyType::size, .default_text = "32K", .minimum = 4 * kib, .maximum = 4 * mib,
     .access = number_at<&Storage::commit_bytes>(), .why = "So many unflushed bytes make a commit due before its interval is over."},
    {.name = "checkpoint_bytes_max", .type = KeyType::size, .default_text = "1M", .minimum = 16 * kib, .maximum = mib,
     .access = number_at<&Storage::checkpoint_bytes_max>(), .why = "Size of each of the two checkpoint areas beside the journal."},
    {.name = "mark_idle", .type = KeyType::duration, .default_text = "10s", .minimum = 100, .maximum = 60 * minute,
     .access = number_at<&Storage::mark_idle_ms>(), .why = "After so long without a commit a mark is written that proves the last one durable."},
};

constexpr Key retention_keys[] = {
    {.name = "check_interval", .type = KeyType::duration, .default_text = "30s", .minimum = 100, .maximum = 24 * 60 * minute,
     .access = number_at<&Retention::check_interval_ms>(), .why = "How often retention.ms and retention.bytes of the topics are looked at.", .reloadable = true},
};

constexpr Key topic_section_keys[] = {
    {.name = "partitions", .type = KeyType::integer, .default_text = "1", .minimum = 1, .maximum = 10'000,
     .access = number_at<&TopicSection::partitions>(), .why = "Partitions of a topic that is created without saying how many.", .reloadable = true},
    {.name = "replication.factor", .type = KeyType::integer, .default_text = "1", .minimum = 1, .maximum = 1,
     .access = number_at<&TopicSection::replication_factor>(), .why = "Boards that hold each partition.", .reloadable = true,
     .above = "this version runs on a single board: 1"},
    {.name = "auto.create.topics.enable", .type = KeyType::choice, .default_text = "on",
     .access = number_at<&TopicSection::auto_create>(), .why = "Create a topic with these settings when a Kafka client first names it and allows that.", .reloadable = true,
     .choices = auto_create_choices},
};
constexpr std::span<const Key> topic_keys_own = std::span(topic_section_keys).first(2);

constexpr Key limits_keys[] = {
    {.name = "connections", .type = KeyType::integer, .default_text = "1000", .minimum = 1, .maximum = 10'000,
     .access = number_at<&Limits::connections>(), .why = "Connections of the compact protocol at once."},
    {.name = "kafka_connections", .type = KeyType::integer, .default_text = "160", .minimum = 1, .maximum = 10'000,
     .access = number_at<&Limits::kafka_connections>(), .why = "Connections of Kafka clients at once, beside limits.connections, which is about the compact protocol; a client has two or three."},
    {.name = "tls_connections", .type = KeyType::integer, .default_text = "500", .minimum = 0, .maximum = 10'000,
     .access = number_at<&Limits::tls_connections>(), .why = "Those of them that may use TLS, at 26K of memory each where a listener has tls = on, else none."},
    {.name = "tls_handshakes", .type = KeyType::integer, .default_text = "8", .minimum = 1, .maximum = 64,
     .access = number_at<&Limits::tls_handshakes>(), .why = "TLS handshakes at once; more wait."},
    {.name = "bulk_senders", .type = KeyType::integer, .default_text = "4", .minimum = 0, .maximum = 16,
     .access = number_at<&Limits::bulk_senders>(), .why = "Connections at once whose send buffer in the kernel is made 1M (at most net.core.wmem_max), since much is sent over them, where send_buffer of their listener is smaller, and not auto; outside memory.total, the kernel counts twice that."},
    {.name = "topics", .type = KeyType::integer, .default_text = "256", .minimum = 1, .maximum = 10'000,
     .access = number_at<&Limits::topics>(), .why = "Topics."},
    {.name = "partitions", .type = KeyType::integer, .default_text = "1000", .minimum = 1, .maximum = 10'000,
     .access = number_at<&Limits::partitions>(), .why = "Partitions of all topics together; members of groups of the compact protocol have as many in all."},
    {.name = "sessions", .type = KeyType::integer, .default_text = "4096", .minimum = 16, .maximum = 1'000'000,
     .access = number_at<&Limits::sessions>(), .why = "Remembered (sensor session, partition) pairs; beyond, the session unused for longest is forgotten, but none that is open: allow for all partitions that sensors write to at once."},
    {.name = "producers", .type = KeyType::integer, .default_text = "1024", .minimum = 16, .maximum = 1'000'000,
     .access = number_at<&Limits::producers>(), .why = "Remembered (idempotent producer, partition) pairs, each with its last five batches; beyond, the pair unused for longest is forgotten, and what its producer sends again after that is stored again."},
    {.name = "aliases_per_connection", .type = KeyType::integer, .default_text = "16", .minimum = 1, .maximum = 1024,
     .access = number_at<&Limits::aliases_per_connection>(), .why = "Topics that one compact connection may have open by a short number."},
    {.name = "batch_bytes", .type = KeyType::bytes, .default_text = "1048588", .minimum = 4 * kib, .maximum = 64 * mib,
     .access = number_at<&Limits::batch_bytes>(), .why = "Largest record batch of any topic: upper bound of every max.message.bytes."},
    {.name = "frame_bytes", .type = KeyType::size, .default_text = "64K", .minimum = kib, .maximum = mib,
     .access = number_at<&Limits::frame_bytes>(), .why = "Largest compact frame that a client may send."},
    {.name = "credit_bytes", .type = KeyType::size, .default_text = "256K", .minimum = kib, .maximum = 16 * mib,
     .access = number_at<&Limits::credit_bytes>(), .why = "Bytes that one compact connection may have sent without an answer."},
    {.name = "inflight_bytes", .type = KeyType::size, .default_text = "64K", .minimum = 4 * kib, .maximum = 16 * mib,
     .access = number_at<&Limits::inflight_bytes>(), .why = "Bytes on their way to one connection, which keep their memory until they have left."},
    {.name = "receive_pool_bytes", .type = KeyType::size, .default_text = "1M", .minimum = 16 * kib, .maximum = 256 * mib,
     .access = number_at<&Limits::receive_pool_bytes>(), .why = "Receive buffers of all connections together, lent only while bytes arrive."},
    {.name = "kafka_receive_bytes", .type = KeyType::size, .default_text = "512K", .minimum = 16 * kib, .maximum = 256 * mib,
     .access = number_at<&Limits::kafka_receive_bytes>(), .why = "Receive buffers of all Kafka connections together, likewise."},
    {.name = "kafka_request_bytes", .type = KeyType::size, .default_text = "128K", .minimum = 4 * kib, .maximum = 16 * mib,
     .access = number_at<&Limits::kafka_request_bytes>(), .why = "Largest request of a Kafka client; but for produce requests, which are taken piece by piece, up to 100M."},
    {.name = "kafka_response_bytes", .type = KeyType::size, .default_text = "128K", .minimum = 8 * kib, .maximum = 16 * mib,
     .access = number_at<&Limits::kafka_response_bytes>(), .why = "Largest answer to a Kafka client, without the records in it; two such buffers are kept."},
    {.name = "fetch_partitions", .type = KeyType::integer, .default_text = "1024", .minimum = 16, .maximum = 1'000'000,
     .access = number_at<&Limits::fetch_partitions>(), .why = "Partitions in all fetches of Kafka clients that wait, together."},
    {.name = "compact_keys", .type = KeyType::integer, .default_text = "4096", .minimum = 0, .maximum = 4'000'000,
     .access = number_at<&Limits::compact_keys>(), .why = "Keys that one cleaning pass of a compacted topic tells apart, at 32 bytes each; with more it takes several passes. 0: cleanup.policy = compact is refused."},
    {.name = "index_bytes", .type = KeyType::size, .default_text = "512K", .minimum = 16 * kib, .maximum = 256 * mib,
     .access = number_at<&Limits::index_bytes>(), .why = "Index of what lies where on flash; with less of it old data is found more slowly."},
    {.name = "read_windows", .type = KeyType::integer, .default_text = "3", .minimum = 2, .maximum = 8,
     .access = number_at<&Limits::read_windows>(), .why = "Reads from flash at once, by consumers that lag behind."},
    {.name = "decode_bytes", .type = KeyType::size, .default_text = "1248K", .minimum = 64 * kib, .maximum = 256 * mib,
     .access = number_at<&Limits::decode_bytes>(), .why = "Memory to open compressed batches in, for searches by time and for compacted topics, which store them uncompressed; taken where there is a Kafka listener. gzip, lz4 and snappy need 192K, zstd 96K and all of the content, or 480K and the window that it was made with.",
     .special = 0, .special_name = "none"},
    {.name = "parked_fetches", .type = KeyType::integer, .default_text = "200", .minimum = 1, .maximum = 10'000,
     .access = number_at<&Limits::parked_fetches>(), .why = "Fetches, subscriptions, members of groups of the compact protocol and searches by time at once, waiting or being answered."},
    {.name = "groups", .type = KeyType::integer, .default_text = "128", .minimum = 1, .maximum = 10'000,
     .access = number_at<&Limits::groups>(), .why = "Consumer groups, with those that have offsets alone."},
    {.name = "members", .type = KeyType::integer, .default_text = "1024", .minimum = 1, .maximum = 100'000,
     .access = number_at<&Limits::members>(), .why = "Members of all consumer groups together."},
    {.name = "group_members", .type = KeyType::integer, .default_text = "256", .minimum = 1, .maximum = 10'000,
     .access = number_at<&Limits::group_members>(), .why = "Members of one consumer group."},
    {.name = "group_bytes", .type = KeyType::size, .default_text = "256K", .minimum = 8 * kib, .maximum = 64 * mib,
     .access = number_at<&Limits::group_bytes>(), .why = "Names, subscriptions and assignments of all consumer groups; the record of one takes a quarter of it at most."},
    {.name = "committed_offsets", .type = KeyType::integer, .default_text = "2048", .minimum = 1, .maximum = 1'000'000,
     .access = number_at<&Limits::committed_offsets>(), .why = "Offsets that consumer groups have committed: one for each group and partition."},
};

constexpr Key listener_keys[] = {
    {.name = "bind", .type = KeyType::address, .default_text = "127.0.0.1:9192", .minimum = 1,
     .access = text_at<&Listener::bind>(), .why = "Address and port to listen on; 0.0.0.0 or [::] for all. The default is that of the listener named compact; of the one named kafka it is 127.0.0.1:9092."},
    {.name = "protocol", .type = KeyType::choice, .default_text = "compact",
     .access = number_at<&Listener::protocol>(), .why = "What is spoken there. The listeners named compact and kafka need not say it.", .choices = protocol_choices},
    {.name = "advertise", .type = KeyType::endpoint, .default_text = "",
     .access = text_at<&Listener::advertise>(), .why = "Address that clients are told to use. Nothing: the local address of their connection."},
    {.name = "tls", .type = KeyType::choice, .default_text = "off",
     .access = number_at<&Listener::tls>(), .why = "Encrypt. Not built yet: on is refused.", .choices = tls_choices},
    {.name = "cert_file", .type = KeyType::text, .default_text = "",
     .access = text_at<&Listener::cert_file>(), .why = "Certificate chain, PEM."},
    {.name = "key_file", .type = KeyType::text, .default_text = "",
     .access = text_at<&Listener::key_file>(), .why = "Private key, PEM."},
    {.name = "ca_file", .type = KeyType::text, .default_text = "",
     .access = text_at<&Listener::ca_file>(), .why = "Authorities whose client certificates are accepted, PEM."},
    {.name = "psk_file", .type = KeyType::text, .default_text = "",
     .access = text_at<&Listener::psk_file>(), .why = "Pre-shared keys of sensors."},
    {.name = "send_buffer", .type = KeyType::size, .default_text = "64K", .minimum = 4 * kib, .maximum = 4 * mib,
     .access = number_at<&Listener::send_buffer>(), .why = "Kernel's send buffer of each connection, outside memory.total. auto: the system's choice.",
     .special = 0, .special_name = "auto"},
    {.name = "receive_buffer", .type = KeyType::size, .default_text = "16K", .minimum = 4 * kib, .maximum = 4 * mib,
     .access = number_at<&Listener::receive_buffer>(), .why = "Kernel's receive buffer of each connection, likewise. Of the listener named kafka it is 64K by default: producers send batches of up to 1M, and with 16K wait for each 24K of one to be read.",
     .special = 0, .special_name = "auto"},
    {.name = "backlog", .type = KeyType::integer, .default_text = "512", .minimum = 1, .maximum = 4096,
     .access = number_at<&Listener::backlog>(), .why = "Connections that may wait to be accepted: a storm of them beyond this is slowed by the kernel."},
};

constexpr Key clock_keys[] = {
    {.name = "trust", .type = KeyType::choice, .default_text = "auto",
     .access = number_at<&Clock::trust>(), .why = "Whether the wall clock is right, which retention by age waits for. auto: once the kernel says it is synchronised.",
     .reloadable = true, .choices = trust_choices},
};

constexpr SectionInfo table[] = {
    {.id = SectionId::broker, .name = "broker", .why = "The process.", .own = broker_keys},
    {.id = SectionId::memory, .name = "memory", .why = "The fixed memory budget; check-config prints how it is spent.", .own = memory_keys},
    {.id = SectionId::storage, .name = "storage", .why = "The store on flash; dir, size and segment_bytes are fixed once it is created.", .own = storage_keys},
    {.id = SectionId::retention, .name = "retention", .why = "When old records go; how old is a setting of each topic.", .own = retention_keys},
    {.id = SectionId::defaults, .name = "defaults", .why = "Settings of topics that do not say otherwise, by Kafka's names where Kafka has one.", .own = topic_section_keys, .topic_level = true},
    {.id = SectionId::limits, .name = "limits", .why = "How much of each thing there may be; all of it is paid from memory.total at start.", .own = limits_keys},
    {.id = SectionId::listener, .name = "listener", .why = "Where clients connect, at most 4. Without any: [listener.compact] and [listener.kafka], on the loopback.", .own = listener_keys,
     .instances_max = listeners_max, .named = true},
    {.id = SectionId::topic, .name = "topic", .why = "Creates a topic at start; once it is there its stored settings rule. Takes the keys of [defaults], at most 64 sections.",
     .own = topic_keys_own, .instances_max = topic_sections_max, .named = true, .topic_level = true},
    {.id = SectionId::cluster, .name = "cluster", .why = "Several boards: comes in a later version, no keys yet.", .own = {}},
    {.id = SectionId::clock, .name = "clock", .why = "Boards without a battery boot in 1970.", .own = clock_keys},
};
static_assert(std::size(table) == sections_count);

constexpr std::size_t keys_count_of(const SectionInfo& section) { return section.own.size() + (section.topic_level ? topic_keys_count : 0); }

// First origin of a section, and at sections_count the number of all.
constexpr std::size_t origin_base(std::size_t section) {
    std::size_t base = 0;
    for (std::size_t i = 0; i < section; ++i) base += keys_count_of(table[i]) * table[i].instances_max;
    return base;
}
static_assert(origin_base(sections_count) <= origins_max);

std::size_t origin_index(Place place, std::size_t ordinal) {
    const auto section = static_cast<std::size_t>(place.section);
    RIVULET_CHECK(ordinal < keys_count_of(table[section]) && place.instance < table[section].instances_max);
    return origin_base(section) + place.instance * keys_count_of(table[section]) + ordinal;
}

}  // namespace

std::span<const SectionInfo> sections() { return table; }
const SectionInfo& section_info(SectionId id) { return table[static_cast<std::size_t>(id)]; }
std::size_t keys_count(SectionId section) { return keys_count_of(section_info(section)); }

const Key& key_at(SectionId section, std::size_t ordinal) {
    const SectionInfo& info = section_info(section);
    return ordinal < info.own.size() ? info.own[ordinal] : topic_keys()[ordinal - info.own.size()];
}

std::size_t find_key(SectionId section, std::string_view name) {
    for (std::size_t i = 0; i < keys_count(section); ++i) {
        if (key_at(section, i).name == name) return i;
    }
    return no_key;
}

Origin& origin_at(Config& config, Place place, std::size_t ordinal) { return config.origins[origin_index(place, ordinal)]; }
Origin origin_at(const Config& config, Place place, std::size_t ordinal) { return config.origins[origin_index(place, ordinal)]; }

}  // namespace rivulet::config
