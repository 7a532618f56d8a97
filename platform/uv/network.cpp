#include "platform/uv/network.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include "platform/linux/errors.h"
#include "platform/uv/address.h"

namespace rivulet::platform {

namespace {

void set_option(int descriptor, int level, int name, int value) { ::setsockopt(descriptor, level, name, &value, sizeof value); }

uv_stream_t* stream_of(uv_tcp_t& tcp) { return reinterpret_cast<uv_stream_t*>(&tcp); }
uv_handle_t* handle_of(uv_tcp_t& tcp) { return reinterpret_cast<uv_handle_t*>(&tcp); }

}  // namespace

void set_tcp_options(int descriptor) {
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_option(descriptor, IPPROTO_TCP, TCP_KEEPCNT, 6);
}

env::Address TcpListener::local() const {
    sockaddr_storage name;
    int length = sizeof name;
    if (uv_tcp_getsockname(&tcp_, reinterpret_cast<sockaddr*>(&name), &length) != 0) return {};
    return from_sockaddr(reinterpret_cast<const sockaddr&>(name));
}

void TcpListener::close() {
    stalled_ = false;
    if (in_use_ && !uv_is_closing(handle_of(tcp_))) uv_close(handle_of(tcp_), on_handle_closed);
}

void TcpListener::on_handle_closed(uv_handle_t* handle) { static_cast<TcpListener*>(handle->data)->in_use_ = false; }

void TcpListener::on_connection(uv_stream_t* server, int status) {
    if (status == 0) static_cast<TcpListener*>(server->data)->accept();
}

void TcpListener::accept() {
    // Without uv_accept() libuv keeps the socket and stops watching the listener: exactly the pause that is wanted.
    TcpConnection* const connection = network_->take();
    stalled_ = !connection;
    if (connection) connection->accept(*stream_of(tcp_), *acceptor_, bulk_);
}

UvNetwork::UvNetwork(uv_loop_t& loop, Jobs& jobs, Arena& arena, std::size_t connections_max, std::size_t listeners_max, std::size_t bulk_senders)
    : loop_(loop),
      storage_(arena.take_bytes(connections_max * sizeof(TcpConnection), alignof(TcpConnection))),
      bulk_senders_(bulk_senders),
      connections_max_(connections_max),
      listeners_(arena.make_array<TcpListener>(listeners_max)),
      resolver_(jobs) {}

std::size_t UvNetwork::memory_bytes(std::size_t connections_max, std::size_t listeners_max) {
    return connections_max * sizeof(TcpConnection) + listeners_max * sizeof(TcpListener) + 2 * alignof(std::max_align_t);
}

TcpConnection* UvNetwork::take() {
    TcpConnection* connection = free_.pop_front();
    if (!connection && constructed_ < connections_max_)
        connection = ::new (static_cast<void*>(storage_.data() + constructed_++ * sizeof(TcpConnection))) TcpConnection(*this);
    if (connection) open_.push_back(*connection);
    return connection;
}

void UvNetwork::release(TcpConnection& connection) {
    List<TcpConnection>::remove(connection);
    free_.push_front(connection);
    if (!abandoned_) resume_one_listener();
}

void UvNetwork::resume_one_listener() {
    for (std::size_t i = 0; i < listeners_.size(); ++i) {
        turn_ = (turn_ + 1) % listeners_.size();
        if (listeners_[turn_].stalled_) return listeners_[turn_].accept();
    }
}

Result<env::Listener*> UvNetwork::listen(const env::Address& address, const env::ListenOptions& options, env::Acceptor& acceptor) {
    TcpListener* listener = nullptr;
    for (TcpListener& candidate : listeners_)
        if (!candidate.in_use_) listener = &candidate;
    if (!listener) return fail(Error::limit_reached);
    sockaddr_storage name;
    to_sockaddr(address, name);
    if (const int error = uv_tcp_init_ex(&loop_, &listener->tcp_, name.ss_family); error != 0) return fail(network_error(error), error);
    listener->tcp_.data = listener;
    listener->network_ = this;
    listener->acceptor_ = &acceptor;
    listener->in_use_ = true;
    listener->stalled_ = false;
    listener->bulk_ = options.send_buffer_bytes != 0 && options.send_buffer_bytes < BulkSenders::buffer_bytes;
    uv_os_fd_t fd = -1;
    uv_fileno(handle_of(listener->tcp_), &fd);
    set_tcp_options(fd);
    // Before listen(), because the window scale is agreed on in the handshake.
    if (options.send_buffer_bytes != 0) set_option(fd, SOL_SOCKET, SO_SNDBUF, static_cast<int>(options.send_buffer_bytes));
    if (options.receive_buffer_bytes != 0) set_option(fd, SOL_SOCKET, SO_RCVBUF, static_cast<int>(options.receive_buffer_bytes));
    int error = uv_tcp_bind(&listener->tcp_, reinterpret_cast<const sockaddr*>(&name), 0);
    if (error == 0) error = uv_listen(stream_of(listener->tcp_), options.backlog, TcpListener::on_connection);
    if (error == 0) return static_cast<env::Listener*>(listener);
    listener->close();
    return fail(network_error(error), error);
}

Result<env::Connection*> UvNetwork::connect(const env::Address& address, env::ConnectionHandler& handler) {
    TcpConnection* const connection = take();
    if (!connection) return fail(Error::too_many_connections);
    connection->connect(address, handler);
    return static_cast<env::Connection*>(connection);
}

void UvNetwork::resolve(std::string_view host, std::uint16_t port, env::Resolved& callback) { resolver_.start(host, port, callback); }

void UvNetwork::abandon() {
    abandoned_ = true;
    for (TcpListener& listener : listeners_) listener.close();
    for (TcpConnection* c = open_.front(); c; c = open_.next(*c)) c->abandon();
}

}  // namespace rivulet::platform
