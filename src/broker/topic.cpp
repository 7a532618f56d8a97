#include "broker/topic.h"

namespace rivulet::broker {

LogId Topic::log_of(std::uint32_t partition) const {
    RIVULET_CHECK(partition < partitions);
    std::size_t i = 0;
    for (; partition >= range_slots[i].count; ++i) partition -= range_slots[i].count;
    return range_slots[i].first + partition;
}

std::uint32_t Topic::partition_of(LogId log) const {
    std::uint32_t before = 0;
    for (const store::LogRange& range : ranges()) {
        if (range.has(log)) return before + static_cast<std::uint32_t>(log - range.first);
        before += range.count;
    }
    RIVULET_CHECK(false);
    return 0;
}

bool Topic::has(LogId log) const {
    for (const store::LogRange& range : ranges())
        if (range.has(log)) return true;
    return false;
}

bool Topic::add_range(store::LogRange range) {
    if (range_count != 0 && range_slots[range_count - 1].end() == range.first) {
        range_slots[range_count - 1].count += range.count;
    } else {
        if (range_count == topic_ranges_max) return false;
        range_slots[range_count++] = range;
    }
    partitions += range.count;
    return true;
}

void Topic::cut_ranges(LogId bound) {
    while (range_count != 0 && range_slots[range_count - 1].end() > bound) {
        store::LogRange& last = range_slots[range_count - 1];
        const std::uint32_t kept = last.first < bound ? static_cast<std::uint32_t>(bound.value - last.first.value) : 0;
        partitions -= last.count - kept;
        last.count = kept;
        if (kept != 0) break;
        --range_count;
    }
}

void encode_catalogue_entry(const Topic& topic, Writer& out) {
    RIVULET_CHECK(topic.range_count != 0);
    out.bytes(topic.id.bytes);
    out.text(topic.name.view());
    out.varint(topic.first_log().value);
    out.varint(topic.ranges().front().count);
    out.varint(topic.range_count - 1);
    for (const store::LogRange& range : topic.ranges().subspan(1)) {
        out.varint(range.first.value);
        out.varint(range.count);
    }
    config::encode(topic.config, out);
}

namespace {

// False: not one of a topic that has these before it.
bool decode_range(Reader& in, Topic& topic) {
    constexpr std::uint64_t partitions_most = 0xffffffff;
    const LogId first(in.varint());
    const std::uint64_t count = in.varint();
    if (!in.ok() || count == 0 || count > partitions_most - topic.partitions || first.value > UINT64_MAX - count) return false;
    if (topic.range_count != 0 && first < topic.ranges().back().end()) return false;
    return topic.add_range({first, static_cast<std::uint32_t>(count)});
}

}  // namespace

Status decode_catalogue_entry(Reader& in, const config::TopicConfig& defaults, Topic& out) {
    const Bytes id = in.bytes(16);
    const std::string_view name = in.text();
    out.range_count = out.partitions = 0;
    if (!in.ok() || !config::valid_topic_name(name) || !decode_range(in, out)) return fail(Error::malformed);
    const std::uint64_t further = in.varint();
    if (in.ok() && further >= topic_ranges_max) return fail(Error::store_newer);
    for (std::uint64_t i = 0; i < further; ++i)
        if (!decode_range(in, out)) return fail(Error::malformed);
    copy(id, out.id.bytes);
    RIVULET_CHECK(out.name.assign(name));
    return config::decode(in, defaults, out.config);
}

std::size_t catalogue_bytes(const Topic& topic) {
    std::uint8_t buffer[catalogue_entry_bytes_max];
    Writer entry(buffer);
    encode_catalogue_entry(topic, entry);
    RIVULET_CHECK(entry.ok());
    return entry.size() + 2;  // with its length
}

// StoreOptions::check() counts 64 bytes for each log; pages that the area has beyond what it asks for are the catalogue's too. Less the headers of all chunks of a
// checkpoint, which come every 4 KiB or at a section's end.
std::uint64_t catalogue_bytes_max(const store::StoreOptions& store) {
    constexpr std::uint64_t counted_per_log = 64;
    const std::uint64_t chunk_headers = store.checkpoint_area_bytes / 512 + 64;
    constexpr auto page = static_cast<std::uint32_t>(store::page_bytes);
    store::StoreOptions least = store;
    while (least.check()) least.checkpoint_area_bytes -= page;
    least.checkpoint_area_bytes += page;
    if (least.checkpoint_area_bytes > store.checkpoint_area_bytes) return 0;  // options that open() refuses
    const std::uint64_t bytes = counted_per_log * store.logs_max + (store.checkpoint_area_bytes - least.checkpoint_area_bytes);
    return bytes > chunk_headers ? bytes - chunk_headers : 0;
}

TopicTable::TopicTable(Arena& arena, std::uint32_t capacity)
    : topics_(reinterpret_cast<Topic*>(arena.take_bytes(capacity * sizeof(Topic), alignof(Topic)).data()), capacity), order_(arena.make_array<std::uint32_t>(capacity)) {
    for (std::uint32_t i = 0; i < capacity; ++i) order_[i] = i;
}

std::uint32_t TopicTable::rank_from(std::string_view name) const {
    std::uint32_t low = 0;
    std::uint32_t high = count_;
    while (low < high) {
        const std::uint32_t middle = (low + high) / 2;
        if (topics_[order_[middle]].name.view() < name) low = middle + 1;
        else high = middle;
    }
    return low;
}

std::uint32_t TopicTable::rank_after(std::string_view name) const {
    const std::uint32_t rank = rank_from(name);
    return rank < count_ && topics_[order_[rank]].name == name ? rank + 1 : rank;
}

Topic* TopicTable::find(std::string_view name) {
    const std::uint32_t rank = rank_from(name);
    return rank < count_ && at(rank).name == name ? &at(rank) : nullptr;
}

Topic* TopicTable::find(const Uuid& id) {
    for (std::uint32_t rank = 0; rank < count_; ++rank)
        if (at(rank).id == id) return &at(rank);
    return nullptr;
}

std::string_view TopicTable::name_of(const Uuid& id) {
    if (const Topic* const topic = find(id)) return topic->name.view();
    for (const Removed& removed : removed_)
        if (removed.id == id) return removed.name.view();
    return {};
}

Topic* TopicTable::find_log(LogId log) {
    for (std::uint32_t rank = 0; rank < count_; ++rank)
        if (at(rank).has(log)) return &at(rank);
    return nullptr;
}

Result<Topic*> TopicTable::add(const Topic& topic) {
    const std::uint32_t rank = rank_from(topic.name.view());
    if (rank < count_ && at(rank).name == topic.name) return fail(Error::topic_exists);
    if (count_ == topics_.size()) return fail(Error::limit_reached);
    const std::uint32_t slot = order_[count_];
    for (std::uint32_t i = count_++; i > rank; --i) order_[i] = order_[i - 1];
    order_[rank] = slot;
    catalogue_bytes_ += broker::catalogue_bytes(topic);
    return ::new (static_cast<void*>(&topics_[slot])) Topic(topic);
}

void TopicTable::remove(Topic& topic) {
    const std::uint32_t rank = rank_from(topic.name.view());
    RIVULET_CHECK(rank < count_ && &at(rank) == &topic);
    const std::uint32_t slot = order_[rank];
    removed_[next_removed_] = {topic.id, topic.name};
    next_removed_ = (next_removed_ + 1) % removed_.size();
    catalogue_bytes_ -= broker::catalogue_bytes(topic);
    --count_;
    for (std::uint32_t i = rank; i < count_; ++i) order_[i] = order_[i + 1];
    order_[count_] = slot;
}

void TopicTable::update(Topic& topic, const Topic& changed) {
    catalogue_bytes_ -= broker::catalogue_bytes(topic);
    topic.range_slots = changed.range_slots;
    topic.range_count = changed.range_count;
    topic.partitions = changed.partitions;
    topic.config = changed.config;
    catalogue_bytes_ += broker::catalogue_bytes(topic);
}

}  // namespace rivulet::broker
