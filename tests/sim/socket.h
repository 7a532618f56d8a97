// One end of a simulated TCP connection: the kernel's side and the process's.
// Owns:     the kernel's two buffers. Bounds: as the options say; what send() keeps beyond them stays the caller's memory and is
//           compared with a copy, so that a change before on_sent() is a failure of the run.
// Guarantee: the contract of env::Connection is checked: no send() while sending(), no call after on_closed(), on_closed() last.
// Model:    one packet under way per direction; it occupies the send buffer until it is acknowledged.
#pragma once

#include <vector>

#include "env/network.h"

namespace rivulet::sim {

class Network;
class Node;
class NodeEnv;
class SimListener;
enum class EventKind : std::uint8_t;

// Bytes in and out at the ends of a vector.
class ByteQueue {
public:
    std::size_t size() const { return bytes_.size() - head_; }
    bool empty() const { return size() == 0; }
    Bytes front(std::size_t n) const { return Bytes(bytes_).subspan(head_, n); }
    void push(Bytes bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
    void pop(std::size_t n) {
        head_ += n;
        if (head_ * 2 < bytes_.size()) return;
        bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
        head_ = 0;
    }
    void clear() { bytes_ = {}; head_ = 0; }

private:
    std::vector<std::uint8_t> bytes_;
    std::size_t head_ = 0;
};

class Socket final : public env::Connection {
public:
    Socket(Network& network, Node& node) : network_(network), node_(node) {}

    // env::Connection
    std::size_t send(std::span<const Bytes> buffers) override;
    bool sending() const override { return !kept_.empty(); }
    std::size_t unsent() const override;
    void pause_reading() override;
    void resume_reading() override;
    void close() override;
    void shutdown_sending() override;
    env::Address peer() const override { return remote_address_; }
    // As of a descriptor that is closed: nothing, once the connection has failed.
    env::Address local() const override { return kernel_alive_ ? local_address_ : env::Address{}; }

    // ---- for Network, NodeNetwork and SimListener ----
    void begin_connect(NodeEnv& env, env::ConnectionHandler& handler, const env::Address& local, const env::Address& remote);
    // Handed to the process: the handler, or nullptr to close at once.
    void accepted(NodeEnv& env, env::ConnectionHandler* handler);
    void attach(NodeEnv& env) { env_ = &env; phase_ = Phase::open; }
    void set_buffers(std::uint32_t send_bytes, std::uint32_t receive_bytes);
    // The process is gone. power: and the machine, so nobody is told.
    void process_ended(bool power);
    void lose_power();
    void reset_received();  // from the other end: what has arrived before can still be read
    void broken();          // by something between the ends: that may be lost too
    void send_reset();
    void refuse();  // of a backlog that is not accepted
    bool kernel_alive() const { return kernel_alive_; }
    bool established() const { return kernel_alive_ && peer_ != nullptr && phase_ == Phase::open; }
    Node& node() const { return node_; }
    Socket* other_end() const { return peer_; }

private:
    enum class Phase : std::uint8_t { connecting, backlog, open, closing, gone };
    enum class Packet : std::uint8_t { none, data, fin };

    // -- the process's side (socket.cpp) --
    bool usable(const char* call);
    void take_kept(std::span<const Bytes> buffers, std::size_t skip, std::size_t& taken);
    bool kept_intact();
    void feed_kept();
    void tell_sent();
    void read_soon();
    void read_turn();
    void close_soon(Error reason);
    void close_turn(Error reason);
    bool end_is_due() const { return fin_received_ || error_ != Error::none; }
    std::size_t kernel_room() const { return send_buffer_max_ - (out_.size() < send_buffer_max_ ? out_.size() : send_buffer_max_); }

    // -- the kernel's side (socket_kernel.cpp) --
    void post_packet(const Node& from, const Node& to, void (Socket::*arrived)());
    void retry(void (Socket::*again)());
    void syn_arrives();
    void syn_ack_arrives();
    void pump();
    std::size_t packet_size();
    void packet_arrives();
    void ack_arrives();
    void window_opened();
    void kernel_failed(Error reason);
    void orphan_drained();

    Network& network_;
    Node& node_;
    Socket* peer_ = nullptr;
    Node* target_ = nullptr;
    env::Address local_address_;
    env::Address remote_address_;

    NodeEnv* env_ = nullptr;
    env::ConnectionHandler* handler_ = nullptr;
    Phase phase_ = Phase::backlog;
    bool connected_told_ = false;
    bool paused_ = false;
    bool read_posted_ = false;
    bool sent_posted_ = false;
    std::vector<Bytes> kept_;                      // what the process lent
    std::vector<std::vector<std::uint8_t>> kept_copy_;
    std::size_t kept_done_ = 0;                    // bytes of it that the kernel has taken since

    bool kernel_alive_ = true;
    ByteQueue out_;
    ByteQueue in_;
    std::uint32_t send_buffer_max_ = 0;
    std::uint32_t receive_buffer_max_ = 0;
    Packet packet_ = Packet::none;  // under way
    std::size_t packet_bytes_ = 0;
    std::int64_t tries_since_ = -1;
    std::int64_t retry_ns_ = 0;
    bool fin_wanted_ = false;
    bool fin_acknowledged_ = false;
    bool fin_received_ = false;
    Error error_ = Error::none;
};

}  // namespace rivulet::sim
