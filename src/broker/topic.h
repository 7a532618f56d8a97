// Topics: name, identity, configuration, and the logs of their partitions.
// Owns:     limits.topics Topic objects from the arena.
// Bounds:   create past that, or past the bytes that a checkpoint keeps for the catalogue, is limit_reached. A topic's logs lie in topic_ranges_max ranges.
// Guarantee: iteration is in ascending order of name.
// Thread:   loop only. Format: catalogue entries, src/store/FORMAT.md, section 7.
#pragma once

#include <array>

#include "base/arena.h"
#include "base/uuid.h"
#include "config/fixed_string.h"
#include "config/topic_config.h"
#include "store/store.h"

namespace rivulet::broker {

// As many as fit a record of the catalogue (Committer::catalogue_bytes_max).
constexpr std::size_t topic_ranges_max = 8;

struct Topic {
    Uuid id;
    config::FixedString<config::topic_name_bytes_max> name;
    // Partitions in ascending order: those it was created with, then what each growth added. Ids of logs only grow, so the ranges ascend, too.
    std::array<store::LogRange, topic_ranges_max> range_slots;
    std::uint32_t range_count = 0;
    std::uint32_t partitions = 0;  // of all ranges
    config::TopicConfig config;    // effective; its overrides are what is stored

    std::span<const store::LogRange> ranges() const { return std::span(range_slots).first(range_count); }
    LogId first_log() const { return range_slots[0].first; }  // of partition 0
    LogId log_of(std::uint32_t partition) const;
    std::uint32_t partition_of(LogId log) const;  // which is one of its logs
    bool has(LogId log) const;
    // These logs as the last partitions, joined to the range before where they follow it. False: there is no room for another range.
    bool add_range(store::LogRange range);
    // Without the partitions whose logs have this id or a higher one.
    void cut_ranges(LogId bound);
};

constexpr std::size_t range_bytes_max = varint_bytes_max + 5;  // a log id and a 32-bit count
constexpr std::size_t catalogue_entry_bytes_max = 16 + 3 + config::topic_name_bytes_max + 1 + topic_ranges_max * range_bytes_max + config::topic_config_bytes_max;
static_assert(catalogue_entry_bytes_max <= store::Committer::catalogue_bytes_max);
// Of one topic, in LOG_CREATE, TOPIC and the checkpoint.
void encode_catalogue_entry(const Topic& topic, Writer& out);
// malformed, store_newer, invalid_config, unsupported_version.
Status decode_catalogue_entry(Reader& in, const config::TopicConfig& defaults, Topic& out);
// What a topic takes of a checkpoint: its entry, as a block.
std::size_t catalogue_bytes(const Topic& topic);
// What a checkpoint area keeps for all of them.
std::uint64_t catalogue_bytes_max(const store::StoreOptions& store);

class TopicTable {
public:
    TopicTable(Arena& arena, std::uint32_t capacity);
    static std::size_t memory_bytes(std::uint32_t capacity) { return capacity * (sizeof(Topic) + sizeof(std::uint32_t)) + 64; }

    Topic* find(std::string_view name);
    Topic* find(const Uuid& id);
    Topic* find_log(LogId log);  // whose partition it is
    // Of a topic that is there, or was one of the last that were removed; empty: it is not known any more.
    std::string_view name_of(const Uuid& id);
    // A copy of `topic` in the table; limit_reached, topic_exists (name or id).
    Result<Topic*> add(const Topic& topic);
    void remove(Topic& topic);
    // What `changed` has beyond id and name: ranges and configuration.
    void update(Topic& topic, const Topic& changed);
    std::uint32_t count() const { return count_; }
    std::uint64_t catalogue_bytes() const { return catalogue_bytes_; }  // of all
    Topic& at(std::uint32_t rank) { return topics_[order_[rank]]; }  // by name
    const Topic& at(std::uint32_t rank) const { return topics_[order_[rank]]; }
    std::uint32_t rank_after(std::string_view name) const;           // of the first topic with a name above this one
    std::uint32_t slot(const Topic& topic) const { return static_cast<std::uint32_t>(&topic - topics_.data()); }
    Topic& at_slot(std::uint32_t slot) { return topics_[slot]; }

private:
    std::uint32_t rank_from(std::string_view name) const;
    std::span<Topic> topics_;  // those in use are constructed: the others' pages stay untouched
    std::span<std::uint32_t> order_;
    std::uint32_t count_ = 0;
    std::uint64_t catalogue_bytes_ = 0;
    struct Removed {
        Uuid id;
        config::FixedString<config::topic_name_bytes_max> name;
    };
    std::array<Removed, 16> removed_{};
    std::size_t next_removed_ = 0;
};

}  // namespace rivulet::broker
