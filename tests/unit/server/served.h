// A server in the simulated world and clients that speak the compact framing to it, frame by frame.
#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/server.h"
#include "sim/node_env.h"
#include "sim/world.h"
#include "wire/compact/admin_frames.h"
#include "wire/compact/frame_reader.h"
#include "wire/compact/put_state.h"

namespace rivulet::test {

namespace frames = rivulet::wire::compact;

struct Problems final : config::ProblemSink {
    void on_problem(std::string_view text) override { lines.emplace_back(text); }
    std::vector<std::string> lines;
};

// Small enough that limits are reached.
inline const std::string small_config = R"(
[memory]
total = 4M
ring_min = 512K
[storage]
size = 2M
segment_bytes = 256K
checkpoint_bytes_max = 128K
commit_bytes = 16K
[defaults]
max.message.bytes = 64K
partitions = 2
[limits]
connections = 8
tls_connections = 2
tls_handshakes = 1
topics = 16
partitions = 16
sessions = 32
producers = 16
aliases_per_connection = 4
batch_bytes = 64K
frame_bytes = 8K
credit_bytes = 16K
inflight_bytes = 32K
receive_pool_bytes = 64K
compact_keys = 64
index_bytes = 16K
read_windows = 2
parked_fetches = 8
groups = 4
members = 16
group_members = 8
group_bytes = 16K
committed_offsets = 64
[listener.compact]
bind = 0.0.0.0:9192
[topic.temps]
partitions = 4
[topic.fast]
durability = memory
)";

inline config::Config parse_config(const std::string& text) {
    config::Config config;
    Problems problems;
    const Status status = config::parse(as_bytes(text), "test.conf", config, problems);
    for (const std::string& line : problems.lines) MESSAGE(line);
    REQUIRE(status.ok());
    return config;
}

class ServerProgram final : public sim::Program, private server::ServerListener {
public:
    // With `refused`, a start may fail, and that says why.
    ServerProgram(sim::NodeEnv& env, const std::string& text, Error* refused = nullptr) : env_(env), config_(parse_config(text)) {
        Problems problems;
        const Status status = server::make_budget(config_, costs, "rivulet test", budget, problems);
        for (const std::string& line : problems.lines) MESSAGE(line);
        REQUIRE(status.ok());
        memory_.resize(budget.arena_bytes + 64);
        arena_ = std::make_unique<Arena>(MutableBytes(memory_));
        // The environment's part is not in this arena.
        server = &arena_->make<server::Server>(env, *arena_, config_, budget, static_cast<server::ServerListener&>(*this));
        REQUIRE(server->listen().ok());
        const auto report = server->open();
        if (refused) *refused = report.error();
        if (refused && !report) return;
        REQUIRE(report.ok());
        REQUIRE(arena_->used() + costs.process_bytes + costs.env_bytes + costs.connection_bytes * server::env_needs(config_).connections <= budget.total);
        arena_->seal();
        env.serving();
        server->serve();
    }
    void on_server_stopped(Status status) override {
        stopped = true;
        stop_status = status;
        env_.stop();
    }

    static constexpr server::PlatformCosts costs{64 * 1024, 16 * 1024, 512};
    server::Budget budget;
    server::Server* server = nullptr;
    bool stopped = false;
    Status stop_status;

private:
    sim::NodeEnv& env_;
    config::Config config_;
    std::vector<std::uint8_t> memory_;
    std::unique_ptr<Arena> arena_;
};

struct Frame {
    frames::Kind kind{};
    std::uint8_t flags = 0;
    std::uint64_t correlation = 0;
    std::vector<std::uint8_t> body;
    std::size_t raw_bytes = 0;
};

// One connection of a test: what it sends is what the test appends to `out`.
class Client final : public env::ConnectionHandler {
public:
    void on_connected() override { connected = true; push(); }
    MutableBytes receive_buffer() override { return !wants ? MutableBytes() : once != 0 ? MutableBytes(buffer_).first(once) : MutableBytes(buffer_); }
    void on_received(std::size_t n) override {
        if (std::exchange(once, 0) != 0) wants = false;
        received.insert(received.end(), buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(n));
        for (;;) {
            const auto step = reader.next(Bytes(received));
            if (step.outcome == frames::FrameReader::Outcome::failed) FAIL("the server's frame: ", error_info(step.failure.error).name);
            if (step.outcome != frames::FrameReader::Outcome::frame) break;
            arrived.push_back({step.frame.kind, step.frame.flags, step.frame.correlation, {step.frame.body.begin(), step.frame.body.end()}, step.bytes});
            take(step.frame);
            received.erase(received.begin(), received.begin() + static_cast<std::ptrdiff_t>(step.bytes));
        }
    }
    void on_sent() override { push(); }
    void on_closed(Error why) override { closed = true; reason = why; }

    void take_nothing() {
        wants = false;
        once = 0;
    }
    void take_all() {
        wants = true;
        once = 0;
        connection->resume_reading();
    }
    // Of a client that takes nothing: so much, once.
    void take_once(std::size_t n) {
        once = n;
        wants = true;
        connection->resume_reading();
    }
    void push() {
        if (!connected || closed || connection->sending() || out.empty()) return;
        lent_ = std::move(out);
        out.clear();
        const Bytes bytes(lent_);
        const std::size_t taken = connection->send({&bytes, 1});
        REQUIRE(taken == lent_.size());
    }
    template <class Encode>
    void encode(Encode how) {
        std::vector<std::uint8_t> room(128 * 1024);
        Writer writer(room);
        how(writer);
        REQUIRE(writer.ok());
        out.insert(out.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(writer.size()));
    }
    void open(std::uint64_t session = 0, std::uint64_t base = 1, std::uint64_t frame_limit = 1 << 20, std::uint64_t features = frames::feature::integrity) {
        frames::Open o;
        o.features = features;
        o.session = session;
        o.incarnation = incarnation;
        o.base_sequence = base;
        o.base_time = Timestamp(1'700'000'000'000);
        o.frame_bytes_max = frame_limit;
        o.name = "test";
        puts = frames::PutState(o);
        reader.set_frame_bytes_max(1 << 24);
        encode([&](Writer& w) { frames::encode_open(w, sum, o); });
    }
    void alias(std::uint64_t id, std::string_view topic, std::uint64_t partition, frames::Acks level = frames::Acks::leader) {
        frames::Alias a{id, frames::Placement::partition, level, true, topic, partition, {}};
        encode([&](Writer& w) { frames::encode_alias(w, sum, a); });
    }
    bool put(std::uint64_t alias_id, std::string_view value, std::int64_t time = 1'700'000'000'000) {
        frames::Reading reading;
        reading.stamped = true;
        reading.time = Timestamp(time);
        reading.value = as_bytes(value);
        Status status;
        encode([&](Writer& w) { status = frames::encode_put(w, sum, puts, alias_id, reading); });
        return status.ok();
    }
    void fetch(std::uint64_t correlation, std::string_view topic, std::uint64_t partition, std::int64_t offset, std::uint64_t wait_ms = 0, std::uint64_t bytes_max = 1 << 20) {
        frames::Fetch f;
        f.topic = topic;
        f.partition = partition;
        f.offset = Offset(offset);
        f.bytes_max = bytes_max;
        f.bytes_min = 1;
        f.wait_ms_max = wait_ms;
        encode([&](Writer& w) { frames::encode_fetch(w, correlation, f); });
    }
    std::size_t count(frames::Kind kind) const {
        std::size_t n = 0;
        for (const Frame& frame : arrived) n += frame.kind == kind;
        return n;
    }
    const Frame& last(frames::Kind kind) const {
        for (std::size_t i = arrived.size(); i-- > 0;)
            if (arrived[i].kind == kind) return arrived[i];
        FAIL("no such frame");
        return arrived.front();
    }

    std::uint32_t incarnation = 7;
    env::Connection* connection = nullptr;
    frames::FrameReader reader{frames::Side::broker};
    frames::RunningCrc sum;
    frames::PutState puts;
    std::vector<std::uint8_t> out;
    std::vector<std::uint8_t> received;
    std::vector<Frame> arrived;
    std::vector<frames::Ack> acks;
    frames::Opened opened;
    bool wants = true;
    std::size_t once = 0;
    bool connected = false;
    bool closed = false;
    Error reason = Error::none;
    std::uint64_t refused = 0;
    Error refusal = Error::none;

private:
    void take(const frames::FrameView& frame) {
        if (frame.kind == frames::Kind::open) {
            const auto answer = frames::decode_opened(frame.body, frame.flags);
            REQUIRE(answer.ok());
            opened = *answer;
            puts.grant(opened.credit);
        } else if (frame.kind == frames::Kind::ack) {
            const auto ack = frames::decode_ack(frame, puts);
            REQUIRE(ack.ok());
            acks.push_back(*ack);
            refused += ack->refusal.count;
            if (ack->refusal.count != 0) refusal = ack->refusal.error;
        }
    }
    std::array<std::uint8_t, 8192> buffer_{};
    std::vector<std::uint8_t> lent_;
};

struct ClientProgram final : sim::Program {};

class Served {
public:
    // `connections`: that the clients may have.
    explicit Served(const std::string& text = small_config, std::uint64_t seed = 1, std::size_t connections = 64) : world({.seed = seed}), text_(text) {
        sim::NodeOptions options;
        options.connections_max = server::env_needs(parse_config(text)).connections;
        server_node = &world.add_node("server", options);
        options.connections_max = connections;
        client_node = &world.add_node("client", options);
        server_node->program = [this](sim::NodeEnv& env) {
            auto made = std::make_unique<ServerProgram>(env, text_);
            program = made.get();
            return made;
        };
        server_node->on_end = [this](sim::Node&) { program = nullptr; };
        client_node->program = [](sim::NodeEnv&) { return std::make_unique<ClientProgram>(); };
        server_node->boot();
        client_node->boot();
    }
    ~Served() {
        CHECK_MESSAGE(!world.failed(), world.failure());
    }
    Client& connect(std::uint16_t port = 9192) {
        clients.push_back(std::make_unique<Client>());
        Client& client = *clients.back();
        const auto connection = client_node->env()->network().connect(server_node->address(port), client);
        REQUIRE(connection.ok());
        client.connection = *connection;
        return client;
    }
    // Asks for readings on and on and takes nothing, until the broker cannot send any more.
    Client& connect_idle_reader() {
        Client& client = connect();
        client.open();
        client.alias(0, "temps", 0);
        REQUIRE(until(client, frames::Kind::alias));
        std::uint64_t sent = 0;
        for (int round = 0; round < 20; ++round) {
            while (client.put(0, std::string(900, 'v'))) ++sent;
            send(client);
            REQUIRE(until([&] { return !client.acks.empty() && client.acks.back().sequence == sent; }));
        }
        client.wants = false;
        const auto& pool = program->server->hub().output_pool();
        const std::size_t lent = pool.lent();
        for (int round = 0; pool.lent() == lent; ++round) {
            REQUIRE(round < 20);
            for (std::uint64_t i = 0; i < 4; ++i) client.fetch(i, "temps", 0, 0);
            send(client);
            run(100 * ns_per_ms);
        }
        return client;
    }
    void send(Client& client) {
        world.after(0, [&client] { client.push(); });
    }
    bool until(const std::function<bool()>& condition, std::int64_t ns = 30 * ns_per_s) { return world.run_until(condition, world.now() + ns); }
    bool until(Client& client, frames::Kind kind, std::size_t n = 1, std::int64_t ns = 30 * ns_per_s) {
        send(client);
        return until([&] { return client.count(kind) >= n; }, ns);
    }
    void run(std::int64_t ns) { static_cast<void>(world.run_for(ns)); }

    sim::World world;
    sim::Node* server_node = nullptr;
    sim::Node* client_node = nullptr;
    ServerProgram* program = nullptr;
    std::vector<std::unique_ptr<Client>> clients;

private:
    std::string text_;
};

}  // namespace rivulet::test
