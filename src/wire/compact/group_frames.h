// GROUP: looking at consumer groups and changing what they have committed. One kind, whose first byte says what is asked. Feature `groups`.
// Owns:     nothing. A decoded struct is a view into the receive buffer: valid until the frame is consumed.
// Bounds:   no allocation. Answers come in pages that fit the client's frame limit: the encoders' add calls say when one is full.
// Errors:   decode_*: malformed. Names are checked by the broker, not here.
// Format:   PROTOCOL.md, section 6.
#pragma once

#include <initializer_list>

#include "wire/compact/frames.h"

namespace rivulet::wire::compact {

enum class GroupOperation : std::uint8_t { list = 0, describe = 1, offsets = 2, set = 3, remove = 4 };
enum class GroupState : std::uint8_t { empty = 0, preparing_rebalance = 1, completing_rebalance = 2, stable = 3, dead = 4 };

constexpr std::int64_t no_offset = -1;

struct PartitionOffset {
    std::uint64_t partition = 0;
    std::int64_t offset = no_offset;  // no_offset: forget what is committed
    static PartitionOffset read(Reader& from);
};
struct TopicOffsets {
    std::string_view topic;
    List<PartitionOffset> partitions;
    static TopicOffsets read(Reader& from);
};

// All of the requests; each operation has the fields that name it.
struct GroupRequest {
    GroupOperation operation = GroupOperation::list;
    std::string_view group;         // list: ids greater than this, by byte; empty: from the first
    std::uint64_t first = 0;        // describe: the first member, in the order in which they joined
    std::string_view topic;         // offsets: what comes behind this partition; empty: from the first
    std::uint64_t partition = 0;    // offsets
    std::uint64_t entries_max = 0;  // list, describe, offsets; 0: as many as fit
    List<TopicOffsets> offsets;     // set
};
// `request.offsets` is not read: they are added by the encoder below.
void encode_group_request(Writer& out, std::uint64_t correlation, const GroupRequest& request);
Result<GroupRequest> decode_group_request(Bytes body);

// The request to set offsets, topic by topic.
class GroupSetEncoder {
public:
    GroupSetEncoder(Writer& out, std::uint64_t correlation, std::string_view group);
    void add(std::string_view topic, std::span<const PartitionOffset> partitions);
    void finish() { frame_.finish(); }

private:
    FrameEncoder frame_;
};

struct GroupEntry {
    std::string_view id;
    std::string_view protocol_type;
    GroupState state = GroupState::empty;
    std::uint64_t members = 0;
    static GroupEntry read(Reader& from);
};

struct GroupHead {
    GroupState state = GroupState::empty;
    std::int64_t generation = 0;
    std::string_view protocol_type;
    std::string_view protocol;      // while the group is stable, otherwise empty
    std::uint64_t members = 0;
};
struct GroupMember {
    std::string_view id;
    std::string_view instance;      // empty: a dynamic member
    std::string_view client_id;
    std::string_view host;
    std::int64_t partitions = -1;   // assigned; -1: nothing that this broker understands
    static GroupMember read(Reader& from);
};

// Where a group stands in a partition, and who has it.
struct GroupPosition {
    std::string_view topic;
    std::uint64_t partition = 0;
    std::int64_t committed = no_offset;
    std::int64_t high_watermark = -1;  // -1: there is no such partition
    std::string_view member;           // empty: none
    static GroupPosition read(Reader& from);
};

template <class T>
struct GroupPage {
    bool more = false;
    List<T> entries;
};
struct GroupDescribed : GroupPage<GroupMember> {
    GroupHead head;
};
Result<GroupPage<GroupEntry>> decode_group_listed(Bytes rest, std::uint8_t flags);
Result<GroupDescribed> decode_group_described(Bytes rest, std::uint8_t flags);
Result<GroupPage<GroupPosition>> decode_group_positions(Bytes rest, std::uint8_t flags);

// The pages: those of describe begin with the head, the others with nothing.
class GroupPageEncoder {
public:
    GroupPageEncoder(Writer& out, std::uint64_t correlation, std::size_t frame_bytes_max);
    // False: the page is full and unchanged; finish(true).
    bool head(const GroupHead& head);
    bool add(const GroupEntry& group);
    bool add(const GroupMember& member);
    bool add(const GroupPosition& position);
    void finish(bool more);

private:
    bool keep(std::size_t before) { return keep_if_fits(frame_, before, frame_bytes_max_); }

    FrameEncoder frame_;
    std::size_t frame_bytes_max_;
};

}  // namespace rivulet::wire::compact
