// env::Process: signals through libuv, standard input, complete writes to the other two.
// Owns:     three signal handles and standard input's, out of the arena. To be destroyed before its UvEnv.
// Bounds:   memory_bytes() of arena; no allocation afterwards.
// Errors:   write: io with detail EPIPE when the reader is gone; SIGPIPE is ignored since UvEnv.        Thread: loop only.
#pragma once

#include "env/process.h"
#include "platform/uv/loop.h"

namespace rivulet::platform {

class UvProcess final : public env::Process {
public:
    static std::size_t memory_bytes();

    UvProcess(UvEnv& env, Arena& arena);
    UvProcess(const UvProcess&) = delete;
    UvProcess& operator=(const UvProcess&) = delete;
    ~UvProcess();

    void handle_signals(env::SignalHandler* handler) override;
    // Again only after on_closed().
    env::Connection& read_standard_input(env::ConnectionHandler& handler) override;
    Status write_standard_output(Bytes bytes) override;
    Status write_standard_error(Bytes bytes) override;
    bool standard_output_is_gone() const override;
    bool standard_output_is_terminal() const override;
    bool standard_error_is_terminal() const override;
    bool standard_input_is_terminal() const override;

private:
    struct Parts;

    Parts& parts_;
};

}  // namespace rivulet::platform
