#include "wire/compact/group_frames.h"

#include "wire/compact/fields.h"

namespace rivulet::wire::compact {

namespace {

GroupState read_state(Reader& from) {
    const std::uint8_t value = from.u8();
    if (value > static_cast<std::uint8_t>(GroupState::dead)) from.invalidate();
    return static_cast<GroupState>(value);
}

// An offset, or -1.
std::int64_t read_offset_or_none(Reader& from) {
    const std::int64_t value = from.zigzag_varint();
    if (value < no_offset) from.invalidate();
    return value;
}

template <class T>
void read_page(Reader& body, std::uint8_t flags, GroupPage<T>& page) {
    page.more = (flags & flag::page_more) != 0;
    page.entries = List<T>::to_end(body);
}

void begin(Writer& body, GroupOperation operation, std::string_view group) {
    body.u8(static_cast<std::uint8_t>(operation));
    body.text(group);
}

}  // namespace

PartitionOffset PartitionOffset::read(Reader& from) {
    PartitionOffset offset;
    offset.partition = from.varint();
    offset.offset = read_offset_or_none(from);
    return offset;
}

TopicOffsets TopicOffsets::read(Reader& from) {
    TopicOffsets offsets;
    offsets.topic = from.text();
    offsets.partitions = List<PartitionOffset>::counted(from);
    return offsets;
}

void encode_group_request(Writer& out, std::uint64_t correlation, const GroupRequest& request) {
    FrameEncoder frame(out, Kind::group, correlation, 0);
    Writer& body = frame.body();
    begin(body, request.operation, request.group);
    if (request.operation == GroupOperation::describe) body.varint(request.first);
    if (request.operation == GroupOperation::offsets) {
        body.text(request.topic);
        body.varint(request.partition);
    }
    if (request.operation <= GroupOperation::offsets) body.varint(request.entries_max);
    frame.finish();
}

Result<GroupRequest> decode_group_request(Bytes bytes) {
    Reader body(bytes);
    GroupRequest request;
    const std::uint8_t operation = body.u8();
    if (operation > static_cast<std::uint8_t>(GroupOperation::remove)) body.invalidate();
    request.operation = static_cast<GroupOperation>(operation);
    request.group = body.text();
    if (request.operation == GroupOperation::describe) request.first = body.varint();
    if (request.operation == GroupOperation::offsets) {
        request.topic = body.text();
        request.partition = body.varint();
    }
    if (request.operation <= GroupOperation::offsets) request.entries_max = body.varint();
    if (request.operation == GroupOperation::set) request.offsets = List<TopicOffsets>::to_end(body);
    return all_of(body, request);
}

GroupSetEncoder::GroupSetEncoder(Writer& out, std::uint64_t correlation, std::string_view group) : frame_(out, Kind::group, correlation, 0) {
    begin(frame_.body(), GroupOperation::set, group);
}

void GroupSetEncoder::add(std::string_view topic, std::span<const PartitionOffset> partitions) {
    Writer& body = frame_.body();
    body.text(topic);
    body.varint(partitions.size());
    for (const PartitionOffset& at : partitions) {
        body.varint(at.partition);
        body.zigzag_varint(at.offset);
    }
}

GroupEntry GroupEntry::read(Reader& from) {
    GroupEntry group;
    group.id = from.text();
    group.protocol_type = from.text();
    group.state = read_state(from);
    group.members = from.varint();
    return group;
}

GroupMember GroupMember::read(Reader& from) {
    GroupMember member;
    member.id = from.text();
    member.instance = from.text();
    member.client_id = from.text();
    member.host = from.text();
    member.partitions = read_offset_or_none(from);
    return member;
}

GroupPosition GroupPosition::read(Reader& from) {
    GroupPosition position;
    position.topic = from.text();
    position.partition = from.varint();
    position.committed = read_offset_or_none(from);
    position.high_watermark = read_offset_or_none(from);
    position.member = from.text();
    return position;
}

Result<GroupPage<GroupEntry>> decode_group_listed(Bytes rest, std::uint8_t flags) {
    Reader body(rest);
    GroupPage<GroupEntry> page;
    read_page(body, flags, page);
    return all_of(body, page);
}

Result<GroupDescribed> decode_group_described(Bytes rest, std::uint8_t flags) {
    Reader body(rest);
    GroupDescribed described;
    described.head.state = read_state(body);
    described.head.generation = body.zigzag_varint();
    described.head.protocol_type = body.text();
    described.head.protocol = body.text();
    described.head.members = body.varint();
    read_page(body, flags, described);
    return all_of(body, described);
}

Result<GroupPage<GroupPosition>> decode_group_positions(Bytes rest, std::uint8_t flags) {
    Reader body(rest);
    GroupPage<GroupPosition> page;
    read_page(body, flags, page);
    return all_of(body, page);
}

GroupPageEncoder::GroupPageEncoder(Writer& out, std::uint64_t correlation, std::size_t frame_bytes_max)
    : frame_(out, Kind::group, correlation, 0), frame_bytes_max_(frame_bytes_max) {
    frame_.body().varint(0);
}

bool GroupPageEncoder::head(const GroupHead& head) {
    Writer& body = frame_.body();
    if (!body.ok()) return false;
    const std::size_t before = body.size();
    body.u8(static_cast<std::uint8_t>(head.state));
    body.zigzag_varint(head.generation);
    body.text(head.protocol_type);
    body.text(head.protocol);
    body.varint(head.members);
    return keep(before);
}

bool GroupPageEncoder::add(const GroupEntry& group) {
    Writer& body = frame_.body();
    if (!body.ok()) return false;
    const std::size_t before = body.size();
    body.text(group.id);
    body.text(group.protocol_type);
    body.u8(static_cast<std::uint8_t>(group.state));
    body.varint(group.members);
    return keep(before);
}

bool GroupPageEncoder::add(const GroupMember& member) {
    Writer& body = frame_.body();
    if (!body.ok()) return false;
    const std::size_t before = body.size();
    for (const std::string_view text : {member.id, member.instance, member.client_id, member.host}) body.text(text);
    body.zigzag_varint(member.partitions);
    return keep(before);
}

bool GroupPageEncoder::add(const GroupPosition& position) {
    Writer& body = frame_.body();
    if (!body.ok()) return false;
    const std::size_t before = body.size();
    body.text(position.topic);
    body.varint(position.partition);
    body.zigzag_varint(position.committed);
    body.zigzag_varint(position.high_watermark);
    body.text(position.member);
    return keep(before);
}

void GroupPageEncoder::finish(bool more) {
    frame_.set_flags(more ? flag::page_more : std::uint8_t{0});
    frame_.finish();
}

}  // namespace rivulet::wire::compact
