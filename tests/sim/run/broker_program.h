// The broker as a process of the simulation: the Server of src/server, nothing around it but what main() does, too.
// Owns:     the broker's memory, one block of Budget::arena_bytes.
// Errors:   status() after the start; a broker that did not start has asked its environment to end.
// Thread:   turns of its node.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "server/server.h"

#include "sim/node_env.h"
#include "sim/run/plan.h"

namespace rivulet::sim {

// The configuration of a run, parsed and summed as `serve` does it.
class BrokerSetup {
public:
    explicit BrokerSetup(const Plan& plan);
    const std::string& problem() const { return problem_; }  // empty: none
    const config::Config& config() const { return config_; }
    const server::Budget& budget() const { return budget_; }
    // With another of the settings that a reload may change.
    Status changed(std::uint64_t retention_check_ms, config::Config& out) const;

private:
    bool make(const Plan& plan, std::uint64_t memory_bytes, std::uint32_t reserved);

    std::vector<std::string> sets_;
    std::uint64_t journal_bytes_ = 0;  // 0: as the plan has it
    config::Config config_;
    server::Budget budget_;
    std::string problem_;
};

class BrokerProgram final : public Program, private server::ServerListener {
public:
    BrokerProgram(NodeEnv& env, const BrokerSetup& setup, bool noise_in_memory);

    // The start, and once it has ended by itself the stop.
    Failure start_failure() const { return start_failure_; }
    bool started() const { return start_failure_.error == Error::none; }
    bool stopped_clean() const { return stopped_ && stop_failure_.error == Error::none; }
    Failure stop_failure() const { return stop_failure_; }

    broker::Broker& broker() { return server_->broker(); }
    store::Store& store() { return server_->broker().store(); }
    server::compact::Hub& hub() { return server_->hub(); }
    server::kafka::Hub& kafka() { return server_->kafka(); }
    const broker::Journal& journal() { return server_->groups().journal(); }
    // For reports: what is lent out.
    std::string state();
    void stop();
    void reload(std::uint64_t retention_check_ms);

private:
    void on_server_stopped(Status status) override;
    Status start();

    NodeEnv& env_;
    const BrokerSetup& setup_;
    std::unique_ptr<std::uint8_t[]> memory_;
    server::Server* server_ = nullptr;
    config::Config next_;
    Failure start_failure_{Error::none, 0};
    Failure stop_failure_{Error::none, 0};
    bool stopped_ = false;
};

}  // namespace rivulet::sim
