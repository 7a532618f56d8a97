// What a process has beside time, disk and network: signals and standard streams.
// Owns:     nothing. Bounds: no allocation after start. Thread: loop only.
#pragma once

#include "env/network.h"

namespace rivulet::env {

enum class Signal : std::uint8_t { interrupt, terminate, reload };  // SIGINT, SIGTERM, SIGHUP

class SignalHandler {
public:
    virtual void on_signal(Signal signal) = 0;

protected:
    ~SignalHandler() = default;
};

class Process {
public:
    // One handler; nullptr gives the signals their default effect again.
    virtual void handle_signals(SignalHandler* handler) = 0;
    // Standard input as a connection that only reads (terminal, pipe or file); at its end on_closed(end_of_file).
    virtual Connection& read_standard_input(ConnectionHandler& handler) = 0;
    // Blocking and complete; io if the reader is gone (EPIPE). For the command line, not for a broker that serves. While the reader takes nothing,
    // signals have their default effect.
    virtual Status write_standard_output(Bytes bytes) = 0;
    virtual Status write_standard_error(Bytes bytes) = 0;
    // Nobody reads it any more (the other end of a pipe is closed), without a write to find out.
    virtual bool standard_output_is_gone() const = 0;
    virtual bool standard_output_is_terminal() const = 0;
    virtual bool standard_error_is_terminal() const = 0;
    virtual bool standard_input_is_terminal() const = 0;

protected:
    ~Process() = default;
};

}  // namespace rivulet::env
