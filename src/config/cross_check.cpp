#include "config/cross_check.h"

#include <algorithm>

#include "config/value.h"

namespace rivulet::config {

namespace {

constexpr std::uint64_t metadata_partition_bytes = 40;

struct Ref {
    Place place;
    std::string_view key;
};

Ref ref(SectionId section, std::string_view key, std::uint32_t instance = 0) { return {{section, instance}, key}; }

class Checker {
public:
    Checker(const Config& config, Problems& problems) : config_(config), problems_(problems) {}

    // "a = value: text b = value", at the line of a, or of b if a is a default; nobody looks for a default among what he has set.
    void require(bool good, Ref a, std::string_view text, Ref b) {
        if (good || bad(a) || bad(b)) return;
        const Origin origin = origin_of(a) != origin_default ? origin_of(a) : origin_of(b);
        Problem problem(problems_, config_.file_name.view(), origin);
        print(a, problem.text());
        if (is_default(a)) problem << ", the default";
        problem << ": " << text << ' ';
        print(b, problem.text());
        if (is_default(b)) problem << ", the default";
        if (is_default(a)) {
            problem << "; set ";
            print_name(a, problem.text());
            problem << " as well";
        }
    }
    void run();

private:
    void check_storage();
    void check_limits();
    void check_topics();
    void check_contradictions(SectionId section, const TopicConfig& config, std::uint32_t instance = 0);
    void check_listeners();

    std::size_t ordinal(Ref r) const {
        const std::size_t found = find_key(r.place.section, r.key);
        RIVULET_CHECK(found != no_key);
        return found;
    }
    Origin origin_of(Ref r) const { return origin_at(config_, r.place, ordinal(r)); }
    bool is_default(Ref r) const { return origin_of(r) == origin_default; }
    bool bad(Ref r) const {
        // What a topic does not say itself comes from [defaults].
        if (r.place.section == SectionId::topic && origin_of(r) == origin_default) return bad(ref(SectionId::defaults, r.key));
        return origin_of(r) == origin_bad;
    }
    void print_name(Ref r, Text& out) const { print_section(config_, r.place, out) << '.' << r.key; }
    void print(Ref r, Text& out) const {
        print_name(r, out);
        out << " = ";
        print_value(key_at(r.place.section, ordinal(r)), object_at(config_, r.place, ordinal(r)), out);
    }

    const Config& config_;
    Problems& problems_;
};

void Checker::check_storage() {
    const Storage& storage = config_.storage;
    const Ref segment = ref(SectionId::storage, "segment_bytes");
    require(storage.segments() >= 8, ref(SectionId::storage, "size"), "fewer than 8 segments of", segment);
    require(storage.commit_bytes <= storage.segment_bytes / 2, ref(SectionId::storage, "commit_bytes"), "more than half of", segment);
    char buffer[80];
    Text text(buffer);
    text << "does not fit a segment, at most " << batch_bytes_possible(storage.segment_bytes) << " with";
    require(config_.limits.batch_bytes <= batch_bytes_possible(storage.segment_bytes), ref(SectionId::limits, "batch_bytes"), text.view(), segment);
}

void Checker::check_limits() {
    const Limits& limits = config_.limits;
    const Ref total = ref(SectionId::memory, "total");
    const Ref ring_min = ref(SectionId::memory, "ring_min");
    const Ref frame = ref(SectionId::limits, "frame_bytes");
    require(limits.tls_connections <= limits.connections, ref(SectionId::limits, "tls_connections"), "more than", ref(SectionId::limits, "connections"));
    require(limits.tls_connections == 0 || limits.tls_handshakes <= limits.tls_connections, ref(SectionId::limits, "tls_handshakes"), "more than",
            ref(SectionId::limits, "tls_connections"));
    require(limits.topics <= limits.partitions, ref(SectionId::limits, "topics"), "more than", ref(SectionId::limits, "partitions"));
    require(limits.group_members <= limits.members, ref(SectionId::limits, "group_members"), "more than", ref(SectionId::limits, "members"));
    require(limits.credit_bytes >= limits.frame_bytes, ref(SectionId::limits, "credit_bytes"), "less than", frame);
    require(limits.receive_pool_bytes >= limits.frame_bytes, ref(SectionId::limits, "receive_pool_bytes"), "less than", frame);
    if (config_.speaks(Protocol::kafka)) {
        const Ref request = ref(SectionId::limits, "kafka_request_bytes");
        require(limits.kafka_receive_bytes >= limits.kafka_request_bytes, ref(SectionId::limits, "kafka_receive_bytes"), "less than", request);
        // What Metadata tells of all of them.
        require(limits.kafka_response_bytes >= std::uint64_t{limits.partitions} * metadata_partition_bytes, ref(SectionId::limits, "kafka_response_bytes"),
                "too small for an answer that names all of", ref(SectionId::limits, "partitions"));
    }
    require(config_.memory.ring_min < config_.memory.total, ring_min, "not less than", total);
    // A batch is gathered whole, beside what the other partitions wait with.
    require(config_.memory.ring_min >= limits.batch_bytes, ring_min, "less than", ref(SectionId::limits, "batch_bytes"));
    require(config_.memory.ring_min >= config_.storage.commit_bytes * 2, ring_min, "less than twice", ref(SectionId::storage, "commit_bytes"));
}

void Checker::check_contradictions(SectionId section, const TopicConfig& config, std::uint32_t instance) {
    const Ref pinned = ref(section, "pinned", instance);
    const Ref policy = ref(section, "cleanup.policy", instance);
    const Ref overflow = ref(section, "overflow", instance);
    const Ref durability = ref(section, "durability", instance);
    const Ref kept = config.pinned ? pinned : policy;
    // What a topic has wholly from [defaults] was complained about there.
    const auto said = [&](Ref a, Ref b, Ref c) { return section == SectionId::topic && origin_of(a) == origin_default && origin_of(b) == origin_default && origin_of(c) == origin_default; };
    require(said(pinned, policy, policy) || !contradicts(config, Contradiction::pinned_compact), pinned, "contradicts", policy);
    require(said(overflow, pinned, policy) || !contradicts(config, Contradiction::reject_alone), overflow, "takes pinned = true or cleanup.policy = compact, not", pinned);
    require(said(policy, policy, policy) || config.cleanup_policy == CleanupPolicy::remove || config_.limits.compact_keys != 0, policy, "is refused with", ref(SectionId::limits, "compact_keys"));
    require(said(kept, durability, durability) || !contradicts(config, Contradiction::memory), kept, "not done with", durability);
}

void Checker::check_topics() {
    const Ref batch = ref(SectionId::limits, "batch_bytes");
    const Ref partitions = ref(SectionId::limits, "partitions");
    require(config_.defaults.config.max_message_bytes <= config_.limits.batch_bytes, ref(SectionId::defaults, "max.message.bytes"), "more than", batch);
    require(config_.defaults.partitions <= config_.limits.partitions, ref(SectionId::defaults, "partitions"), "more than", partitions);
    check_contradictions(SectionId::defaults, config_.defaults.config);
    std::uint64_t sum = 0;
    bool counted = !bad(partitions);
    for (std::uint32_t i = 0; i < config_.topic_count; ++i) {
        const TopicSection& topic = config_.topic_slots[i];
        if (topic.name.view().starts_with("__")) {
            Problem problem(problems_, config_.file_name.view(), origin_default);
            problem << "[topic." << topic.name.view() << "]: names that begin with __ are those of the broker's own topics";
        }
        // A value of [defaults] was complained about there.
        const Ref largest = ref(SectionId::topic, "max.message.bytes", i);
        if (origin_of(largest) != origin_default) {
            require(topic.config.max_message_bytes <= config_.limits.batch_bytes, largest, "more than", batch);
        }
        check_contradictions(SectionId::topic, topic.config, i);
        sum += topic.partitions;
        counted &= !bad(ref(SectionId::topic, "partitions", i));
    }
    if (counted && sum > config_.limits.partitions) {
        Problem problem(problems_, config_.file_name.view(), origin_of(partitions));
        problem << "the topic sections have " << sum << " partitions: more than ";
        print(partitions, problem.text());
    }
    const Ref topics = ref(SectionId::limits, "topics");
    if (!bad(topics) && config_.topic_count > config_.limits.topics) {
        Problem problem(problems_, config_.file_name.view(), origin_of(topics));
        problem << config_.topic_count << " topic sections: more than ";
        print(topics, problem.text());
    }
}

// Whether the system would refuse the second one: the same port on the same address, or on all of its kind.
bool overlap(const env::Address& a, const env::Address& b) {
    if (a.port != b.port || a.port == 0 || a.v6 != b.v6) return false;
    const decltype(a.ip) any{};
    return a.ip == b.ip || a.ip == any || b.ip == any;
}

void Checker::check_listeners() {
    for (std::uint32_t i = 0; i < config_.listener_count; ++i) {
        const Listener& listener = config_.listener_slots[i];
        const Ref bind = ref(SectionId::listener, "bind", i);
        const Ref protocol = ref(SectionId::listener, "protocol", i);
        const bool known = std::ranges::find(default_listeners, listener.name.view()) != std::end(default_listeners);
        if (!known) {
            for (const Ref needed : {bind, protocol}) {
                if (origin_of(needed) != origin_default) continue;
                const Origin other = needed.key == bind.key ? origin_of(protocol) : origin_of(bind);
                Problem(problems_, config_.file_name.view(), other == origin_bad ? origin_default : other)
                    << "listener." << listener.name.view() << '.' << needed.key << ": missing";
            }
        }
        if (origin_of(bind) == origin_default && !known) continue;
        for (std::uint32_t j = 0; j < i; ++j) {
            const Ref other = ref(SectionId::listener, "bind", j);
            require(!overlap(listener.bind_address(), config_.listener_slots[j].bind_address()), bind, "already taken by", other);
        }
    }
}

void Checker::run() {
    check_storage();
    check_limits();
    check_topics();
    check_listeners();
}

}  // namespace

void cross_check(const Config& config, Problems& problems) { Checker(config, problems).run(); }

}  // namespace rivulet::config
