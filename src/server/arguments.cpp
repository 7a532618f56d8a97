#include "server/arguments.h"

namespace rivulet::server {

namespace {

Failure usage(std::string_view command, std::string_view what, std::string_view argument, Host& host) {
    char buffer[480];
    Text text(buffer);
    text << "rivulet " << command << ": " << what << argument.substr(0, 128) << "\nusage: rivulet " << command << " [-c FILE] [--set section.key=value]..."
         << (command == "check-config" ? " [--json]" : "") << "\nsee rivulet " << command << " --help\n";
    host.write_error(text.view());
    return fail(Error::invalid_argument);
}

// "--name VALUE", "--name=VALUE"; -c FILE and -cFILE come as a name of two characters.
bool takes(std::string_view name, std::span<const std::string_view>& left, std::string_view& value, bool& missing) {
    const std::string_view argument = left.front();
    if (argument.substr(0, name.size()) != name) return false;
    const std::string_view rest = argument.substr(name.size());
    const bool short_form = name.size() == 2;
    if (!rest.empty() && !short_form && rest.front() != '=') return false;
    left = left.subspan(1);
    if (!rest.empty()) {
        value = rest.front() == '=' ? rest.substr(1) : rest;
        return true;
    }
    missing = left.empty();
    if (!missing) {
        value = left.front();
        left = left.subspan(1);
    }
    return true;
}

}  // namespace

Status parse_arguments(std::string_view command, std::span<const std::string_view> arguments, Host& host, Arguments& out) {
    while (!arguments.empty()) {
        const std::string_view argument = arguments.front();
        std::string_view value;
        bool missing = false;
        if (takes("-c", arguments, value, missing) || takes("--config", arguments, value, missing)) {
            out.file_name = value;
            missing |= value.empty();
        } else if (takes("--set", arguments, value, missing)) {
            if (out.set_count == Arguments::sets_max) return usage(command, "too many of ", argument, host);
            if (!missing) out.sets[out.set_count++] = value;
        } else if (argument == "--json" && command == "check-config") {
            arguments = arguments.subspan(1);
            out.json = true;
        } else {
            return usage(command, "unknown argument ", argument, host);
        }
        if (missing) return usage(command, "a value is missing after ", argument, host);
    }
    return {};
}

void PrintedProblems::on_problem(std::string_view text) {
    char buffer[1200];
    Text line(buffer);
    line << "rivulet: " << text << '\n';
    host_.write_error(line.view());
}

}  // namespace rivulet::server
