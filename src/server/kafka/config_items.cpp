#include "server/kafka/config_items.h"

#include "server/kafka/hub.h"

namespace rivulet::server::kafka {

namespace {

constexpr std::size_t item_bytes = 24;          // of a setting, without its texts
constexpr std::size_t synonym_item_bytes = 24;  // likewise, with the name of its section
constexpr std::size_t synonyms_max = 3;

}  // namespace

std::int8_t config_source(const config::KeyDescription& key) {
    switch (key.source) {
        case config::ValueSource::topic: return 1;     // DYNAMIC_TOPIC_CONFIG
        case config::ValueSource::broker: return 4;    // STATIC_BROKER_CONFIG
        case config::ValueSource::built_in: return 5;  // DEFAULT_CONFIG
    }
    return 0;
}

std::int8_t config_type(config::ValueType type) {
    switch (type) {
        case config::ValueType::boolean: return 1;
        case config::ValueType::text: return 2;
        case config::ValueType::integer: return 3;
        case config::ValueType::long_integer: return 5;
        case config::ValueType::real: return 6;
        case config::ValueType::list: return 7;
    }
    return 0;
}

void ConfigItems::begin(const config::TopicConfig& config, const config::TopicConfig& defaults, const Names* wanted) {
    topic_ = config;
    defaults_ = defaults;
    broker_ = nullptr;
    wanted_ = wanted && !wanted->empty() ? wanted : nullptr;
    count_all();
}

void ConfigItems::begin(const config::Config& config, const Names* wanted) {
    broker_ = &config;
    wanted_ = wanted && !wanted->empty() ? wanted : nullptr;
    count_all();
}

void ConfigItems::count_all() {
    count_ = bytes_ = synonym_bytes_ = documentation_bytes_ = 0;
    cursor_ = {};
    counting_ = true;
    while (step()) continue;
    counting_ = false;
    cursor_ = {};
}

bool ConfigItems::step() { return broker_ ? config::describe_next(*broker_, cursor_, *this) : config::describe_next(topic_, defaults_, cursor_, *this); }

bool ConfigItems::wanted(std::string_view name) const {
    if (!wanted_) return true;
    for (const std::string_view key : *wanted_)
        if (key == name) return true;
    return false;
}

void ConfigItems::on_key(const config::KeyDescription& key) {
    if (!wanted(key.name)) return;
    if (counting_) {
        ++count_;
        bytes_ += item_bytes + key.name.size() + key.value.size();
        synonym_bytes_ += synonyms_max * (synonym_item_bytes + key.name.size()) + key.value.size() + key.broker_value.size() + key.built_in_value.size();
        documentation_bytes_ += key.documentation.size();
        return;
    }
    arrived_ = true;
    key_ = key;
    Text texts(texts_);
    const auto keep = [&](std::string_view& text) {
        const std::size_t start = texts.size();
        texts << text;
        text = texts.view().substr(start);
    };
    keep(key_.name);
    keep(key_.value);
    keep(key_.broker_value);
    keep(key_.built_in_value);
}

const config::KeyDescription& ConfigItems::next() {
    arrived_ = false;
    while (!arrived_ && step()) continue;
    RIVULET_CHECK(arrived_);
    return key_;
}

Error config_error(Failure failure) { return failure.error == Error::unsupported ? Error::invalid_config : failure.error; }

Status set_config(config::TopicConfig& config, std::string_view name, const std::optional<std::string_view>& value, Text& why) {
    if (value) return config::set(config, name, *value, why);
    why << name.substr(0, 64) << ": null is not a value";
    return fail(Error::invalid_config);
}

Error find_resource(Exchange& exchange, std::int8_t type, std::string_view name, broker::Topic*& topic, Text& why) {
    topic = nullptr;
    if (type == resource_broker) {
        char buffer[16];
        Text id(buffer);
        id << exchange.hub().options().node;
        if (name.empty() || name == id.view()) return Error::none;
        why << "this is broker " << id.view();
        return Error::malformed;
    }
    if (type != resource_topic) {
        why << "resources of type " << type << " have no settings here: topics (2) and the broker (4) have";
        return Error::malformed;
    }
    if (!config::valid_topic_name(name)) return Error::invalid_topic;
    topic = exchange.broker().find_topic(name);
    return topic ? Error::none : Error::unknown_topic_or_partition;
}

}  // namespace rivulet::server::kafka
