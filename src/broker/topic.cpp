#include "broker/topic.h"

namespace rivulet::broker {

void encode_catalogue_entry(const Topic& topic, Writer& out) {
    out.bytes(topic.id.bytes);
    out.text(topic.name.view());
    out.varint(topic.first_log.value);
    out.varint(topic.partitions);
    out.varint(0);  // first partition: CreatePartitions will write further entries
    config::encode(topic.config, out);
}

Status decode_catalogue_entry(Reader& in, const config::TopicConfig& defaults, Topic& out) {
    const Bytes id = in.bytes(16);
    const std::string_view name = in.text();
    const std::uint64_t first_log = in.varint();
    const std::uint64_t partitions = in.varint();
    const std::uint64_t first_partition = in.varint();
    if (!in.ok() || !config::valid_topic_name(name) || partitions == 0 || partitions > 0xffffffff) return fail(Error::malformed);
    if (first_partition != 0) return fail(Error::store_newer);
    copy(id, out.id.bytes);
    RIVULET_CHECK(out.name.assign(name));
    out.first_log = LogId(first_log);
    out.partitions = static_cast<std::uint32_t>(partitions);
    return config::decode(in, defaults, out.config);
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

Topic* TopicTable::find_log(LogId log) {
    for (std::uint32_t rank = 0; rank < count_; ++rank)
        if (log >= at(rank).first_log && log < at(rank).first_log + at(rank).partitions) return &at(rank);
    return nullptr;
}

Result<Topic*> TopicTable::add(const Topic& topic) {
    const std::uint32_t rank = rank_from(topic.name.view());
    if (rank < count_ && at(rank).name == topic.name) return fail(Error::topic_exists);
    if (count_ == topics_.size()) return fail(Error::limit_reached);
    const std::uint32_t slot = order_[count_];
    for (std::uint32_t i = count_++; i > rank; --i) order_[i] = order_[i - 1];
    order_[rank] = slot;
    return ::new (static_cast<void*>(&topics_[slot])) Topic(topic);
}

void TopicTable::remove(Topic& topic) {
    const std::uint32_t rank = rank_from(topic.name.view());
    RIVULET_CHECK(rank < count_ && &at(rank) == &topic);
    const std::uint32_t slot = order_[rank];
    --count_;
    for (std::uint32_t i = rank; i < count_; ++i) order_[i] = order_[i + 1];
    order_[count_] = slot;
}

}  // namespace rivulet::broker
