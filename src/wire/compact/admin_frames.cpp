#include "wire/compact/admin_frames.h"

#include "wire/compact/fields.h"

namespace rivulet::wire::compact {

namespace {

Durability read_durability(Reader& from) {
    const std::uint8_t value = from.u8();
    if (value > static_cast<std::uint8_t>(Durability::memory)) from.invalidate();
    return static_cast<Durability>(value);
}

void write_pair(Writer& body, const ConfigPair& pair) {
    body.text(pair.key);
    body.text(pair.value);
}

void write_pairs(Writer& body, std::span<const ConfigPair> config) {
    for (const ConfigPair& pair : config) write_pair(body, pair);
    body.text("");
}

// What identifies a topic in each answer, and its shape.
template <class Topic>
void write_shape(Writer& body, const Topic& topic) {
    body.bytes(topic.id.bytes);
    body.varint(topic.partitions);
    body.varint(topic.replication_factor);
}

template <class Topic>
void read_shape(Reader& from, Topic& topic) {
    topic.id = read_uuid(from);
    topic.partitions = from.varint();
    topic.replication_factor = from.varint();
}

}  // namespace

// The pair with an empty key ends a list and has no value.
ConfigPair ConfigPair::read(Reader& from) {
    ConfigPair pair;
    pair.key = from.text();
    if (!pair.key.empty()) pair.value = from.text();
    return pair;
}

void encode_topic_create(Writer& out, std::uint64_t correlation, const TopicCreate& create, std::span<const ConfigPair> config) {
    FrameEncoder frame(out, Kind::topic_create, correlation, 0);
    Writer& body = frame.body();
    body.text(create.name);
    body.varint(create.partitions);
    body.varint(create.replication_factor);
    write_pairs(body, config);
    frame.finish();
}

Result<TopicCreate> decode_topic_create(Bytes bytes) {
    Reader body(bytes);
    TopicCreate create;
    create.name = body.text();
    create.partitions = body.varint();
    create.replication_factor = body.varint();
    create.config = List<ConfigPair>::terminated(body);
    return all_of(body, create);
}

void encode_topic_created(Writer& out, std::uint64_t correlation, const TopicCreated& created) {
    FrameEncoder frame(out, Kind::topic_create, correlation, 0);
    Writer& body = frame.body();
    body.varint(0);
    write_shape(body, created);
    frame.finish();
}

Result<TopicCreated> decode_topic_created(Bytes rest) {
    Reader body(rest);
    TopicCreated created;
    read_shape(body, created);
    return all_of(body, created);
}

void encode_topic_alter(Writer& out, std::uint64_t correlation, const TopicAlter& alter, std::span<const ConfigPair> config) {
    FrameEncoder frame(out, Kind::topic_alter, correlation, 0);
    Writer& body = frame.body();
    body.text(alter.name);
    body.varint(alter.partitions);
    write_pairs(body, config);
    frame.finish();
}

Result<TopicAlter> decode_topic_alter(Bytes bytes) {
    Reader body(bytes);
    TopicAlter alter;
    alter.name = body.text();
    alter.partitions = body.varint();
    alter.config = List<ConfigPair>::terminated(body);
    return all_of(body, alter);
}

void encode_topic_delete(Writer& out, std::uint64_t correlation, const TopicDelete& topic) {
    FrameEncoder frame(out, Kind::topic_delete, correlation, 0);
    frame.body().text(topic.name);
    frame.finish();
}

Result<TopicDelete> decode_topic_delete(Bytes bytes) {
    Reader body(bytes);
    const TopicDelete topic{body.text()};
    return all_of(body, topic);
}

void encode_topic_list(Writer& out, std::uint64_t correlation, const TopicList& list) {
    FrameEncoder frame(out, Kind::topic_list, correlation, 0);
    frame.body().text(list.after);
    frame.body().varint(list.topics_max);
    frame.finish();
}

Result<TopicList> decode_topic_list(Bytes bytes) {
    Reader body(bytes);
    TopicList list;
    list.after = body.text();
    list.topics_max = body.varint();
    return all_of(body, list);
}

TopicEntry TopicEntry::read(Reader& from) {
    TopicEntry topic;
    topic.name = from.text();
    read_shape(from, topic);
    topic.durability = read_durability(from);
    return topic;
}

TopicListEncoder::TopicListEncoder(Writer& out, std::uint64_t correlation, std::size_t frame_bytes_max)
    : frame_(out, Kind::topic_list, correlation, 0), frame_bytes_max_(frame_bytes_max) {
    frame_.body().varint(0);
}

bool TopicListEncoder::add(const TopicEntry& topic) {
    Writer& body = frame_.body();
    if (!body.ok()) return false;
    const std::size_t before = body.size();
    body.text(topic.name);
    write_shape(body, topic);
    body.u8(static_cast<std::uint8_t>(topic.durability));
    return keep_if_fits(frame_, before, frame_bytes_max_);
}

void TopicListEncoder::finish(bool more) {
    frame_.set_flags(more ? flag::page_more : std::uint8_t{0});
    frame_.finish();
}

Result<TopicListed> decode_topic_listed(Bytes rest, std::uint8_t flags) {
    Reader body(rest);
    TopicListed listed;
    listed.more = (flags & flag::page_more) != 0;
    listed.topics = List<TopicEntry>::to_end(body);
    return all_of(body, listed);
}

void encode_topic_describe(Writer& out, std::uint64_t correlation, const TopicDescribe& describe) {
    FrameEncoder frame(out, Kind::topic_describe, correlation, 0);
    Writer& body = frame.body();
    body.text(describe.name);
    body.varint(describe.partition_first);
    body.varint(describe.partitions_max);
    frame.finish();
}

Result<TopicDescribe> decode_topic_describe(Bytes bytes) {
    Reader body(bytes);
    TopicDescribe describe;
    describe.name = body.text();
    describe.partition_first = body.varint();
    describe.partitions_max = body.varint();
    return all_of(body, describe);
}

FencedRange FencedRange::read(Reader& from) {
    FencedRange range;
    range.first = read_offset(from);
    range.count = from.varint();
    return range;
}

PartitionEntry PartitionEntry::read(Reader& from) {
    PartitionEntry entry;
    entry.partition = from.varint();
    entry.leader = from.zigzag_varint();
    entry.epoch = read_epoch(from);
    entry.log_start = read_offset(from);
    entry.durable_end = read_offset(from);
    entry.high_watermark = read_offset(from);
    entry.log_end = read_offset(from);
    entry.bytes = from.varint();
    entry.fenced_ranges = from.varint();
    entry.replicas = List<NodeId>::counted(from);
    entry.in_sync = List<NodeId>::counted(from);
    entry.fenced = List<FencedRange>::counted(from);
    return entry;
}

TopicDescribeEncoder::TopicDescribeEncoder(Writer& out, std::uint64_t correlation, std::size_t frame_bytes_max, const TopicHead& head)
    : frame_(out, Kind::topic_describe, correlation, 0), frame_bytes_max_(frame_bytes_max) {
    Writer& body = frame_.body();
    body.varint(0);
    write_shape(body, head);
    body.u8(static_cast<std::uint8_t>(head.durability));
}

bool TopicDescribeEncoder::add_config(const ConfigPair& pair) {
    Writer& body = frame_.body();
    RIVULET_CHECK(!config_ended_ && !pair.key.empty());
    if (!body.ok()) return false;
    const std::size_t before = body.size();
    write_pair(body, pair);
    return keep_if_fits(frame_, before, frame_bytes_max_ - (frame_bytes_max_ != 0 ? 1 : 0));  // and the end of the list
}

void TopicDescribeEncoder::end_config() {
    if (!config_ended_) frame_.body().text("");
    config_ended_ = true;
}

bool TopicDescribeEncoder::add_partition(const PartitionStatus& status, std::span<const std::uint64_t> replicas,
                                         std::span<const std::uint64_t> in_sync, std::span<const FencedRange> fenced) {
    end_config();
    Writer& body = frame_.body();
    if (!body.ok()) return false;
    const std::size_t before = body.size();
    body.varint(status.partition);
    body.zigzag_varint(status.leader);
    body.zigzag_varint(status.epoch.value);
    for (const Offset offset : {status.log_start, status.durable_end, status.high_watermark, status.log_end})
        write_offset(body, offset);
    body.varint(status.bytes);
    body.varint(status.fenced_ranges);
    for (const auto& nodes : {replicas, in_sync}) {
        body.varint(nodes.size());
        for (const std::uint64_t node : nodes) body.varint(node);
    }
    const auto listed = fenced.first(fenced.size() < fenced_listed_max ? fenced.size() : fenced_listed_max);
    body.varint(listed.size());
    for (const FencedRange& range : listed) {
        write_offset(body, range.first);
        body.varint(range.count);
    }
    return keep_if_fits(frame_, before, frame_bytes_max_);
}

void TopicDescribeEncoder::finish(bool more) {
    end_config();
    frame_.set_flags(more ? flag::page_more : std::uint8_t{0});
    frame_.finish();
}

Result<TopicDescribed> decode_topic_described(Bytes rest, std::uint8_t flags) {
    Reader body(rest);
    TopicDescribed described;
    described.more = (flags & flag::page_more) != 0;
    read_shape(body, described.topic);
    described.topic.durability = read_durability(body);
    described.config = List<ConfigPair>::terminated(body);
    described.partitions = List<PartitionEntry>::to_end(body);
    return all_of(body, described);
}

}  // namespace rivulet::wire::compact
