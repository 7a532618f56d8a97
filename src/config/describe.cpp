#include "config/describe.h"

#include "config/keys.h"
#include "config/topic_keys.h"
#include "config/value.h"

namespace rivulet::config {

namespace {

bool begins_with(std::span<const Choice> choices, std::span<const Choice> with) {
    return choices.size() >= with.size() && choices[0].name == with[0].name && choices[1].name == with[1].name;
}
bool is_switch(const Key& key) { return key.choices.size() == 2 && begins_with(key.choices, switch_choices); }
bool is_boolean(const Key& key) { return is_switch(key) || begins_with(key.choices, boolean_choices); }

ValueType type_of(const Key& key) {
    if (key.list) return ValueType::list;
    if (is_boolean(key)) return ValueType::boolean;
    if (key.is_text() || key.type == KeyType::choice) return ValueType::text;
    if (key.type == KeyType::ratio) return ValueType::real;
    const bool time = key.type == KeyType::milliseconds || key.type == KeyType::duration;
    return time || key.maximum > INT32_MAX ? ValueType::long_integer : ValueType::integer;
}

void print_broker_value(const Key& key, const void* object, Text& out) {
    if (key.is_text()) out << key.access.get_text(object);
    else if (is_boolean(key)) out << (key.access.get(object) != 0);
    else print_plain(key, key.access.get(object), out);
}

}  // namespace

bool describe_next(const TopicConfig& config, const TopicConfig& defaults, KeyCursor& cursor, KeySink& sink) {
    if (cursor.key == topic_keys_count) return false;
    const Key& key = topic_keys()[cursor.key++];
    const TopicConfig built_in;
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
    return true;
}

bool describe_next(const Config& config, KeyCursor& cursor, KeySink& sink) {
    for (; cursor.section < sections().size(); ++cursor.section, cursor.instance = 0) {
        const SectionInfo& info = sections()[cursor.section];
        if (info.id == SectionId::topic || cursor.instance >= instances(config, info.id)) continue;
        if (cursor.key == keys_count(info.id)) {
            ++cursor.instance;
            cursor.key = 0;
            return describe_next(config, cursor, sink);
        }
        const Place place{info.id, cursor.instance};
        const std::size_t ordinal = cursor.key++;
        const Key& key = key_at(info.id, ordinal);
        char name_buffer[section_text_max + 64];
        char value_buffer[path_bytes_max];
        Text name(name_buffer);
        Text value(value_buffer);
        print_section(config, place, name);
        name << '.' << key.name;
        print_broker_value(key, object_at(config, place, ordinal), value);
        const ValueSource source = origin_at(config, place, ordinal) == origin_default ? ValueSource::built_in : ValueSource::broker;
        sink.on_key({name.view(), value.view(), {}, {}, key.why, source, type_of(key), !key.reloadable});
        return true;
    }
    return false;
}

}  // namespace rivulet::config
