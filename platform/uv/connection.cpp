#include "platform/uv/connection.h"

#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "platform/linux/errors.h"
#include "platform/uv/address.h"
#include "platform/uv/network.h"

namespace rivulet::platform {

namespace {

constexpr std::size_t vectors_per_call = 256;
// From so many buffers on, of fewer bytes than that, they are copied together first: the kernel's copy begins anew with each, which costs a broker whose readers get
// batches of single readings a quarter of its time (make bench ARGS="--only readers").
constexpr unsigned gathered_min = 8;
constexpr std::size_t gathered_each_max = 1024;
constexpr std::size_t gathering_bytes = 32 * 1024;  // on the stack
constexpr int discard_rounds_max = 16;
constexpr std::size_t discard_bytes = 64 * 1024;

// A position within the buffers of one send().
struct Cursor {
    std::span<const Bytes> buffers;
    std::size_t index = 0;
    std::size_t offset = 0;

    // Fills `out` with what is left, up to `limit` buffers, without moving.
    unsigned fill(uv_buf_t* out, std::size_t limit, std::size_t& bytes) const {
        unsigned count = 0;
        bytes = 0;
        std::size_t skip = offset;
        for (std::size_t i = index; i < buffers.size() && count < limit; ++i, skip = 0) {
            const Bytes rest = buffers[i].subspan(skip);
            if (rest.empty()) continue;
            out[count++] = {const_cast<char*>(reinterpret_cast<const char*>(rest.data())), rest.size()};
            bytes += rest.size();
        }
        return count;
    }
    // Copies what is left, as far as it fits.
    std::size_t copy(MutableBytes out) const {
        std::size_t bytes = 0;
        std::size_t skip = offset;
        for (std::size_t i = index; i < buffers.size() && bytes < out.size(); ++i, skip = 0) {
            const std::size_t n = std::min(buffers[i].size() - skip, out.size() - bytes);
            if (n == 0) continue;
            std::memcpy(out.data() + bytes, buffers[i].data() + skip, n);
            bytes += n;
        }
        return bytes;
    }
    void advance(std::size_t n) {
        while (n != 0) {
            const std::size_t rest = buffers[index].size() - offset;
            const std::size_t step = n < rest ? n : rest;
            n -= step;
            offset += step;
            if (offset == buffers[index].size()) {
                ++index;
                offset = 0;
            }
        }
    }
};

std::size_t total(std::span<const Bytes> buffers) {
    std::size_t bytes = 0;
    for (const Bytes& buffer : buffers) bytes += buffer.size();
    return bytes;
}

}  // namespace

void TcpConnection::reset() {
    handler_ = nullptr;
    peer_ = {};
    reason_ = Error::none;
    in_pieces_ = bulk_ = connecting_ = sending_ = paused_ = held_ = closing_ = shut_ = false;
    tcp_.data = this;
}

int TcpConnection::descriptor() const {
    uv_os_fd_t fd = -1;
    return uv_fileno(reinterpret_cast<const uv_handle_t*>(&tcp_), &fd) == 0 ? fd : -1;
}

void TcpConnection::accept(uv_stream_t& server, env::Acceptor& acceptor, bool bulk) {
    reset();
    bulk_ = bulk;
    RIVULET_CHECK(uv_tcp_init(server.loop, &tcp_) == 0);
    if (const int error = uv_accept(&server, stream()); error != 0) return begin_close(network_error(error));
    sockaddr_storage name;
    int length = sizeof name;
    // A peer that is gone already has no name any more; reading will tell.
    if (uv_tcp_getpeername(&tcp_, reinterpret_cast<sockaddr*>(&name), &length) == 0) peer_ = from_sockaddr(reinterpret_cast<sockaddr&>(name));
    held_ = true;
    env::ConnectionHandler* const handler = acceptor.on_accept(*this);
    held_ = false;
    handler_ = handler;
    if (!handler) begin_close(Error::canceled);
    if (closing_) return close_handle();
    start_reading();
}

void TcpConnection::connect(const env::Address& address, env::ConnectionHandler& handler) {
    reset();
    handler_ = &handler;
    peer_ = address;
    sockaddr_storage name;
    to_sockaddr(address, name);
    int error = uv_tcp_init_ex(&network_.loop(), &tcp_, name.ss_family);
    if (error != 0) {
        // Without a socket there is still a handle to close, so that on_closed() comes on a later turn.
        RIVULET_CHECK(uv_tcp_init(&network_.loop(), &tcp_) == 0);
    } else {
        set_tcp_options(descriptor());
        error = uv_tcp_connect(&connect_request_, &tcp_, reinterpret_cast<const sockaddr*>(&name), on_connected);
    }
    connecting_ = error == 0;
    if (error == UV_EADDRNOTAVAIL || error == UV_EAFNOSUPPORT) error = UV_ENETUNREACH;
    if (error != 0) begin_close(network_error(error));
}

void TcpConnection::on_connected(uv_connect_t* request, int status) {
    TcpConnection& self = of(request->handle->data);
    if (self.closing_) return;
    self.connecting_ = false;
    if (status != 0) return self.begin_close(network_error(status));
    self.held_ = true;
    self.handler_->on_connected();
    self.held_ = false;
    if (self.closing_) return self.close_handle();
    self.start_reading();
}

void TcpConnection::start_reading() {
    if (paused_ || closing_) return;
    const int error = uv_read_start(stream(), on_buffer_wanted, on_read);
    if (error != 0) begin_close(network_error(error));
}

void TcpConnection::pause_reading() {
    paused_ = true;
    if (!held_ && !closing_ && !connecting_) uv_read_stop(stream());
}

void TcpConnection::resume_reading() {
    if (!paused_) return;
    paused_ = false;
    if (!held_ && !connecting_) start_reading();
}

// libuv cannot bear uv_read_stop() or uv_close() in here, so both wait for on_read().
void TcpConnection::on_buffer_wanted(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
    TcpConnection& self = of(handle->data);
    MutableBytes pieces[env::receive_pieces_max];
    self.held_ = true;
    const std::size_t count = self.handler_->receive_buffers(pieces);
    self.held_ = false;
    *buffer = uv_buf_init(nullptr, 0);
    if (count == 0 || self.closing_) return;
    if (count == 1) *buffer = uv_buf_init(reinterpret_cast<char*>(pieces[0].data()), static_cast<unsigned>(pieces[0].size()));
    else self.read_pieces(std::span(pieces).first(count));
}

// libuv reads into one buffer: without one it leaves the socket alone, calls on_read(), and reads no more on this turn.
void TcpConnection::read_pieces(std::span<const MutableBytes> pieces) {
    iovec vectors[env::receive_pieces_max];
    int count = 0;
    for (const MutableBytes piece : pieces) vectors[count++] = {piece.data(), piece.size()};
    ssize_t n = ::readv(descriptor(), vectors, count);
    while (n == -1 && errno == EINTR) n = ::readv(descriptor(), vectors, count);
    in_pieces_ = true;
    if (n == 0) n = UV_EOF;
    else if (n == -1) n = errno == EAGAIN || errno == EWOULDBLOCK ? 0 : uv_translate_sys_error(errno);
    network_.set_pieces_read(static_cast<int>(n));
}

void TcpConnection::on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* buffer) {
    TcpConnection& self = of(stream->data);
    if (self.closing_) return self.close_handle();
    const bool in_pieces = self.in_pieces_;
    self.in_pieces_ = false;
    if (in_pieces) n = self.network_.pieces_read();
    else if (n == UV_ENOBUFS) return self.pause_reading();
    const bool lent = in_pieces || (buffer->base && buffer->len != 0);
    if (self.paused_) uv_read_stop(stream);
    if (lent) self.handler_->on_received(n > 0 ? static_cast<std::size_t>(n) : 0);
    if (n < 0) self.begin_close(n == UV_EOF ? Error::end_of_file : network_error(static_cast<int>(n)));
}

std::size_t TcpConnection::send(std::span<const Bytes> buffers) {
    RIVULET_CHECK(!connecting_ && !sending_ && !shut_);
    if (closing_) return total(buffers);
    Cursor cursor{buffers};
    std::size_t taken = 0;
    for (;;) {
        uv_buf_t vectors[vectors_per_call];
        std::uint8_t gathered[gathering_bytes];
        std::size_t offered = 0;
        unsigned count = cursor.fill(vectors, vectors_per_call, offered);
        if (count == 0) return taken;
        if (count >= gathered_min && offered < count * gathered_each_max) {
            offered = cursor.copy(gathered);
            vectors[0] = {reinterpret_cast<char*>(gathered), offered};
            count = 1;
        }
        int n = uv_try_write(stream(), vectors, count);
        if (n == UV_EAGAIN) n = 0;
        if (n >= 0) {
            cursor.advance(static_cast<std::size_t>(n));
            taken += static_cast<std::size_t>(n);
            if (static_cast<std::size_t>(n) == offered) continue;
            if (bulk_ && total(buffers) - taken >= BulkSenders::worth_bytes && network_.bulk_senders().take_place(*this)) continue;
            count = cursor.fill(vectors, env::send_buffers_kept_max, offered);
            n = uv_write(&write_request_, stream(), vectors, count, on_written);
        }
        if (n < 0) {
            begin_close(network_error(n));
            return total(buffers);
        }
        sending_ = true;
        return taken + offered;
    }
}

void TcpConnection::on_written(uv_write_t* request, int status) {
    TcpConnection& self = of(request->handle->data);
    if (self.closing_) return;
    self.sending_ = false;
    if (status != 0) return self.begin_close(network_error(status));
    if (self.shut_) ::shutdown(self.descriptor(), SHUT_WR);
    self.handler_->on_sent();
}

void TcpConnection::shutdown_sending() {
    RIVULET_CHECK(!connecting_);
    if (shut_ || closing_) return;
    shut_ = true;
    // Not uv_shutdown: this needs no request, and there is nothing to wait for.
    if (!sending_) ::shutdown(descriptor(), SHUT_WR);
}

env::Address TcpConnection::local() const {
    sockaddr_storage name;
    int length = sizeof name;
    if (uv_tcp_getsockname(&tcp_, reinterpret_cast<sockaddr*>(&name), &length) != 0) return {};
    return from_sockaddr(reinterpret_cast<const sockaddr&>(name));
}

void TcpConnection::begin_close(Error reason) {
    if (closing_) return;
    closing_ = true;
    reason_ = reason;
    if (!held_) close_handle();
}

void TcpConnection::close_handle() {
    auto* const handle = reinterpret_cast<uv_handle_t*>(&tcp_);
    if (uv_is_closing(handle)) return;
    if (reason_ == Error::canceled && !connecting_) discard_unread();
    if (bulk_) network_.bulk_senders().gone(*this);
    uv_close(handle, on_handle_closed);
}

void TcpConnection::discard_unread() const {
    const int fd = descriptor();
    // With MSG_TRUNC TCP counts and drops the bytes without copying them.
    for (int i = 0; i < discard_rounds_max; ++i)
        if (::recv(fd, nullptr, discard_bytes, MSG_TRUNC | MSG_DONTWAIT) <= 0) return;
}

void TcpConnection::on_handle_closed(uv_handle_t* handle) {
    TcpConnection& self = of(handle->data);
    self.sending_ = false;
    if (self.handler_) self.handler_->on_closed(self.reason_);
    self.network_.release(self);
}

void TcpConnection::abandon() {
    handler_ = nullptr;
    closing_ = true;
    held_ = false;
    close_handle();
}

}  // namespace rivulet::platform
