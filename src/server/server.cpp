#include "server/server.h"

#include "env/log.h"

namespace rivulet::server {

using env::LogLevel;
using env::LogLine;

namespace {

kafka::HubOptions with_config(kafka::HubOptions options, const config::Config& in_force) {
    options.config = &in_force;
    return options;
}

}  // namespace

Server::Server(env::Env& env, Arena& arena, const config::Config& config, const Budget& budget, ServerListener& listener)
    : env_(env),
      config_(config),
      listener_(listener),
      broker_(env, arena, budget.broker),
      groups_(broker_, arena, budget.groups),
      hub_(env, arena, broker_, groups_, budget.hub),
      kafka_(env, arena, broker_, groups_, with_config(budget.kafka, config_)) {
    arena.take_bytes(static_cast<std::size_t>(budget.reserved_bytes));
}

std::size_t Server::memory_bytes() { return sizeof(Server) - sizeof(broker::Broker) - sizeof(broker::Coordinator) + 2 * alignof(std::max_align_t); }

// ---- start ----

Result<store::OpenReport> Server::open() {
    RIVULET_TRY_ASSIGN(store::OpenReport report, broker_.open());
    for (const config::TopicSection& section : config_.topics()) RIVULET_TRY(seed(section));
    return report;
}

Status Server::seed(const config::TopicSection& section) {
    if (const broker::Topic* topic = broker_.find_topic(section.name.view())) {
        compare(section, *topic);
        return {};
    }
    char buffer[160];
    Text why(buffer);
    broker::Broker::TopicRequest request;
    request.name = section.name.view();
    request.partitions = section.partitions;
    request.replication_factor = section.replication_factor;
    request.config = section.config;
    const auto created = broker_.create_topic(request, why);
    if (created) return {};
    LogLine(env_, LogLevel::error) << "[topic." << section.name.view() << "]: " << error_info(created.error()).text << ": " << why.view();
    // What came back takes its place: serving it comes first.
    if (created.error() != Error::limit_reached || !broker_.has_recovered_topics()) return created.failure();
    LogLine(env_, LogLevel::error) << "[topic." << section.name.view() << "] is not there until topics named recovered.* are deleted";
    return {};
}

// The stored values rule; what the configuration says otherwise is told.
void Server::compare(const config::TopicSection& section, const broker::Topic& topic) {
    if (section.partitions != topic.partitions)
        LogLine(env_, LogLevel::warning) << "topic " << topic.name.view() << ": partitions = " << section.partitions << " in the configuration, " << topic.partitions
                                         << " in the store, which rules";
    for (std::size_t i = 0; i < config::topic_keys_count; ++i) {
        const config::TopicKeyInfo key = config::topic_key_info(i);
        if (!section.config.is_set(key.key)) continue;
        char here_buffer[config::topic_value_text_max];
        char there_buffer[config::topic_value_text_max];
        Text here(here_buffer);
        Text there(there_buffer);
        config::print(section.config, key.key, here);
        config::print(topic.config, key.key, there);
        if (here.view() != there.view())
            LogLine(env_, LogLevel::warning) << "topic " << topic.name.view() << ": " << key.name << " = " << here.view() << " in the configuration, " << there.view()
                                             << " in the store, which rules";
    }
}

Status Server::listen() {
    if (!config_.speaks(config::Protocol::compact))
        LogLine(env_, LogLevel::warning) << "no listener speaks the compact protocol: sensors and the commands of rivulet find no broker here ([listener.compact])";
    for (const config::Listener& listener : config_.listeners()) {
        env::ListenOptions options;
        options.backlog = static_cast<int>(listener.backlog);
        options.send_buffer_bytes = listener.send_buffer;
        options.receive_buffer_bytes = listener.receive_buffer;
        Door& door = doors_[listener_count_];
        door.server = this;
        door.protocol = listener.protocol;
        // A view of the configuration in force, where it needs a restart to change.
        if (!listener.advertise.view().empty()) door.advertised = env::parse_endpoint(listener.advertise.view()).value();
        const auto opened = env_.network().listen(listener.bind_address(), options, door);
        if (!opened) {
            LogLine(env_, LogLevel::error) << "listener." << listener.name.view() << ".bind = " << listener.bind.view() << ": "
                                           << (opened.error() == Error::invalid_address ? "not an address of this machine" : error_info(opened.error()).text);
            return opened.failure();
        }
        listeners_[listener_count_++] = *opened;
    }
    return {};
}

void Server::serve() {
    serving_ = true;
    broker_.serve(*this);
    groups_.serve();
    reported_ = totals();
    report_due_ = env_.now() + report_ns;
    env_.arm(*this, env_.now() + tick_ns);
}

// ---- while serving ----

void Server::on_timer() {
    const Instant now = env_.now();
    if (finished_) return;
    if (stopping_) {
        if (store_stopped_ && sessions_open() == 0) return finish(store_status_);
        if (now >= stop_deadline_) {
            LogLine(env_, LogLevel::warning) << "not everything ended within broker.drain_timeout: " << sessions_open() << " connections are cut off";
            abort_connections();
            return finish(store_stopped_ ? store_status_ : Status(fail(Error::timed_out)));
        }
    }
    hub_.on_tick(now);
    kafka_.on_tick(now);
    if (now >= report_due_ && !stopping_) report(now);
    env_.arm(*this, now + (stopping_ ? stop_tick_ns : tick_ns));
}

Server::Totals Server::totals() const {
    return {hub_.statistics(), kafka_.statistics(), broker_.store().commit_statistics(), broker_.store().checkpoint_bytes(), broker_.cleaner().statistics()};
}

void Server::report(Instant now) {
    const Totals at = totals();
    const std::uint64_t seconds = static_cast<std::uint64_t>((now - report_due_ + report_ns) / ns_per_s);
    report_due_ = now + report_ns;
    const std::uint64_t readings = at.hub.readings - reported_.hub.readings + at.kafka.records - reported_.kafka.records;
    const std::uint64_t payload = at.hub.reading_bytes - reported_.hub.reading_bytes + at.kafka.batch_bytes - reported_.kafka.batch_bytes;
    const std::uint64_t flash = at.commits.written_bytes - reported_.commits.written_bytes + at.checkpoint_bytes - reported_.checkpoint_bytes;
    const std::uint64_t fetched = at.hub.fetched_bytes - reported_.hub.fetched_bytes + at.kafka.fetched_bytes - reported_.kafka.fetched_bytes;
    const std::uint64_t commits = at.commits.commits - reported_.commits.commits;
    const std::uint64_t refused = at.hub.refused - reported_.hub.refused + at.kafka.refused - reported_.kafka.refused;
    const std::uint64_t passes = at.cleaning.passes - reported_.cleaning.passes;
    const std::uint64_t moved = at.cleaning.written_bytes - reported_.cleaning.written_bytes;
    reported_ = at;
    if (readings == 0 && fetched == 0 && flash == 0) return;
    LogLine line(env_, LogLevel::info);
    line << hub_.connections() + kafka_.connections() << " connections; in " << readings / seconds << " readings/s, " << payload / seconds << " B/s; out " << fetched / seconds << " B/s; flash "
         << flash / seconds << " B/s in " << commits << " commits";
    if (payload != 0) {
        const std::uint64_t hundredths = flash * 100 / payload;
        line << ", " << hundredths / 100 << '.' << hundredths / 10 % 10 << hundredths % 10 << " bytes per payload byte";
    }
    if (passes != 0) line << "; " << moved << " bytes written anew in " << passes << " cleaning passes";
    if (refused != 0) line << "; " << refused << " refused";
}

void Server::on_offline(Failure) {
    // The store has logged it. Produces fail from now on, reads go on; nothing restarts by itself.
}

// ---- reload ----

namespace {

class LoggedChanges final : public config::ChangeSink, public config::ProblemSink {
public:
    explicit LoggedChanges(env::Env& env) : env_(env) {}
    void on_change(const config::Change& change) override {
        LogLine line(env_, change.effect == config::Effect::applied ? LogLevel::info : LogLevel::warning);
        line << "reload: " << change.section;
        if (change.key.empty()) line << (change.before.empty() ? " is new" : " is gone");
        else line << '.' << change.key << " = " << change.after << " (was " << change.before << ')';
        if (change.effect == config::Effect::needs_restart) line << ": needs a restart";
        ++(change.effect == config::Effect::needs_restart ? pending : applied);
    }
    void on_problem(std::string_view text) override { LogLine(env_, LogLevel::error) << "reload: " << text; }
    std::size_t applied = 0;
    std::size_t pending = 0;  // until a restart

private:
    env::Env& env_;
};

}  // namespace

Status Server::reload(const config::Config& next) {
    LoggedChanges changes(env_);
    if (const Status status = config::reload(config_, next, changes, changes); !status) {
        LogLine(env_, LogLevel::error) << "reload: the configuration is not taken over, the old one stays in force";
        return status;
    }
    broker_.reload(config_.defaults, config_.retention.check_interval_ms * ns_per_ms, config_.clock.trust);
    // New topic sections are created; what cannot be has been logged.
    for (const config::TopicSection& section : config_.topics()) static_cast<void>(seed(section));
    const std::size_t all = changes.applied + changes.pending;
    LogLine line(env_, LogLevel::info);
    line << "reload: done, ";
    if (all == 0) line << "no differences";
    else line << all << (all == 1 ? " difference: " : " differences: ") << changes.applied << " applied";
    if (changes.pending != 0) line << ", " << changes.pending << (changes.pending == 1 ? " needs a restart" : " need a restart");
    return {};
}

// ---- stop ----

void Server::stop() {
    if (stopping_) return;
    stopping_ = true;
    for (env::Listener* listener : listeners()) listener->close();
    listener_count_ = 0;
    if (!serving_) return finish({});
    stop_deadline_ = env_.now() + config_.broker.drain_timeout_ms * ns_per_ms;
    groups_.stop();
    hub_.drain();
    kafka_.drain();
    broker_.stop();
    env_.arm(*this, env_.now());
}

void Server::abort_connections() {
    hub_.abort();
    kafka_.abort();
}

void Server::stop_now() {
    if (finished_) return;
    stopping_ = true;
    abort_connections();
    finish(store_stopped_ ? store_status_ : Status(fail(Error::canceled)));
}

void Server::request_stop() {
    if (!stop_requests_.take(env_.now())) return;
    if (stop_requests_.count() > 1) return stop_now();
    LogLine(env_, LogLevel::info) << "stopping: once more stops at once";
    stop();
}

void Server::on_stopped(Status status) {
    store_stopped_ = true;
    store_status_ = status;
}

void Server::finish(Status status) {
    if (finished_) return;
    finished_ = true;
    env_.disarm(*this);
    listener_.on_server_stopped(status);
}

}  // namespace rivulet::server
