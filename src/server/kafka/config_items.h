// The settings of a topic or of the broker, key by key, for answers; and what requests say of a topic's.
// Owns:     the texts of the key at hand.
// Bounds:   two walks over the keys: to count, then one by one.
// Thread:   loop only.
// Format:   Kafka's numbers of resources, sources and types (KIP-133, KIP-226, KIP-569).
#pragma once

#include "config/describe.h"
#include "server/kafka/exchange.h"

namespace rivulet::server::kafka {

constexpr std::int8_t resource_topic = 2;
constexpr std::int8_t resource_broker = 4;

std::int8_t config_source(const config::KeyDescription& key);
std::int8_t config_type(config::ValueType type);

class ConfigItems final : private config::KeySink {
public:
    using Names = wire::kafka::Array<std::string_view>;

    // Of these keys, if `wanted` names any.
    void begin(const config::TopicConfig& config, const config::TopicConfig& defaults, const Names* wanted = nullptr);
    void begin(const config::Config& config, const Names* wanted = nullptr);
    std::size_t count() const { return count_; }
    // What they take in an answer at most.
    std::size_t bytes() const { return bytes_; }
    std::size_t synonym_bytes() const { return synonym_bytes_; }
    std::size_t documentation_bytes() const { return documentation_bytes_; }

    // The next one, and its texts until the one after it.
    const config::KeyDescription& next();

private:
    void count_all();
    bool step();
    void on_key(const config::KeyDescription& key) override;
    bool wanted(std::string_view name) const;

    config::TopicConfig topic_;
    config::TopicConfig defaults_;
    const config::Config* broker_ = nullptr;  // nullptr: of a topic
    const Names* wanted_ = nullptr;
    config::KeyCursor cursor_;
    bool counting_ = false;
    bool arrived_ = false;
    std::size_t count_ = 0;
    std::size_t bytes_ = 0;
    std::size_t synonym_bytes_ = 0;
    std::size_t documentation_bytes_ = 0;
    config::KeyDescription key_;
    char texts_[384 + config::path_bytes_max + 2 * config::topic_value_text_max] = {};
};

constexpr std::size_t topic_configs_bytes_max = config::topic_keys_count * (16 + 2 * config::topic_value_text_max);

// The error of a client's setting: Kafka has one for all that is wrong with it.
Error config_error(Failure failure);
// Sets a pair; null is no value.
Status set_config(config::TopicConfig& config, std::string_view name, const std::optional<std::string_view>& value, Text& why);
// Why a resource of that kind cannot be altered or described here; none: it is a topic, which is then found, or the broker.
Error find_resource(Exchange& exchange, std::int8_t type, std::string_view name, broker::Topic*& topic, Text& why);

}  // namespace rivulet::server::kafka
