#include "cli/arguments.h"

#include <doctest/doctest.h>

#include "cli/commands.h"

using namespace rivulet;
using namespace rivulet::cli;

namespace {

std::vector<std::string_view> split(std::string_view line) {
    std::vector<std::string_view> words;
    while (!line.empty()) {
        const std::size_t space = line.find(' ');
        if (space != 0) words.push_back(line.substr(0, space));
        line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
    }
    return words;
}

Arguments parse(std::string_view line) {
    const auto words = split(line);
    std::size_t used = 0;
    const Command* command = find_command(words, used);
    REQUIRE(command != nullptr);
    return parse_arguments(*command, std::span(words).subspan(used));
}

}  // namespace

TEST_CASE("arguments: options and operands in any order") {
    Arguments a = parse("topic create --partitions 4 temps --config=a=b --config c=d --json");
    CHECK(a.problem() == "");
    REQUIRE(a.operands().size() == 1);
    CHECK(a.operands()[0] == "temps");
    CHECK(a.number("partitions", 0, 1, 9) == 4);
    CHECK(a.number("replication-factor", 7, 1, 9) == 7);
    CHECK(a.json());
    const auto pairs = a.pairs("config");
    REQUIRE(pairs.size() == 2);
    CHECK(pairs[0] == std::pair<std::string_view, std::string_view>("a", "b"));
    CHECK(pairs[1] == std::pair<std::string_view, std::string_view>("c", "d"));
    CHECK(parse("produce -- --odd").operands()[0] == "--odd");
    CHECK(parse("produce -").operands()[0] == "-");
    CHECK(parse("print-config -c x").text("config") == "x");
    CHECK(parse("print-config -cx").text("config") == "x");
    CHECK(parse("consume t --timeout 90s").duration_ms("timeout", 0) == 90'000);
    CHECK(parse("consume t --timeout 1s --timeout 2m").duration_ms("timeout", 0) == 120'000);
}

TEST_CASE("arguments: mistakes are named") {
    CHECK(parse("topic create x --partitons 3").problem() == "unknown option --partitons, did you mean --partitions?");
    CHECK(parse("topic create x --zzzzzz").problem() == "unknown option --zzzzzz");
    CHECK(parse("topic create x -p").problem() == "unknown option -p");
    CHECK(parse("topic create").problem() == "missing NAME");
    CHECK(parse("topic create a b").problem() == "too many arguments, from \"b\" on");
    CHECK(parse("topic create x --partitions").problem() == "--partitions needs a value: --partitions N");
    CHECK(parse("topic list --json=1").problem() == "--json takes no value");

    const auto number = [](std::string_view line) {
        Arguments a = parse(line);
        a.number("partitions", 0, 1, 9);
        return a.problem();
    };
    CHECK(number("topic create x --partitions 4x") == "--partitions 4x: not a whole number");
    CHECK(number("topic create x --partitions 0") == "--partitions 0: out of range, 1 to 9");
    CHECK(number("topic create x --partitions 99999999999999999999") == "--partitions 99999999999999999999: out of range, 1 to 9");
    Arguments a = parse("consume t --timeout 5");
    a.duration_ms("timeout", 0);
    CHECK(a.problem() == "--timeout 5: not a duration, which is a number and ms, s, m, h or d");
    Arguments b = parse("topic create x --config novalue");
    b.pairs("config");
    CHECK(b.problem() == "--config novalue: must be KEY=VALUE");
}

TEST_CASE("commands: the table is in order, and its examples parse") {
    for (const Command& command : commands()) {
        CAPTURE(command.name);
        const std::string help = command_help(command);
        CHECK(help.find(command.brief) != std::string::npos);
        if (!command.elsewhere.empty()) continue;
        CHECK(help.find("--help") != std::string::npos);
        if (command.name != "version") CHECK_FALSE(command.examples.empty());
        for (const Option& option : command.options) CHECK_FALSE(option.help.empty());
        for (const Example& example : command.examples) {
            std::string line(example.line);
            line = line.substr(line.find("rivulet ") + 8);
            for (const char redirection : {'<', '>'})
                if (const std::size_t at = line.find(redirection); at != std::string::npos) line.resize(at);
            // Quoted formats are one word.
            for (std::size_t at = line.find('\''); at != std::string::npos && at < line.rfind('\''); ++at)
                if (line[at] == ' ') line[at] = '_';
            CAPTURE(line);
            const auto words = split(line);
            std::size_t used = 0;
            REQUIRE(find_command(words, used) == &command);
            CHECK(parse_arguments(command, std::span(words).subspan(used)).problem() == "");
        }
    }
    CHECK(overview().find("rivulet produce TOPIC") != std::string::npos);
    CHECK(overview().find("rivulet bench produce TOPIC") != std::string::npos);
    CHECK(overview().find("rivulet group describe [GROUP]") != std::string::npos);
    CHECK(is_group("topic"));
    CHECK_FALSE(is_group("produce"));
    CHECK(is_group("group"));
}

TEST_CASE("arguments: letters are short for options, with and without a space") {
    Arguments a = parse("consume t -o 5 -p2 -c 10 -f%v -b host:1");
    CHECK(a.problem() == "");
    CHECK(a.text("offset") == "5");
    CHECK(a.text("partition") == "2");
    CHECK(a.text("max-messages") == "10");
    CHECK(a.text("format") == "%v");
    CHECK(a.text("bootstrap") == "host:1");
    Arguments b = parse("produce t -K , -H a=b -H c=d -q");
    CHECK(b.text("key-separator") == ",");
    CHECK(b.pairs("header").size() == 2);
    CHECK(b.has("quiet"));
    CHECK(parse("consume t -z").problem() == "unknown option -z");
}
