// Any bytes as what a Kafka client sends to a whole server in the simulated world. The first byte chooses: bit 0 whether the client takes its answers, bits 1-7 how what follows is cut
// into pieces. What must hold besides no crash: the server's turns stay within their work (World), it serves others meanwhile, and what the connection held is given back.
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "server/server.h"
#include "sim/node_env.h"
#include "sim/world.h"

using namespace rivulet;

namespace {

constexpr std::string_view config_text = R"(
[memory]
total = 6464K
ring_min = 512K
[storage]
size = 1M
segment_bytes = 128K
checkpoint_bytes_max = 128K
commit_bytes = 16K
[defaults]
max.message.bytes = 32K
partitions = 2
[limits]
connections = 4
tls_connections = 1
tls_handshakes = 1
topics = 16
partitions = 32
sessions = 32
producers = 32
batch_bytes = 64K
frame_bytes = 8K
credit_bytes = 16K
inflight_bytes = 32K
receive_pool_bytes = 64K
compact_keys = 64
index_bytes = 16K
read_windows = 2
parked_fetches = 8
kafka_connections = 4
kafka_receive_bytes = 64K
kafka_request_bytes = 16K
kafka_response_bytes = 32K
fetch_partitions = 64
[listener.kafka]
bind = 0.0.0.0:9092
advertise = board:9092
[topic.temps]
[topic.fast]
durability = memory
)";

void require(bool condition) {
    if (!condition) std::abort();
}

struct NoProblems final : config::ProblemSink {
    void on_problem(std::string_view) override { std::abort(); }
};

struct ServerHolder final : sim::Program, server::ServerListener {
    explicit ServerHolder(sim::NodeEnv& env) : env_(env) {
        NoProblems problems;
        config::Config config;
        require(config::parse(as_bytes(config_text), "fuzz.conf", config, problems).ok());
        require(server::make_budget(config, {64 * 1024, 16 * 1024, 512}, "rivulet fuzz", budget, problems).ok());
        memory.resize(budget.arena_bytes + 64);
        arena = std::make_unique<Arena>(MutableBytes(memory));
        server = &arena->make<server::Server>(env, *arena, config, budget, static_cast<server::ServerListener&>(*this));
        require(server->listen().ok());
        require(server->open().ok());
        arena->seal();
        env.serving();
        server->serve();
    }
    void on_server_stopped(Status) override { env_.stop(); }

    server::Budget budget;
    std::vector<std::uint8_t> memory;
    std::unique_ptr<Arena> arena;
    server::Server* server = nullptr;

private:
    sim::NodeEnv& env_;
};

struct Nobody final : sim::Program {};

struct Sender final : env::ConnectionHandler {
    explicit Sender(bool takes) : takes_(takes) {}
    void on_connected() override { push(); }
    MutableBytes receive_buffer() override { return takes_ ? MutableBytes(buffer_) : MutableBytes(); }
    void on_received(std::size_t n) override { received += n; }
    void on_sent() override { push(); }
    void on_closed(Error) override { closed = true; }
    void push() {
        while (!closed && !connection->sending() && next < pieces.size()) {
            const Bytes piece = pieces[next++];
            require(connection->send({&piece, 1}) == piece.size());
        }
    }

    env::Connection* connection = nullptr;
    std::vector<Bytes> pieces;
    std::size_t next = 0;
    std::size_t received = 0;
    bool closed = false;

private:
    bool takes_;
    std::uint8_t buffer_[4096] = {};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    sim::World world({.seed = 1});
    sim::NodeOptions options;
    options.connections_max = 16;
    sim::Node& board = world.add_node("board", options);
    sim::Node& client = world.add_node("client", options);
    ServerHolder* holder = nullptr;
    board.program = [&](sim::NodeEnv& env) {
        auto made = std::make_unique<ServerHolder>(env);
        holder = made.get();
        return made;
    };
    client.program = [](sim::NodeEnv&) { return std::make_unique<Nobody>(); };
    board.boot();
    client.boot();
    const auto connect = [&](Sender& sender) {
        const auto connection = client.env()->network().connect(board.address(9092), sender);
        require(connection.ok());
        sender.connection = *connection;
    };

    const std::vector<std::uint8_t> bytes(data + 1, data + size);
    const std::size_t piece = (data[0] >> 1) == 127 ? bytes.size() + 1 : 1U + (data[0] >> 1) * 31U;
    Sender sender((data[0] & 1U) == 0);
    for (std::size_t at = 0; at < bytes.size(); at += piece) sender.pieces.push_back(Bytes(bytes).subspan(at, bytes.size() - at < piece ? bytes.size() - at : piece));
    connect(sender);
    require(world.run_for(2 * ns_per_s));

    // ApiVersions, version 0.
    static constexpr std::uint8_t question[] = {0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff};
    Sender other(true);
    other.pieces.push_back(question);
    connect(other);
    require(world.run_until([&] { return other.received > 100; }, world.now() + 10 * ns_per_s));
    world.after(0, [&] {
        if (!sender.closed) sender.connection->close();
        if (!other.closed) other.connection->close();
    });
    server::kafka::Hub& hub = holder->server->kafka();
    require(world.run_until([&] { return hub.sessions_open() == 0; }, world.now() + 30 * ns_per_s));
    require(hub.output_pool().lent() == 0 && hub.large_outputs().lent() == 0);
    require(hub.receive_pool().small_buffers().lent() == 0 && hub.receive_pool().large_buffers().lent() == 0);
    require(hub.parked().empty() && hub.cells_free() == hub.options().fetch_partitions);
    require(!world.failed());
    return 0;
}
