// What the commands about consumer groups share: a group as the broker tells it, page by page, and changes of its offsets.
// Owns:     copies of what was told. Errors: told at once; `code` is the exit code then. Thread: loop only.
#pragma once

#include "cli/connect.h"

namespace rivulet::cli {

struct MemberDescription {
    std::string id;
    std::string instance;
    std::string client_id;
    std::string host;
    std::int64_t partitions = -1;  // -1: assigned in a way of its own
};

struct GroupPlace {
    std::string topic;
    std::uint64_t partition = 0;
    std::int64_t committed = -1;  // -1: none
    std::int64_t end = -1;        // -1: there is no such partition
    std::string member;
};

struct GroupDescription {
    std::string name;
    client::protocol::GroupState state = client::protocol::GroupState::empty;
    std::int64_t generation = 0;
    std::string protocol_type;
    std::string protocol;
    std::vector<MemberDescription> members;
    std::vector<GroupPlace> places;  // by topic and partition
};

std::string_view state_text(client::protocol::GroupState state);

// Connects to a broker that knows about groups.
bool open_for_groups(Caller& caller, const client::Bootstrap& bootstrap, Output& output, int& code);
// With `absent`, a group that is not there is no error.
bool describe_group(Caller& caller, Output& output, std::string_view name, GroupDescription& group, int& code, bool* absent = nullptr);
// How many partitions a topic has.
bool count_partitions(Caller& caller, Output& output, std::string_view topic, std::uint64_t& partitions, int& code);

// Partitions that a command is about: --topic T, --topic T:0,3.
struct TopicChoice {
    std::string_view topic;
    std::vector<std::uint64_t> partitions;  // empty: all
};
std::vector<TopicChoice> topics_of(Arguments& arguments);

struct OffsetChange {
    std::string topic;
    std::uint64_t partition = 0;
    std::int64_t current = -1;
    std::int64_t offset = client::protocol::no_offset;  // no_offset: forgotten
};
// In the order of topics and partitions, in as few requests as the broker's frame limit allows; each is done whole or not at all. If one fails it is told how many were done.
bool change_offsets(Caller& caller, Output& output, std::string_view group, const std::vector<OffsetChange>& changes, int& code);

// A point in time, in ms since 1970: 2026-03-01, 2026-03-01T14:30, 2026-03-01T14:30:05.250, with Z or +01:00 behind a time of day; UTC without.
std::optional<std::int64_t> parse_moment(std::string_view text);

}  // namespace rivulet::cli
