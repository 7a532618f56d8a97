// group list | describe | delete | delete-offsets
#include "cli/group.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/table.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

constexpr int describe_tries = 5;
constexpr std::size_t request_bytes_max = 32U << 10;

struct ListedGroup {
    std::string name;
    std::string protocol_type;
    protocol::GroupEntry entry;
};

std::optional<Caller::Reply> ask(Caller& caller, const protocol::GroupRequest& request) {
    return caller.call([&](Writer& out, std::uint64_t correlation) { protocol::encode_group_request(out, correlation, request); });
}

bool list_groups(Caller& caller, Output& output, std::vector<ListedGroup>& groups, int& code) {
    for (bool more = true; more;) {
        protocol::GroupRequest request;
        const std::string after = groups.empty() ? std::string() : groups.back().name;
        request.group = after;
        const auto reply = ask(caller, request);
        if (!reply) return code = caller.exit_code(), false;
        if (!reply->ok()) return code = refused(output, "group list", *reply), false;
        const auto page = protocol::decode_group_listed(reply->rest, reply->flags);
        if (!page || (page->more && page->entries.empty())) return code = garbled(output), false;
        for (const protocol::GroupEntry& group : page->entries) groups.push_back({std::string(group.id), std::string(group.protocol_type), group});
        more = page->more;
    }
    return true;
}

// False with `changed`: members have come or gone meanwhile.
bool describe_members(Caller& caller, Output& output, GroupDescription& group, int& code, bool* absent, bool& changed) {
    group.members.clear();
    for (bool more = true; more;) {
        protocol::GroupRequest request;
        request.operation = protocol::GroupOperation::describe;
        request.group = group.name;
        request.first = group.members.size();
        const auto reply = ask(caller, request);
        if (!reply) return code = caller.exit_code(), false;
        if (reply->failure.error == Error::group_not_found && absent) return *absent = true;
        if (!reply->ok()) return code = refused(output, group.name, *reply), false;
        const auto page = protocol::decode_group_described(reply->rest, reply->flags);
        if (!page || (page->more && page->entries.empty())) return code = garbled(output), false;
        if (request.first != 0 && (page->head.generation != group.generation || page->head.state != group.state)) return changed = true, false;
        group.state = page->head.state;
        group.generation = page->head.generation;
        group.protocol_type = page->head.protocol_type;
        group.protocol = page->head.protocol;
        for (const protocol::GroupMember& m : page->entries)
            group.members.push_back({std::string(m.id), std::string(m.instance), std::string(m.client_id), std::string(m.host), m.partitions});
        more = page->more;
    }
    return true;
}

bool describe_places(Caller& caller, Output& output, GroupDescription& group, int& code) {
    for (bool more = true; more;) {
        protocol::GroupRequest request;
        request.operation = protocol::GroupOperation::offsets;
        request.group = group.name;
        const std::string topic = group.places.empty() ? std::string() : group.places.back().topic;
        request.topic = topic;
        request.partition = group.places.empty() ? 0 : group.places.back().partition;
        const auto reply = ask(caller, request);
        if (!reply) return code = caller.exit_code(), false;
        if (!reply->ok()) return code = refused(output, group.name, *reply), false;
        const auto page = protocol::decode_group_positions(reply->rest, reply->flags);
        if (!page || (page->more && page->entries.empty())) return code = garbled(output), false;
        for (const protocol::GroupPosition& p : page->entries)
            group.places.push_back({std::string(p.topic), p.partition, p.committed, p.high_watermark, std::string(p.member)});
        more = page->more;
    }
    return true;
}

std::string or_dash(std::string_view text) { return std::string(text.empty() ? "-" : text); }
std::string offset_text(std::int64_t offset) { return offset < 0 ? "-" : std::to_string(offset); }

// -1: not known.
std::int64_t lag_of(const GroupPlace& place) { return place.committed < 0 || place.end < 0 ? -1 : place.end > place.committed ? place.end - place.committed : 0; }

// "temps(0,1) alarms(3)".
std::string assignment_text(const GroupDescription& group, std::string_view member) {
    std::map<std::string_view, std::string> topics;
    for (const GroupPlace& place : group.places) {
        if (place.member != member) continue;
        std::string& list = topics[place.topic];
        list += (list.empty() ? "" : ",") + std::to_string(place.partition);
    }
    std::string text;
    for (const auto& [topic, list] : topics) text += (text.empty() ? "" : " ") + std::string(topic) + "(" + list + ")";
    return or_dash(text);
}

std::string head_text(const GroupDescription& group) {
    std::string text = "group     " + group.name + "\nstate     " + std::string(state_text(group.state)) + "\nprotocol  " + or_dash(group.protocol_type);
    if (!group.protocol.empty()) text += ", " + group.protocol;
    text += ", generation " + std::to_string(group.generation) + "\n";
    if (group.members.empty()) text += "members   none\n";
    return text;
}

std::string members_text(const GroupDescription& group) {
    if (group.members.empty()) return {};
    Table table;
    table.column("CONSUMER-ID").column("INSTANCE").column("HOST").column("CLIENT-ID").column("PARTITIONS", Table::Align::right).column("ASSIGNMENT");
    for (const MemberDescription& m : group.members)
        table.cell(m.id).cell(or_dash(m.instance)).cell(or_dash(m.host)).cell(or_dash(m.client_id)).cell(offset_text(m.partitions)).cell(assignment_text(group, m.id));
    return table.text();
}

std::string places_text(const GroupDescription& group) {
    constexpr auto right = Table::Align::right;
    Table table;
    table.column("TOPIC").column("PARTITION", right).column("CURRENT-OFFSET", right).column("LOG-END-OFFSET", right).column("LAG", right);
    table.column("CONSUMER-ID").column("HOST").column("CLIENT-ID");
    const auto member_cells = [&](std::string_view id) {
        const auto found = std::find_if(group.members.begin(), group.members.end(), [&](const MemberDescription& m) { return m.id == id; });
        const bool known = found != group.members.end();
        table.cell(or_dash(id)).cell(known ? or_dash(found->host) : "-").cell(known ? or_dash(found->client_id) : "-");
    };
    for (const GroupPlace& p : group.places) {
        table.cell(p.topic).cell(static_cast<long long>(p.partition)).cell(offset_text(p.committed)).cell(offset_text(p.end)).cell(offset_text(lag_of(p)));
        member_cells(p.member);
    }
    // Those that are idle, or assigned in a way of their own.
    for (const MemberDescription& m : group.members) {
        if (m.partitions > 0) continue;
        for (int i = 0; i < 5; ++i) table.cell("-");
        member_cells(m.id);
    }
    return table.empty() ? std::string() : table.text();
}

void pair_or_null(Json& json, std::string_view name, std::int64_t value) {
    if (value < 0) json.key(name).null();
    else json.pair(name, value);
}

void print(const GroupDescription& group, Json& json) {
    json.object().pair("group", group.name).pair("state", state_text(group.state)).pair("protocol_type", group.protocol_type).pair("protocol", group.protocol);
    json.pair("generation", group.generation).key("members").array();
    for (const MemberDescription& m : group.members) {
        json.object().pair("id", m.id).pair("instance", m.instance).pair("host", m.host).pair("client_id", m.client_id);
        pair_or_null(json, "partitions", m.partitions);
        json.end();
    }
    json.end().key("offsets").array();
    for (const GroupPlace& p : group.places) {
        json.object().pair("topic", p.topic).pair("partition", p.partition);
        pair_or_null(json, "current_offset", p.committed);
        pair_or_null(json, "log_end_offset", p.end);
        pair_or_null(json, "lag", lag_of(p));
        if (p.member.empty()) json.key("member").null();
        else json.pair("member", p.member);
        json.end();
    }
    json.end().end();
}

}  // namespace

std::string_view state_text(protocol::GroupState state) {
    constexpr std::string_view names[] = {"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"};
    return names[static_cast<std::size_t>(state)];
}

bool open_for_groups(Caller& caller, const client::Bootstrap& bootstrap, Output& output, int& code) {
    if (!caller.open(bootstrap)) return code = caller.exit_code(), false;
    if ((caller.opened().features & protocol::feature::groups) != 0) return true;
    output.error("this broker is too old for commands about groups");
    return code = exit_could_not, false;
}

bool describe_group(Caller& caller, Output& output, std::string_view name, GroupDescription& group, int& code, bool* absent) {
    group = {};
    group.name = name;
    for (int tries = 1;; ++tries) {
        bool changed = false;
        if (describe_members(caller, output, group, code, absent, changed)) break;
        if (!changed) return false;
        if (tries < describe_tries) continue;
        output.error(group.name + ": members come and go too fast to be told; try again");
        return code = exit_could_not, false;
    }
    return (absent && *absent) || describe_places(caller, output, group, code);
}

bool count_partitions(Caller& caller, Output& output, std::string_view topic, std::uint64_t& partitions, int& code) {
    const auto reply = caller.call([&](Writer& out, std::uint64_t correlation) { protocol::encode_topic_describe(out, correlation, {topic, 0, 1}); });
    if (!reply) return code = caller.exit_code(), false;
    if (!reply->ok()) return code = refused(output, topic, *reply), false;
    const auto described = protocol::decode_topic_described(reply->rest, reply->flags);
    if (!described) return code = garbled(output), false;
    partitions = described->topic.partitions;
    return true;
}

std::vector<TopicChoice> topics_of(Arguments& arguments) {
    std::vector<TopicChoice> topics;
    for (const std::string_view given : arguments.all("topic")) {
        const std::size_t colon = given.find(':');
        TopicChoice& choice = topics.emplace_back();
        choice.topic = given.substr(0, colon);
        bool right = !choice.topic.empty();
        for (std::string_view list = colon == std::string_view::npos ? std::string_view() : given.substr(colon); right && !list.empty();) {
            list.remove_prefix(1);
            const std::size_t comma = std::min(list.find(','), list.size());
            std::uint32_t partition = 0;
            const auto [end, error] = std::from_chars(list.data(), list.data() + comma, partition);
            right = comma != 0 && error == std::errc() && end == list.data() + comma;
            choice.partitions.push_back(partition);
            list.remove_prefix(comma);
        }
        if (!right) arguments.refuse("--topic " + std::string(given) + ": must be TOPIC or TOPIC:PARTITION,...");
    }
    return topics;
}

bool change_offsets(Caller& caller, Output& output, std::string_view group, const std::vector<OffsetChange>& changes, int& code) {
    const std::size_t frame_bytes = static_cast<std::size_t>(std::min<std::uint64_t>(caller.opened().frame_bytes_max, request_bytes_max));
    std::size_t done = 0;
    while (done < changes.size()) {
        // As many as certainly fit; of one topic in one piece of the frame.
        constexpr std::size_t entry_bytes = 2 * varint_bytes_max;
        std::size_t bytes = 32 + group.size();
        std::size_t end = done;
        for (; end < changes.size(); ++end) {
            if (end == done || changes[end].topic != changes[end - 1].topic) bytes += entry_bytes + changes[end].topic.size();
            bytes += entry_bytes;
            if (bytes > frame_bytes && end != done) break;
        }
        const auto reply = caller.call([&](Writer& out, std::uint64_t correlation) {
            protocol::GroupSetEncoder request(out, correlation, group);
            for (std::size_t i = done; i < end;) {
                const std::string& topic = changes[i].topic;
                std::vector<protocol::PartitionOffset> partitions;
                for (; i < end && changes[i].topic == topic; ++i) partitions.push_back({changes[i].partition, changes[i].offset});
                request.add(topic, partitions);
            }
            request.finish();
        });
        const bool ok = reply && reply->ok();
        if (!reply) code = caller.exit_code();
        else if (!ok) code = refused(output, group, *reply);
        if (!ok) {
            if (reply) done += static_cast<std::size_t>(std::clamp<std::int64_t>(reply->failure.detail, 0, static_cast<std::int64_t>(end - done)));
            const std::string count = std::to_string(done) + " of " + std::to_string(changes.size());
            if (reply) output.error(done == 0 ? "nothing was changed" : "changed " + count + ", in the order above");
            else output.error(count + " are changed, in the order above; of the next " + std::to_string(end - done) + " it is not known: look with group describe");
            return false;
        }
        done = end;
    }
    return true;
}

int group_list(Arguments& arguments, CliContext& context, Output& output) {
    const client::Bootstrap bootstrap = bootstrap_of(arguments);
    if (!arguments.ok()) return usage(output, arguments);
    Caller caller(context, output);
    int code = exit_done;
    std::vector<ListedGroup> groups;
    if (!open_for_groups(caller, bootstrap, output, code) || !list_groups(caller, output, groups, code)) return code;
    if (arguments.json()) {
        Json json;
        json.array();
        for (const ListedGroup& group : groups) {
            json.object().pair("group", group.name).pair("protocol_type", group.protocol_type).pair("state", state_text(group.entry.state));
            json.pair("members", group.entry.members).end();
        }
        output << json.end().text() << '\n';
    } else if (!groups.empty()) {
        Table table;
        table.column("GROUP").column("PROTOCOL").column("STATE").column("MEMBERS", Table::Align::right);
        for (const ListedGroup& group : groups)
            table.cell(group.name).cell(or_dash(group.protocol_type)).cell(state_text(group.entry.state)).cell(static_cast<long long>(group.entry.members));
        output << table.text();
    }
    caller.close();
    return exit_done;
}

int group_describe(Arguments& arguments, CliContext& context, Output& output) {
    const client::Bootstrap bootstrap = bootstrap_of(arguments);
    if (!arguments.ok()) return usage(output, arguments);
    Caller caller(context, output);
    int code = exit_done;
    if (!open_for_groups(caller, bootstrap, output, code)) return code;
    std::vector<std::string> names(arguments.operands().begin(), arguments.operands().end());
    const bool all = names.empty();
    if (all) {
        std::vector<ListedGroup> groups;
        if (!list_groups(caller, output, groups, code)) return code;
        for (const ListedGroup& group : groups) names.push_back(group.name);
    }
    Json json;
    json.array();
    bool first = true;
    for (const std::string& name : names) {
        GroupDescription group;
        bool absent = false;  // one of all that has gone since
        if (!describe_group(caller, output, name, group, code, all ? &absent : nullptr)) return code;
        if (absent) continue;
        if (arguments.json()) print(group, json);
        else output << (first ? "" : "\n") << head_text(group) << (arguments.has("members") ? members_text(group) : places_text(group));
        first = false;
    }
    if (arguments.json()) output << json.end().text() << '\n';
    caller.close();
    return exit_done;
}

int group_delete(Arguments& arguments, CliContext& context, Output& output) {
    const client::Bootstrap bootstrap = bootstrap_of(arguments);
    if (!arguments.ok()) return usage(output, arguments);
    Caller caller(context, output);
    int code = exit_done;
    if (!open_for_groups(caller, bootstrap, output, code)) return code;
    for (const std::string_view name : arguments.operands()) {
        protocol::GroupRequest request;
        request.operation = protocol::GroupOperation::remove;
        request.group = name;
        const auto reply = ask(caller, request);
        if (!reply) return caller.exit_code();
        if (!reply->ok()) code = refused(output, name, *reply);
        else output << "deleted group " << name << "\n";
    }
    caller.close();
    return code;
}

int group_delete_offsets(Arguments& arguments, CliContext& context, Output& output) {
    const std::string_view name = arguments.operands()[0];
    const client::Bootstrap bootstrap = bootstrap_of(arguments);
    const std::vector<TopicChoice> topics = topics_of(arguments);
    if (topics.empty()) arguments.refuse("which offsets? give --topic TOPIC, or --topic TOPIC:PARTITION,...");
    if (!arguments.ok()) return usage(output, arguments);
    Caller caller(context, output);
    int code = exit_done;
    GroupDescription group;
    if (!open_for_groups(caller, bootstrap, output, code) || !describe_group(caller, output, name, group, code)) return code;
    std::vector<OffsetChange> changes;
    for (const GroupPlace& place : group.places) {
        const bool chosen = std::any_of(topics.begin(), topics.end(), [&](const TopicChoice& choice) {
            return choice.topic == place.topic && (choice.partitions.empty() || std::count(choice.partitions.begin(), choice.partitions.end(), place.partition) != 0);
        });
        if (chosen && place.committed >= 0) changes.push_back({place.topic, place.partition, place.committed, protocol::no_offset});
    }
    if (changes.empty()) {
        output.error(group.name + ": nothing is committed there");
        return exit_no;
    }
    if (!change_offsets(caller, output, name, changes, code)) return code;
    for (const OffsetChange& change : changes) output << "deleted " << change.topic << " " << change.partition << ": was " << static_cast<std::uint64_t>(change.current) << "\n";
    caller.close();
    return exit_done;
}

}  // namespace rivulet::cli
