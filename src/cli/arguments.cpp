#include "cli/arguments.h"

#include <charconv>

#include "config/nearest.h"
#include "config/value.h"

namespace rivulet::cli {

namespace {

const Option* find_option(const Command& command, std::string_view name) {
    for (const Option& option : command.options)
        if (option.name == name) return &option;
    return nullptr;
}

const Option* find_letter(const Command& command, char letter) {
    for (const Option& option : command.options)
        if (option.letter != 0 && option.letter == letter) return &option;
    return nullptr;
}

std::string unknown_option(const Command& command, std::string_view name) {
    config::Nearest nearest(name);
    for (const Option& option : command.options) nearest.offer(option.name);
    std::string text = "unknown option --" + std::string(name);
    if (!nearest.name().empty()) text += ", did you mean --" + std::string(nearest.name()) + "?";
    return text;
}

}  // namespace

void Arguments::refuse(std::string_view text) {
    if (problem_.empty()) problem_ = text;
}

const Arguments::Given* Arguments::last(std::string_view option) const {
    for (auto given = given_.rbegin(); given != given_.rend(); ++given)
        if (given->option->name == option) return &*given;
    return nullptr;
}

std::string_view Arguments::text(std::string_view option, std::string_view otherwise) const {
    const Given* given = last(option);
    return given ? given->value : otherwise;
}

std::vector<std::string_view> Arguments::all(std::string_view option) const {
    std::vector<std::string_view> values;
    for (const Given& given : given_)
        if (given.option->name == option) values.push_back(given.value);
    return values;
}

std::int64_t Arguments::number(std::string_view option, std::int64_t otherwise, std::int64_t least, std::int64_t most) {
    const Given* given = last(option);
    if (!given) return otherwise;
    std::int64_t n = 0;
    const char* const end = given->value.data() + given->value.size();
    const auto [stop, error] = std::from_chars(given->value.data(), end, n);
    const std::string what = "--" + std::string(option) + " " + std::string(given->value) + ": ";
    if (error == std::errc::invalid_argument || stop != end) return refuse(what + "not a whole number"), otherwise;
    if (error != std::errc{} || n < least || n > most)
        return refuse(what + "out of range, " + std::to_string(least) + " to " + std::to_string(most)), otherwise;
    return n;
}

std::int64_t Arguments::duration_ms(std::string_view option, std::int64_t otherwise, std::int64_t least) {
    struct Value {
        std::int64_t ms = 0;
    };
    const config::Key key{.name = "duration", .type = config::KeyType::duration, .default_text = "0", .minimum = least,
                              .maximum = 365 * std::int64_t{86'400'000}, .access = config::number_at<&Value::ms>(), .why = ""};
    const Given* given = last(option);
    if (!given) return otherwise;
    Value value;
    char buffer[160];
    Text why(buffer);
    if (config::assign(key, &value, given->value, why)) return value.ms;
    refuse("--" + std::string(option) + " " + std::string(given->value) + ": " + std::string(why.view()));
    return otherwise;
}

std::vector<std::pair<std::string_view, std::string_view>> Arguments::pairs(std::string_view option) {
    std::vector<std::pair<std::string_view, std::string_view>> pairs;
    for (const std::string_view given : all(option)) {
        const std::size_t equals = given.find('=');
        if (equals == std::string_view::npos || equals == 0)
            refuse("--" + std::string(option) + " " + std::string(given) + ": must be " + (option == "header" ? "NAME=VALUE" : "KEY=VALUE"));
        else pairs.emplace_back(given.substr(0, equals), given.substr(equals + 1));
    }
    return pairs;
}

Arguments parse_arguments(const Command& command, std::span<const std::string_view> arguments) {
    Arguments parsed;
    parsed.command_ = &command;
    bool options_ended = false;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string_view argument = arguments[i];
        if (options_ended || argument.size() < 2 || argument.front() != '-') {
            parsed.operands_.push_back(argument);
            continue;
        }
        if (argument == "--") {
            options_ended = true;
            continue;
        }
        const bool is_long = argument.starts_with("--");
        const std::size_t equals = is_long ? argument.find('=') : std::string_view::npos;
        const std::string_view name = is_long ? argument.substr(2, equals == std::string_view::npos ? equals : equals - 2) : argument.substr(1);
        const Option* option = is_long ? find_option(command, name) : find_letter(command, name.front());
        // -cFILE is -c FILE.
        const bool attached = !is_long && name.size() > 1;
        if (attached && option && option->value.empty()) option = nullptr;
        if (!option) {
            parsed.refuse(is_long ? unknown_option(command, name) : "unknown option " + std::string(argument));
            break;
        }
        Arguments::Given given{option, {}};
        if (equals != std::string_view::npos) {
            if (option->value.empty()) parsed.refuse("--" + std::string(name) + " takes no value");
            given.value = argument.substr(equals + 1);
        } else if (attached) {
            given.value = name.substr(1);
        } else if (!option->value.empty()) {
            if (i + 1 == arguments.size()) {
                parsed.refuse(std::string(argument) + " needs a value: " + std::string(argument) + " " + std::string(option->value));
                break;
            }
            given.value = arguments[++i];
        }
        parsed.given_.push_back(given);
    }
    if (parsed.operands_.size() < command.operands_min) parsed.refuse("missing " + std::string(command.operands));
    if (parsed.operands_.size() > command.operands_max)
        parsed.refuse("too many arguments, from \"" + std::string(parsed.operands_[command.operands_max]) + "\" on");
    return parsed;
}

}  // namespace rivulet::cli
