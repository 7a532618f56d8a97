// Help texts, from the table of commands.
#include "cli/commands.h"
#include "cli/version.h"

namespace rivulet::cli {

namespace {

std::string pad(std::string text, std::size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

std::string option_text(const Option& option) {
    std::string text = option.letter != 0 ? std::string("-") + option.letter + ", --" : "--";
    text += option.name;
    if (!option.value.empty()) text += " " + std::string(option.value);
    return text;
}

std::string indent(std::string_view text, std::string_view with) {
    std::string out;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        out += with;
        out += text.substr(0, end);
        out += '\n';
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return out;
}

std::string usage_line(const Command& command) {
    std::string text = "rivulet " + std::string(command.name);
    if (!command.operands.empty()) text += " " + std::string(command.operands);
    return text;
}

void add_command(std::string& out, const Command& command) {
    if (!command.elsewhere.empty()) return;
    out += "  " + pad(usage_line(command), 36) + std::string(command.brief) + "\n";
}

}  // namespace

std::string overview() {
    std::string out = "rivulet " + std::string(version()) + ": a log broker in one binary\n\n";
    for (const Command& command : commands()) add_command(out, command);
    out += "\n  rivulet COMMAND --help             options and examples\n"
           "\nexit: 0 done, 1 the answer is no, 2 usage or configuration, 3 could not (connection, I/O)\n";
    return out;
}

std::string group_help(std::string_view group) {
    std::string out;
    bool any = false;
    for (const Command& command : commands()) {
        if (!command.name.starts_with(std::string(group) + " ")) continue;
        any |= command.elsewhere.empty();
        add_command(out, command);
    }
    if (!any) return "rivulet " + std::string(group) + ": not in this version\n";
    return out + "\n  rivulet " + std::string(group) + " COMMAND --help\n";
}

std::string command_help(const Command& command) {
    std::string out = "usage: " + usage_line(command) + (command.options.empty() ? "" : " [OPTION]...") + "\n" + std::string(command.brief) + "\n";
    if (!command.elsewhere.empty()) return out + "\n" + std::string(command.elsewhere) + "\n";
    if (!command.text.empty()) out += "\n" + indent(command.text, "");
    std::size_t width = 0;
    for (const Option& option : command.options)
        if (option_text(option).size() > width) width = option_text(option).size();
    out += "\noptions:\n";
    for (const Option& option : command.options) out += "  " + pad(option_text(option), width + 2) + std::string(option.help) + "\n";
    if (!command.examples.empty()) out += "\nexamples:\n";
    for (const Example& example : command.examples) {
        out += "  " + std::string(example.line) + "\n";
        if (!example.says.empty()) out += "      " + std::string(example.says) + "\n";
    }
    return out;
}

}  // namespace rivulet::cli
