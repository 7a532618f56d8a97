// Topics and their settings.
#include <algorithm>
#include <charconv>

#include "config/topic_config.h"
#include "sim/run/history.h"

namespace rivulet::sim {

namespace {

constexpr std::string_view limit_key = "max.message.bytes";
constexpr std::string_view time_key = "message.timestamp.type";

// As a description shows it.
std::string default_of(const Plan& plan, const TopicPlan& topic, config::TopicKey key) {
    config::TopicConfig defaults;
    defaults.max_message_bytes = plan.batch_bytes;
    defaults.durability = topic.memory ? config::Durability::memory : config::Durability::disk;
    char buffer[config::topic_value_text_max];
    Text text(buffer);
    config::print(defaults, key, text);
    return std::string(text.view());
}

}  // namespace

// As a topic is created.
void History::begin_settings(std::size_t index) {
    const TopicPlan& plan = plan_.topics[index];
    for (std::size_t i = 0; i < config::topic_keys_count; ++i) {
        const config::TopicKeyInfo info = config::topic_key_info(i);
        Setting& setting = topics_[index].settings[std::string(info.name)];
        setting.value = default_of(plan_, plan, info.key);
        for (const auto& [key, value] : plan.config)
            if (key == info.name) setting.value = value;
        setting.ever.insert(setting.value);
    }
}

void History::created(std::size_t index, bool assured) {
    Topic& topic = topics_[index];
    topic.there = true;
    topic.assured = assured;
    topic.hoped = false;
    begin_settings(index);
    for (Partition& partition : partitions_[index]) partition = Partition();
}

void History::deleting(std::size_t index) {
    Topic& topic = topics_[index];
    ++topic.life;
    topic.there = topic.assured = topic.hoped = false;
    topic.ever_deleted = true;
}

// From here on any reader may see it.
void History::altering(std::size_t index, const std::map<std::string, std::string>& pairs) {
    Topic& topic = topics_[index];
    topic.altering = pairs;
    for (auto& [key, value] : topic.altering) {
        for (std::size_t i = 0; value.empty() && i < config::topic_keys_count; ++i) {
            const config::TopicKeyInfo info = config::topic_key_info(i);
            if (info.name == key) value = default_of(plan_, plan_.topics[index], info.key);
        }
        topic.settings[key].ever.insert(value);
    }
}

void History::altered(std::size_t index, Altered how) {
    Topic& topic = topics_[index];
    for (const auto& [key, value] : topic.altering) {
        Setting& setting = topic.settings[key];
        if (how == Altered::yes) setting.value = value;
        if (how == Altered::perhaps) setting.uncertain.insert(value);
    }
    if (how == Altered::yes) {
        ++altered_count_;
        topic.assured |= topic.there;
    }
    topic.altering.clear();
}

// A topic whose creation or recovery is not certain may have any of the values that it ever had.
bool History::check_setting(std::size_t index, std::string_view key, std::string_view value) {
    const Topic& topic = topics_[index];
    const auto found = topic.settings.find(std::string(key));
    if (found == topic.settings.end()) return fail("topic " + plan_.topics[index].name + " has a key that nobody knows: " + std::string(key));
    const Setting& setting = found->second;
    const std::string text(value);
    const bool certain = strict() && !topic.ever_uncertain;
    if (setting.value == text || setting.uncertain.contains(text) || (!certain && setting.ever.contains(text))) return true;
    return fail("topic " + plan_.topics[index].name + " has " + std::string(key) + " = " + text + " and not " + setting.value);
}

bool History::check_growth(std::uint64_t partitions) {
    const bool known = partitions == 0 || growth_.asked.contains(partitions);
    if (known && (partitions >= growth_.answered || !strict())) return true;
    return fail("topic " + std::string(growing_name) + " has " + std::to_string(partitions) + " partitions; answered were " + std::to_string(growth_.answered));
}

bool History::ever_set(std::size_t index, const std::string& key, const std::string& value) const { return topics_[index].settings.at(key).ever.contains(value); }

// Readings that are too large by the plan may have been taken.
bool History::larger_allowed(std::size_t index) const { return topics_[index].settings.at(std::string(limit_key)).ever.size() > 1; }

bool History::stamped_by_senders(std::size_t index) const {
    if (ever_set(index, std::string(time_key), "LogAppendTime")) return false;
    for (const ProducerPlan& producer : plan_.producers)
        for (const AliasPlan& alias : producer.aliases)
            if (alias.topic == index && alias.style.stamped != 100) return false;
    return true;
}

}  // namespace rivulet::sim
