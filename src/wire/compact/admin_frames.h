// Frames about topics: TOPIC_CREATE, TOPIC_LIST, TOPIC_DESCRIBE, TOPIC_ALTER, TOPIC_DELETE.
// Owns:     nothing. A decoded struct is a view into the receive buffer: valid until the frame is consumed.
// Bounds:   no allocation. Answers come in pages that fit the client's frame limit: the encoders' add calls say when one is full.
// Errors:   decode_*: malformed. Names and values are checked by the broker, not here.
// Format:   PROTOCOL.md, section 6.
#pragma once

#include "wire/compact/frames.h"

namespace rivulet::wire::compact {

// Topic configuration, with Kafka's names where Kafka has one.
struct ConfigPair {
    std::string_view key;
    std::string_view value;
    static ConfigPair read(Reader& from);
    bool ends_list() const { return key.empty(); }
};

struct TopicCreate {
    std::string_view name;
    std::uint64_t partitions = 0;          // 0: the configured default
    std::uint64_t replication_factor = 0;  // 0: the configured default
    List<ConfigPair> config;
};
// `create.config` is not read: the pairs come from `config`.
void encode_topic_create(Writer& out, std::uint64_t correlation, const TopicCreate& create, std::span<const ConfigPair> config);
Result<TopicCreate> decode_topic_create(Bytes body);

struct TopicCreated {
    Uuid id;
    std::uint64_t partitions = 0;
    std::uint64_t replication_factor = 0;
};
void encode_topic_created(Writer& out, std::uint64_t correlation, const TopicCreated& created);
Result<TopicCreated> decode_topic_created(Bytes rest);

struct TopicAlter {
    std::string_view name;
    std::uint64_t partitions = 0;  // 0: as they are
    List<ConfigPair> config;       // an empty value: back to the default of new topics
};
// `alter.config` is not read: the pairs come from `config`.
void encode_topic_alter(Writer& out, std::uint64_t correlation, const TopicAlter& alter, std::span<const ConfigPair> config);
Result<TopicAlter> decode_topic_alter(Bytes body);

struct TopicDelete {
    std::string_view name;
};
void encode_topic_delete(Writer& out, std::uint64_t correlation, const TopicDelete& topic);
Result<TopicDelete> decode_topic_delete(Bytes body);

enum class Durability : std::uint8_t { disk = 0, memory = 1 };

struct TopicList {
    std::string_view after;       // names greater than this, by byte; empty: from the first
    std::uint64_t topics_max = 0;  // 0: as many as fit
};
void encode_topic_list(Writer& out, std::uint64_t correlation, const TopicList& list);
Result<TopicList> decode_topic_list(Bytes body);

struct TopicEntry {
    std::string_view name;
    Uuid id;
    std::uint64_t partitions = 0;
    std::uint64_t replication_factor = 0;
    Durability durability = Durability::disk;
    static TopicEntry read(Reader& from);
};
struct TopicListed {
    bool more = false;  // ask again after the last name
    List<TopicEntry> topics;
};
Result<TopicListed> decode_topic_listed(Bytes rest, std::uint8_t flags);

// The answer to TOPIC_LIST, entry by entry.
class TopicListEncoder {
public:
    // frame_bytes_max: what the client takes; the Writer's room bounds it too.
    TopicListEncoder(Writer& out, std::uint64_t correlation, std::size_t frame_bytes_max);
    // False: the page is full and unchanged; finish(true).
    bool add(const TopicEntry& topic);
    void finish(bool more);

private:
    FrameEncoder frame_;
    std::size_t frame_bytes_max_;
};

struct TopicDescribe {
    std::string_view name;
    std::uint64_t partition_first = 0;
    std::uint64_t partitions_max = 0;  // 0: as many as fit
};
void encode_topic_describe(Writer& out, std::uint64_t correlation, const TopicDescribe& describe);
Result<TopicDescribe> decode_topic_describe(Bytes body);

struct NodeId {
    std::uint64_t value = 0;
    static NodeId read(Reader& from) { return {from.varint()}; }
};
// Offsets lost to damage: first .. first + count - 1.
struct FencedRange {
    Offset first{0};
    std::uint64_t count = 0;
    static FencedRange read(Reader& from);
};
constexpr std::size_t fenced_listed_max = 16;

struct PartitionStatus {
    std::uint64_t partition = 0;
    std::int64_t leader = -1;  // node id; -1: none
    Epoch epoch{-1};
    Offset log_start{0};
    Offset durable_end{0};
    Offset high_watermark{0};
    Offset log_end{0};
    std::uint64_t bytes = 0;          // of record batches in the log
    std::uint64_t fenced_ranges = 0;  // all of them; the first fenced_listed_max are listed
};
struct PartitionEntry : PartitionStatus {
    List<NodeId> replicas;
    List<NodeId> in_sync;
    List<FencedRange> fenced;
    static PartitionEntry read(Reader& from);
};

struct TopicHead {
    Uuid id;
    std::uint64_t partitions = 0;
    std::uint64_t replication_factor = 0;
    Durability durability = Durability::disk;
};
struct TopicDescribed {
    TopicHead topic;
    bool more = false;        // ask again from the partition after the last
    List<ConfigPair> config;  // on the page of partition 0 only
    List<PartitionEntry> partitions;
};
Result<TopicDescribed> decode_topic_described(Bytes rest, std::uint8_t flags);

// The answer to TOPIC_DESCRIBE: head, then config pairs, then partitions.
class TopicDescribeEncoder {
public:
    TopicDescribeEncoder(Writer& out, std::uint64_t correlation, std::size_t frame_bytes_max, const TopicHead& head);
    // All config comes before the first partition. False: it does not fit (and nothing was written).
    bool add_config(const ConfigPair& pair);
    // False: the page is full and unchanged; finish(true).
    bool add_partition(const PartitionStatus& status, std::span<const std::uint64_t> replicas, std::span<const std::uint64_t> in_sync,
                       std::span<const FencedRange> fenced);
    void finish(bool more);

private:
    void end_config();

    FrameEncoder frame_;
    std::size_t frame_bytes_max_;
    bool config_ended_ = false;
};

}  // namespace rivulet::wire::compact
