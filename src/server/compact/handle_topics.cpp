// TOPIC_CREATE, TOPIC_ALTER, TOPIC_DELETE, TOPIC_LIST, TOPIC_DESCRIBE.
#include "server/compact/hub.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

namespace {

constexpr std::size_t text_bytes_max = 160;
constexpr std::size_t page_room_least = 1024;  // a head with all of its configuration and one partition

constexpr std::string_view internal_text = "internal topic: it is made, and kept, by the coordinator of consumer groups";
constexpr std::string_view frame_limit_text = "the answer does not fit the frame limit of the client";

frames::Durability durability_of(const broker::Topic& topic) {
    return topic.config.durability == config::Durability::memory ? frames::Durability::memory : frames::Durability::disk;
}

constexpr std::uint64_t counts_most = INT32_MAX;

std::uint64_t count_within(std::uint64_t wanted) { return wanted < counts_most ? wanted : counts_most; }

// Here 0 is the default.
std::int64_t count_of(std::uint64_t wanted) { return wanted != 0 ? static_cast<std::int64_t>(count_within(wanted)) : broker::Broker::count_default; }

// `defaults`: what an empty value takes a key back to; none: an empty value is a value. Ends at the first key that is unknown or comes again, so that the walk is short.
Status read_config(const frames::List<frames::ConfigPair>& pairs, config::TopicConfig& config, const config::TopicConfig* defaults, Text& why) {
    std::size_t before = 0;
    for (const frames::ConfigPair& pair : pairs) {
        std::size_t i = 0;
        for (const frames::ConfigPair& earlier : pairs) {
            if (i++ == before) break;
            if (earlier.key != pair.key) continue;
            why << pair.key << ": given twice";
            return fail(Error::invalid_config);
        }
        ++before;
        RIVULET_TRY(defaults && pair.value.empty() ? config::reset(config, pair.key, *defaults, why) : config::set(config, pair.key, pair.value, why));
    }
    return {};
}

}  // namespace

Session::Progress Session::handle_topic_create(const frames::FrameView& frame) {
    const auto wanted = frames::decode_topic_create(frame.body);
    if (!wanted) return fail(wanted.failure());
    if (too_many_requests()) return fail(rivulet::fail(Error::limit_reached, requests_max), "outstanding requests");
    if (!output_room(text_bytes_max + 64)) return Progress::blocked;
    if (broker::Coordinator::is_internal(wanted->name)) return answer_failure(frame, rivulet::fail(Error::invalid_topic), internal_text);
    char buffer[text_bytes_max];
    Text why(buffer);
    broker::Broker::TopicRequest request;
    request.name = wanted->name;
    request.partitions = count_of(wanted->partitions);
    request.replication_factor = count_of(wanted->replication_factor);
    request.config = hub_.broker().default_config();
    if (const Status status = read_config(wanted->config, request.config, nullptr, why); !status) return answer_failure(frame, status.failure(), why.view());
    TopicRequest* const slot = hub_.topic_requests().take();
    if (!slot) return answer_failure(frame, rivulet::fail(Error::busy), "too many topic changes at once");
    const auto changed = hub_.broker().create_topic(request, why);
    if (!changed) {
        hub_.topic_requests().give(*slot);
        return answer_failure(frame, changed.failure(), why.view());
    }
    own(*slot, frame);
    slot->id = changed->topic->id;
    slot->partitions = changed->topic->partitions;
    slot->ticket = changed->ticket;
    hub_.broker().wait_for_commit(*slot);
    return Progress::done;
}

Session::Progress Session::handle_topic_alter(const frames::FrameView& frame) {
    const auto wanted = frames::decode_topic_alter(frame.body);
    if (!wanted) return fail(wanted.failure());
    if (too_many_requests()) return fail(rivulet::fail(Error::limit_reached, requests_max), "outstanding requests");
    if (!output_room(text_bytes_max + 64)) return Progress::blocked;
    if (broker::Coordinator::is_internal(wanted->name)) return answer_failure(frame, rivulet::fail(Error::invalid_topic), internal_text);
    broker::Topic* const topic = hub_.broker().find_topic(wanted->name);
    if (!topic) return answer_failure(frame, rivulet::fail(Error::unknown_topic_or_partition));
    char buffer[text_bytes_max];
    Text why(buffer);
    config::TopicConfig config = topic->config;
    const config::TopicConfig defaults = hub_.broker().default_config();
    if (const Status status = read_config(wanted->config, config, &defaults, why); !status) return answer_failure(frame, status.failure(), why.view());
    TopicRequest* const slot = hub_.topic_requests().take();
    if (!slot) return answer_failure(frame, rivulet::fail(Error::busy), "too many topic changes at once");
    const std::uint32_t partitions = wanted->partitions != 0 ? static_cast<std::uint32_t>(count_within(wanted->partitions)) : topic->partitions;
    const auto changed = hub_.broker().alter_topic(*topic, config, partitions, why);
    if (!changed) {
        hub_.topic_requests().give(*slot);
        return answer_failure(frame, changed.failure(), why.view());
    }
    own(*slot, frame);
    slot->ticket = changed->ticket;
    hub_.broker().wait_for_commit(*slot);
    return Progress::done;
}

Session::Progress Session::handle_topic_delete(const frames::FrameView& frame) {
    const auto wanted = frames::decode_topic_delete(frame.body);
    if (!wanted) return fail(wanted.failure());
    if (too_many_requests()) return fail(rivulet::fail(Error::limit_reached, requests_max), "outstanding requests");
    if (!output_room(text_bytes_max + 64)) return Progress::blocked;
    if (broker::Coordinator::is_internal(wanted->name)) return answer_failure(frame, rivulet::fail(Error::invalid_topic), internal_text);
    TopicRequest* const slot = hub_.topic_requests().take();
    if (!slot) return answer_failure(frame, rivulet::fail(Error::busy), "too many topic changes at once");
    const auto changed = hub_.broker().delete_topic(wanted->name);
    if (!changed) {
        hub_.topic_requests().give(*slot);
        return answer_failure(frame, changed.failure());
    }
    own(*slot, frame);
    slot->ticket = changed->ticket;
    hub_.broker().wait_for_commit(*slot);
    return Progress::done;
}

Session::Progress Session::handle_topic_list(const frames::FrameView& frame) {
    const auto wanted = frames::decode_topic_list(frame.body);
    if (!wanted) return fail(wanted.failure());
    if (!output_room(page_room_least)) return Progress::blocked;
    broker::TopicTable& topics = hub_.broker().topics();
    Writer out = output();
    frames::TopicListEncoder page(out, frame.correlation, s_.frame_bytes_max);
    std::uint32_t rank = topics.rank_after(wanted->after);
    std::uint64_t listed = 0;
    bool more = false;
    for (; rank < topics.count(); ++rank, ++listed) {
        const broker::Topic& topic = topics.at(rank);
        more = (wanted->topics_max != 0 && listed == wanted->topics_max) ||
               !page.add({topic.name.view(), topic.id, topic.partitions, 1, durability_of(topic)});
        if (more) break;
    }
    // A page with nothing on it would be asked for again and again.
    if (more && listed == 0) return answer_failure(frame, rivulet::fail(Error::frame_too_large), frame_limit_text);
    page.finish(more);
    hub_.env().charge(out.size() + 1024);
    written(out);
    return Progress::done;
}

Session::Progress Session::handle_topic_describe(const frames::FrameView& frame) {
    const auto wanted = frames::decode_topic_describe(frame.body);
    if (!wanted) return fail(wanted.failure());
    const broker::Topic* const topic = hub_.broker().find_topic(wanted->name);
    if (!topic) return answer_failure(frame, rivulet::fail(Error::unknown_topic_or_partition));
    if (!output_room(page_room_least)) return Progress::blocked;
    Writer out = output();
    frames::TopicDescribeEncoder page(out, frame.correlation, s_.frame_bytes_max, {topic->id, topic->partitions, 1, durability_of(*topic)});
    bool fits = true;
    for (std::size_t i = 0; wanted->partition_first == 0 && fits && i < config::topic_keys_count; ++i) {
        const config::TopicKeyInfo key = config::topic_key_info(i);
        char buffer[config::topic_value_text_max];
        Text value(buffer);
        config::print(topic->config, key.key, value);
        fits = page.add_config({key.name, value.view()});
    }
    const std::uint64_t node = hub_.options().node;
    const store::Fences& fences = hub_.broker().store().state().fences;
    bool more = false;
    std::uint64_t listed = 0;
    for (std::uint64_t p = wanted->partition_first; fits && p < topic->partitions; ++p, ++listed) {
        const store::Log* const log = hub_.broker().partition(*topic, p);
        if (!log) break;
        frames::PartitionStatus status{p, static_cast<std::int64_t>(node), log->epoch, log->start, log->durable_end, log->high_watermark(), log->end, hub_.broker().store().bytes_of(*log), 0};
        frames::FencedRange ranges[frames::fenced_listed_max];
        std::size_t count = 0;
        for (std::size_t i = 0; i < fences.count(); ++i) {
            const store::FenceImage& fence = fences.at(i);
            if (fence.log != log->id) continue;
            ++status.fenced_ranges;
            if (count < frames::fenced_listed_max) ranges[count++] = {fence.from, static_cast<std::uint64_t>(fence.to - fence.from)};
        }
        hub_.env().charge(128 + fences.count() * 16);
        more = (wanted->partitions_max != 0 && listed == wanted->partitions_max) || !page.add_partition(status, {&node, 1}, {&node, 1}, {ranges, count});
        if (more) break;
    }
    if (!fits || (more && listed == 0)) return answer_failure(frame, rivulet::fail(Error::frame_too_large), frame_limit_text);
    page.finish(more);
    written(out);
    return Progress::done;
}

}  // namespace rivulet::server::compact
