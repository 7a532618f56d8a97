#include "config/topic_config.h"

#include "config/nearest.h"
#include "config/topic_keys.h"
#include "config/value.h"

namespace rivulet::config {

namespace {

const Key* find(std::string_view name) {
    for (const Key& key : topic_keys()) {
        if (key.name == name) return &key;
    }
    return nullptr;
}

std::uint32_t bit(const Key& key) { return 1U << (key.number - 1U); }

Failure say_unknown(std::string_view name, Text& why) {
    for (const RefusedKey& refused : refused_topic_keys()) {
        if (refused.name != name) continue;
        why << name << ": " << refused.why;
        return fail(Error::unsupported);
    }
    Nearest nearest(name);
    for (const Key& key : topic_keys()) nearest.offer(key.name);
    why << name << ": unknown key";
    if (!nearest.name().empty()) why << ", did you mean " << nearest.name() << "?";
    return fail(Error::invalid_config);
}

// Up to the next comma, which goes too.
std::string_view take_word(std::string_view& list) {
    const std::size_t comma = list.find(',');
    const std::string_view word = list.substr(0, comma);
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    return word;
}

bool has_word(std::string_view list, std::string_view word) {
    while (!list.empty())
        if (take_word(list) == word) return true;
    return false;
}

// The words of `from` that `without` has not.
void add_words(std::string_view from, std::string_view without, Text& out) {
    while (!from.empty()) {
        const std::string_view word = take_word(from);
        if (!has_word(without, word)) out << (out.size() != 0 ? "," : "") << word;
    }
}

}  // namespace

TopicConfig::TopicConfig() { assign_defaults(topic_keys(), this); }

Status set(TopicConfig& config, std::string_view name, std::string_view value, Text& why) {
    const Key* const key = find(name);
    if (!key) return say_unknown(name, why);
    char buffer[160];
    Text reason(buffer);
    if (const Status status = assign(*key, &config, value, reason); !status) {
        constexpr std::size_t shown_max = 64;
        why << name << " = " << value.substr(0, shown_max) << (value.size() > shown_max ? "...: " : ": ") << reason.view();
        return status;
    }
    config.overrides |= bit(*key);
    return {};
}

Status reset(TopicConfig& config, std::string_view name, const TopicConfig& defaults, Text& why) {
    const Key* const key = find(name);
    if (!key) return say_unknown(name, why);
    copy_value(*key, &defaults, &config);
    config.overrides &= ~bit(*key);
    return {};
}

Status alter(TopicConfig& config, AlterOperation operation, std::string_view name, std::string_view value, const TopicConfig& defaults, Text& why) {
    if (operation == AlterOperation::set) return set(config, name, value, why);
    if (operation == AlterOperation::remove) return reset(config, name, defaults, why);
    const Key* const key = find(name);
    if (!key) return say_unknown(name, why);
    if (!key->list) {
        why << name << ": not a list, which alone can be appended to or subtracted from";
        return fail(Error::invalid_config);
    }
    char before_buffer[topic_value_text_max];
    char after_buffer[160];
    Text before(before_buffer);
    Text after(after_buffer);
    print(config, static_cast<TopicKey>(key->number), before);
    add_words(before.view(), operation == AlterOperation::subtract ? value : std::string_view(), after);
    if (operation == AlterOperation::append) add_words(value, before.view(), after);
    if (after.cut()) {
        why << name << ": longer than " << sizeof after_buffer << " bytes";
        return fail(Error::invalid_config);
    }
    return set(config, name, after.view(), why);
}

void follow(TopicConfig& config, const TopicConfig& defaults) {
    for (const Key& key : topic_keys()) {
        if ((config.overrides & bit(key)) == 0) copy_value(key, &defaults, &config);
    }
}

Status check(const TopicConfig& config, std::uint32_t batch_bytes_max, Text& why) {
    if (config.max_message_bytes <= batch_bytes_max) return check_contradictions(config, why);
    why << "max.message.bytes = " << config.max_message_bytes << ": more than limits.batch_bytes = " << batch_bytes_max;
    return fail(Error::invalid_config);
}

Status check_contradictions(const TopicConfig& config, Text& why) {
    if (contradicts(config, Contradiction::pinned_compact)) why << "pinned = true and cleanup.policy = compact: one keeps all records, the other the latest of each key; choose one of the two";
    else if (contradicts(config, Contradiction::reject_alone)) why << "overflow = reject: without pinned = true or cleanup.policy = compact the oldest records go all the same";
    else if (contradicts(config, Contradiction::memory)) why << (config.pinned ? "pinned = true" : "cleanup.policy = compact") << ": not done with durability = memory";
    else return {};
    return fail(Error::invalid_config);
}

bool contradicts(const TopicConfig& config, Contradiction what) {
    const bool compact = config.cleanup_policy != CleanupPolicy::remove;
    switch (what) {
        case Contradiction::pinned_compact: return config.pinned && compact;
        case Contradiction::reject_alone: return config.overflow == Overflow::reject && !config.outlives_ring();
        case Contradiction::memory: return config.durability == Durability::memory && config.outlives_ring();
    }
    return false;
}

TopicKeyInfo topic_key_info(std::size_t index) {
    RIVULET_CHECK(index < topic_keys_count);
    const Key& key = topic_keys()[index];
    return {static_cast<TopicKey>(key.number), key.name, key.default_text, key.why};
}

void print(const TopicConfig& config, TopicKey number, Text& out) {
    const Key& key = topic_keys()[static_cast<std::size_t>(number) - 1];
    // Kafka's tools know no "by durability": they get what it comes to.
    print_plain(key, number == TopicKey::commit_interval_ms ? config.commit_interval_ms() : key.access.get(&config), out);
}

void encode(const TopicConfig& config, Writer& out) {
    out.varint(static_cast<std::uint64_t>(std::popcount(config.overrides)));
    for (const Key& key : topic_keys()) {
        if ((config.overrides & bit(key)) == 0) continue;
        out.varint(key.number);
        out.zigzag_varint(key.access.get(&config));
    }
}

Status decode(Reader& in, const TopicConfig& defaults, TopicConfig& config) {
    TopicConfig decoded = defaults;
    decoded.overrides = 0;
    const std::uint64_t count = in.varint();
    std::uint64_t previous = 0;
    for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
        const std::uint64_t number = in.varint();
        const std::int64_t value = in.zigzag_varint();
        if (!in.ok() || number <= previous) return fail(Error::malformed, static_cast<std::int64_t>(number));
        if (number > topic_keys_count) return fail(Error::unsupported_version, static_cast<std::int64_t>(number));
        const Key& key = topic_keys()[static_cast<std::size_t>(number) - 1];
        if (!in_bounds(key, value)) return fail(Error::invalid_config, static_cast<std::int64_t>(number));
        key.access.set(&decoded, value);
        decoded.overrides |= bit(key);
        previous = number;
    }
    if (!in.ok()) return fail(Error::malformed);
    config = decoded;
    return {};
}

bool valid_topic_name(std::string_view name) {
    if (name.empty() || name.size() > topic_name_bytes_max || name == "." || name == "..") return false;
    for (const char c : name) {
        const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
        if (!good) return false;
    }
    return true;
}

}  // namespace rivulet::config
