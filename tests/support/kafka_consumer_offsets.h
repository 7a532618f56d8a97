// The records of the topic __consumer_offsets: how far groups have come, and their members, as Kafka keeps them; other programs read them there.
// Bounds, errors, thread: codec.h, kafka_versioned.h.
// Format:   Kafka's OffsetCommitKey (versions 0 and 1), OffsetCommitValue (0 to 4), GroupMetadataKey (2), GroupMetadataValue (0 to 4), each behind its version.
//           Version 4 of the values alone is flexible; 3 is written. A record without a value takes back what its key says. KIP-211, KIP-345.
//           Keys of later kinds (KIP-848) are unsupported_version, to be passed over.
#pragma once

#include "support/kafka_versioned.h"

namespace rivulet::wire::kafka {

// Of either kind: the version says which.
struct ConsumerOffsetsKey {
    enum class Kind : std::uint8_t { offset, group };
    static constexpr StructureVersions versions{.lowest = 0, .highest = 2};
    Kind kind = Kind::offset;
    std::string_view group;
    std::string_view topic;      // of an offset, as the partition
    std::int32_t partition = 0;
    void describe(Codec& codec);
};
void encode_key(Writer& out, ConsumerOffsetsKey& key);

struct OffsetCommitValue {
    static constexpr StructureVersions versions{.lowest = 0, .highest = 4, .written = 3, .flexible_from = 4};
    Offset offset;
    Epoch leader_epoch{-1};          // from 3
    std::string_view metadata;
    Timestamp commit_timestamp;
    Timestamp expire_timestamp{-1};  // 1
    Uuid topic_id;                   // from 4
    void describe(Codec& codec);
};

struct GroupMetadataValue {
    static constexpr StructureVersions versions{.lowest = 0, .highest = 4, .written = 3, .flexible_from = 4};
    struct Member {
        std::string_view member_id;
        std::optional<std::string_view> group_instance_id;  // from 3
        std::string_view client_id;
        std::string_view client_host;
        std::int32_t rebalance_timeout = 0;                 // from 1
        std::int32_t session_timeout = 0;
        Bytes subscription;
        Bytes assignment;
        void describe(Codec& codec);
    };
    std::string_view protocol_type;
    std::int32_t generation = 0;
    std::optional<std::string_view> protocol;
    std::optional<std::string_view> leader;
    Timestamp current_state_timestamp{-1};  // from 2
    Array<Member> members;
    void describe(Codec& codec);
};

}  // namespace rivulet::wire::kafka
