#include "server/serve.h"

#include "env/log.h"
#include "server/arguments.h"
#include "server/reloader.h"
#include "server/server.h"

namespace rivulet::server {

namespace {

using env::LogLevel;
using env::LogLine;

// What a person can do about it.
std::string_view advice(Error error) {
    switch (error) {
        case Error::no_space:
        case Error::file_too_large: return ": the whole store is reserved at the first start, see storage.size; nothing was left behind";
        case Error::read_only:
        case Error::permission: return ": the broker must be able to write there, see storage.dir";
        case Error::not_found: return ": the directory cannot be made there, see storage.dir";
        case Error::not_a_directory:
        case Error::is_a_directory: return ": storage.dir names a directory, which is made if it is not there";
        case Error::store_in_use: return ": only one broker may use it";
        case Error::store_newer: return ": use that version, or another storage.dir";
        case Error::not_a_store: return ": an empty directory is needed, or a store";
        case Error::limit_reached: return ": it has more than the limits of the configuration allow";
        default: return "";
    }
}

// Whether the configuration has to change, or the world.
int exit_code_of(Error error) { return error == Error::store_mismatch || error == Error::limit_reached ? exit_usage : exit_failed; }

class Serving final : private env::SignalHandler, private ServerListener {
public:
    Serving(Host& host, const config::Config& config, const Budget& budget, const ConfigSource& source, const Host::Started& started)
        : host_(host),
          env_(*started.env),
          process_(*started.process),
          server_(started.arena->make<Server>(env_, *started.arena, config, budget, static_cast<ServerListener&>(*this))),
          reloader_(started.arena->make<Reloader>(env_, *started.arena, source, host)) {}

    int run(Arena& arena);

private:
    Status open();
    void say_opened(const store::OpenReport& report);
    void say_ready();
    void on_signal(env::Signal signal) override;
    void on_server_stopped(Status status) override;

    Host& host_;
    env::Env& env_;
    env::Process& process_;
    Server& server_;
    Reloader& reloader_;
    Status stopped_;
};

Status Serving::open() {
    const auto report = server_.open();
    if (report) {
        say_opened(*report);
        return {};
    }
    const Failure failure = report.failure();
    if (failure.error == Error::store_mismatch) return failure;  // the store has said which key differs
    LogLine line(env_, LogLevel::error);
    line << "store " << server_.config().storage.dir.view() << ": " << error_info(failure.error).text;
    if (failure.detail != 0) line << " (" << failure.detail << ')';
    line << advice(failure.error);
    return failure;
}

void Serving::say_opened(const store::OpenReport& report) {
    const std::string_view dir = server_.config().storage.dir.view();
    const store::Damage& damage = server_.broker().store().state().damage;
    LogLine line(env_, LogLevel::info);
    if (report.created) line << "store " << dir << " is new";
    else
        line << "store " << dir << (report.was_clean ? " was stopped cleanly" : " was not stopped cleanly") << ": " << server_.broker().topics().count() << " topics, "
             << report.groups << " commits replayed from " << report.bytes_read << " bytes";
    if (damage.corrupt_groups + damage.corrupt_extents + damage.unproved_extents_lost != 0)
        line << "; damage: " << damage.corrupt_groups << " groups, " << damage.corrupt_extents << " extents, " << damage.unproved_extents_lost << " of the last commit, "
             << damage.lost_bytes << " bytes fenced";
}

void Serving::say_ready() {
    char buffer[512];
    Text text(buffer);
    text << host_.software() << " ready:";
    const config::Config& config = server_.config();
    for (std::size_t i = 0; i < server_.listeners().size(); ++i) text << ' ' << config.listeners()[i].name.view() << ' ' << server_.listeners()[i]->local() << ',';
    text << " data " << config.storage.dir.view() << ", memory " << config.memory.total / 1024 / 1024 << "M, flash " << config.storage.journal_bytes() / 1024 / 1024 << "M\n";
    host_.write_error(text.view());
}

int Serving::run(Arena& arena) {
    process_.handle_signals(this);
    int code = exit_failed;
    // An address that is taken must leave the store as it is. Who connects from here on waits in the backlog until the loop runs.
    if (!server_.listen()) {
        code = exit_failed;
    } else if (const Status opened = open(); !opened) {
        code = exit_code_of(opened.error());
    } else {
        LogLine(env_, LogLevel::debug) << arena.used() << " of " << arena.size() << " bytes of the arena are taken";
        arena.seal();
        say_ready();
        env_.serving();
        server_.serve();
        host_.run();
        if (stopped_) {
            LogLine(env_, LogLevel::info) << "stopped";
            code = exit_done;
        } else {
            LogLine(env_, LogLevel::error) << "stopped, but not cleanly (" << error_info(stopped_.error()).text << "): the next start recovers";
        }
    }
    process_.handle_signals(nullptr);
    return code;
}

void Serving::on_signal(env::Signal signal) {
    if (signal == env::Signal::reload) {
        if (!server_.stopping()) reloader_.reload(server_);
        return;
    }
    server_.request_stop();
}

void Serving::on_server_stopped(Status status) {
    stopped_ = status;
    env_.stop();
}

}  // namespace

int serve(std::span<const std::string_view> given, Host& host) {
    Arguments arguments;
    if (!parse_arguments("serve", given, host, arguments)) return exit_usage;
    PrintedProblems problems(host);
    config::Config config;
    {
        std::uint8_t text[config_text_bytes_max];
        if (!load_config(host.disk(), arguments.source(), text, config, problems)) return exit_usage;
    }
    const EnvNeeds needs = env_needs(config);
    Budget budget;
    if (!make_budget(config, host.costs(needs), host.software(), budget, problems)) return exit_usage;
    const auto started = host.start(static_cast<std::size_t>(budget.arena_bytes), config.memory.prefault, needs, config.broker.log_level);
    if (!started) {
        problems.on_problem("memory.total: the system does not give that much");
        return exit_usage;
    }
    return started->arena->make<Serving>(host, config, budget, arguments.source(), *started).run(*started->arena);
}

}  // namespace rivulet::server
