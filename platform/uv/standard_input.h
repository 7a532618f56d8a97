// Standard input as a connection that only reads: a terminal, pipe or socket through a libuv stream, a file by plain reads.
// Owns:     the handle on descriptor 0, which itself is never closed. A pipe's O_NONBLOCK is taken back by restore(), because the
//           next reader shares it.
// Bounds:   no allocation; of a file, one read of the lent buffer per turn, so that a huge one flows at the handler's pace.
// Errors:   on_closed: end_of_file, canceled, io.        Thread: loop only.
// Guarantee: as env/network.h: no callback from within a call of ours. A file is read on the loop, which is for the command line.
#pragma once

#include <uv.h>

#include "env/network.h"

namespace rivulet::platform {

class StandardInput final : public env::Connection {
public:
    explicit StandardInput(uv_loop_t& loop) : loop_(loop) {}

    void start(env::ConnectionHandler& handler);
    // For tearing down: closes without another call of the handler, and restores the descriptor.
    void abandon();

    std::size_t send(std::span<const Bytes> buffers) override;
    bool sending() const override { return false; }
    std::size_t unsent() const override { return 0; }
    void pause_reading() override;
    void resume_reading() override;
    void close() override { begin_close(Error::canceled); }
    void shutdown_sending() override {}
    env::Address peer() const override { return {}; }
    env::Address local() const override { return {}; }

private:
    enum class Kind : std::uint8_t { none, stream, file };

    static StandardInput& of(void* handle_data) { return *static_cast<StandardInput*>(handle_data); }
    static void on_buffer_wanted(uv_handle_t* handle, std::size_t suggested, uv_buf_t* buffer);
    static void on_read(uv_stream_t* stream, ssize_t n, const uv_buf_t* buffer);
    static void on_turn(uv_idle_t* idle);
    static void on_handle_closed(uv_handle_t* handle);

    void open_handle(uv_handle_type type);
    uv_stream_t* stream() { return reinterpret_cast<uv_stream_t*>(&handle_); }
    MutableBytes borrow();
    void start_reading();
    void stop_reading();
    void received(ssize_t n, bool lent);
    void begin_close(Error reason);
    void close_handle();
    void restore();

    uv_loop_t& loop_;
    union {
        uv_handle_t handle_;
        uv_tty_t tty_;
        uv_pipe_t pipe_;
        uv_idle_t idle_;
    };
    env::ConnectionHandler* handler_ = nullptr;
    Error reason_ = Error::none;
    int flags_before_ = -1;
    Kind kind_ = Kind::none;
    bool paused_ = false;
    bool held_ = false;  // inside receive_buffer(): stopping and closing wait
    bool closing_ = false;
};

}  // namespace rivulet::platform
