// The process around a broker, as `serve` and `check-config` need it; src/main.cpp implements it with platform/.
// Owns:     the memory block, the environment and the process's streams, once started. Thread: loop only.
#pragma once

#include "env/env.h"
#include "env/process.h"
#include "server/budget.h"

namespace rivulet::server {

class Host {
public:
    struct Started {
        Arena* arena = nullptr;
        env::Env* env = nullptr;
        env::Process* process = nullptr;
    };

    // Name and version: "rivulet 0.1.0".
    virtual std::string_view software() const = 0;
    // Blocking, before start() alone.
    virtual env::Disk& disk() = 0;
    virtual Status write_output(std::string_view text) = 0;
    virtual void write_error(std::string_view text) = 0;
    virtual PlatformCosts costs(const EnvNeeds& needs) const = 0;
    // Takes all memory and makes the environment in it: once. out_of_memory_budget.
    virtual Result<Started> start(std::size_t arena_bytes, bool prefault, const EnvNeeds& needs, env::LogLevel level) = 0;
    virtual void run() = 0;  // until Env::stop()
    virtual void set_log_level(env::LogLevel level) = 0;

protected:
    ~Host() = default;
};

// Exit codes of the commands.
constexpr int exit_done = 0;
constexpr int exit_usage = 2;
constexpr int exit_failed = 3;

}  // namespace rivulet::server
