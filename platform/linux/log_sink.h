// Where log lines go: standard error.
// Format:   under systemd (JOURNAL_STREAM names our stderr) "<6>line" as in sd-daemon(3), so that the journal knows the level;
//           else "info: line", with the time of day (UTC) before it on a terminal.
// Owns:     nothing. Bounds: no allocation, one system call per line (two while serving).
// Guarantee: while serving a line that would block is dropped rather than the loop held up; the next one tells how many were.
// Thread:   loop only.
#pragma once

#include "base/units.h"
#include "env/env.h"

namespace rivulet::platform {

class LogSink {
public:
    LogSink();
    void write(env::LogLevel level, std::string_view line);
    void set_serving(bool serving) { serving_ = serving; }

private:
    enum class Form : std::uint8_t { plain, timed, journal };

    void put(env::LogLevel level, std::string_view line);

    Form form_;
    bool serving_ = false;
    std::uint64_t lines_dropped_ = 0;
};

}  // namespace rivulet::platform
