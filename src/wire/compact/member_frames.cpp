#include "wire/compact/member_frames.h"

#include "wire/compact/fields.h"

namespace rivulet::wire::compact {

namespace {

template <class T>
T choice(Reader& from, T last) {
    const std::uint8_t value = from.u8();
    if (value > static_cast<std::uint8_t>(last)) from.invalidate();
    return static_cast<T>(value);
}

void write_topics(Writer& to, std::span<const std::string_view> topics) {
    for (const std::string_view topic : topics) to.text(topic);
}

void begin(FrameEncoder& frame, MemberNews what) {
    frame.body().varint(0);
    frame.body().u8(static_cast<std::uint8_t>(what));
}

}  // namespace

TopicName TopicName::read(Reader& from) { return {from.text()}; }
Slot Slot::read(Reader& from) { return {from.varint()}; }

void encode_join_group(Writer& out, std::uint64_t correlation, const JoinGroup& join, std::span<const std::string_view> topics) {
    FrameEncoder frame(out, Kind::assign, correlation, 0);
    Writer& body = frame.body();
    body.u8(static_cast<std::uint8_t>(MemberRequest::join));
    for (const std::string_view text : {join.group, join.instance, join.client}) body.text(text);
    body.u8(static_cast<std::uint8_t>(join.assignor));
    body.u8(static_cast<std::uint8_t>(join.start));
    for (const std::uint64_t number : {join.session_timeout_ms, join.rebalance_timeout_ms, join.auto_commit_ms, join.credit}) body.varint(number);
    write_topics(body, topics);
    frame.finish();
}

void encode_topics_of_member(Writer& out, std::uint64_t correlation, std::span<const std::string_view> topics) {
    FrameEncoder frame(out, Kind::assign, correlation, 0);
    frame.body().u8(static_cast<std::uint8_t>(MemberRequest::topics));
    write_topics(frame.body(), topics);
    frame.finish();
}

void encode_release(Writer& out, std::uint64_t correlation, std::span<const std::uint64_t> slots) {
    FrameEncoder frame(out, Kind::assign, correlation, 0);
    frame.body().u8(static_cast<std::uint8_t>(MemberRequest::release));
    for (const std::uint64_t slot : slots) frame.body().varint(slot);
    frame.finish();
}

void encode_seek(Writer& out, std::uint64_t correlation, std::uint64_t slot, Offset offset) {
    FrameEncoder frame(out, Kind::assign, correlation, 0);
    frame.body().u8(static_cast<std::uint8_t>(MemberRequest::seek));
    frame.body().varint(slot);
    frame.body().zigzag_varint(offset.value);
    frame.finish();
}

Result<Assign> decode_assign(Bytes bytes) {
    Reader body(bytes);
    Assign assign;
    assign.what = choice(body, MemberRequest::seek);
    switch (assign.what) {
        case MemberRequest::join:
            for (std::string_view* const text : {&assign.join.group, &assign.join.instance, &assign.join.client}) *text = body.text();
            assign.join.assignor = choice(body, AssignBy::sticky);
            assign.join.start = choice(body, StartAt::latest);
            for (std::uint64_t* const number : {&assign.join.session_timeout_ms, &assign.join.rebalance_timeout_ms, &assign.join.auto_commit_ms, &assign.join.credit}) *number = body.varint();
            [[fallthrough]];
        case MemberRequest::topics: assign.topics = List<TopicName>::to_end(body); break;
        case MemberRequest::release: assign.slots = List<Slot>::to_end(body); break;
        case MemberRequest::seek:
            assign.slot = body.varint();
            assign.offset = Offset(body.zigzag_varint());
            if (assign.offset.value < fetch_earliest) body.invalidate();
            break;
    }
    return all_of(body, assign);
}

AssignedPartition AssignedPartition::read(Reader& from) {
    AssignedPartition partition;
    partition.slot = from.varint();
    partition.topic = from.text();
    partition.partition = from.varint();
    partition.offset = from.zigzag_varint();
    if (partition.offset < -1) from.invalidate();
    partition.epoch = read_epoch(from);
    return partition;
}

void encode_joined(Writer& out, std::uint64_t correlation, std::string_view member, std::uint64_t generation) {
    FrameEncoder frame(out, Kind::assign, correlation, 0);
    begin(frame, MemberNews::joined);
    frame.body().text(member);
    frame.body().varint(generation);
    frame.finish();
}

void encode_sought(Writer& out, std::uint64_t correlation, std::uint64_t slot, Failure failure, Offset offset, Offset log_start, Offset high_watermark) {
    FrameEncoder frame(out, Kind::assign, correlation, 0);
    Writer& body = frame.body();
    begin(frame, MemberNews::sought);
    body.varint(slot);
    body.varint(static_cast<std::uint64_t>(failure.error));
    if (failure.error != Error::none) body.zigzag_varint(failure.detail);
    else
        for (const Offset at : {offset, log_start, high_watermark}) write_offset(body, at);
    frame.finish();
}

Result<Assigned> decode_assigned(Bytes rest, std::uint8_t flags) {
    Reader body(rest);
    Assigned assigned;
    assigned.what = choice(body, MemberNews::sought);
    assigned.more = (flags & flag::assign_more) != 0;
    if (assigned.more && assigned.what != MemberNews::assigned) body.invalidate();
    switch (assigned.what) {
        case MemberNews::joined:
            assigned.member = body.text();
            assigned.generation = body.varint();
            break;
        case MemberNews::assigned:
            assigned.generation = body.varint();
            assigned.partitions = List<AssignedPartition>::to_end(body);
            break;
        case MemberNews::revoked: assigned.slots = List<Slot>::to_end(body); break;
        case MemberNews::sought:
            assigned.slot = body.varint();
            assigned.error = body.varint();
            assigned.failure.error = error_from_number(assigned.error);
            if (assigned.error != 0) assigned.failure.detail = body.zigzag_varint();
            else
                for (Offset* const at : {&assigned.offset, &assigned.log_start, &assigned.high_watermark}) *at = read_offset(body);
            break;
    }
    return all_of(body, assigned);
}

AssignedEncoder::AssignedEncoder(Writer& out, std::uint64_t correlation, std::size_t frame_bytes_max, std::uint64_t generation)
    : frame_(out, Kind::assign, correlation, 0), frame_bytes_max_(frame_bytes_max) {
    begin(frame_, MemberNews::assigned);
    frame_.body().varint(generation);
}

AssignedEncoder::AssignedEncoder(Writer& out, std::uint64_t correlation, std::size_t frame_bytes_max)
    : frame_(out, Kind::assign, correlation, 0), frame_bytes_max_(frame_bytes_max) {
    begin(frame_, MemberNews::revoked);
}

bool AssignedEncoder::add(const AssignedPartition& partition) {
    Writer& body = frame_.body();
    const std::size_t before = body.size();
    body.varint(partition.slot);
    body.text(partition.topic);
    body.varint(partition.partition);
    body.zigzag_varint(partition.offset);
    body.zigzag_varint(partition.epoch.value);
    return keep_if_fits(frame_, before, frame_bytes_max_);
}

bool AssignedEncoder::add(std::uint64_t revoked_slot) {
    const std::size_t before = frame_.body().size();
    frame_.body().varint(revoked_slot);
    return keep_if_fits(frame_, before, frame_bytes_max_);
}

void AssignedEncoder::finish(bool more) {
    if (more) frame_.set_flags(flag::assign_more);
    frame_.finish();
}

// ---- COMMIT ----

CommitEntry CommitEntry::read(Reader& from) {
    CommitEntry entry;
    entry.topic = from.text();
    entry.partition = from.varint();
    entry.offset = read_offset(from);
    entry.epoch = read_epoch(from);
    entry.metadata = from.text();
    return entry;
}

SlotCommit SlotCommit::read(Reader& from) {
    SlotCommit commit;
    commit.slot = from.varint();
    commit.offset = read_offset(from);
    commit.metadata = from.text();
    return commit;
}

void encode_commit(Writer& out, std::uint64_t correlation, std::string_view group, std::span<const CommitEntry> entries) {
    FrameEncoder frame(out, Kind::commit, correlation, 0);
    Writer& body = frame.body();
    body.text(group);
    for (const CommitEntry& entry : entries) {
        body.text(entry.topic);
        body.varint(entry.partition);
        write_offset(body, entry.offset);
        body.zigzag_varint(entry.epoch.value);
        body.text(entry.metadata);
    }
    frame.finish();
}

void encode_commit(Writer& out, std::uint64_t correlation, std::uint64_t member, std::span<const SlotCommit> slots) {
    FrameEncoder frame(out, Kind::commit, correlation, flag::commit_by_slot);
    Writer& body = frame.body();
    body.varint(member);
    for (const SlotCommit& commit : slots) {
        body.varint(commit.slot);
        write_offset(body, commit.offset);
        body.text(commit.metadata);
    }
    frame.finish();
}

Result<Commit> decode_commit(Bytes bytes, std::uint8_t flags) {
    Reader body(bytes);
    Commit commit;
    commit.by_slot = (flags & flag::commit_by_slot) != 0;
    if (commit.by_slot) {
        commit.member = body.varint();
        commit.slots = List<SlotCommit>::to_end(body);
    } else {
        commit.group = body.text();
        commit.entries = List<CommitEntry>::to_end(body);
    }
    return all_of(body, commit);
}

}  // namespace rivulet::wire::compact
