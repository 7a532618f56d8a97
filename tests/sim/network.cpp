#include "sim/network.h"

#include <algorithm>

#include "sim/node_env.h"
#include "sim/socket.h"
#include "sim/world.h"

namespace rivulet::sim {

using SimCode = AllocationGuard::SimCode;

Network::Network(World& world, Random random) : world_(world), random_(random) {}
Network::~Network() = default;

void Network::set_link(const Node& from, const Node& to, bool up) {
    if (up) down_.erase({from.index(), to.index()});
    else if (&from != &to) down_.insert({from.index(), to.index()});
}

bool Network::link_up(const Node& from, const Node& to) const { return !down_.contains({from.index(), to.index()}); }

void Network::partition(const std::vector<const Node*>& side) {
    const auto in_side = [&](const Node* n) { return std::find(side.begin(), side.end(), n) != side.end(); };
    for (std::size_t i = 0; Node* other = world_.node_at(i); ++i) {
        if (in_side(other)) continue;
        for (const Node* n : side) {
            set_link(*n, *other, false);
            set_link(*other, *n, false);
        }
    }
}

void Network::heal() {
    down_.clear();
    delays_.clear();
    healed_ = true;
}

bool Network::resets_now() {
    const std::uint32_t rate = world_.options().network.resets_per_million;
    return rate != 0 && !healed_ && random_.chance(rate, 1'000'000);
}

void Network::set_delay(const Node& from, const Node& to, std::int64_t ns_min, std::int64_t ns_max) {
    delays_[{from.index(), to.index()}] = {ns_min, ns_max};
}

std::int64_t Network::delay(const Node& from, const Node& to) {
    std::pair<std::int64_t, std::int64_t> range{world_.options().network.delay_ns_min, world_.options().network.delay_ns_max};
    const auto at = delays_.find({from.index(), to.index()});
    if (at != delays_.end()) range = at->second;
    std::uint64_t high = static_cast<std::uint64_t>(range.second);
    if (range.first != range.second && random_.chance(1, 64)) high *= 10;
    return static_cast<std::int64_t>(random_.between(static_cast<std::uint64_t>(range.first), high));
}

Node* Network::find(const env::Address& address, Node& from) {
    if (address.v6) return nullptr;
    if (address.ip[0] == 127) return &from;
    if (address.ip[0] != 10 || address.ip[1] != 0) return nullptr;
    const std::size_t number = static_cast<std::size_t>(address.ip[2]) * 256 + address.ip[3];
    return number == 0 ? nullptr : world_.node_at(number - 1);
}

Socket& Network::make_socket(Node& node) {
    if (live_.size() >= live_limit_) {
        std::erase_if(live_, [](const Socket* s) { return !s->kernel_alive(); });
        live_limit_ = std::max<std::size_t>(64, 2 * live_.size());
    }
    sockets_.push_back(std::make_unique<Socket>(*this, node));
    live_.push_back(sockets_.back().get());
    const NetworkOptions& options = world_.options().network;
    live_.back()->set_buffers(options.send_buffer_bytes, options.receive_buffer_bytes);
    return *live_.back();
}

std::size_t Network::reset_connections(const Node& a, const Node& b) {
    std::size_t n = 0;
    for (Socket* s : std::vector<Socket*>(live_)) {
        Socket* other = s->other_end();
        if (!s->kernel_alive() || !other) continue;  // the second end of a pair, mostly
        const bool between = (&s->node() == &a && &other->node() == &b) || (&s->node() == &b && &other->node() == &a);
        if (!between) continue;
        s->broken();
        other->broken();
        ++n;
    }
    return n;
}

std::size_t Network::connections_open() const {
    std::size_t ends = 0;
    for (const Socket* s : live_) ends += s->established() && s->other_end()->established();
    return ends / 2;
}

void Network::machine_lost_power(const Node& node) {
    for (Socket* s : live_) {
        if (&s->node() == &node) s->lose_power();
    }
}

// ---- listeners ----

void SimListener::close() {
    const SimCode scope;
    if (closed_) return;
    closed_ = true;
    for (Socket* s : backlog_) s->refuse();
    backlog_.clear();
}

void SimListener::arrived(Socket& socket) {
    backlog_.push_back(&socket);
    accept_soon();
}

void SimListener::accept_soon() {
    if (closed_ || posted_ || backlog_.empty() || !env_.sockets().slot_free()) return;
    posted_ = true;
    Random& random = env_.world().network().random();
    env_.post_turn(static_cast<std::int64_t>(random.below(100'000)), EventKind::accept, [this] { accept_one(); });
}

void SimListener::accept_one() {
    posted_ = false;
    if (closed_ || backlog_.empty() || !env_.sockets().slot_free()) return;
    Socket& socket = *backlog_.front();
    backlog_.pop_front();
    socket.attach(env_);
    env_.sockets().take_slot(socket);
    env::ConnectionHandler* handler = nullptr;
    env_.call([&] { handler = acceptor_.on_accept(socket); });
    socket.accepted(env_, handler);
    accept_soon();
}

// ---- one process's view ----

NodeNetwork::~NodeNetwork() = default;

SimListener* NodeNetwork::listening_on(const env::Address& address) {
    for (const auto& l : listeners_) {
        const env::Address at = l->local();
        const bool any = at.ip == env::Address{}.ip;
        if (!l->closed() && at.port == address.port && (any || (at.ip == address.ip && at.v6 == address.v6))) return l.get();
    }
    return nullptr;
}

bool NodeNetwork::slot_free() const { return attached_.size() < env_.node().options().connections_max; }
void NodeNetwork::take_slot(Socket& socket) { attached_.push_back(&socket); }
void NodeNetwork::give_slot(Socket& socket) {
    std::erase(attached_, &socket);
    if (!env_.alive()) return;
    for (const auto& l : listeners_) l->accept_soon();
}

std::uint16_t NodeNetwork::free_port() {
    const auto taken = [&](std::uint16_t port) {
        return std::any_of(listeners_.begin(), listeners_.end(), [&](const auto& l) { return !l->closed() && l->local().port == port; }) ||
               std::any_of(attached_.begin(), attached_.end(), [&](const Socket* s) { return s->local().port == port; });
    };
    do next_port_ = next_port_ == 65535 ? std::uint16_t{32768} : static_cast<std::uint16_t>(next_port_ + 1);
    while (taken(next_port_));
    return next_port_;
}

Result<env::Listener*> NodeNetwork::listen(const env::Address& address, const env::ListenOptions& options, env::Acceptor& acceptor) {
    const SimCode scope;
    if (!env_.allowed("listen")) return fail(Error::canceled);
    env::Address at = address;
    const bool any = at.ip == env::Address{}.ip;
    if (!any && env_.world().network().find(at, env_.node()) != &env_.node()) return fail(Error::invalid_address);
    if (at.port == 0) at.port = free_port();
    for (const auto& l : listeners_) {
        const env::Address other = l->local();
        if (!l->closed() && other.port == at.port && (any || other.ip == at.ip || other.ip == env::Address{}.ip)) return fail(Error::address_in_use);
    }
    if (listeners_.size() >= env_.node().options().listeners_max) return fail(Error::limit_reached);
    listeners_.push_back(std::make_unique<SimListener>(env_, at, options, acceptor));
    return listeners_.back().get();
}

Result<env::Connection*> NodeNetwork::connect(const env::Address& address, env::ConnectionHandler& handler) {
    const SimCode scope;
    if (!env_.allowed("connect")) return fail(Error::canceled);
    if (!slot_free()) return fail(Error::too_many_connections);
    Socket& socket = env_.world().network().make_socket(env_.node());
    env::Address local = env_.node().address(free_port());
    if (address.ip[0] == 127 && !address.v6) local.ip = address.ip;
    take_slot(socket);
    socket.begin_connect(env_, handler, local, address);
    return &socket;
}

void NodeNetwork::resolve(std::string_view host, std::uint16_t port, env::Resolved& callback) {
    const SimCode scope;
    if (!env_.allowed("resolve")) return;
    if (resolving_) {
        env_.violation("resolve() while another one is under way");
        return;
    }
    resolving_ = true;
    World& world = env_.world();
    const auto wait = static_cast<std::int64_t>(world.network().random().between(100'000, 50'000'000));
    env_.post_turn(wait, EventKind::resolved, [this, &world, &callback, port, name = std::string(host)] {
        resolving_ = false;
        Error error = Error::none;
        env::Address found;
        const bool bare_v6 = name.find(':') != std::string::npos && !name.starts_with('[');
        const Result<env::Address> numeric = env::parse_address((bare_v6 ? "[" + name + "]" : name) + ":0");
        if (numeric) {
            found = *numeric;
            found.port = port;
        } else if (name == "localhost") {
            found = {false, {127, 0, 0, 1}, port};
        } else {
            error = Error::host_not_found;
            for (std::size_t i = 0; world.network().resolver_up() && world.node_at(i) != nullptr; ++i) {
                if (world.node_at(i)->name() != name) continue;
                found = world.node_at(i)->address(port);
                error = Error::none;
            }
        }
        const std::span<const env::Address> addresses(&found, error == Error::none ? 1 : 0);
        env_.call([&] { callback.on_resolved(error, addresses); });
    });
}

void NodeNetwork::process_ended(bool power) {
    std::vector<Socket*> attached = std::move(attached_);
    attached_.clear();
    for (Socket* s : attached) s->process_ended(power);
    for (const auto& l : listeners_) l->close();
}

}  // namespace rivulet::sim
