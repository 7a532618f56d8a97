#include "support/kafka_consumer_offsets.h"

namespace rivulet::wire::kafka {

void ConsumerOffsetsKey::describe(Codec& codec) {
    if (codec.decoding()) kind = codec.from(2) ? Kind::group : Kind::offset;
    codec.field(group);
    if (codec.until(1)) codec.fields(topic, partition);
    codec.tags();
}

void encode_key(Writer& out, ConsumerOffsetsKey& key) { encode_versioned(out, key, key.kind == ConsumerOffsetsKey::Kind::group ? 2 : 1); }

void OffsetCommitValue::describe(Codec& codec) {
    codec.field(offset);
    if (codec.from(3)) codec.field(leader_epoch);
    codec.fields(metadata, commit_timestamp);
    if (codec.from(1) && codec.until(1)) codec.field(expire_timestamp);
    const Codec::Tagged known[] = {Codec::tagged(0, topic_id, !topic_id.is_nil())};
    codec.tags(known);
}

void GroupMetadataValue::Member::describe(Codec& codec) {
    codec.field(member_id);
    if (codec.from(3)) codec.field(group_instance_id);
    codec.fields(client_id, client_host);
    if (codec.from(1)) codec.field(rebalance_timeout);
    codec.fields(session_timeout, subscription, assignment);
    codec.tags();
}

void GroupMetadataValue::describe(Codec& codec) {
    codec.fields(protocol_type, generation, protocol, leader);
    if (codec.from(2)) codec.field(current_state_timestamp);
    codec.field(members);
    codec.tags();
}

}  // namespace rivulet::wire::kafka
