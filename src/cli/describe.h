// What `topic describe` knows of one topic, gathered over the pages of the broker's answer.
// Owns:     copies of all of it. Bounds: none but memory.
#pragma once

#include <string>
#include <vector>

#include "cli/json.h"
#include "client/channel.h"

namespace rivulet::cli {

struct PartitionDescription {
    client::protocol::PartitionStatus status;
    std::vector<std::uint64_t> replicas;
    std::vector<std::uint64_t> in_sync;
    std::vector<client::protocol::FencedRange> fenced;
};

struct TopicDescription {
    std::string name;
    client::protocol::TopicHead head;
    std::vector<std::pair<std::string, std::string>> config;
    std::vector<PartitionDescription> partitions;

    void add_page(const client::protocol::TopicDescribed& page);
    void print(Json& json) const;
    std::string text() const;
};

}  // namespace rivulet::cli
