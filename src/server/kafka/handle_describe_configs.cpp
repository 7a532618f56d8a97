// DescribeConfigs: settings of topics and of the broker, where they come from, what holds where they are not set (KIP-133, KIP-226, KIP-569).
#include "server/kafka/changes.h"
#include "server/kafka/config_items.h"
#include "server/kafka/handlers.h"
#include "wire/kafka/describe_configs.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::Array;
using wire::kafka::DescribeConfigsRequest;
using wire::kafka::DescribeConfigsResponse;

constexpr std::size_t resource_bytes = 16;  // of an answer, without the name
constexpr std::string_view defaults_prefix = "defaults.";

struct Source {
    Exchange& exchange;
    const DescribeConfigsRequest& request;
    Changes& changes;  // nothing is changed: for the room alone
    std::optional<Array<DescribeConfigsRequest::Resource>::Iterator> next{};
    ConfigItems items{};
    const config::KeyDescription* key = nullptr;
    char default_name_buffer[128] = {};
    char why_buffer[message_bytes_max] = {};
    Text why{why_buffer};

    void operator()(std::size_t index, DescribeConfigsResponse::Resource& item) {
        if (index == 0) next.emplace(request.resources.begin());
        else ++*next;
        const DescribeConfigsRequest::Resource& resource = **next;
        why.clear();
        item.resource_type = resource.resource_type;
        item.resource_name = resource.resource_name;
        const bool room = changes.may(message_room);
        const Error error = find(resource);
        item.error_code = code_of(error);
        if (room) item.error_message = message_of(error, why);
        if (error == Error::none) item.configs = Array<DescribeConfigsResponse::Config>::of(items.count(), *this);
    }
    Error find(const DescribeConfigsRequest::Resource& resource) {
        broker::Topic* topic = nullptr;
        if (const Error error = find_resource(exchange, resource.resource_type, resource.resource_name, topic, why); error != Error::none) return error;
        if (topic) items.begin(topic->config, exchange.broker().default_config(), &resource.configuration_keys);
        else items.begin(*exchange.hub().options().config, &resource.configuration_keys);
        const std::size_t bytes = items.bytes() + (request.include_synonyms ? items.synonym_bytes() : 0) + (request.include_documentation ? items.documentation_bytes() : 0);
        if (changes.may(bytes)) return Error::none;
        why << "the answer is full (limits.kafka_response_bytes): ask for fewer at once";
        return Error::timed_out;
    }
    void operator()(std::size_t, DescribeConfigsResponse::Config& item) {
        key = &items.next();
        item.name = key->name;
        item.value = key->value;
        item.read_only = key->read_only;
        item.is_default = key->source == config::ValueSource::built_in;
        item.config_source = config_source(*key);
        item.config_type = config_type(key->type);
        if (request.include_documentation) item.documentation = key->documentation;
        if (request.include_synonyms) item.synonyms = Array<DescribeConfigsResponse::Synonym>::of(synonyms(), *this);
    }
    // From the value in force on down to the built-in one: a topic's keys have up to three, those of the broker one.
    bool topic_level() const { return !key->built_in_value.empty(); }
    bool broker_says_other() const { return key->broker_value != key->built_in_value; }
    std::size_t synonyms() const {
        if (!topic_level()) return 1;
        return 1U + (key->source == config::ValueSource::topic ? 1 : 0) + (broker_says_other() ? 1 : 0);
    }
    void operator()(std::size_t index, DescribeConfigsResponse::Synonym& synonym) {
        Text default_name(default_name_buffer);
        config::KeyDescription one = *key;
        const std::size_t left = synonyms() - index;
        if (topic_level() && (index != 0 || key->source != config::ValueSource::topic)) {
            one.name = (default_name << defaults_prefix << key->name).view();
            one.source = left == 1 ? config::ValueSource::built_in : config::ValueSource::broker;
            one.value = left == 1 ? key->built_in_value : key->broker_value;
        }
        synonym.name = one.name;
        synonym.value = one.value;
        synonym.source = config_source(one);
    }
};

}  // namespace

Progress handle_describe_configs(Exchange& exchange) {
    const auto request = exchange.request<DescribeConfigsRequest>();
    if (!request) return exchange.fail(request.failure());
    Changes changes;
    for (const DescribeConfigsRequest::Resource& resource : request->resources) {
        const std::size_t most = resource.resource_type == resource_topic ? 5 * topic_configs_bytes_max : exchange.hub().options().response_bytes;
        changes.expect(resource_bytes + resource.resource_name.size(), message_room + most);
    }
    if (const Progress progress = changes.begin(exchange); progress != Progress::done) return progress;
    Source source{exchange, *request, changes};
    DescribeConfigsResponse response;
    response.results = Array<DescribeConfigsResponse::Resource>::of(request->resources.size(), source);
    return changes.answer(exchange, response);
}

}  // namespace rivulet::server::kafka
