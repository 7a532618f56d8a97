// env::Network on libuv: a fixed pool of connections, a few listeners, one look-up at a time.
// Owns:     storage for connections_max connections (touched when first used) and listeners_max listeners, out of the arena.
// Bounds:   those numbers. When the pool is empty a listener holds one accepted socket and stops; it goes on as soon as a
//           connection is given back, listeners taking turns. connect() then fails with too_many_connections.
// Errors:   those of env/network.h; more listeners than listeners_max: limit_reached.        Thread: loop only.
// Guarantee: every connection has TCP_NODELAY and keep-alive (60 s idle, then 6 probes 10 s apart); accepted ones inherit both,
//           and the sizes of socket buffers, from their listener, which costs no system call. A listener on [::] takes IPv4 too.
#pragma once

#include "base/arena.h"
#include "platform/uv/bulk_senders.h"
#include "platform/uv/connection.h"
#include "platform/uv/resolver.h"

namespace rivulet::platform {

class TcpListener final : public env::Listener {
public:
    env::Address local() const override;
    void close() override;

private:
    friend class UvNetwork;
    static void on_connection(uv_stream_t* server, int status);
    static void on_handle_closed(uv_handle_t* handle);
    void accept();

    uv_tcp_t tcp_;
    UvNetwork* network_ = nullptr;
    env::Acceptor* acceptor_ = nullptr;
    bool in_use_ = false;
    bool bulk_ = false;     // its connections may be bulk senders: their buffers are of a size that it sets, a smaller one
    bool stalled_ = false;  // libuv holds an accepted socket for which there was no connection
};

class UvNetwork final : public env::Network {
public:
    UvNetwork(uv_loop_t& loop, Jobs& jobs, Arena& arena, std::size_t connections_max, std::size_t listeners_max, std::size_t bulk_senders);
    static std::size_t memory_bytes(std::size_t connections_max, std::size_t listeners_max);

    Result<env::Listener*> listen(const env::Address& address, const env::ListenOptions& options, env::Acceptor& acceptor) override;
    Result<env::Connection*> connect(const env::Address& address, env::ConnectionHandler& handler) override;
    void resolve(std::string_view host, std::uint16_t port, env::Resolved& callback) override;

    // For connections and listeners.
    uv_loop_t& loop() { return loop_; }
    BulkSenders& bulk_senders() { return bulk_senders_; }
    TcpConnection* take();
    void release(TcpConnection& connection);
    // What the read in pieces has ended with that a connection is just told of: bytes, or an error of libuv.
    int pieces_read() const { return pieces_read_; }
    void set_pieces_read(int outcome) { pieces_read_ = outcome; }
    // For tearing down: closes everything without another callback.
    void abandon();

private:
    void resume_one_listener();

    uv_loop_t& loop_;
    MutableBytes storage_;
    BulkSenders bulk_senders_;
    std::size_t connections_max_;
    std::size_t constructed_ = 0;
    List<TcpConnection> free_;
    List<TcpConnection> open_;
    std::span<TcpListener> listeners_;
    std::size_t turn_ = 0;
    bool abandoned_ = false;
    int pieces_read_ = 0;
    Resolver resolver_;
};

// TCP_NODELAY and keep-alive.
void set_tcp_options(int descriptor);

}  // namespace rivulet::platform
