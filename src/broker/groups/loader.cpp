#include "broker/groups/loader.h"

#include "broker/broker.h"
#include "broker/groups/coordinator.h"
#include "broker/view_cursor.h"
#include "env/log.h"

namespace rivulet::broker {

namespace {

constexpr std::size_t read_bytes = 32U << 10;

}  // namespace

void Loader::start(const Topic* topic, Coordinator& coordinator, LoaderListener& listener) {
    coordinator_ = &coordinator;
    listener_ = &listener;
    if (topic) {
        first_log_ = topic->first_log();
        partitions_ = topic->partitions;
    }
    next_partition();
}

// The next one that has something.
void Loader::next_partition() {
    for (; partition_ < partitions_; ++partition_) {
        const store::Log* const found = broker_.partition(first_log_, partition_);
        if (!found || found->start >= found->high_watermark()) continue;
        bytes_ = 0;
        log = found->id;
        offset = found->start;
        end_ = found->high_watermark();
        bytes_max = read_bytes;
        return broker_.fetch(*this);
    }
    finish();
}

void Loader::finish() {
    if (records_ != 0)
        env::LogLine(broker_.env(), env::LogLevel::info) << groups_.group_count() << " groups, " << offsets_.count() << " offsets, loaded from " << records_ << " records";
    if (skipped_ != 0) env::LogLine(broker_.env(), env::LogLevel::warning) << skipped_ << " records of groups and offsets could not be read and are skipped";
    if (no_room_ != 0)
        env::LogLine(broker_.env(), env::LogLevel::error) << no_room_ << " records of groups and offsets find no room: the limits were lowered; they stay in the log, see limits.groups, "
                                                          << "members, group_bytes, committed_offsets";
    listener_->on_loaded();
}

void Loader::on_fetched(Failure outcome) {
    if (outcome.error == Error::offset_out_of_range) {
        // The ring has taken its beginning meanwhile.
        offset = Offset(outcome.detail);
        if (offset < end_) return broker_.fetch(*this);
    }
    bool more = false;
    if (outcome.error == Error::none) {
        more = !view.empty() && view.next < end_;
        bytes_ += view.bytes;
        broker_.env().charge(view.bytes * 2);
        read_view();
        offset = view.next;
        broker_.release(view);
    }
    if (more) return broker_.fetch(*this);
    listener_->on_partition_loaded(partition_, bytes_);
    ++partition_;
    next_partition();
}

void Loader::read_view() {
    ViewCursor in(broker_, view);
    for (std::size_t i = 0; i < view.batches; ++i)
        if (!read_batch(in)) return;
}

// False: the view ends.
bool Loader::read_batch(ViewCursor& in) {
    std::uint8_t bytes[record::batch_header_bytes];
    if (!in.read(bytes)) return false;
    const record::BatchHeader header = record::decode_header(bytes);
    const std::uint64_t end = in.taken() + header.body_bytes();
    // Ours are never compressed.
    const bool readable = header.compression() == record::Compression::none && !header.control();
    if (!readable) ++skipped_;
    for (std::int32_t i = 0; readable && i < header.record_count; ++i) {
        std::int64_t size = 0;
        if (!in.zigzag(size)) return false;
        if (size < 0 || static_cast<std::uint64_t>(size) > end - in.taken()) {
            skipped_ += static_cast<std::uint64_t>(header.record_count - i);
            break;
        }
        Writer out(record_);
        out.zigzag_varint(size);
        if (static_cast<std::uint64_t>(size) > out.room()) {
            // Not damaged: it was written under a larger limits.group_bytes, and stays in the log.
            ++no_room_;
            if (!in.skip(static_cast<std::uint64_t>(size))) return false;
            continue;
        }
        const MutableBytes whole = record_.first(out.size() + static_cast<std::size_t>(size));
        if (!in.read(whole.subspan(out.size()))) return false;
        take(whole);
    }
    return in.taken() >= end || in.skip(end - in.taken());
}

void Loader::take(Bytes encoded) {
    record::RecordReader reader(encoded, 1);
    const std::optional<record::Record> record = reader.next();
    if (!record || !record->has_key) {
        ++skipped_;
        return;
    }
    ++records_;
    apply(*record);
}

void Loader::apply(const record::Record& record) {
    RecordKey key;
    if (!decode_record_key(record.key, key) || key.group.empty() || key.group.size() > group_id_bytes_max) {
        ++skipped_;
        return;
    }
    if (key.of_offset) apply_offset(key, record);
    else apply_group(key, record);
}

// By its id, where that is told: the name may have been given again.
Topic* Loader::topic_of(const RecordKey& key, const record::Record& record) {
    record::HeaderReader headers(record);
    while (const std::optional<record::Header> header = headers.next()) {
        if (as_text(header->key) != topic_id_header || header->value.size() != 16) continue;
        Uuid id;
        copy(header->value, id.bytes);
        return broker_.topics().find(id);
    }
    return broker_.find_topic(key.topic);
}

void Loader::apply_offset(const RecordKey& key, const record::Record& record) {
    Topic* const topic = topic_of(key, record);
    if (!topic || key.partition < 0 || static_cast<std::uint32_t>(key.partition) >= topic->partitions) return;
    const LogId partition = topic->log_of(static_cast<std::uint32_t>(key.partition));
    Group* group = groups_.find(key.group);
    if (!record.has_value) {
        CommittedOffset* const known = group ? offsets_.find(*group, partition) : nullptr;
        if (!known) return;
        offsets_.remove(*group, *known);
        return collect(*group);
    }
    OffsetRecord value;
    if (!decode_offset_record(record.value, value)) {
        ++skipped_;
        return;
    }
    if (!group) group = groups_.add(key.group, *coordinator_);
    if (!group || !offsets_.room(*group, partition, value.metadata)) {
        ++no_room_;
        if (group) collect(*group);
        return;
    }
    offsets_.put(*group, partition, {value.offset, value.epoch, value.commit_time, value.metadata});
    if (group->protocol_type.size == 0) group->state_time = value.commit_time;
}

void Loader::apply_group(const RecordKey& key, const record::Record& record) {
    Group* group = groups_.find(key.group);
    if (!record.has_value) {
        if (!group) return;
        drop_members(*group);
        group->stored = false;
        return collect(*group);
    }
    GroupRecordReader in(record.value);
    GroupRecord head;
    if (!in.head(head)) {
        ++skipped_;
        return;
    }
    if (!group) group = groups_.add(key.group, *coordinator_);
    if (!group) {
        ++no_room_;
        return;
    }
    drop_members(*group);
    group->stored = true;
    group->generation = head.generation;
    group->state_time = head.state_time;
    if (!blobs_.assign(group->protocol_type, head.protocol_type)) ++no_room_;
    if (!group->protocol.assign(head.protocol) || !restore_members(*group, head, in)) drop_members(*group);
}

// All, or what is wrong is counted.
bool Loader::restore_members(Group& group, const GroupRecord& head, GroupRecordReader& in) {
    for (std::uint32_t i = 0; i < head.member_count; ++i) {
        MemberRecord stored;
        if (!in.next(stored) || stored.id.empty()) {
            ++skipped_;
            return false;
        }
        const JoinProtocol protocol{head.protocol, stored.metadata};
        const std::uint64_t size = protocols_size({&protocol, 1});
        Member* const member = groups_.add_member(group);
        if (!member || !blobs_.assign(member->id, stored.id) || !blobs_.assign(member->instance, stored.instance) || !blobs_.assign(member->client_id, stored.client_id) ||
            !blobs_.assign(member->client_host, stored.client_host) || !blobs_.assign(member->assignment, stored.assignment) || !blobs_.allocate(member->protocols, size)) {
            if (member) groups_.remove_member(*member);
            ++no_room_;
            return false;
        }
        Writer out(blobs_.bytes(member->protocols));
        encode_protocols({&protocol, 1}, out);
        member->session_timeout_ms = stored.session_timeout_ms;
        member->rebalance_timeout_ms = stored.rebalance_timeout_ms;
        member->id_told = member->synced = true;
        if (!group.leader || (head.has_leader && stored.id == head.leader)) group.leader = member;
        ++group.member_count;
        group.state = GroupState::stable;
    }
    return true;
}

void Loader::drop_members(Group& group) {
    while (Member* const member = group.members.front()) groups_.remove_member(*member);
    group.member_count = 0;
    group.leader = nullptr;
    group.state = GroupState::empty;
    group.protocol.clear();
}

void Loader::collect(Group& group) {
    if (group.members.empty() && group.offset_count == 0 && !group.stored) groups_.remove(group);
}

}  // namespace rivulet::broker
