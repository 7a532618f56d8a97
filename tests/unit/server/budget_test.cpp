#include "server/budget.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>

#include "server/check_config.h"
#include "unit/server/served.h"

using namespace rivulet;
using server::Budget;

namespace {

// As main.cpp gives them for the small profile.
constexpr server::PlatformCosts costs{2304 * 1024, 16 * 1024, 512};

std::string read_file(const std::string& path) {
    std::ifstream in(path);
    REQUIRE_MESSAGE(in.good(), path);
    return {std::istreambuf_iterator<char>(in), {}};
}

struct Lines final : config::LineSink {
    void on_line(std::string_view line) override { text += std::string(line) + '\n'; }
    std::string text;
};

void with_tls(config::Config& config) {
    for (std::size_t i = 0; i < config.listener_count; ++i) config.listener_slots[i].tls = true;
}

std::uint64_t sum(std::span<const server::BudgetLine> lines) {
    std::uint64_t bytes = 0;
    for (const server::BudgetLine& line : lines) bytes += line.bytes;
    return bytes;
}

}  // namespace

TEST_CASE("the kernel's buffers of sockets are told at most: of each protocol what its listeners have, for its connections") {
    const auto sockets = [](const std::string& listeners) {
        Budget budget;
        test::Problems problems;
        REQUIRE(server::make_budget(test::parse_config("[limits]\nconnections = 100\nkafka_connections = 10\ntls_connections = 16\n" + listeners), costs, "rivulet test", budget, problems).ok());
        return budget.sockets_bytes;
    };
    const std::string small = "[listener.compact]\nsend_buffer = 16K\nreceive_buffer = 8K\n";
    const std::string large = "[listener.kafka]\nsend_buffer = 64K\n";
    CHECK(sockets(small) == 2 * 24 * 1024 * (100 + 6));
    CHECK(sockets(large) == 2 * 128 * 1024 * (10 + 4));
    CHECK(sockets(small + large) == sockets(small) + sockets(large));
    CHECK(sockets(small + "[listener.kafka]\nsend_buffer = auto\n") == 0);
    // And of those that may have more, what the platform says.
    server::PlatformCosts with_bulk = costs;
    with_bulk.bulk_sender_bytes = 1000;
    const config::Config config = test::parse_config("[limits]\nbulk_senders = 3\n");
    Budget without;
    Budget budget;
    test::Problems problems;
    REQUIRE(server::make_budget(config, costs, "rivulet test", without, problems).ok());
    REQUIRE(server::make_budget(config, with_bulk, "rivulet test", budget, problems).ok());
    CHECK(budget.sockets_bytes == without.sockets_bytes);  // these are smaller than what a listener's connections have
    with_bulk.bulk_sender_bytes = 1 << 20;
    REQUIRE(server::make_budget(config, with_bulk, "rivulet test", budget, problems).ok());
    CHECK(budget.sockets_bytes == without.sockets_bytes + (3 << 20));
    CHECK(server::env_needs(config).bulk_senders == 3);
}

TEST_CASE("the profiles fit: the sum is memory.total, to the byte, with room for batches") {
    for (const char* profile : {"config/profile-32M.conf", "config/profile-8M.conf"}) {
        config::Config config = test::parse_config(read_file(profile));
        Budget without;
        Budget budget;
        test::Problems problems;
        REQUIRE(server::make_budget(config, costs, "rivulet test", without, problems).ok());
        CHECK(sum(without.memory_lines()) == config.memory.total);
        CHECK(without.reserved_bytes == 0);
        with_tls(config);
        const Status status = server::make_budget(config, costs, "rivulet test", budget, problems);
        for (const std::string& line : problems.lines) MESSAGE(line);
        REQUIRE(status.ok());
        // What TLS would take is the ring's as long as no listener has it.
        CHECK(budget.reserved_bytes >= std::uint64_t{config.limits.tls_connections} * 26 * 1024);
        CHECK(without.broker.store.blocks >= budget.broker.store.blocks + budget.reserved_bytes / (store::block_bytes + sizeof(store::Block)) - 1);
        CHECK(sum(budget.memory_lines()) == config.memory.total);
        CHECK(budget.total == config.memory.total);
        CHECK(sum(budget.flash_lines()) == budget.flash_total);
        CHECK(budget.flash_total == config.storage.journal_bytes() + 2 * config.storage.checkpoint_bytes_max + 8192);
        CHECK(budget.broker.store.blocks * std::uint64_t{store::block_bytes} >= 2 * std::uint64_t{config.limits.batch_bytes});
        CHECK(budget.broker.store.check().ok());
        CHECK(budget.arena_bytes == budget.total - costs.process_bytes);
        server::PlatformCosts with_bulk = costs;
        with_bulk.bulk_sender_bytes = 2 << 20;
        REQUIRE(server::make_budget(config, with_bulk, "rivulet test", budget, problems).ok());
        CHECK(budget.sockets_bytes - without.sockets_bytes <= config.memory.total / 2);
        Lines text;
        server::print_budget(budget, text);
        CHECK(text.text.find("ring blocks") != std::string::npos);
        Lines json;
        server::print_budget_json(budget, json);
        CHECK(json.text.find("\"memory_total\": " + std::to_string(budget.total)) != std::string::npos);
    }
}

TEST_CASE("the built-in defaults fit as well") {
    const config::Config config;
    Budget budget;
    test::Problems problems;
    CHECK(server::make_budget(config, costs, "rivulet test", budget, problems).ok());
    CHECK(problems.lines.empty());
}

TEST_CASE("too little memory: the largest lines and their keys are named") {
    config::Config config;
    config.memory.total = 16 << 20;
    with_tls(config);
    Budget budget;
    test::Problems problems;
    CHECK(server::make_budget(config, costs, "rivulet test", budget, problems).error() == Error::invalid_config);
    REQUIRE(problems.lines.size() == 1);
    CHECK(problems.lines[0].find("memory.total = 16M") != std::string::npos);
    CHECK(problems.lines[0].find("limits.tls_connections") != std::string::npos);
    // What it advises is enough.
    const std::string advice = "raise memory.total by ";
    const std::size_t at = problems.lines[0].find(advice);
    REQUIRE(at != std::string::npos);
    config.memory.total += std::stoull(problems.lines[0].substr(at + advice.size())) << 20;
    CHECK(server::make_budget(config, costs, "rivulet test", budget, problems).ok());
}

TEST_CASE("limits and geometry that do not go together are told by name, all of them") {
    config::Config config;
    config.limits.index_bytes = 16 << 10;
    Budget budget;
    test::Problems problems;
    CHECK_FALSE(server::make_budget(config, costs, "rivulet test", budget, problems).ok());
    REQUIRE(problems.lines.size() == 1);
    CHECK(problems.lines[0].find("limits.index_bytes") != std::string::npos);
    config = config::Config();
    config.storage.checkpoint_bytes_max = 64 << 10;
    config.memory.total = 16 << 20;
    problems.lines.clear();
    CHECK_FALSE(server::make_budget(config, costs, "rivulet test", budget, problems).ok());
    REQUIRE(problems.lines.size() == 2);
    // The value that is told is enough, and a page less is not.
    const std::string& told = problems.lines[1];
    const std::string before = "storage.checkpoint_bytes_max = 65536: at least ";
    REQUIRE(told.find(before) != std::string::npos);
    config.memory.total = 32 << 20;
    config.storage.checkpoint_bytes_max = std::stoull(told.substr(told.find(before) + before.size()));
    CHECK(server::make_budget(config, costs, "rivulet test", budget, problems).ok());
    config.storage.checkpoint_bytes_max -= 4096;
    CHECK_FALSE(server::make_budget(config, costs, "rivulet test", budget, problems).ok());
}

TEST_CASE("what is constructed fits the sum") {
    for (const char* profile : {"config/profile-32M.conf", "config/profile-8M.conf"}) {
        // The geometry is made small, so that the simulated disk need not hold it.
        const std::string text = read_file(profile) + "\n[listener.other]\nbind = 0.0.0.0:9193\nprotocol = compact\n";
        const config::Config config = test::parse_config(text);
        Budget budget;
        test::Problems problems;
        REQUIRE(server::make_budget(config, costs, "rivulet test", budget, problems).ok());
        sim::World world({.seed = 1});
        sim::Node& node = world.add_node("board");
        node.program = [](sim::NodeEnv&) { return std::make_unique<test::ClientProgram>(); };
        sim::NodeEnv& env = node.boot();
        std::vector<std::uint8_t> memory(budget.arena_bytes);
        Arena arena{MutableBytes(memory)};
        struct Nobody final : server::ServerListener {
            void on_server_stopped(Status) override {}
        } nobody;
        static_cast<void>(arena.make<server::Server>(env, arena, config, budget, static_cast<server::ServerListener&>(nobody)));
        const std::size_t environment = costs.env_bytes + costs.connection_bytes * server::env_needs(config).connections;
        CHECK(arena.used() + environment <= budget.arena_bytes);
        // Nothing is summed that nobody takes, but for the reloader, roundings and the spare part of a block.
        CHECK(arena.used() + environment + 100 * 1024 >= budget.arena_bytes);
    }
}
