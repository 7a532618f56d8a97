// The command line's own language: commands and their options as tables, from which parsing, messages and help texts come.
// Owns:     Arguments: views of the command line. Bounds: none but its length.
// Errors:   usage errors are told with the nearest known name, exit 2.
// Format:   --name VALUE, --name=VALUE, -c VALUE; "--" ends options; options and operands in any order.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/cli.h"
#include "cli/output.h"

namespace rivulet::cli {

struct Option {
    std::string_view name;       // without the dashes
    std::string_view value;      // what follows it, for the help: "N"; empty: nothing follows
    std::string_view help;
    bool repeats = false;
    char letter = 0;             // -c
};

struct Command;

class Arguments {
public:
    const Command& command() const { return *command_; }
    std::span<const std::string_view> operands() const { return operands_; }
    bool has(std::string_view option) const { return last(option) != nullptr; }
    // The last one wins.
    std::string_view text(std::string_view option, std::string_view otherwise = {}) const;
    std::vector<std::string_view> all(std::string_view option) const;
    bool json() const { return has("json"); }

    // A usage error, as it is to be printed; parsing and the getters below keep the first.
    const std::string& problem() const { return problem_; }
    bool ok() const { return problem_.empty(); }
    void refuse(std::string_view text);

    // Numbers and durations ("500ms", "10s"); on a wrong value the problem is kept and `otherwise` returned.
    std::int64_t number(std::string_view option, std::int64_t otherwise, std::int64_t least, std::int64_t most);
    std::int64_t duration_ms(std::string_view option, std::int64_t otherwise, std::int64_t least = 0);
    // KEY=VALUE; an option without '=' is a problem.
    std::vector<std::pair<std::string_view, std::string_view>> pairs(std::string_view option);

private:
    friend Arguments parse_arguments(const Command& command, std::span<const std::string_view> arguments);
    struct Given {
        const Option* option;
        std::string_view value;
    };
    const Given* last(std::string_view option) const;

    const Command* command_ = nullptr;
    std::vector<std::string_view> operands_;
    std::vector<Given> given_;
    std::string problem_;
};

struct Example {
    std::string_view line;
    std::string_view says;
};

struct Command {
    std::string_view name;      // "topic create"
    std::string_view operands;  // "NAME"; empty: none
    std::size_t operands_min = 0;
    std::size_t operands_max = 0;
    std::string_view brief;     // one line, for the overview
    std::string_view text;      // more, may be empty
    std::span<const Option> options;
    std::span<const Example> examples;
    int (*run)(Arguments& arguments, CliContext& context, Output& output) = nullptr;  // nullptr: see `elsewhere`
    std::string_view elsewhere{};  // why there is nothing to run: "not in this version", or nothing where main does it
};

// The arguments behind the command's words.
Arguments parse_arguments(const Command& command, std::span<const std::string_view> arguments);

}  // namespace rivulet::cli
