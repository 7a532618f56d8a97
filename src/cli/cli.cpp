#include "cli/cli.h"

#include "cli/commands.h"
#include "config/nearest.h"

namespace rivulet::cli {

namespace {

using Words = std::span<const std::string_view>;

int usage_error(Output& output, std::string_view text, std::string_view see) {
    output.error(text);
    output.note("see rivulet " + std::string(see));
    return exit_usage;
}

int unknown_command(Output& output, Words words) {
    const bool group = is_group(words[0]);
    std::string wanted(words[0]);
    if (group && words.size() > 1) wanted += " " + std::string(words[1]);
    config::Nearest nearest(wanted);
    for (const Command& command : commands()) {
        nearest.offer(command.name);
        // "topc" is near "topic", though not near "topic create".
        if (!group) nearest.offer(command.name.substr(0, command.name.find(' ')));
    }
    std::string text = "unknown command \"" + wanted + "\"";
    if (!nearest.name().empty()) text += ", did you mean \"" + std::string(nearest.name()) + "\"?";
    return usage_error(output, text, group ? std::string(words[0]) + " --help" : std::string("--help"));
}

// `help`, `help topic`, `help topic create`.
int help(Words words, Output& output) {
    std::size_t used = 0;
    if (words.empty()) output << overview();
    else if (const Command* command = find_command(words, used)) output << command_help(*command);
    else if (words.size() == 1 && is_group(words[0])) output << group_help(words[0]);
    else return unknown_command(output, words);
    return exit_done;
}

// Words of the command come first, but --bootstrap (-b) and --json may stand before them.
std::size_t global_options(Words arguments) {
    std::size_t n = 0;
    while (n < arguments.size()) {
        if (arguments[n] == "--json" || arguments[n].starts_with("--bootstrap=")) n += 1;
        else if ((arguments[n] == "--bootstrap" || arguments[n] == "-b") && n + 1 < arguments.size()) n += 2;
        else break;
    }
    return n;
}

int dispatch(Words arguments, CliContext& context, Output& output) {
    const std::size_t before = global_options(arguments);
    const Words words = arguments.subspan(before);
    if (words.empty()) {
        output.note(overview());
        return exit_usage;
    }
    const std::string_view first = words[0];
    if (first == "--version" || first == "-V") {
        Arguments none;
        return print_version(none, context, output);
    }
    if (first == "--help" || first == "-h" || first == "help") return help(words.subspan(1), output);
    if (first.starts_with('-')) return usage_error(output, "unknown option " + std::string(first) + " before the command", "--help");

    std::size_t used = 0;
    const Command* command = find_command(words, used);
    if (!command && is_group(first) && (words.size() == 1 || asked_for_help(words.subspan(1)))) {
        if (words.size() > 1) return help(words.first(1), output);
        output.note(group_help(first));
        return exit_usage;
    }
    if (!command) return unknown_command(output, words);
    if (asked_for_help(words.subspan(used))) {
        output << command_help(*command);
        return exit_done;
    }
    const std::string name(command->name);
    if (!command->elsewhere.empty()) return usage_error(output, name + ": " + std::string(command->elsewhere), "--help");
    if (!command->run) return usage_error(output, name + " is not for the command line's client part", "--help");

    std::vector<std::string_view> rest(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(before));
    rest.insert(rest.end(), words.begin() + static_cast<std::ptrdiff_t>(used), words.end());
    Arguments parsed = parse_arguments(*command, rest);
    if (!parsed.ok()) return usage_error(output, parsed.problem(), name + " --help");
    return command->run(parsed, context, output);
}

}  // namespace

Needs needs(std::span<const std::string_view> arguments) {
    // A connection has a timer, its user two more.
    if (!arguments.empty() && arguments.front() == "bench") return {load_connections_max + 1, 3 * load_connections_max + 8};
    return {2, 16};
}

bool asked_for_help(std::span<const std::string_view> arguments) {
    for (const std::string_view argument : arguments) {
        if (argument == "--") return false;
        if (argument == "--help" || argument == "-h") return true;
    }
    return false;
}

int run(std::span<const std::string_view> arguments, CliContext& context) {
    Output output(context.process);
    return output.finish(dispatch(arguments, context, output));
}

}  // namespace rivulet::cli
