// The kernel's side of a socket: handshake, packets, acknowledgements, resets.
#include <algorithm>

#include "sim/node_env.h"
#include "sim/socket.h"
#include "sim/world.h"

namespace rivulet::sim {

namespace {
constexpr std::int64_t retry_ns_min = 200 * ns_per_ms;
constexpr std::int64_t retry_ns_max = 2'000 * ns_per_ms;
}  // namespace

void Socket::post_packet(const Node& from, const Node& to, void (Socket::*arrived)()) {
    World& world = network_.world();
    world.post(world.now() + network_.delay(from, to), EventKind::packet, nullptr, [this, arrived] { (this->*arrived)(); });
}

// The packet was lost: once more after a while, or the connection has failed.
void Socket::retry(void (Socket::*again)()) {
    World& world = network_.world();
    const bool connecting = phase_ == Phase::connecting;
    const NetworkOptions& options = world.options().network;
    if (tries_since_ < 0) tries_since_ = world.now();
    const std::int64_t limit = connecting ? options.connect_timeout_ns : options.retransmit_timeout_ns;
    const std::int64_t left = tries_since_ + limit - world.now();
    if (left <= 0) {
        kernel_failed(Error::timed_out);
        return;
    }
    retry_ns_ = std::clamp(retry_ns_ * 2, retry_ns_min, retry_ns_max);
    world.post(world.now() + std::min(retry_ns_, left), EventKind::packet, nullptr, [this, again] { (this->*again)(); });
}

// ---- handshake ----

void Socket::begin_connect(NodeEnv& env, env::ConnectionHandler& handler, const env::Address& local, const env::Address& remote) {
    env_ = &env;
    handler_ = &handler;
    phase_ = Phase::connecting;
    local_address_ = local;
    remote_address_ = remote;
    target_ = network_.find(remote, node_);
    if (!target_) {
        close_soon(Error::unreachable);
        return;
    }
    post_packet(node_, *target_, &Socket::syn_arrives);
}

void Socket::syn_arrives() {
    if (!kernel_alive_) return;
    if (!network_.link_up(node_, *target_) || !target_->powered()) return retry(&Socket::syn_arrives);
    NodeEnv* env = target_->env();
    SimListener* listener = env && env->alive() ? env->sockets().listening_on(remote_address_) : nullptr;
    if (!listener) {
        if (!network_.link_up(*target_, node_)) return retry(&Socket::syn_arrives);
        kernel_failed(Error::connection_refused);
        return;
    }
    if (!listener->has_room()) return retry(&Socket::syn_arrives);
    Socket& accepted = network_.make_socket(*target_);
    accepted.set_buffers(listener->options().send_buffer_bytes, listener->options().receive_buffer_bytes);
    accepted.local_address_ = remote_address_;
    accepted.remote_address_ = local_address_;
    accepted.peer_ = this;
    accepted.target_ = &node_;
    accepted.phase_ = Phase::backlog;
    peer_ = &accepted;
    listener->arrived(accepted);
    post_packet(*target_, node_, &Socket::syn_ack_arrives);
}

void Socket::syn_ack_arrives() {
    if (!network_.link_up(*target_, node_)) {
        if (kernel_alive_) retry(&Socket::syn_ack_arrives);
        return;
    }
    if (!kernel_alive_) {
        if (node_.powered()) send_reset();
        return;
    }
    tries_since_ = -1;
    retry_ns_ = 0;
    if (!env_ || phase_ != Phase::connecting) return;
    phase_ = Phase::open;
    env_->post_turn(static_cast<std::int64_t>(network_.random().below(50'000)), EventKind::connected, [this] {
        if (phase_ != Phase::open) return;
        connected_told_ = true;
        env_->call([&] { handler_->on_connected(); });
        read_soon();
    });
}

void Socket::refuse() {
    if (!kernel_alive_) return;
    phase_ = Phase::gone;
    send_reset();
}

// ---- packets ----

std::size_t Socket::packet_size() {
    const std::size_t used = peer_->in_.size();
    const bool read = peer_->phase_ != Phase::gone && peer_->phase_ != Phase::closing;
    const std::size_t window = !read ? out_.size() : peer_->receive_buffer_max_ > used ? peer_->receive_buffer_max_ - used : 0;
    const std::size_t most = std::min(out_.size(), window);
    if (most <= 1 || !network_.world().options().network.split) return most;
    Random& random = network_.random();
    switch (random.below(8)) {
        case 0: return 1;
        case 1: return static_cast<std::size_t>(random.between(1, std::min<std::size_t>(16, most)));
        case 2:
        case 3: return static_cast<std::size_t>(random.between(1, most));
        default: return most;
    }
}

void Socket::pump() {
    if (!kernel_alive_ || !peer_ || packet_ != Packet::none || phase_ == Phase::connecting) return;
    if (!out_.empty()) {
        packet_bytes_ = packet_size();
        if (packet_bytes_ == 0) return;  // until window_opened()
        packet_ = Packet::data;
    } else if (fin_wanted_ && !fin_acknowledged_ && kept_.empty()) {
        packet_ = Packet::fin;
    } else {
        return;
    }
    tries_since_ = -1;
    retry_ns_ = 0;
    post_packet(node_, *target_, &Socket::packet_arrives);
}

void Socket::packet_arrives() {
    if (!kernel_alive_) return;
    if (!network_.link_up(node_, *target_) || !target_->powered()) return retry(&Socket::packet_arrives);
    if (!peer_->kernel_alive_) {  // nobody there: the machine answers with a reset
        if (!network_.link_up(*target_, node_)) return retry(&Socket::packet_arrives);
        reset_received();
        return;
    }
    if (network_.resets_now()) {
        broken();
        peer_->broken();
        return;
    }
    if (packet_ == Packet::fin) {
        peer_->fin_received_ = true;
        peer_->read_soon();
    } else if (peer_->phase_ == Phase::gone || peer_->phase_ == Phase::closing) {
        // Closed there: dropped while its last bytes are on their way to us, answered with a reset after that.
        if (peer_->out_.empty() && peer_->phase_ == Phase::gone) peer_->send_reset();
    } else {
        peer_->in_.push(out_.front(packet_bytes_));
        peer_->read_soon();
    }
    post_packet(*target_, node_, &Socket::ack_arrives);
}

void Socket::ack_arrives() {
    if (!kernel_alive_) return;
    if (!network_.link_up(*target_, node_) || !target_->powered()) return retry(&Socket::ack_arrives);
    if (tries_since_ >= 0 && !peer_->kernel_alive_) {  // sent again, to a machine that has forgotten us
        reset_received();
        return;
    }
    if (packet_ == Packet::data) out_.pop(packet_bytes_);
    else fin_acknowledged_ = true;
    packet_ = Packet::none;
    packet_bytes_ = 0;
    feed_kept();
    pump();
    orphan_drained();
}

// The other end has read: there is room for more.
void Socket::window_opened() {
    if (!kernel_alive_ || out_.empty() || packet_ != Packet::none) return;
    World& world = network_.world();
    world.post(world.now() + network_.delay(*target_, node_), EventKind::packet, nullptr, [this] { pump(); });
}

// A socket without a process stays until its last bytes and its end are acknowledged.
void Socket::orphan_drained() {
    if (phase_ == Phase::gone && fin_acknowledged_ && out_.empty()) kernel_alive_ = false;
}

// ---- ends ----

void Socket::send_reset() {
    kernel_alive_ = false;
    out_.clear();
    if (!peer_) return;
    World& world = network_.world();
    world.post(world.now() + network_.delay(node_, *target_), EventKind::packet, nullptr, [this] {
        if (network_.link_up(node_, *target_)) peer_->reset_received();  // else it is lost, and the peer half-open
    });
}

void Socket::lose_power() {
    kernel_alive_ = false;
    out_.clear();
    in_.clear();
}

void Socket::reset_received() {
    if (kernel_alive_) kernel_failed(Error::connection_reset);
}

void Socket::broken() {
    if (!kernel_alive_) return;
    if (network_.random().chance(1, 2)) in_.clear();
    kernel_failed(Error::connection_reset);
}

void Socket::kernel_failed(Error reason) {
    kernel_alive_ = false;
    out_.clear();
    packet_ = Packet::none;
    error_ = reason;
    if (phase_ == Phase::connecting) {
        close_soon(reason);
        return;
    }
    if (phase_ != Phase::open || !env_) return;
    if (sending()) {  // the write fails
        close_soon(reason);
        return;
    }
    read_soon();  // while reading is paused nobody notices: until resume_reading() or send()
}

}  // namespace rivulet::sim
