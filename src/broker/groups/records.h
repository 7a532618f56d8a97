// Keys and values of the records in __consumer_offsets, as Kafka writes them, so that what reads them there reads them here.
// Owns:     nothing; decoded texts are views of the record. Bounds: the caller's Writer.
// Errors:   malformed: the bytes end early. unsupported_version: not one of those below (detail: which).
// Thread:   any.
// Format:   big-endian; text = length (2 bytes, -1 = null) and bytes, blob = length (4 bytes) and bytes. From Kafka's OffsetCommitKey.json, OffsetCommitValue.json, GroupMetadataKey.json,
//           GroupMetadataValue.json (core, 3.9). Written: offset value 3, group value 3; read: those below too.
//             key 0, 1:  version (2 bytes), group text, topic text, partition (4)
//             key 2:     version, group text
//             offset:    version, offset (8), leader epoch (4; from 3), metadata text, commit time (8), expiry time (8; in 1 alone)
//             group:     version, protocol type text, generation (4), protocol text, leader text, time of the state (8; from 2), member count (4), then each: id text,
//                        instance text (from 3), client id text, client host text, rebalance timeout (4; from 1), session timeout (4), metadata blob, assignment blob
//           The header "topic.id" of an offset's record is ours: the 16 bytes of the topic's id, since a name may be given again.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"

namespace rivulet::broker {

constexpr std::string_view topic_id_header = "topic.id";
constexpr std::size_t record_text_bytes_max = 32767;

struct RecordKey {
    bool of_offset = false;  // else of a group
    std::string_view group;
    std::string_view topic;
    std::int32_t partition = 0;
};
void encode_record_key(const RecordKey& key, Writer& out);
Status decode_record_key(Bytes bytes, RecordKey& out);

struct OffsetRecord {
    Offset offset{0};
    Epoch epoch{-1};
    std::string_view metadata;
    Timestamp commit_time{-1};
};
void encode_offset_record(const OffsetRecord& record, Writer& out);
Status decode_offset_record(Bytes bytes, OffsetRecord& out);

struct GroupRecord {
    std::string_view protocol_type;
    std::int32_t generation = 0;
    bool has_protocol = false;
    std::string_view protocol;
    bool has_leader = false;
    std::string_view leader;
    Timestamp state_time{-1};
    std::uint32_t member_count = 0;
};
struct MemberRecord {
    std::string_view id;
    std::string_view instance;  // empty: null
    std::string_view client_id;
    std::string_view client_host;
    std::int32_t rebalance_timeout_ms = 0;
    std::int32_t session_timeout_ms = 0;
    Bytes metadata;
    Bytes assignment;
};
// The head; member_count members follow.
void encode_group_record(const GroupRecord& record, Writer& out);
void encode_member_record(const MemberRecord& record, Writer& out);

class GroupRecordReader {
public:
    explicit GroupRecordReader(Bytes bytes) : in_(bytes) {}
    // Once, first.
    Status head(GroupRecord& out);
    // member_count times.
    Status next(MemberRecord& out);

private:
    Reader in_;
    std::int16_t version_ = 0;
};

}  // namespace rivulet::broker
