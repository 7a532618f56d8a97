// The settings of one topic, by Kafka's names where Kafka has one: what `topic create --config k=v`, [defaults] and [topic.NAME] set,
// what a store keeps and what describe prints.
// Owns:     plain values, fixed size, no allocation.
// Errors:   invalid_config (unknown key, bad value), unsupported (known and not built yet); the reason is appended to a Text.
//           decode: malformed, unsupported_version (detail = a key number of a newer version), invalid_config (a value out of bounds).
// Format:   varint count, then per key in ascending order: varint number, zigzag varint value. Only the keys that are set (overrides) are
//           kept, so that the others go on following [defaults]. Numbers are never reused; a new key gets the next one.
//           number  key                     value
//           1       retention.ms            milliseconds, -1 = none
//           2       retention.bytes         bytes of one partition, -1 = none
//           3       max.message.bytes       bytes of one batch
//           4       commit.interval.ms      milliseconds, -1 = by durability
//           5       pack.ms                 milliseconds
//           6       durability              0 disk, 1 memory
//           7       overflow                0 drop-oldest, 1 reject
//           8       cleanup.policy          0 delete, 1 compact, 2 both
//           9       min.insync.replicas     count
//           10      message.timestamp.type  0 CreateTime, 1 LogAppendTime
//           11      compression.type        0 producer
//           12      min.cleanable.dirty.ratio  thousandths
//           13      delete.retention.ms     milliseconds
//           14      pinned                  0 false, 1 true
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/text.h"

namespace rivulet::config {

enum class Durability : std::uint8_t { disk, memory };
enum class Overflow : std::uint8_t { drop_oldest, reject };
enum class CleanupPolicy : std::uint8_t { remove, compact, both };
enum class TimestampType : std::uint8_t { create_time, log_append_time };  // Kafka's numbers
enum class CompressionType : std::uint8_t { producer };

enum class TopicKey : std::uint8_t {
    retention_ms = 1,
    retention_bytes,
    max_message_bytes,
    commit_interval_ms,
    pack_ms,
    durability,
    overflow,
    cleanup_policy,
    min_insync_replicas,
    message_timestamp_type,
    compression_type,
    min_cleanable_dirty_ratio,
    delete_retention_ms,
    pinned,
};
constexpr std::size_t topic_keys_count = 14;

constexpr std::int64_t commit_interval_disk_ms = 100;
constexpr std::int64_t commit_interval_memory_ms = 1000;

struct TopicConfig {
    TopicConfig();  // the built-in defaults, nothing set

    std::int64_t retention_ms = 0;     // -1 = none
    std::int64_t retention_bytes = 0;  // per partition, -1 = none
    std::int64_t delete_retention_ms = 0;
    std::uint32_t max_message_bytes = 0;
    std::uint16_t min_cleanable_dirty_permille = 0;
    std::int32_t commit_interval_choice_ms = 0;  // -1 = by durability: read commit_interval_ms()
    std::uint32_t pack_ms = 0;
    std::uint16_t min_insync_replicas = 0;
    Durability durability{};
    Overflow overflow{};
    CleanupPolicy cleanup_policy{};
    TimestampType timestamp_type{};
    CompressionType compression_type{};
    bool pinned = false;
    std::uint32_t overrides = 0;  // bit n - 1: key number n is set for this topic, so it does not follow the defaults

    std::int64_t commit_interval_ms() const {
        if (commit_interval_choice_ms >= 0) return commit_interval_choice_ms;
        return durability == Durability::memory ? commit_interval_memory_ms : commit_interval_disk_ms;
    }
    // What was accepted stays, or its latest record of each key, though the ring comes round.
    bool outlives_ring() const { return pinned || cleanup_policy != CleanupPolicy::remove; }
    bool is_set(TopicKey key) const { return (overrides >> (static_cast<unsigned>(key) - 1) & 1U) != 0; }
    bool operator==(const TopicConfig&) const = default;
};

constexpr std::size_t topic_value_bytes_max = 7;  // no value of any key takes more (topic_keys.cpp)
constexpr std::size_t topic_config_bytes_max = 1 + topic_keys_count * (1 + topic_value_bytes_max);
constexpr std::size_t topic_value_text_max = 32;  // what print() writes

// Sets one key from text: Kafka's integers or our units. On failure the reason is appended to `why` and nothing has changed.
Status set(TopicConfig& config, std::string_view key, std::string_view value, Text& why);
// The key follows the defaults again.
Status reset(TopicConfig& config, std::string_view key, const TopicConfig& defaults, Text& why);
// As IncrementalAlterConfigs says it (KIP-339), by Kafka's numbers; remove is reset(). append and subtract, of words with commas between them, are for lists alone.
enum class AlterOperation : std::uint8_t { set, remove, append, subtract };
Status alter(TopicConfig& config, AlterOperation operation, std::string_view key, std::string_view value, const TopicConfig& defaults, Text& why);
// Keys that are not set take the values of `defaults`; which are set does not change.
void follow(TopicConfig& config, const TopicConfig& defaults);
// What one key cannot see by itself: a batch larger than [limits] batch_bytes; contradictions.
Status check(const TopicConfig& config, std::uint32_t batch_bytes_max, Text& why);

// All records or the latest of each key; to reject what is too much and yet to lose the oldest; to keep what a power cut may take.
enum class Contradiction : std::uint8_t { pinned_compact, reject_alone, memory };
bool contradicts(const TopicConfig& config, Contradiction what);
Status check_contradictions(const TopicConfig& config, Text& why);

// By index 0 .. topic_keys_count - 1, in the order of the numbers.
struct TopicKeyInfo {
    TopicKey key{};
    std::string_view name;
    std::string_view default_text;
    std::string_view why;  // one line for people
};
TopicKeyInfo topic_key_info(std::size_t index);
// The value in Kafka's form (milliseconds, bytes, -1, names), which set() takes back.
void print(const TopicConfig& config, TopicKey key, Text& out);

void encode(const TopicConfig& config, Writer& out);
// Onto a copy of `defaults`; fails without changing `config`.
Status decode(Reader& in, const TopicConfig& defaults, TopicConfig& config);

constexpr std::size_t topic_name_bytes_max = 249;
// Kafka's rule: 1 to 249 of [a-zA-Z0-9._-], neither "." nor "..".
bool valid_topic_name(std::string_view name);

}  // namespace rivulet::config
