// What both ways of `consume` share: by partitions (consume.cpp), and as a member of a group (consume_group.cpp).
// Owns:     plain values.
#pragma once

#include "cli/connect.h"
#include "cli/record_format.h"
#include "wire/compact/member_frames.h"

namespace rivulet::cli {

constexpr std::int64_t look_ms = 200;                              // how often the reader of our output and the pause are looked at
constexpr std::size_t largest_answer = (64U << 20) + (64U << 10);  // a broker's limits.batch_bytes is at most 64M; unused memory stays untouched

struct ConsumeOptions {
    client::Bootstrap bootstrap;
    std::string_view topic;
    std::optional<std::uint64_t> partition;
    Offset from{client::protocol::fetch_latest};
    std::uint64_t messages_max = 0;  // 0: no limit
    std::int64_t timeout_ms = 0;     // 0: none
    RecordFormat format;
    // As a member.
    std::string_view group;          // empty: none
    std::string_view instance;
    client::protocol::AssignBy assignor = client::protocol::AssignBy::sticky;
};

int consume_as_member(CliContext& context, Output& output, const ConsumeOptions& options);

}  // namespace rivulet::cli
