#include "cli/describe.h"

#include "cli/output.h"
#include "cli/table.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

std::string join(const std::vector<std::uint64_t>& numbers) {
    std::string text;
    for (const std::uint64_t n : numbers) text += (text.empty() ? "" : ",") + std::to_string(n);
    return text.empty() ? "-" : text;
}

// "2: 200-219 340", the first ones of all there are.
std::string fenced_text(const PartitionDescription& partition) {
    if (partition.status.fenced_ranges == 0) return "-";
    std::string text = std::to_string(partition.status.fenced_ranges) + ":";
    for (const protocol::FencedRange& range : partition.fenced) {
        text += " " + std::to_string(range.first.value);
        if (range.count > 1) text += "-" + std::to_string(range.first.value + static_cast<std::int64_t>(range.count) - 1);
    }
    if (partition.fenced.size() < partition.status.fenced_ranges) text += " ...";
    return text;
}

std::string_view durability_text(const protocol::TopicHead& head) { return head.durability == protocol::Durability::memory ? "memory" : "disk"; }

}  // namespace

void TopicDescription::add_page(const protocol::TopicDescribed& page) {
    head = page.topic;
    for (const protocol::ConfigPair& pair : page.config) config.emplace_back(pair.key, pair.value);
    for (const protocol::PartitionEntry& entry : page.partitions) {
        PartitionDescription& partition = partitions.emplace_back();
        partition.status = entry;
        for (const protocol::NodeId& node : entry.replicas) partition.replicas.push_back(node.value);
        for (const protocol::NodeId& node : entry.in_sync) partition.in_sync.push_back(node.value);
        for (const protocol::FencedRange& range : entry.fenced) partition.fenced.push_back(range);
    }
}

void TopicDescription::print(Json& json) const {
    json.object().pair("name", name).pair("id", uuid_text(head.id)).pair("replication_factor", head.replication_factor);
    json.pair("durability", durability_text(head)).key("config").object();
    for (const auto& [key, value] : config) json.pair(key, value);
    json.end().key("partitions").array();
    for (const PartitionDescription& p : partitions) {
        json.object().pair("partition", p.status.partition).pair("leader", p.status.leader).pair("epoch", p.status.epoch.value);
        json.pair("log_start", p.status.log_start.value).pair("durable_end", p.status.durable_end.value);
        json.pair("high_watermark", p.status.high_watermark.value).pair("log_end", p.status.log_end.value).pair("bytes", p.status.bytes);
        json.key("replicas").array();
        for (const std::uint64_t node : p.replicas) json.value(node);
        json.end().key("in_sync").array();
        for (const std::uint64_t node : p.in_sync) json.value(node);
        json.end().pair("fenced_ranges", p.status.fenced_ranges).key("fenced").array();
        for (const protocol::FencedRange& range : p.fenced) json.object().pair("first", range.first.value).pair("count", range.count).end();
        json.end().end();
    }
    json.end().end();
}

std::string TopicDescription::text() const {
    std::string out = "topic        " + name + "\nid           " + uuid_text(head.id) + "\npartitions   " + std::to_string(head.partitions) +
                      "\nreplication  " + std::to_string(head.replication_factor) + "\ndurability   " + std::string(durability_text(head));
    if (head.durability == protocol::Durability::memory) out += " (acknowledged before flash: a power cut loses the newest records)";
    out += '\n';
    bool first = true;
    for (const auto& [key, value] : config) {
        out += (first ? "config       " : "             ") + key + "=" + value + "\n";
        first = false;
    }
    constexpr auto right = Table::Align::right;
    Table table;
    table.column("PARTITION", right).column("LEADER", right).column("EPOCH", right).column("LOG-START", right).column("DURABLE-END", right);
    table.column("HIGH-WATERMARK", right).column("LOG-END", right).column("SIZE", right).column("REPLICAS").column("IN-SYNC").column("FENCED");
    for (const PartitionDescription& p : partitions) {
        table.cell(static_cast<long long>(p.status.partition)).cell(p.status.leader < 0 ? "none" : std::to_string(p.status.leader));
        table.cell(p.status.epoch.value).cell(p.status.log_start.value).cell(p.status.durable_end.value).cell(p.status.high_watermark.value);
        table.cell(p.status.log_end.value).cell(size_text(p.status.bytes)).cell(join(p.replicas)).cell(join(p.in_sync)).cell(fenced_text(p));
    }
    return out + table.text();
}

}  // namespace rivulet::cli
