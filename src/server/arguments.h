// The arguments of `serve` and `check-config`: [-c FILE] [--set section.key=value]... [--json].
// Owns:     views of the process's arguments. Bounds: sets_max of --set.
// Errors:   invalid_argument, after a line of usage on standard error.
#pragma once

#include "server/host.h"
#include "server/load_config.h"

namespace rivulet::server {

struct Arguments {
    static constexpr std::size_t sets_max = 64;

    std::string_view file_name;
    std::string_view sets[sets_max];
    std::size_t set_count = 0;
    bool json = false;

    ConfigSource source() const { return {file_name, {sets, set_count}}; }
};

// `command`: for messages, and for which of the options there are.
Status parse_arguments(std::string_view command, std::span<const std::string_view> arguments, Host& host, Arguments& out);

// Problems to standard error, each with the program's name before it.
class PrintedProblems final : public config::ProblemSink {
public:
    explicit PrintedProblems(Host& host) : host_(host) {}
    void on_problem(std::string_view text) override;

private:
    Host& host_;
};

}  // namespace rivulet::server
