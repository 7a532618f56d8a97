// Where the values of each section live in a Config.
#include "config/keys.h"
#include "config/topic_keys.h"
#include "config/value.h"

namespace rivulet::config {

void* object_at(Config& config, Place place, std::size_t ordinal) {
    TopicSection* topic = nullptr;
    switch (place.section) {
    case SectionId::broker: return &config.broker;
    case SectionId::memory: return &config.memory;
    case SectionId::storage: return &config.storage;
    case SectionId::retention: return &config.retention;
    case SectionId::limits: return &config.limits;
    case SectionId::clock: return &config.clock;
    case SectionId::listener: return &config.listener_slots[place.instance];
    case SectionId::defaults: topic = &config.defaults; break;
    case SectionId::topic: topic = &config.topic_slots[place.instance]; break;
    case SectionId::cluster: break;
    }
    RIVULET_CHECK(topic);
    if (ordinal < section_info(place.section).own.size()) return topic;
    return &topic->config;
}

const void* object_at(const Config& config, Place place, std::size_t ordinal) {
    return object_at(const_cast<Config&>(config), place, ordinal);
}

std::uint32_t instances(const Config& config, SectionId section) {
    if (section == SectionId::listener) return config.listener_count;
    if (section == SectionId::topic) return config.topic_count;
    return 1;
}

std::string_view instance_name(const Config& config, Place place) {
    if (place.section == SectionId::listener) return config.listener_slots[place.instance].name.view();
    if (place.section == SectionId::topic) return config.topic_slots[place.instance].name.view();
    return {};
}

Text& print_section(const Config& config, Place place, Text& out) {
    const SectionInfo& info = section_info(place.section);
    out << info.name;
    if (info.named) out << '.' << instance_name(config, place);
    return out;
}

bool find_instance(const Config& config, SectionId section, std::string_view name, Place& place) {
    for (std::uint32_t i = 0; i < instances(config, section); ++i) {
        const Place candidate{section, i};
        if (instance_name(config, candidate) != name) continue;
        place = candidate;
        return true;
    }
    return false;
}

bool add_instance(Config& config, SectionId section, std::string_view name, Place& place) {
    const SectionInfo& info = section_info(section);
    const std::uint32_t count = instances(config, section);
    if (!info.named || count == info.instances_max) return false;
    place = {section, count};
    for (std::size_t i = 0; i < keys_count(section); ++i) origin_at(config, place, i) = origin_default;
    if (section == SectionId::listener) {
        Listener& listener = config.listener_slots[count];
        assign_defaults(info.own, &listener);
        if (!listener.name.assign(name)) return false;
        if (name == kafka_listener) {
            listener.protocol = Protocol::kafka;
            RIVULET_CHECK(listener.bind.assign(kafka_bind));
            listener.receive_buffer = kafka_receive_buffer;
        }
        config.listener_count = count + 1;
        return true;
    }
    TopicSection& topic = config.topic_slots[count];
    topic.config = TopicConfig();
    assign_defaults(info.own, &topic);
    if (!topic.name.assign(name)) return false;
    config.topic_count = count + 1;
    return true;
}

Config::Config() {
    for (const SectionInfo& info : sections()) {
        // The topic-level defaults are in place: TopicConfig's constructor.
        if (!info.named && !info.own.empty()) assign_defaults(info.own, object_at(*this, {info.id, 0}, 0));
    }
    add_default_listeners(*this);
}

void add_default_listeners(Config& config) {
    Place place;
    for (const std::string_view name : default_listeners) RIVULET_CHECK(add_instance(config, SectionId::listener, name, place));
}

bool Config::speaks(Protocol protocol) const {
    for (const Listener& listener : listeners())
        if (listener.protocol == protocol) return true;
    return false;
}

env::Address Listener::bind_address() const { return env::parse_address(bind.view()).value(); }

}  // namespace rivulet::config
