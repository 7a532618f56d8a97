// The command line: every command but `serve` and `check-config`, which main hands to the server.
// Owns:     nothing between calls; run() takes what memory it needs (a command runs once and ends) and gives it back.
// Bounds:   of the Env: needs(). Never calls Env::serving().
// Returns:  the exit code: 0 done, 1 the answer is no, 2 usage or configuration, 3 could not (connection, I/O).
// Order:    UvEnv, UvProcess, then run(); the loop must not be run again afterwards, nor the signal handler be relied on.
//
// main:  arguments without the program's name; `serve` and `check-config` go elsewhere, unless asked_for_help() says that
//        `serve --help` was meant. No arguments at all come here too: the overview goes to stderr, exit 2.
#pragma once

#include <span>
#include <string_view>

#include "env/env.h"
#include "env/process.h"

namespace rivulet::cli {

// One turn of the loop behind `env`: waits for something to happen and handles it. False when nothing is left that could happen.
class LoopDriver {
public:
    virtual bool run_once() = 0;

protected:
    ~LoopDriver() = default;
};

struct CliContext {
    env::Env& env;
    env::Process& process;
    LoopDriver& loop;
};

// What a command takes of the Env.
struct Needs {
    std::size_t connections;
    std::size_t timers;
};
constexpr std::size_t load_connections_max = 256;  // of `bench`
Needs needs(std::span<const std::string_view> arguments);

int run(std::span<const std::string_view> arguments, CliContext& context);

// --help or -h is among the arguments, before any "--".
bool asked_for_help(std::span<const std::string_view> arguments);

}  // namespace rivulet::cli
