// One TCP connection: a libuv handle, one write request, and what the seam adds.
// Owns:     its socket from open to on_closed(). Storage belongs to the network's pool.
// Bounds:   sizeof <= 512; no allocation: uv_try_write first, then one uv_write of at most 4 buffers.
// Errors:   reported once, through on_closed().        Thread: loop only.
// Guarantee: no callback from within a call of ours. A broken connection takes whatever send() offers and drops it, so that no
//           sender spins while on_closed() is on its way. close() discards what is unread first, so that the kernel ends the
//           connection with FIN and delivers what it holds, instead of RST.
#pragma once

#include <uv.h>

#include "base/list.h"
#include "env/network.h"

namespace rivulet::platform {

class UvNetwork;

class TcpConnection final : public env::Connection, public ListNode<TcpConnection> {
public:
    explicit TcpConnection(UvNetwork& network) : network_(network) {}

    std::size_t send(std::span<const Bytes> buffers) override;
    bool sending() const override { return sending_; }
    std::size_t unsent() const override { return sending_ ? uv_stream_get_write_queue_size(reinterpret_cast<const uv_stream_t*>(&tcp_)) : 0; }
    void pause_reading() override;
    void resume_reading() override;
    void close() override { begin_close(Error::canceled); }
    void shutdown_sending() override;
    env::Address peer() const override { return peer_; }
    env::Address local() const override;

    // For UvNetwork, on a connection just taken from the pool.
    // `bulk`: it may be one of the bulk senders.
    void accept(uv_stream_t& server, env::Acceptor& acceptor, bool bulk);
    void connect(const env::Address& address, env::ConnectionHandler& handler);
    // For tearing down: closes without another call of the handler.
    void abandon();
    int descriptor() const;

private:
    static TcpConnection& of(void* handle_data) { return *static_cast<TcpConnection*>(handle_data); }
    static void on_buffer_wanted(uv_handle_t* handle, std::size_t suggested, uv_buf_t* buffer);
    static void on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* buffer);
    static void on_written(uv_write_t* request, int status);
    static void on_connected(uv_connect_t* request, int status);
    static void on_handle_closed(uv_handle_t* handle);

    void reset();
    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&tcp_); }
    void start_reading();
    void read_pieces(std::span<const MutableBytes> pieces);
    void begin_close(Error reason);
    void close_handle();
    void discard_unread() const;

    uv_tcp_t tcp_;
    union {  // nothing is written before the connection stands
        uv_connect_t connect_request_;
        uv_write_t write_request_;
    };
    UvNetwork& network_;
    env::ConnectionHandler* handler_ = nullptr;
    env::Address peer_;
    Error reason_ = Error::none;
    bool connecting_ : 1 = false;
    bool sending_ : 1 = false;
    bool paused_ : 1 = false;   // by the handler: a call, or an empty buffer
    bool held_ : 1 = false;     // inside receive_buffers() or on_accept(): reading starts, stops and closes afterwards
    bool closing_ : 1 = false;
    bool shut_ : 1 = false;     // no more sending
    bool in_pieces_ : 1 = false;  // read so, which on_read() hears of at once
    bool bulk_ : 1 = false;     // may be one of the bulk senders
};
static_assert(sizeof(TcpConnection) <= 512);

}  // namespace rivulet::platform
