#include "broker/groups/records.h"

namespace rivulet::broker {

namespace {

constexpr std::int16_t key_of_group = 2;
constexpr std::int16_t key_of_offset = 1;
constexpr std::int16_t offset_version = 3;
constexpr std::int16_t group_version = 3;

void put_text(Writer& out, std::string_view text) {
    out.be(static_cast<std::int16_t>(text.size()));
    out.bytes(as_bytes(text));
}
void put_nullable(Writer& out, bool present, std::string_view text) {
    if (present) put_text(out, text);
    else out.be(std::int16_t{-1});
}
void put_blob(Writer& out, Bytes bytes) {
    out.be(static_cast<std::int32_t>(bytes.size()));
    out.bytes(bytes);
}

// null is what `present` says, or malformed without it.
std::string_view take_text(Reader& in, bool* present = nullptr) {
    const auto size = in.be<std::int16_t>();
    if (present) *present = size >= 0;
    if (size == -1 && present) return {};
    if (size < 0) in.invalidate();
    return size < 0 ? std::string_view() : as_text(in.bytes(static_cast<std::uint64_t>(size)));
}
Bytes take_blob(Reader& in) {
    const auto size = in.be<std::int32_t>();
    if (size < 0) in.invalidate();
    return size < 0 ? Bytes() : in.bytes(static_cast<std::uint64_t>(size));
}
Status outcome(const Reader& in) { return in.ok() ? Status() : Status(fail(Error::malformed, static_cast<std::int64_t>(in.position()))); }

}  // namespace

void encode_record_key(const RecordKey& key, Writer& out) {
    out.be(key.of_offset ? key_of_offset : key_of_group);
    put_text(out, key.group);
    if (!key.of_offset) return;
    put_text(out, key.topic);
    out.be(key.partition);
}

Status decode_record_key(Bytes bytes, RecordKey& out) {
    Reader in(bytes);
    const auto version = in.be<std::int16_t>();
    if (in.ok() && (version < 0 || version > key_of_group)) return fail(Error::unsupported_version, version);
    out.of_offset = version != key_of_group;
    out.group = take_text(in);
    out.topic = out.of_offset ? take_text(in) : std::string_view();
    out.partition = out.of_offset ? in.be<std::int32_t>() : 0;
    return outcome(in);
}

void encode_offset_record(const OffsetRecord& record, Writer& out) {
    out.be(offset_version);
    out.be(record.offset.value);
    out.be(record.epoch.value);
    put_text(out, record.metadata);
    out.be(record.commit_time.value);
}

Status decode_offset_record(Bytes bytes, OffsetRecord& out) {
    Reader in(bytes);
    const auto version = in.be<std::int16_t>();
    if (in.ok() && (version < 0 || version > offset_version)) return fail(Error::unsupported_version, version);
    out.offset = Offset(in.be<std::int64_t>());
    out.epoch = Epoch(version >= 3 ? in.be<std::int32_t>() : -1);
    out.metadata = take_text(in);
    out.commit_time = Timestamp(in.be<std::int64_t>());
    if (version == 1) static_cast<void>(in.be<std::int64_t>());
    return outcome(in);
}

void encode_group_record(const GroupRecord& record, Writer& out) {
    out.be(group_version);
    put_text(out, record.protocol_type);
    out.be(record.generation);
    put_nullable(out, record.has_protocol, record.protocol);
    put_nullable(out, record.has_leader, record.leader);
    out.be(record.state_time.value);
    out.be(static_cast<std::int32_t>(record.member_count));
}

void encode_member_record(const MemberRecord& record, Writer& out) {
    put_text(out, record.id);
    put_nullable(out, !record.instance.empty(), record.instance);
    put_text(out, record.client_id);
    put_text(out, record.client_host);
    out.be(record.rebalance_timeout_ms);
    out.be(record.session_timeout_ms);
    put_blob(out, record.metadata);
    put_blob(out, record.assignment);
}

Status GroupRecordReader::head(GroupRecord& out) {
    version_ = in_.be<std::int16_t>();
    if (in_.ok() && (version_ < 0 || version_ > group_version)) return fail(Error::unsupported_version, version_);
    out.protocol_type = take_text(in_);
    out.generation = in_.be<std::int32_t>();
    out.protocol = take_text(in_, &out.has_protocol);
    out.leader = take_text(in_, &out.has_leader);
    out.state_time = Timestamp(version_ >= 2 ? in_.be<std::int64_t>() : -1);
    const auto count = in_.be<std::int32_t>();
    if (count < 0) in_.invalidate();
    out.member_count = static_cast<std::uint32_t>(count);
    return outcome(in_);
}

Status GroupRecordReader::next(MemberRecord& out) {
    out.id = take_text(in_);
    bool has_instance = false;
    out.instance = version_ >= 3 ? take_text(in_, &has_instance) : std::string_view();
    out.client_id = take_text(in_);
    out.client_host = take_text(in_);
    const auto rebalance = version_ >= 1 ? in_.be<std::int32_t>() : -1;
    out.session_timeout_ms = in_.be<std::int32_t>();
    out.rebalance_timeout_ms = rebalance >= 0 ? rebalance : out.session_timeout_ms;
    out.metadata = take_blob(in_);
    out.assignment = take_blob(in_);
    return outcome(in_);
}

}  // namespace rivulet::broker
