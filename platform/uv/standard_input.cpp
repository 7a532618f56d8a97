#include "platform/uv/standard_input.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "platform/linux/errors.h"

namespace rivulet::platform {

void StandardInput::start(env::ConnectionHandler& handler) {
    RIVULET_CHECK(kind_ == Kind::none);
    handler_ = &handler;
    paused_ = held_ = closing_ = false;
    open_handle(uv_guess_handle(STDIN_FILENO));
    start_reading();
}

void StandardInput::open_handle(uv_handle_type type) {
    int error = 0;
    kind_ = Kind::stream;
    if (type == UV_TTY && uv_tty_init(&loop_, &tty_, STDIN_FILENO, 1) == 0) {
        // libuv has opened it anew, so that its flags are ours alone.
    } else if (type == UV_NAMED_PIPE || type == UV_TCP) {
        // Sockets too: of a pipe handle libuv wants no more than a descriptor that epoll takes.
        flags_before_ = ::fcntl(STDIN_FILENO, F_GETFL);
        uv_pipe_init(&loop_, &pipe_, 0);
        error = uv_pipe_open(&pipe_, STDIN_FILENO);
    } else {
        // What is neither (closed, a directory) fails at its first read like a file.
        kind_ = Kind::file;
        uv_idle_init(&loop_, &idle_);
    }
    handle_.data = this;
    if (error != 0) begin_close(Error::io);
}

void StandardInput::restore() {
    if (flags_before_ != -1) ::fcntl(STDIN_FILENO, F_SETFL, flags_before_);
    flags_before_ = -1;
}

std::size_t StandardInput::send(std::span<const Bytes>) {
    const bool standard_input_can_send = false;
    RIVULET_CHECK(standard_input_can_send);
    return 0;
}

void StandardInput::start_reading() {
    if (paused_ || closing_) return;
    if (kind_ == Kind::file) {
        uv_idle_start(&idle_, on_turn);
    } else if (uv_read_start(stream(), on_buffer_wanted, on_read) != 0) {
        begin_close(Error::io);
    }
}

void StandardInput::stop_reading() {
    if (kind_ == Kind::file) uv_idle_stop(&idle_);
    else uv_read_stop(stream());
}

void StandardInput::pause_reading() {
    paused_ = true;
    if (!held_ && !closing_) stop_reading();
}

void StandardInput::resume_reading() {
    if (!paused_) return;
    paused_ = false;
    if (!held_) start_reading();
}

MutableBytes StandardInput::borrow() {
    held_ = true;
    const MutableBytes lent = handler_->receive_buffer();
    held_ = false;
    return closing_ ? MutableBytes() : lent;
}

void StandardInput::on_buffer_wanted(uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
    const MutableBytes lent = of(handle->data).borrow();
    *buffer = uv_buf_init(reinterpret_cast<char*>(lent.data()), static_cast<unsigned>(lent.size()));
}

void StandardInput::on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* buffer) {
    StandardInput& self = of(stream->data);
    if (self.closing_) return self.close_handle();
    if (n == UV_ENOBUFS) return self.pause_reading();
    self.received(n, buffer->base && buffer->len != 0);
}

void StandardInput::on_turn(uv_idle_t* idle) {
    StandardInput& self = of(idle->data);
    const MutableBytes lent = self.borrow();
    if (self.closing_) return self.close_handle();
    if (lent.empty()) return self.pause_reading();
    ssize_t n = ::read(STDIN_FILENO, lent.data(), lent.size());
    while (n == -1 && errno == EINTR) n = ::read(STDIN_FILENO, lent.data(), lent.size());
    if (n == 0) n = UV_EOF;
    else if (n == -1) n = -errno;
    self.received(n, true);
}

void StandardInput::received(ssize_t n, bool lent) {
    if (paused_) stop_reading();
    if (lent) handler_->on_received(n > 0 ? static_cast<std::size_t>(n) : 0);
    if (n < 0) begin_close(n == UV_EOF ? Error::end_of_file : file_failure(static_cast<int>(-n)).error);
}

void StandardInput::begin_close(Error reason) {
    if (closing_) return;
    closing_ = true;
    reason_ = reason;
    if (!held_) close_handle();
}

void StandardInput::close_handle() {
    if (!uv_is_closing(&handle_)) uv_close(&handle_, on_handle_closed);
}

void StandardInput::on_handle_closed(uv_handle_t* handle) {
    StandardInput& self = of(handle->data);
    self.restore();
    self.kind_ = Kind::none;
    if (env::ConnectionHandler* const handler = self.handler_) {
        self.handler_ = nullptr;
        handler->on_closed(self.reason_);
    }
}

void StandardInput::abandon() {
    restore();
    handler_ = nullptr;
    held_ = false;
    closing_ = true;
    if (kind_ != Kind::none) close_handle();
}

}  // namespace rivulet::platform
