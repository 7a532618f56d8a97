#include "broker/groups/journal.h"

#include "broker/groups/records.h"
#include "env/log.h"

namespace rivulet::broker {

namespace {

constexpr std::uint64_t record_overhead_bytes = 20;  // lengths, time and offset

// The next code point, as a count of UTF-16 units; what is no UTF-8 counts byte by byte.
struct Character {
    std::uint32_t code = 0;
    std::size_t bytes = 1;
};
Character next_character(std::string_view text) {
    const auto lead = static_cast<std::uint8_t>(text[0]);
    const std::size_t bytes = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (bytes == 1 || bytes > text.size()) return {lead, 1};
    std::uint32_t code = lead & (0xffU >> (bytes + 1));
    for (std::size_t i = 1; i < bytes; ++i) code = code << 6 | (static_cast<std::uint8_t>(text[i]) & 0x3fU);
    return {code, bytes};
}

}  // namespace

std::uint32_t offsets_partition(std::string_view group, std::uint32_t partitions) {
    std::uint32_t hash = 0;
    while (!group.empty()) {
        const Character next = next_character(group);
        group.remove_prefix(next.bytes);
        if (next.code >= 0x10000) {
            hash = hash * 31 + (0xd800 + ((next.code - 0x10000) >> 10));
            hash = hash * 31 + (0xdc00 + ((next.code - 0x10000) & 0x3ff));
        } else {
            hash = hash * 31 + next.code;
        }
    }
    const auto value = static_cast<std::int32_t>(hash);
    if (value == INT32_MIN) return 0;
    return static_cast<std::uint32_t>(value < 0 ? -value : value) % partitions;
}

Journal::Journal(Broker& broker, Arena& arena, const GroupOptions& options, BlobPool& blobs, GroupTable& groups, OffsetTable& offsets)
    : broker_(broker),
      options_(options),
      blobs_(blobs),
      groups_(groups),
      record_(arena.take_bytes(options.record_bytes() + record_rest_bytes_max)),
      loader_(broker, blobs, groups, offsets, record_),
      rewriter_(broker, groups, offsets, *this, options.rewrite_bytes_min) {}

void Journal::load(Coordinator& coordinator, JournalListener& listener) {
    listener_ = &listener;
    rewriter_.wait_for_load();
    loader_.start(topic(), coordinator, *this);
}

void Journal::on_loaded() {
    loading_ = false;
    // What found no room is in the log alone.
    if (loader_.incomplete()) rewriter_.stop();
    else rewriter_.start();
    listener_->on_loaded();
}

void Journal::stop() {
    loader_.stop();
    rewriter_.stop();
}

Status Journal::prepare() {
    if (const Topic* const known = topic()) return known->partitions <= offsets_partitions_max ? Status() : Status(fail(Error::invalid_partitions, known->partitions));
    char buffer[200];
    Text why(buffer);
    Broker::TopicRequest request;
    request.name = offsets_topic;
    request.partitions = options_.partitions;
    request.config = broker_.default_config();
    // Whatever the defaults are: what is in it goes when it is dead, and not before.
    for (const auto& [key, value] : {std::pair("retention.ms", "-1"), std::pair("retention.bytes", "-1"), std::pair("durability", "disk"), std::pair("message.timestamp.type", "CreateTime")})
        RIVULET_CHECK(config::set(request.config, key, value, why).ok());
    request.config.max_message_bytes = options_.batch_bytes_max;
    request.config.overrides |= 1U << (static_cast<unsigned>(config::TopicKey::max_message_bytes) - 1);
    const auto created = broker_.create_topic(request, why);
    if (created) return {};
    env::LogLine(broker_.env(), env::LogLevel::error) << "topic " << offsets_topic << " cannot be created, so there are no groups: " << error_info(created.error()).text << ' ' << why.view();
    return created.failure();
}

Result<std::uint64_t> Journal::append(std::string_view group, Bytes key, Bytes value, bool has_value, const Topic* of_offset) {
    RIVULET_TRY(prepare());
    const std::uint32_t partition = offsets_partition(group, topic()->partitions);
    store::Log* const log = broker_.partition(*topic(), partition);
    if (!log) return fail(Error::unknown_topic_or_partition);
    std::uint8_t buffer[48];
    Writer headers(buffer);
    if (of_offset) record::encode_record_header(headers, {as_bytes(topic_id_header), true, of_offset->id.bytes});
    RIVULET_CHECK(headers.ok());
    record::Reading reading;
    reading.has_key = true;
    reading.key = key;
    reading.has_value = has_value;
    reading.value = value;
    reading.headers_raw = headers.written();
    reading.header_count = of_offset ? 1 : 0;
    RIVULET_TRY_ASSIGN(const store::Appended appended, broker_.append_held(*log, reading));
    appended_bytes_ = key.size() + value.size() + headers.size() + record_overhead_bytes;
    rewriter_.count(partition, appended_bytes_);
    return appended.ticket;
}

Result<std::uint64_t> Journal::write_group(Group& group, bool with_members) {
    // What is read again has its key and lengths in the same buffer.
    Writer value(record_.first(options_.record_bytes()));
    GroupRecord head;
    head.protocol_type = blobs_.text(group.protocol_type);
    head.generation = group.generation;
    head.has_protocol = with_members && !group.protocol.empty();
    head.protocol = group.protocol.view();
    head.has_leader = with_members && group.leader;
    if (head.has_leader) head.leader = blobs_.text(group.leader->id);
    head.state_time = group.state_time;
    head.member_count = with_members ? group.member_count : 0;
    encode_group_record(head, value);
    for (Member* member = group.members.front(); with_members && member; member = group.members.next(*member)) {
        if (member->pending) continue;
        encode_member_record({blobs_.text(member->id), blobs_.text(member->instance), blobs_.text(member->client_id), blobs_.text(member->client_host), member->rebalance_timeout_ms,
                              member->session_timeout_ms, groups_.metadata(*member, group.protocol.view()), blobs_.view(member->assignment)},
                             value);
    }
    if (!value.ok()) return fail(Error::batch_too_large, static_cast<std::int64_t>(options_.record_bytes()));
    std::uint8_t buffer[key_bytes_max];
    Writer key(buffer);
    encode_record_key({false, blobs_.text(group.id), {}, 0}, key);
    RIVULET_TRY_ASSIGN(const std::uint64_t ticket, append(blobs_.text(group.id), key.written(), value.written(), true, nullptr));
    group.stored = true;
    group.written = ticket;
    return ticket;
}

// As a start should find it. While members come and go, none of those who are there has a part of the generation to come.
Result<std::uint64_t> Journal::rewrite_group(Group& group) {
    const bool complete = group.state == GroupState::stable || (group.state == GroupState::completing_rebalance && group.linked());
    RIVULET_TRY(write_group(group, complete));
    return appended_bytes_;
}

Result<std::uint64_t> Journal::rewrite_offset(const CommittedOffset& offset) {
    const store::Log* const log = broker_.store().find(offset.log);
    if (!log) return std::uint64_t{0};
    const Topic& topic = broker_.topics().at_slot(log->owner);
    Group& group = groups_.groups()[offset.group];
    const OffsetCommit commit{offset.offset, offset.epoch, offset.commit_time, blobs_.text(offset.metadata)};
    RIVULET_TRY_ASSIGN(const std::uint64_t ticket, write_offset(blobs_.text(group.id), topic, topic.partition_of(offset.log), commit));
    group.written = ticket;
    return appended_bytes_;
}

bool Journal::in_partition(const Group& group, std::uint32_t partition) const {
    const Topic* const of = topic();
    return of && offsets_partition(blobs_.text(group.id), of->partitions) == partition;
}

Result<std::uint64_t> Journal::write_offset(std::string_view group, const Topic& topic, std::uint32_t partition, const OffsetCommit& commit) {
    Writer value(record_.first(options_.record_bytes()));
    encode_offset_record({commit.offset, commit.epoch, commit.metadata, commit.time}, value);
    if (!value.ok()) return fail(Error::batch_too_large, static_cast<std::int64_t>(options_.record_bytes()));
    std::uint8_t buffer[key_bytes_max];
    Writer key(buffer);
    encode_record_key({true, group, topic.name.view(), static_cast<std::int32_t>(partition)}, key);
    return append(group, key.written(), value.written(), true, &topic);
}

Result<std::uint64_t> Journal::remove_group(const Group& group) {
    std::uint8_t buffer[key_bytes_max];
    Writer key(buffer);
    encode_record_key({false, blobs_.text(group.id), {}, 0}, key);
    return append(blobs_.text(group.id), key.written(), {}, false, nullptr);
}

Result<std::uint64_t> Journal::remove_offset(const Group& group, const Topic& topic, std::uint32_t partition) {
    std::uint8_t buffer[key_bytes_max];
    Writer key(buffer);
    encode_record_key({true, blobs_.text(group.id), topic.name.view(), static_cast<std::int32_t>(partition)}, key);
    return append(blobs_.text(group.id), key.written(), {}, false, &topic);
}

}  // namespace rivulet::broker
