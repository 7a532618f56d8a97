#include "config/describe.h"

#include "config/keys.h"
#include "config/topic_keys.h"
#include "config/value.h"

namespace rivulet::config {

namespace {

bool is_switch(const Key& key) { return key.choices.size() == 2 && key.choices[0].name == switch_choices[0].name && key.choices[1].name == switch_choices[1].name; }

ValueType type_of(const Key& key) {
    if (key.list) return ValueType::list;
    if (is_switch(key)) return ValueType::boolean;
    if (key.is_text() || key.type == KeyType::choice) return ValueType::text;
    const bool time = key.type == KeyType::milliseconds || key.type == KeyType::duration;
    return time || key.maximum > INT32_MAX ? ValueType::long_integer : ValueType::integer;
}

void print_broker_value(const Key& key, const void* object, Text& out) {
    if (key.is_text()) out << key.access.get_text(object);
    else if (is_switch(key)) out << (key.access.get(object) != 0);
    else print_plain(key, key.access.get(object), out);
}

}  // namespace

void describe_topic(const TopicConfig& config, const TopicConfig& defaults, KeySink& sink) {
    const TopicConfig built_in;
    for (const Key& key : topic_keys()) {
        const auto number = static_cast<TopicKey>(key.number);
        char value_buffer[topic_value_text_max];
        char broker_buffer[topic_value_text_max];
        char built_in_buffer[topic_value_text_max];
        Text value(value_buffer);
        Text of_broker(broker_buffer);
        Text of_table(built_in_buffer);
        print(config, number, value);
        print(defaults, number, of_broker);
        print(built_in, number, of_table);
        const bool followed = of_broker.view() == of_table.view();
        const ValueSource source = config.is_set(number) ? ValueSource::topic : followed ? ValueSource::built_in : ValueSource::broker;
        sink.on_key({key.name, value.view(), of_broker.view(), of_table.view(), key.why, source, type_of(key), false});
    }
}

void describe_broker(const Config& config, KeySink& sink) {
    for (const SectionInfo& info : sections()) {
        if (info.id == SectionId::topic) continue;
        for (std::uint32_t instance = 0; instance < instances(config, info.id); ++instance) {
            const Place place{info.id, instance};
            for (std::size_t i = 0; i < keys_count(info.id); ++i) {
                const Key& key = key_at(info.id, i);
                char name_buffer[section_text_max + 64];
                char value_buffer[path_bytes_max];
                Text name(name_buffer);
                Text value(value_buffer);
                print_section(config, place, name);
                name << '.' << key.name;
                print_broker_value(key, object_at(config, place, i), value);
                const ValueSource source = origin_at(config, place, i) == origin_default ? ValueSource::built_in : ValueSource::broker;
                sink.on_key({name.view(), value.view(), {}, {}, key.why, source, type_of(key), !key.reloadable});
            }
        }
    }
}

}  // namespace rivulet::config
