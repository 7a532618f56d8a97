// The table of topic-level keys.
#include "config/topic_keys.h"

#include "config/topic_config.h"

namespace rivulet::config {

namespace {

constexpr std::int64_t kib = 1 << 10;
constexpr std::int64_t mib = 1 << 20;
constexpr std::int64_t gib = 1 << 30;
constexpr std::int64_t second = 1000;
constexpr std::int64_t day = 86'400 * second;

constexpr Choice durability_choices[] = {{"disk", 0, {}}, {"memory", 1, {}}};
constexpr Choice overflow_choices[] = {{"drop-oldest", 0, {}}, {"reject", 1, {}}};
constexpr Choice cleanup_choices[] = {
    {"delete", 0, {}},
    {"compact", 1, {}},
    {"compact,delete", 2, {}},
    {"delete,compact", 2, {}},
};
constexpr Choice timestamp_choices[] = {{"CreateTime", 0, {}}, {"LogAppendTime", 1, {}}};
constexpr std::string_view verbatim = "not done here: batches are kept as the producer compressed them";
constexpr Choice compression_choices[] = {
    {"producer", 0, {}}, {"uncompressed", 1, verbatim}, {"gzip", 1, verbatim}, {"snappy", 1, verbatim}, {"lz4", 1, verbatim}, {"zstd", 1, verbatim},
};

constexpr std::uint8_t number_of(TopicKey key) { return static_cast<std::uint8_t>(key); }

constexpr Key table[] = {
    {.name = "retention.ms", .type = KeyType::milliseconds, .default_text = "none", .minimum = 0, .maximum = 36'500 * day,
     .access = number_at<&TopicConfig::retention_ms>(), .why = "Records older than this go, once the clock is trusted. none: they stay until the store needs their room.",
     .reloadable = true, .special = -1, .special_name = "none", .number = number_of(TopicKey::retention_ms)},
    {.name = "retention.bytes", .type = KeyType::bytes, .default_text = "none", .minimum = 0, .maximum = 1024 * gib,
     .access = number_at<&TopicConfig::retention_bytes>(), .why = "Beyond this many bytes in a partition its oldest records go.",
     .reloadable = true, .special = -1, .special_name = "none", .number = number_of(TopicKey::retention_bytes)},
    {.name = "max.message.bytes", .type = KeyType::bytes, .default_text = "1048588", .minimum = 1 * kib, .maximum = 64 * mib,
     .access = number_at<&TopicConfig::max_message_bytes>(), .why = "Largest record batch accepted. Also bounded by limits.batch_bytes.",
     .reloadable = true, .number = number_of(TopicKey::max_message_bytes)},
    {.name = "commit.interval.ms", .type = KeyType::milliseconds, .default_text = "auto", .minimum = 0, .maximum = 60 * second,
     .access = number_at<&TopicConfig::commit_interval_choice_ms>(),
     .why = "Longest wait of a record for the sync that makes it durable: fewer syncs wear the flash less. auto: 100ms, and 1s with durability = memory.",
     .reloadable = true, .special = -1, .special_name = "auto", .number = number_of(TopicKey::commit_interval_ms)},
    {.name = "pack.ms", .type = KeyType::milliseconds, .default_text = "20ms", .minimum = 0, .maximum = 10 * second,
     .access = number_at<&TopicConfig::pack_ms>(), .why = "With durability = memory: how long single readings are gathered into one batch.",
     .reloadable = true, .number = number_of(TopicKey::pack_ms)},
    {.name = "durability", .type = KeyType::choice, .default_text = "disk",
     .access = number_at<&TopicConfig::durability>(), .why = "disk: acknowledged means on flash. memory: acknowledged at once, a power cut loses the last records.",
     .reloadable = true, .choices = durability_choices, .number = number_of(TopicKey::durability)},
    {.name = "overflow", .type = KeyType::choice, .default_text = "drop-oldest",
     .access = number_at<&TopicConfig::overflow>(), .why = "At the share of those that outlive the ring: the oldest records of pinned topics go, or (with pinned, or cleanup.policy = compact) appends are refused.",
     .reloadable = true, .choices = overflow_choices, .number = number_of(TopicKey::overflow)},
    {.name = "cleanup.policy", .type = KeyType::choice, .default_text = "delete",
     .access = number_at<&TopicConfig::cleanup_policy>(), .why = "delete: old records go by age, bytes or the store's end. compact: the latest record of each key stays. compact,delete: and goes by age or bytes.",
     .reloadable = true, .choices = cleanup_choices, .number = number_of(TopicKey::cleanup_policy), .list = true},
    {.name = "min.insync.replicas", .type = KeyType::integer, .default_text = "1", .minimum = 1, .maximum = 1,
     .access = number_at<&TopicConfig::min_insync_replicas>(), .why = "Replicas that must hold a record before acks=all is answered.",
     .reloadable = true, .above = "this version runs on a single board: 1", .number = number_of(TopicKey::min_insync_replicas)},
    {.name = "message.timestamp.type", .type = KeyType::choice, .default_text = "CreateTime",
     .access = number_at<&TopicConfig::timestamp_type>(), .why = "Whose clock stamps the records: the producer's or the broker's.",
     .reloadable = true, .choices = timestamp_choices, .number = number_of(TopicKey::message_timestamp_type)},
    {.name = "compression.type", .type = KeyType::choice, .default_text = "producer",
     .access = number_at<&TopicConfig::compression_type>(), .why = "Batches are kept as the producer compressed them; with cleanup.policy = compact they are stored uncompressed.",
     .reloadable = true, .choices = compression_choices, .number = number_of(TopicKey::compression_type)},
    {.name = "min.cleanable.dirty.ratio", .type = KeyType::ratio, .default_text = "0.75", .minimum = 0, .maximum = 1000,
     .access = number_at<&TopicConfig::min_cleanable_dirty_permille>(),
     .why = "With cleanup.policy = compact: share of a partition that came since it was cleaned, from which on it is cleaned again. 0.75 writes a third of a byte anew for each that comes, more where much is alive.",
     .reloadable = true, .number = number_of(TopicKey::min_cleanable_dirty_ratio)},
    {.name = "delete.retention.ms", .type = KeyType::milliseconds, .default_text = "1d", .minimum = 0, .maximum = 36'500 * day,
     .access = number_at<&TopicConfig::delete_retention_ms>(), .why = "With cleanup.policy = compact: how long a deletion is told to consumers after it was cleaned, once the clock is trusted.",
     .reloadable = true, .number = number_of(TopicKey::delete_retention_ms)},
    {.name = "pinned", .type = KeyType::choice, .default_text = "false",
     .access = number_at<&TopicConfig::pinned>(), .why = "Records outlive the ring: they go by retention, by hand, or as overflow says. All such topics share a sixth of the store.",
     .reloadable = true, .choices = boolean_choices, .number = number_of(TopicKey::pinned)},
};
static_assert(std::size(table) == topic_keys_count);
constexpr bool values_fit() {
    for (const Key& key : table)
        if (key.maximum >= std::int64_t{1} << (7 * topic_value_bytes_max - 1)) return false;
    return true;
}
static_assert(values_fit());

// Names that people know and that are refused with a reason of their own.
constexpr RefusedKey refused[] = {
    {"min.compaction.lag.ms", "not done here: see min.cleanable.dirty.ratio"},
    {"max.compaction.lag.ms", "not done here: see min.cleanable.dirty.ratio"},
    {"segment.bytes", "one journal holds all topics; its segments are storage.segment_bytes"},
    {"segment.ms", "one journal holds all topics; its segments are storage.segment_bytes"},
    {"flush.ms", "here it is commit.interval.ms"},
    {"flush.messages", "here it is commit.interval.ms"},
};

}  // namespace

std::span<const Key> topic_keys() { return table; }
std::span<const RefusedKey> refused_topic_keys() { return refused; }

}  // namespace rivulet::config
