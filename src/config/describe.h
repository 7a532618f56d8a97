// Keys with their values as Kafka's tools show them and take them back: what DescribeConfigs answers (KIP-133, KIP-226), free of Kafka's own numbers.
// Owns:     nothing. Bounds: no allocation; texts live until the sink's call returns.
// Guarantee: of topic-level keys set() takes every value that is shown. Numbers are plain, in milliseconds or bytes, -1 = none; switches true or false.
#pragma once

#include "config/config.h"

namespace rivulet::config {

enum class ValueType : std::uint8_t { boolean, text, integer, long_integer, real, list };

// Whose value is in force.
enum class ValueSource : std::uint8_t {
    topic,     // set for this topic
    broker,    // the broker's configuration says other than the built-in default; of topic-level keys its [defaults]
    built_in,
};

struct KeyDescription {
    std::string_view name;           // of broker-level keys with the section: memory.total
    std::string_view value;
    std::string_view broker_value;   // topic-level keys: what holds where the topic sets nothing
    std::string_view built_in_value;  // topic-level keys
    std::string_view documentation;  // one line
    ValueSource source{};
    ValueType type{};
    bool read_only = false;          // topic-level: never; broker-level: what a reload cannot change
};

class KeySink {
public:
    virtual void on_key(const KeyDescription& key) = 0;

protected:
    ~KeySink() = default;
};

// Key by key, from a fresh cursor on. False: there are no more.
struct KeyCursor {
    std::size_t section = 0;
    std::uint32_t instance = 0;
    std::size_t key = 0;
};
// All topic-level keys, in the order of their numbers. `defaults`: what the topic follows.
bool describe_next(const TopicConfig& config, const TopicConfig& defaults, KeyCursor& cursor, KeySink& sink);
// All keys of all sections that are there but [topic.NAME], in the order of the table.
bool describe_next(const Config& config, KeyCursor& cursor, KeySink& sink);

}  // namespace rivulet::config
