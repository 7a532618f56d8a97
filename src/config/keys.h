// All sections and all keys, and the way from (section, instance, key) to the member that holds the value.
// Owns:     constants. Bounds: places_max values in a Config, one Origin each.
// Terms:    an instance is one [listener.NAME] or [topic.NAME]; the other sections have one, number 0. An ordinal counts the keys of a
//           section: its own first, then the topic-level ones if it takes them.
#pragma once

#include "config/config.h"
#include "config/key.h"

namespace rivulet::config {

enum class SectionId : std::uint8_t { broker, memory, storage, retention, defaults, limits, listener, topic, cluster, clock };
constexpr std::size_t sections_count = 10;

struct SectionInfo {
    SectionId id{};
    std::string_view name;
    std::string_view why;            // one line
    std::span<const Key> own;
    std::uint32_t instances_max = 1;
    bool named = false;              // [name.INSTANCE]
    bool topic_level = false;        // takes the topic-level keys too
};

std::span<const SectionInfo> sections();
const SectionInfo& section_info(SectionId id);

struct Place {
    SectionId section{};
    std::uint32_t instance = 0;
    bool operator==(const Place&) const = default;
};

std::size_t keys_count(SectionId section);
const Key& key_at(SectionId section, std::size_t ordinal);
constexpr std::size_t no_key = static_cast<std::size_t>(-1);
std::size_t find_key(SectionId section, std::string_view name);  // no_key if there is none

// The object that key.access works on.
void* object_at(Config& config, Place place, std::size_t ordinal);
const void* object_at(const Config& config, Place place, std::size_t ordinal);
Origin& origin_at(Config& config, Place place, std::size_t ordinal);
Origin origin_at(const Config& config, Place place, std::size_t ordinal);

std::uint32_t instances(const Config& config, SectionId section);
std::string_view instance_name(const Config& config, Place place);  // empty where sections have no names
Text& print_section(const Config& config, Place place, Text& out);  // listener.compact
constexpr std::size_t section_text_max = 8 + topic_name_bytes_max;

// The instance of that name; adds one with default values if there is none. False if there is no room for it.
bool find_instance(const Config& config, SectionId section, std::string_view name, Place& place);
bool add_instance(Config& config, SectionId section, std::string_view name, Place& place);
// Those that are there if none is given; the second has defaults of its own.
constexpr std::string_view kafka_listener = "kafka";
constexpr std::string_view kafka_bind = "127.0.0.1:9092";
constexpr std::uint32_t kafka_receive_buffer = 64 * 1024;
constexpr std::string_view kafka_receive_buffer_text = "64K";
constexpr std::string_view default_listeners[] = {"compact", kafka_listener};
void add_default_listeners(Config& config);  // to one that has none

}  // namespace rivulet::config
