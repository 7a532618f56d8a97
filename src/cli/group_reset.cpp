// group reset-offsets: what it would do, and with --execute it does.
#include <algorithm>
#include <limits>

#include "cli/commands.h"
#include "cli/group.h"
#include "cli/json.h"
#include "cli/table.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

constexpr std::string_view targets[] = {"to-earliest", "to-latest", "to-current", "to-offset", "shift-by", "to-datetime", "by-duration"};

struct Target {
    std::string_view how;
    std::int64_t value = 0;  // of to-offset, shift-by; of the two by time the time
};

Target target_of(Arguments& arguments, CliContext& context) {
    Target target;
    for (const std::string_view name : targets) {
        if (!arguments.has(name)) continue;
        if (!target.how.empty()) arguments.refuse("--" + std::string(target.how) + " and --" + std::string(name) + " do not go together");
        target.how = name;
    }
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    if (target.how.empty()) arguments.refuse("where to? give one of --to-earliest, --to-latest, --to-current, --to-offset, --shift-by, --to-datetime, --by-duration");
    else if (target.how == "to-offset") target.value = arguments.number("to-offset", 0, 0, most);
    else if (target.how == "shift-by") target.value = arguments.number("shift-by", 0, -most, most);
    else if (target.how == "by-duration") target.value = std::max<std::int64_t>(0, context.env.wall().value - arguments.duration_ms("by-duration", 0));
    if (target.how != "to-datetime") return target;
    const std::string_view text = arguments.text("to-datetime");
    const auto moment = parse_moment(text);
    if (!moment || *moment < 0) arguments.refuse("--to-datetime " + std::string(text) + ": must be like 2026-03-01T14:30:00, with Z or +01:00 behind it (UTC without), from 1970 on");
    else target.value = *moment;
    return target;
}

// All that the command is about, with what is committed there now.
bool choose(Caller& caller, Output& output, const GroupDescription& group, const std::vector<TopicChoice>& topics, std::vector<OffsetChange>& chosen, int& code) {
    if (topics.empty()) {
        for (const GroupPlace& place : group.places)
            if (place.committed >= 0) chosen.push_back({place.topic, place.partition, place.committed, -1});
    }
    for (const TopicChoice& choice : topics) {
        std::uint64_t count = 0;
        if (!count_partitions(caller, output, choice.topic, count, code)) return false;
        std::vector<std::uint64_t> partitions = choice.partitions;
        for (std::uint64_t p = 0; choice.partitions.empty() && p < count; ++p) partitions.push_back(p);
        for (const std::uint64_t partition : partitions) {
            if (partition >= count) return output.error(no_partition_text(choice.topic, partition, count)), code = exit_no, false;
            OffsetChange& change = chosen.emplace_back(OffsetChange{std::string(choice.topic), partition, -1, -1});
            for (const GroupPlace& place : group.places)
                if (place.topic == choice.topic && place.partition == partition) change.current = place.committed;
        }
    }
    const auto key = [](const OffsetChange& change) { return std::pair(std::string_view(change.topic), change.partition); };
    std::sort(chosen.begin(), chosen.end(), [&](const OffsetChange& a, const OffsetChange& b) { return key(a) < key(b); });
    chosen.erase(std::unique(chosen.begin(), chosen.end(), [&](const OffsetChange& a, const OffsetChange& b) { return key(a) == key(b); }), chosen.end());
    return true;
}

class Planner {
public:
    Planner(Caller& caller, Output& output, const Target& target) : caller_(caller), output_(output), target_(target) {}
    int code() const { return code_; }
    // Sets change.offset.
    bool plan(OffsetChange& change) {
        if (target_.how == "to-earliest") return ask(change, protocol::fetch_earliest, change.offset);
        if (target_.how == "to-latest") return ask(change, protocol::fetch_latest, change.offset);
        if (target_.how == "to-datetime" || target_.how == "by-duration") return ask(change, target_.value, change.offset);
        std::int64_t earliest = 0;
        std::int64_t latest = 0;
        if (!ask(change, protocol::fetch_earliest, earliest) || !ask(change, protocol::fetch_latest, latest)) return false;
        std::int64_t wanted = target_.value;
        if (target_.how != "to-offset" && change.current < 0) {
            if (target_.how == "shift-by") return output_.error(place(change) + ": nothing is committed there that could be shifted"), code_ = exit_no, false;
            output_.error(place(change) + ": nothing is committed there, the end is taken");
            wanted = latest;
        } else if (target_.how == "to-current") {
            wanted = change.current;
        } else if (target_.how == "shift-by") {
            // Offsets end at 2^63 - 1.
            wanted = target_.value > 0 && change.current > std::numeric_limits<std::int64_t>::max() - target_.value ? std::numeric_limits<std::int64_t>::max() : change.current + target_.value;
        }
        change.offset = std::clamp(wanted, earliest, std::max(earliest, latest));
        if (wanted < earliest) output_.error(place(change) + ": " + std::to_string(wanted) + " is before the beginning, " + std::to_string(earliest) + " is taken");
        if (wanted > latest) output_.error(place(change) + ": " + std::to_string(wanted) + " is beyond the end, " + std::to_string(change.offset) + " is taken");
        return true;
    }

private:
    static std::string place(const OffsetChange& change) { return change.topic + " " + std::to_string(change.partition); }
    bool ask(const OffsetChange& change, std::int64_t at, std::int64_t& offset) {
        const auto reply = caller_.call([&](Writer& out, std::uint64_t correlation) { protocol::encode_offsets(out, correlation, {change.topic, change.partition, at}); });
        if (!reply) return code_ = caller_.exit_code(), false;
        if (!reply->ok()) return code_ = refused(output_, place(change), *reply), false;
        const auto found = protocol::decode_offset_found(reply->rest);
        if (!found) return code_ = garbled(output_), false;
        offset = found->offset.value;
        return true;
    }

    Caller& caller_;
    Output& output_;
    const Target& target_;
    int code_ = exit_done;
};

void print(std::string_view group, const std::vector<OffsetChange>& changes, bool json_wanted, bool executed, Output& output) {
    if (json_wanted) {
        Json json;
        json.object().pair("group", group).pair("executed", executed).key("offsets").array();
        for (const OffsetChange& change : changes) {
            json.object().pair("topic", change.topic).pair("partition", change.partition).key("current_offset");
            if (change.current < 0) json.null();
            else json.value(change.current);
            json.pair("new_offset", change.offset).end();
        }
        output << json.end().end().text() << '\n';
        return;
    }
    constexpr auto right = Table::Align::right;
    Table table;
    table.column("TOPIC").column("PARTITION", right).column("CURRENT-OFFSET", right).column("NEW-OFFSET", right);
    for (const OffsetChange& change : changes)
        table.cell(change.topic).cell(static_cast<long long>(change.partition)).cell(change.current < 0 ? "-" : std::to_string(change.current)).cell(change.offset);
    output << table.text();
}

}  // namespace

int group_reset_offsets(Arguments& arguments, CliContext& context, Output& output) {
    const std::string_view name = arguments.operands()[0];
    const client::Bootstrap bootstrap = bootstrap_of(arguments);
    const std::vector<TopicChoice> topics = topics_of(arguments);
    const Target target = target_of(arguments, context);
    const bool execute = arguments.has("execute");
    if (topics.empty() != arguments.has("all-topics")) arguments.refuse("of which topics? give --topic TOPIC[:PARTITION,...], or --all-topics");
    if (execute && arguments.has("dry-run")) arguments.refuse("--execute and --dry-run do not go together");
    if (!arguments.ok()) return usage(output, arguments);

    Caller caller(context, output);
    int code = exit_done;
    GroupDescription group;
    bool absent = false;
    if (!open_for_groups(caller, bootstrap, output, code) || !describe_group(caller, output, name, group, code, &absent)) return code;
    if (group.state != protocol::GroupState::empty) {
        output.error(group.name + ": " + explain(fail(Error::non_empty_group), "its state is " + std::string(state_text(group.state)) + "; end its consumers first"));
        return exit_code_of(Error::non_empty_group);
    }
    std::vector<OffsetChange> changes;
    if (!choose(caller, output, group, topics, changes, code)) return code;
    if (changes.empty()) {
        output.error(absent ? explain(fail(Error::group_not_found), name) : group.name + ": nothing is committed");
        return exit_no;
    }
    Planner planner(caller, output, target);
    for (OffsetChange& change : changes)
        if (!planner.plan(change)) return planner.code();
    if (absent) output.error(group.name + ": there is no such group yet" + (execute ? "" : ", --execute would make it"));
    if (!arguments.json()) print(name, changes, false, execute, output);
    if (execute && !change_offsets(caller, output, name, changes, code)) return code;
    if (arguments.json()) print(name, changes, true, execute, output);
    else if (!execute) output.note("dry run: nothing was changed; the same with --execute does it");
    else output.note("done: " + std::to_string(changes.size()) + (changes.size() == 1 ? " offset" : " offsets"));
    caller.close();
    return exit_done;
}

}  // namespace rivulet::cli
