// The memory of a broker, summed line by line from its configuration before anything is taken; and what it takes of the flash.
// Owns:     plain values. Bounds: lines_max lines.
// Errors:   out_of_memory_budget: memory.total is too small; invalid_config: limits and geometry do not go together. The problems name keys and sizes.
// Guarantee: the arena is exactly what the lines inside it sum up to; ring blocks get what the others leave, at least memory.ring_min and two of the largest batches.
// Thread:   any; pure functions.
#pragma once

#include "broker/groups/coordinator.h"
#include "config/config.h"
#include "server/compact/hub.h"
#include "server/kafka/hub.h"

namespace rivulet::server {

// What the environment must be able to hold for this configuration.
struct EnvNeeds {
    std::size_t connections = 0;  // the spare ones included
    std::size_t timers = 0;
    std::size_t listeners = 0;
    std::size_t bulk_senders = 0;  // connections that may have a large send buffer of the kernel
};
EnvNeeds env_needs(const config::Config& config);

// What the environment costs, measured or known by whoever provides it.
struct PlatformCosts {
    std::size_t process_bytes = 0;     // outside the arena: program image, stacks, the C library; a measured upper bound
    std::size_t env_bytes = 0;         // loop, timers, the library's own pool, without connections
    std::size_t connection_bytes = 0;  // each
    std::size_t bulk_sender_bytes = 0; // the kernel's, each, beside memory.total
};

struct BudgetLine {
    std::string_view name;
    std::uint64_t count = 0;
    std::uint64_t each = 0;    // bytes; 0: the parts differ, `bytes` is their sum
    std::uint64_t bytes = 0;
    std::string_view note;
    std::string_view keys;     // that make it larger or smaller; empty: none
};

struct Budget {
    static constexpr std::size_t lines_max = 48;

    BudgetLine lines[lines_max];
    std::size_t line_count = 0;
    std::uint64_t total = 0;         // memory.total = the sum of all lines
    std::uint64_t arena_bytes = 0;   // of that in the arena
    std::uint64_t reserved_bytes = 0;  // of that for TLS, where a listener has it
    std::uint64_t sockets_bytes = 0;  // the kernel's, beside it; 0: the system's defaults apply
    BudgetLine flash[4];
    std::size_t flash_count = 0;
    std::uint64_t flash_total = 0;

    broker::GroupOptions groups;
    broker::BrokerOptions broker;    // dir is a view into the configuration that it was made of
    compact::HubOptions hub;
    kafka::HubOptions kafka;

    std::span<const BudgetLine> memory_lines() const { return {lines, line_count}; }
    std::span<const BudgetLine> flash_lines() const { return {flash, flash_count}; }
};

// `config` and `software` (name and version, as OPEN's answer says it) must outlive the budget.
Status make_budget(const config::Config& config, const PlatformCosts& costs, std::string_view software, Budget& out, config::ProblemSink& problems);

}  // namespace rivulet::server
