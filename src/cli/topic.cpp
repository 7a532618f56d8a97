// topic create | list | describe | alter | delete
#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/describe.h"
#include "cli/json.h"
#include "cli/table.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

struct ListedTopic {
    std::string name;
    protocol::TopicEntry entry;
};

// All pages. False: told.
bool list_topics(Caller& caller, Output& output, std::vector<ListedTopic>& topics, int& code) {
    for (bool more = true; more;) {
        const std::string after = topics.empty() ? std::string() : topics.back().name;
        const auto reply = caller.call([&](Writer& out, std::uint64_t correlation) { protocol::encode_topic_list(out, correlation, {after, 0}); });
        if (!reply) return code = caller.exit_code(), false;
        if (!reply->ok()) return code = refused(output, "topic list", *reply), false;
        const auto page = protocol::decode_topic_listed(reply->rest, reply->flags);
        if (!page || (page->more && page->topics.empty())) return code = garbled(output), false;
        for (const protocol::TopicEntry& topic : page->topics) topics.push_back({std::string(topic.name), topic});
        more = page->more;
    }
    return true;
}

bool describe_topic(Caller& caller, Output& output, std::string_view name, TopicDescription& topic, int& code) {
    topic = {};
    topic.name = name;
    for (bool more = true; more;) {
        const auto reply = caller.call([&](Writer& out, std::uint64_t correlation) {
            protocol::encode_topic_describe(out, correlation, {name, topic.partitions.size(), 0});
        });
        if (!reply) return code = caller.exit_code(), false;
        if (!reply->ok()) return code = refused(output, name, *reply), false;
        const auto page = protocol::decode_topic_described(reply->rest, reply->flags);
        if (!page || (page->more && page->partitions.empty())) return code = garbled(output), false;
        topic.add_page(*page);
        more = page->more;
    }
    return true;
}

}  // namespace

int topic_create(Arguments& arguments, CliContext& context, Output& output) {
    protocol::TopicCreate create;
    create.name = arguments.operands()[0];
    create.partitions = static_cast<std::uint64_t>(arguments.number("partitions", 0, 1, 1'000'000));
    create.replication_factor = static_cast<std::uint64_t>(arguments.number("replication-factor", 0, 1, 1000));
    std::vector<protocol::ConfigPair> config;
    for (const auto& [key, value] : arguments.pairs("config")) config.push_back({key, value});
    const client::Bootstrap bootstrap = bootstrap_of(arguments);
    if (!arguments.ok()) return usage(output, arguments);

    Caller caller(context, output);
    if (!caller.open(bootstrap)) return caller.exit_code();
    const auto reply = caller.call([&](Writer& out, std::uint64_t correlation) { protocol::encode_topic_create(out, correlation, create, config); });
    if (!reply) return caller.exit_code();
    if (!reply->ok()) return refused(output, create.name, *reply);
    const auto created = protocol::decode_topic_created(reply->rest);
    if (!created) return garbled(output);
    if (arguments.json()) {
        Json json;
        json.object().pair("name", create.name).pair("id", uuid_text(created->id)).pair("partitions", created->partitions);
        json.pair("replication_factor", created->replication_factor).end();
        output << json.text() << '\n';
    } else {
        output << "created topic " << create.name << ": " << created->partitions << (created->partitions == 1 ? " partition" : " partitions");
        output << ", replication factor " << created->replication_factor << "\n";
    }
    caller.close();
    return exit_done;
}

int topic_list(Arguments& arguments, CliContext& context, Output& output) {
    const client::Bootstrap bootstrap = bootstrap_of(arguments);
    if (!arguments.ok()) return usage(output, arguments);
    Caller caller(context, output);
    if (!caller.open(bootstrap)) return caller.exit_code();
    std::vector<ListedTopic> topics;
    int code = exit_done;
    if (!list_topics(caller, output, topics, code)) return code;
    const auto durability = [](const ListedTopic& topic) { return topic.entry.durability == protocol::Durability::memory ? "memory" : "disk"; };
    if (arguments.json()) {
        Json json;
        json.array();
        for (const ListedTopic& topic : topics) {
            json.object().pair("name", topic.name).pair("id", uuid_text(topic.entry.id)).pair("partitions", topic.entry.partitions);
            json.pair("replication_factor", topic.entry.replication_factor).pair("durability", durability(topic)).end();
        }
        output << json.end().text() << '\n';
    } else if (!topics.empty()) {
        Table table;
        table.column("TOPIC").column("PARTITIONS", Table::Align::right).column("REPLICATION", Table::Align::right).column("DURABILITY").column("ID");
        for (const ListedTopic& topic : topics) {
            table.cell(topic.name).cell(static_cast<long long>(topic.entry.partitions)).cell(static_cast<long long>(topic.entry.replication_factor));
            table.cell(durability(topic)).cell(uuid_text(topic.entry.id));
        }
        output << table.text();
    }
    caller.close();
    return exit_done;
}

int topic_describe(Arguments& arguments, CliContext& context, Output& output) {
    const client::Bootstrap bootstrap = bootstrap_of(arguments);
    if (!arguments.ok()) return usage(output, arguments);
    Caller caller(context, output);
    if (!caller.open(bootstrap)) return caller.exit_code();
    int code = exit_done;
    std::vector<std::string> names;
    if (arguments.operands().empty()) {
        std::vector<ListedTopic> topics;
        if (!list_topics(caller, output, topics, code)) return code;
        for (const ListedTopic& topic : topics) names.push_back(topic.name);
    } else {
        names.emplace_back(arguments.operands()[0]);
    }
    Json json;
    json.array();
    bool first = true;
    for (const std::string& name : names) {
        TopicDescription topic;
        if (!describe_topic(caller, output, name, topic, code)) return code;
        if (arguments.json()) topic.print(json);
        else output << (first ? "" : "\n") << topic.text();
        first = false;
    }
    if (arguments.json()) output << json.end().text() << '\n';
    caller.close();
    return exit_done;
}

int topic_alter(Arguments& arguments, CliContext& context, Output& output) {
    protocol::TopicAlter alter;
    alter.name = arguments.operands()[0];
    alter.partitions = static_cast<std::uint64_t>(arguments.number("partitions", 0, 1, 1'000'000));
    std::vector<protocol::ConfigPair> config;
    for (const auto& [key, value] : arguments.pairs("config")) {
        // On the wire an empty value takes the key back to its default, which is another option here.
        if (value.empty()) arguments.refuse("--config " + std::string(key) + "= has no value; --delete-config takes a setting back to its default");
        config.push_back({key, value});
    }
    for (const std::string_view key : arguments.all("delete-config")) {
        if (key.empty()) arguments.refuse("--delete-config needs a key");
        config.push_back({key, {}});
    }
    if (config.empty() && alter.partitions == 0) arguments.refuse("nothing to change: give --partitions, --config or --delete-config");
    const client::Bootstrap bootstrap = bootstrap_of(arguments);
    if (!arguments.ok()) return usage(output, arguments);
    Caller caller(context, output);
    if (!caller.open(bootstrap)) return caller.exit_code();
    const auto reply = caller.call([&](Writer& out, std::uint64_t correlation) { protocol::encode_topic_alter(out, correlation, alter, config); });
    if (!reply) return caller.exit_code();
    if (!reply->ok()) return refused(output, alter.name, *reply);
    output << "altered topic " << alter.name << "\n";
    caller.close();
    return exit_done;
}

int topic_delete(Arguments& arguments, CliContext& context, Output& output) {
    const std::string_view name = arguments.operands()[0];
    const client::Bootstrap bootstrap = bootstrap_of(arguments);
    if (!arguments.ok()) return usage(output, arguments);
    Caller caller(context, output);
    if (!caller.open(bootstrap)) return caller.exit_code();
    const auto reply = caller.call([&](Writer& out, std::uint64_t correlation) { protocol::encode_topic_delete(out, correlation, {name}); });
    if (!reply) return caller.exit_code();
    if (!reply->ok()) return refused(output, name, *reply);
    output << "deleted topic " << name << "\n";
    caller.close();
    return exit_done;
}

}  // namespace rivulet::cli
