// rivulet: the one place that sees both sides, the program (src) and the system (platform).
// `serve` and `check-config` go to the server, everything else to the command line.
#include "cli/cli.h"
#include "cli/version.h"
#include "platform/linux/descriptors.h"
#include "platform/linux/disk.h"
#include "platform/linux/memory.h"
#include "platform/linux/standard_streams.h"
#include "platform/uv/loop.h"
#include "platform/uv/network.h"
#include "platform/uv/process.h"
#include "server/check_config.h"
#include "server/serve.h"

#include <new>

namespace rivulet {

namespace {

constexpr std::size_t arguments_max = 512;

// What is resident beside the arena, at most: the whole image (2,050K as built for amd64), and 250K for data, the C library's heap, the stacks of the loop
// and of 4 workers; measured 184K of these.
constexpr std::size_t process_bytes = 2304 * 1024;

platform::UvOptions uv_options(const server::EnvNeeds& needs, env::LogLevel level) {
    platform::UvOptions options;
    options.connections_max = needs.connections;
    options.timers_max = needs.timers;
    options.listeners_max = needs.listeners;
    options.bulk_senders = needs.bulk_senders;
    options.level = level;
    return options;
}

class Host final : public server::Host {
public:
    Host() {
        Text text(software_);
        text << "rivulet " << cli::version();
        software_size_ = text.size();
    }
    Host(const Host&) = delete;
    Host& operator=(const Host&) = delete;
    ~Host() {
        if (!env_) return;
        process_->~UvProcess();
        env_->~UvEnv();
    }

    std::string_view software() const override { return {software_, software_size_}; }
    env::Disk& disk() override { return disk_; }
    Status write_output(std::string_view text) override { return platform::write_standard_output(text); }
    void write_error(std::string_view text) override { static_cast<void>(platform::write_standard_error(text)); }

    server::PlatformCosts costs(const server::EnvNeeds& needs) const override {
        const std::size_t all = platform::UvEnv::memory_bytes(uv_options(needs, env::LogLevel::info)) + platform::UvProcess::memory_bytes() +
                                sizeof(platform::UvEnv) + sizeof(platform::UvProcess) + 64;
        server::PlatformCosts costs;
        costs.process_bytes = process_bytes;
        costs.connection_bytes = sizeof(platform::TcpConnection);
        costs.bulk_sender_bytes = platform::BulkSenders::kernel_bytes;
        costs.env_bytes = all - needs.connections * costs.connection_bytes;
        return costs;
    }

    Result<Started> start(std::size_t arena_bytes, bool prefault, const server::EnvNeeds& needs, env::LogLevel level) override {
        RIVULET_TRY_ASSIGN(const MutableBytes block, platform::map_memory(arena_bytes, prefault));
        arena_ = ::new (static_cast<void*>(arena_storage_)) Arena(block);
        env_ = &arena_->make<platform::UvEnv>(uv_options(needs, level), *arena_);
        process_ = &arena_->make<platform::UvProcess>(*env_, *arena_);
        return Started{arena_, env_, process_};
    }
    void run() override { env_->run(); }
    void set_log_level(env::LogLevel level) override { env_->set_log_level(level); }

private:
    char software_[48] = {};
    std::size_t software_size_ = 0;
    platform::LinuxDisk disk_;
    alignas(Arena) unsigned char arena_storage_[sizeof(Arena)];
    Arena* arena_ = nullptr;
    platform::UvEnv* env_ = nullptr;
    platform::UvProcess* process_ = nullptr;
};

class Driver final : public cli::LoopDriver {
public:
    explicit Driver(platform::UvEnv& env) : env_(env) {}
    bool run_once() override { return env_.run_once(); }

private:
    platform::UvEnv& env_;
};

int run_command_line(std::span<const std::string_view> arguments) {
    platform::UvOptions options;
    const cli::Needs needs = cli::needs(arguments);
    options.connections_max = needs.connections;
    options.timers_max = needs.timers;
    options.listeners_max = 1;
    options.level = env::LogLevel::warning;
    const std::size_t bytes = platform::UvEnv::memory_bytes(options) + platform::UvProcess::memory_bytes() + 256;
    const auto block = platform::map_memory(bytes, false);
    if (!block) return server::exit_failed;
    Arena arena(*block);
    platform::UvEnv env(options, arena);
    platform::UvProcess process(env, arena);
    Driver driver(env);
    cli::CliContext context{env, process, driver};
    return cli::run(arguments, context);
}

int run(std::span<const std::string_view> arguments) {
    const std::string_view command = arguments.empty() ? std::string_view() : arguments.front();
    const bool here = command == "serve" || command == "check-config";
    if (!here || cli::asked_for_help(arguments)) return run_command_line(arguments);
    Host host;
    return command == "serve" ? server::serve(arguments.subspan(1), host) : server::check_config(arguments.subspan(1), host);
}

}  // namespace

}  // namespace rivulet

int main(int argc, char** argv) {
    using namespace rivulet;
    platform::open_standard_descriptors();
    std::string_view arguments[arguments_max];
    std::size_t count = 0;
    for (int i = 1; i < argc; ++i) {
        if (count == arguments_max) return server::exit_usage;
        arguments[count++] = argv[i];
    }
    return run({arguments, count});
}
