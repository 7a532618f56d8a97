// Byte streams as the broker sees them.
// Owns:     a fixed number of connections and listeners, given at construction; a Connection belongs to the Network and is valid
//           from on_accept()/connect() until on_closed() has returned.
// Bounds:   no allocation. When all connection slots are taken, listeners stop accepting until one is free.
// Errors:   listen: address_in_use, permission, invalid_address. on_closed: end_of_file (the peer's clean end), connection_reset,
//           connection_refused, timed_out, canceled (our own close()), unreachable.
// Thread:   loop only. No callback comes from within a call of ours, on_closed() included.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "env/address.h"

namespace rivulet::env {

// Pieces that may be lent for one read.
constexpr std::size_t receive_pieces_max = 32;

class ConnectionHandler {
public:
    // connect() has succeeded; not called for accepted connections.
    virtual void on_connected() {}
    // Bytes have arrived: lend a buffer for them. An empty one pauses reading until Connection::resume_reading().
    virtual MutableBytes receive_buffer() = 0;
    // The same in pieces, none of them empty, which are filled in order by one read; returns how many of `pieces`, receive_pieces_max of them, are lent. 0 pauses. The
    // network's connections ask in this way.
    virtual std::size_t receive_buffers(std::span<MutableBytes> pieces) {
        pieces[0] = receive_buffer();
        return pieces[0].empty() ? 0 : 1;
    }
    // The first n >= 1 bytes of what was lent are filled; it is the handler's again. n == 0: lent in vain.
    virtual void on_received(std::size_t n) = 0;
    // What send() kept has left: its buffers are the handler's again, and send() may be called again.
    virtual void on_sent() = 0;
    // The last call: the connection is gone, with everything that was not sent.
    virtual void on_closed(Error reason) = 0;

protected:
    ~ConnectionHandler() = default;
};

constexpr std::size_t send_buffers_kept_max = 4;

class Connection {
public:
    // Sends from the buffers in order and returns the number of bytes taken. What the kernel takes at once needs no memory
    // afterwards; of the rest at most send_buffers_kept_max buffers are taken too and kept by reference: sending() is then true, and the
    // buffers must stand unchanged until on_sent() or on_closed(). Not to be called while sending().
    virtual std::size_t send(std::span<const Bytes> buffers) = 0;
    virtual bool sending() const = 0;
    // Of what send() kept, in bytes: what the kernel has not taken yet. It falls as the peer takes.
    virtual std::size_t unsent() const = 0;
    virtual void pause_reading() = 0;
    virtual void resume_reading() = 0;
    // Ends the connection; on_closed(canceled) follows on a later turn. What was taken by send() and is still in the kernel's
    // buffers is delivered if the peer lives; what sending() still keeps is dropped.
    virtual void close() = 0;
    // Sends the end of our side after what was taken; reading goes on.
    virtual void shutdown_sending() = 0;
    virtual Address peer() const = 0;
    virtual Address local() const = 0;

protected:
    ~Connection() = default;
};

class Acceptor {
public:
    // The handler of a new connection, or nullptr to close it at once.
    virtual ConnectionHandler* on_accept(Connection& connection) = 0;

protected:
    ~Acceptor() = default;
};

class Listener {
public:
    virtual Address local() const = 0;  // with the port that the system chose, if 0 was asked
    virtual void close() = 0;

protected:
    ~Listener() = default;
};

struct ListenOptions {
    int backlog = 128;
    std::uint32_t send_buffer_bytes = 0;     // per connection, 0 = the system's default
    std::uint32_t receive_buffer_bytes = 0;  // likewise
};

class Resolved {
public:
    // Numeric addresses of a name, at most 8; empty with an error otherwise.
    virtual void on_resolved(Error error, std::span<const Address> addresses) = 0;

protected:
    ~Resolved() = default;
};

class Network {
public:
    virtual Result<Listener*> listen(const Address& address, const ListenOptions& options, Acceptor& acceptor) = 0;
    virtual Result<Connection*> connect(const Address& address, ConnectionHandler& handler) = 0;
    // One at a time; off the loop. `host` is copied.
    virtual void resolve(std::string_view host, std::uint16_t port, Resolved& callback) = 0;

protected:
    ~Network() = default;
};

}  // namespace rivulet::env
