// A broker with its listeners: listening, recovery, serving, reloading, stopping. Knows the world through env alone, so it runs in the simulator as it is.
// Owns:     the Broker, the coordinator of consumer groups, the hubs of both protocols, the configuration in force, what is reserved for TLS: all of Budget::arena_bytes but the environment's part.
// Bounds:   the Budget. Nothing allocates after construction.
// Errors:   open(): those of store/opening.h and of creating topics; listen(): those of Network::listen. Disk errors while serving: the log goes offline, reads go on.
// Guarantee: stop() ends within broker.drain_timeout, whatever clients do; what was acknowledged is durable then as ever.
// Thread:   loop only.
//
// The order of use:  Server server(...);  server.listen();  server.open();  env.serving();  server.serve();  ... server.stop(); on_server_stopped().
#pragma once

#include "env/stop_requests.h"
#include "server/budget.h"

namespace rivulet::server {

class ServerListener {
public:
    // The loop may end. Not ok: the store was not marked clean, the next start recovers.
    virtual void on_server_stopped(Status status) = 0;

protected:
    ~ServerListener() = default;
};

class Server final : private broker::BrokerListener, private env::Timer {
public:
    Server(env::Env& env, Arena& arena, const config::Config& config, const Budget& budget, ServerListener& listener);
    // Beside the broker and the hub's pools.
    static std::size_t memory_bytes();

    // Nobody is accepted before the loop runs: until then the kernel keeps who connects, and what they send.
    Status listen();
    // Blocking, before Env::serving(): recovers the store, creates the topics of [topic.NAME] that are not there.
    Result<store::OpenReport> open();
    void serve();
    // Clean: no new connections, what was taken is committed and answered, CLOSE, the store is marked clean.
    void stop();
    bool stopping() const { return stopping_; }
    // At once: connections are closed, nothing more is waited for.
    void stop_now();
    // As signals ask: stop(), and on another request (env/stop_requests.h) stop_now().
    void request_stop();
    // Takes over what may change at run time, logs every difference, creates topics of new sections. invalid_config: nothing is changed.
    Status reload(const config::Config& next);

    const config::Config& config() const { return config_; }
    std::span<env::Listener* const> listeners() const { return {listeners_, listener_count_}; }
    broker::Broker& broker() { return broker_; }
    broker::Coordinator& groups() { return groups_; }
    compact::Hub& hub() { return hub_; }
    kafka::Hub& kafka() { return kafka_; }

private:
    static constexpr std::int64_t tick_ns = ns_per_s;
    static constexpr std::int64_t stop_tick_ns = 10 * ns_per_ms;
    static constexpr std::int64_t report_ns = 60 * ns_per_s;

    // One for each listener: a connection is told the address that its own listener advertises.
    struct Door final : env::Acceptor {
        env::ConnectionHandler* on_accept(env::Connection& connection) override {
            if (server->stopping_) return nullptr;
            if (protocol == config::Protocol::kafka) return server->kafka_.accept(connection, advertised);
            return server->hub_.accept(connection, advertised);
        }
        Server* server = nullptr;
        env::Endpoint advertised;
        config::Protocol protocol{};
    };

    void on_offline(Failure failure) override;
    void on_stopped(Status status) override;
    void on_timer() override;
    Status seed(const config::TopicSection& section);
    void compare(const config::TopicSection& section, const broker::Topic& topic);
    void report(Instant now);
    std::size_t sessions_open() const { return hub_.sessions_open() + kafka_.sessions_open(); }
    void abort_connections();
    void finish(Status status);

    struct Totals {
        compact::HubStatistics hub;
        kafka::HubStatistics kafka;
        store::Committer::Statistics commits;
        std::uint64_t checkpoint_bytes = 0;
        broker::Cleaner::Statistics cleaning;
    };
    Totals totals() const;

    env::Env& env_;
    config::Config config_;
    ServerListener& listener_;
    broker::Broker broker_;
    broker::Coordinator groups_;
    compact::Hub hub_;
    kafka::Hub kafka_;
    Door doors_[config::listeners_max];
    env::Listener* listeners_[config::listeners_max] = {};
    std::size_t listener_count_ = 0;
    Totals reported_;
    Instant report_due_;
    Instant stop_deadline_;
    env::StopRequests stop_requests_;
    Status store_status_;
    bool serving_ = false;
    bool stopping_ = false;
    bool store_stopped_ = false;
    bool finished_ = false;
};

}  // namespace rivulet::server
