// The network between simulated nodes: byte streams with delays, splits, bounded kernel buffers, and everything that goes wrong.
// Owns:     every socket that ever was (a call on a dead one is a failure of the run), the state of links and delays.
// Errors:   as env/network.h. A dropped link loses packets one way: data is retransmitted until the link heals or
//           retransmit_timeout_ns has passed (timed_out). A power cut leaves the other side half-open: it learns of it when it sends,
//           by the timeout or, once the machine is back, by a reset.
// Guarantee: bytes arrive in order, once; how they are split and when they arrive comes from the seed.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "env/network.h"
#include "sim/random.h"

namespace rivulet::sim {

class World;
class Node;
class NodeEnv;
class Socket;

struct NetworkOptions {
    std::int64_t delay_ns_min = 50'000;
    std::int64_t delay_ns_max = 2'000'000;  // one packet in 64 takes up to ten times as long
    bool split = true;                      // packets of 1 byte, a few, or many; else as many as fit
    std::uint32_t send_buffer_bytes = 64 << 10;
    std::uint32_t receive_buffer_bytes = 64 << 10;
    std::int64_t connect_timeout_ns = 5'000'000'000;
    std::int64_t retransmit_timeout_ns = 15'000'000'000;
    std::uint32_t resets_per_million = 0;   // for each packet, until heal(): both ends see a reset
};

class Network {
public:
    Network(World& world, Random random);
    ~Network();
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;

    // ---- faults ----
    void set_link(const Node& from, const Node& to, bool up);  // one way
    bool link_up(const Node& from, const Node& to) const;
    // Cuts all links, both ways, between these nodes and all others.
    void partition(const std::vector<const Node*>& side);
    void heal();  // all links up, all delays as in the options, no more random resets
    void set_delay(const Node& from, const Node& to, std::int64_t ns_min, std::int64_t ns_max);
    // Both ends of all connections between two nodes see a reset. The number of connections.
    std::size_t reset_connections(const Node& a, const Node& b);
    void set_resolver(bool up) { resolver_up_ = up; }  // down: host_not_found for all names
    std::size_t connections_open() const;  // established ones, counted once

    // ---- for NodeNetwork and Socket ----
    Node* find(const env::Address& address, Node& from);  // 127.x is `from` itself
    std::int64_t delay(const Node& from, const Node& to);
    Socket& make_socket(Node& node);
    void machine_lost_power(const Node& node);
    Random& random() { return random_; }
    World& world() { return world_; }
    bool resolver_up() const { return resolver_up_; }
    bool resets_now();

private:
    using Link = std::pair<std::size_t, std::size_t>;

    World& world_;
    Random random_;
    std::vector<std::unique_ptr<Socket>> sockets_;
    std::vector<Socket*> live_;  // a superset of those whose kernel side is alive
    std::size_t live_limit_ = 64;
    std::set<Link> down_;
    std::map<Link, std::pair<std::int64_t, std::int64_t>> delays_;
    bool resolver_up_ = true;
    bool healed_ = false;
};

class SimListener final : public env::Listener {
public:
    SimListener(NodeEnv& env, const env::Address& address, const env::ListenOptions& options, env::Acceptor& acceptor)
        : env_(env), address_(address), options_(options), acceptor_(acceptor) {}

    env::Address local() const override { return address_; }
    void close() override;

    bool closed() const { return closed_; }
    bool has_room() const { return !closed_ && backlog_.size() < static_cast<std::size_t>(options_.backlog); }
    const env::ListenOptions& options() const { return options_; }
    // The kernel has completed a handshake; the process is told on a later turn.
    void arrived(Socket& socket);
    // Posts a turn for the backlog, if there is one and a slot for it.
    void accept_soon();

private:
    void accept_one();

    NodeEnv& env_;
    env::Address address_;
    env::ListenOptions options_;
    env::Acceptor& acceptor_;
    std::deque<Socket*> backlog_;
    bool posted_ = false;
    bool closed_ = false;
};

// One process's view.
class NodeNetwork final : public env::Network {
public:
    explicit NodeNetwork(NodeEnv& env) : env_(env) {}
    ~NodeNetwork();

    Result<env::Listener*> listen(const env::Address& address, const env::ListenOptions& options, env::Acceptor& acceptor) override;
    Result<env::Connection*> connect(const env::Address& address, env::ConnectionHandler& handler) override;
    void resolve(std::string_view host, std::uint16_t port, env::Resolved& callback) override;

    SimListener* listening_on(const env::Address& address);
    bool slot_free() const;
    void take_slot(Socket& socket);
    void give_slot(Socket& socket);
    std::size_t slots_taken() const { return attached_.size(); }
    // The process ends; the kernel closes what it left.
    void process_ended(bool power);

private:
    std::uint16_t free_port();

    NodeEnv& env_;
    std::vector<std::unique_ptr<SimListener>> listeners_;
    std::vector<Socket*> attached_;
    std::uint16_t next_port_ = 32768;
    bool resolving_ = false;
};

}  // namespace rivulet::sim
