// One key of the configuration: its name, type, default, bounds, reason, and where its value lives. Rows are in keys.cpp and topic_keys.cpp.
// Owns:     nothing: constant tables of views of literals. Bounds: values of all types but text travel as one 64-bit number.
#pragma once

#include <limits>
#include <span>
#include <string_view>

#include "config/fixed_string.h"

namespace rivulet::config {

enum class KeyType : std::uint8_t {
    size,          // bytes: 64K 16M 4G
    duration,      // milliseconds, always with a unit: 500ms 10s 5m 2h 7d
    milliseconds,  // Kafka's .ms keys: a plain number, -1, or a duration
    bytes,         // Kafka's .bytes keys: a plain number, -1, or a size
    integer,
    ratio,         // 0 to 1, in thousandths: 0.5
    choice,        // a word of a list; on and off too
    text,
    address,       // IP:PORT to bind
    endpoint,      // HOST:PORT, or nothing
};

struct Choice {
    std::string_view name;
    std::int64_t value = 0;
    std::string_view refused{};  // why it cannot be chosen yet; empty: it can
};

// How a value is read from and put into the struct that holds it.
struct Access {
    std::int64_t (*get)(const void* object) = nullptr;
    void (*set)(void* object, std::int64_t value) = nullptr;
    std::string_view (*get_text)(const void* object) = nullptr;  // of text, address and endpoint, instead
    bool (*set_text)(void* object, std::string_view text) = nullptr;
    std::size_t text_capacity = 0;
};

constexpr std::int64_t no_special = std::numeric_limits<std::int64_t>::min();

struct Key {
    std::string_view name;
    KeyType type{};
    std::string_view default_text;
    std::int64_t minimum = 0;
    std::int64_t maximum = 0;
    Access access;
    std::string_view why;                    // one line
    bool reloadable = false;
    bool power_of_two = false;
    std::int64_t special = no_special;       // the value outside the bounds that special_name stands for
    std::string_view special_name{};         // "none" or "auto"
    std::span<const Choice> choices{};
    std::string_view above{};                // why values above the maximum are refused, where that is not just a bound
    std::uint8_t number = 0;                 // of a topic-level key: TopicKey
    bool list = false;                       // a choice of several words, with commas between them

    constexpr bool is_text() const { return type == KeyType::text || type == KeyType::address || type == KeyType::endpoint; }
};

constexpr Choice switch_choices[] = {{"off", 0, {}}, {"on", 1, {}}};
constexpr Choice boolean_choices[] = {{"false", 0, {}}, {"true", 1, {}}, {"off", 0, {}}, {"on", 1, {}}};  // of topics: printed as Kafka has it

template <auto member>
struct Member;
template <class O, class T, T O::*member>
struct Member<member> {
    using Object = O;
    using Value = T;
};

template <auto member>
constexpr Access number_at() {
    using M = Member<member>;
    using Object = typename M::Object;
    using Value = typename M::Value;
    return {.get = [](const void* object) { return static_cast<std::int64_t>(static_cast<const Object*>(object)->*member); },
            .set = [](void* object, std::int64_t value) { static_cast<Object*>(object)->*member = static_cast<Value>(value); }};
}

template <auto member>
constexpr Access text_at() {
    using M = Member<member>;
    using Object = typename M::Object;
    return {.get_text = [](const void* object) { return (static_cast<const Object*>(object)->*member).view(); },
            .set_text = [](void* object, std::string_view text) { return (static_cast<Object*>(object)->*member).assign(text); },
            .text_capacity = M::Value::capacity};
}

}  // namespace rivulet::config
