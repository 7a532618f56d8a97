// ALIAS: a short number for a topic and a place in it.
#include "broker/groups/coordinator.h"
#include "record/partitioner.h"
#include "server/compact/hub.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

namespace {

constexpr std::size_t aliased_bytes_max = 256;  // every client takes as much
constexpr std::size_t text_bytes_max = 200;

}  // namespace

// Fixed for a session over all its connections, spread over the partitions.
std::uint32_t Session::partition_of_session(std::uint32_t partitions) const {
    std::uint8_t bytes[8];
    store_le<std::uint64_t>(bytes, s_.id != 0 ? s_.id : s_.seed);
    return static_cast<std::uint32_t>(record::partition_for_key(bytes, static_cast<int>(partitions)));
}

Session::Progress Session::handle_alias(const frames::FrameView& frame) {
    const auto wanted = frames::decode_alias(frame.body, frame.flags);
    if (!wanted) return fail(wanted.failure());
    if (wanted->id >= hub_.options().aliases_per_connection) return fail(rivulet::fail(Error::limit_reached, static_cast<std::int64_t>(wanted->id)), "alias id");
    if (!output_room(aliased_bytes_max)) return Progress::blocked;

    Alias alias;
    alias.id = static_cast<std::uint16_t>(wanted->id);
    alias.placement = wanted->placement;
    std::string_view why = wanted->topic.substr(0, text_bytes_max);
    std::uint32_t reading_bytes_max = hub_.options().reading_bytes_max;
    const broker::Topic* const topic = hub_.broker().find_topic(wanted->topic);
    if (!topic) {
        alias.error = Error::unknown_topic_or_partition;
    } else if (broker::Coordinator::is_internal(wanted->topic)) {
        alias.error = Error::invalid_topic;
        why = "internal topic: it can be read alone, by its name";
    } else if (wanted->placement == frames::Placement::partition && wanted->partition >= topic->partitions) {
        alias.error = Error::unknown_topic_or_partition;
    } else if (wanted->key.size() > AliasPool::key_bytes_max) {
        alias.error = Error::invalid_argument;
        why = "default key longer than 192 bytes";
    } else {
        alias.first_log = topic->first_log();
        alias.partitions = topic->partitions;
        alias.one_range = topic->range_count == 1;
        alias.settles_at_once = wanted->acks == frames::Acks::none || topic->config.durability == config::Durability::memory;
        std::uint64_t partition = 0;
        if (wanted->placement == frames::Placement::partition) partition = wanted->partition;
        else if (wanted->placement == frames::Placement::key)
            partition = static_cast<std::uint64_t>(record::partition_for_key(wanted->key, static_cast<int>(topic->partitions)));
        else partition = partition_of_session(topic->partitions);
        alias.partition = static_cast<std::int32_t>(partition);
        // A batch of this one reading must fit the topic's largest.
        const std::uint32_t of_topic = topic->config.max_message_bytes;
        const std::uint32_t overhead = static_cast<std::uint32_t>(record::batch_header_bytes + record::record_scratch_bytes);
        const std::uint32_t fits = of_topic > overhead ? of_topic - overhead : 0;
        if (fits < reading_bytes_max) reading_bytes_max = fits;
    }
    AliasPool& pool = hub_.aliases();
    const bool keyed = alias.error == Error::none && wanted->placement == frames::Placement::key;
    if (!pool.put(s_.aliases, alias, keyed ? wanted->key : Bytes())) {
        alias.error = Error::limit_reached;
        why = "no room for more aliases with long keys";
        // What is refused must be known, too: an id that nothing is known of would be a protocol error of the client.
        RIVULET_CHECK(pool.put(s_.aliases, alias, {}).ok());
    }
    if (alias.error != Error::none || wanted->confirm) {
        Writer out = output();
        frames::encode_aliased(out, s_.output_sum, {alias.id, alias.error, alias.error != Error::none ? why : std::string_view(), alias.partition, reading_bytes_max});
        written(out);
    }
    return Progress::done;
}

}  // namespace rivulet::server::compact
