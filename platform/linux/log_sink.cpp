#include "platform/linux/log_sink.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/text.h"
#include "platform/linux/clock.h"

namespace rivulet::platform {

namespace {

struct LevelText {
    std::string_view journal;
    std::string_view plain;
};
constexpr LevelText level_texts[] = {{"<3>", "error: "}, {"<4>", "warning: "}, {"<6>", "info: "}, {"<7>", "debug: "}};

// systemd.exec(5): the device and inode of the stream, so that a redirected stderr is told apart.
bool is_journal() {
    const char* const variable = std::getenv("JOURNAL_STREAM");
    struct stat ours;
    if (!variable || ::fstat(STDERR_FILENO, &ours) == -1) return false;
    char buffer[48];
    Text text(buffer);
    text << static_cast<std::uint64_t>(ours.st_dev) << ':' << static_cast<std::uint64_t>(ours.st_ino);
    return text.view() == variable;
}

// By hand: gmtime_r may allocate when it first looks for a time zone.
void put_time(Text& out, Timestamp now) {
    const auto two_digits = [&out](std::int64_t n) { out << static_cast<char>('0' + n / 10) << static_cast<char>('0' + n % 10); };
    const std::int64_t ms = (now.value % 86'400'000 + 86'400'000) % 86'400'000;
    two_digits(ms / 3'600'000);
    out << ':';
    two_digits(ms / 60'000 % 60);
    out << ':';
    two_digits(ms / 1000 % 60);
    out << '.' << static_cast<char>('0' + ms / 100 % 10);
    two_digits(ms % 100);
    out << "Z ";
}

bool writable_now() {
    pollfd p{STDERR_FILENO, POLLOUT, 0};
    return ::poll(&p, 1, 0) == 1;
}

}  // namespace

LogSink::LogSink() : form_(is_journal() ? Form::journal : ::isatty(STDERR_FILENO) ? Form::timed : Form::plain) {}

void LogSink::write(env::LogLevel level, std::string_view line) {
    if (serving_ && !writable_now()) {
        ++lines_dropped_;
        return;
    }
    if (lines_dropped_ != 0) {
        char buffer[64];
        Text text(buffer);
        text << lines_dropped_ << " log lines were dropped: standard error was full";
        lines_dropped_ = 0;
        put(env::LogLevel::warning, text.view());
    }
    put(level, line);
}

void LogSink::put(env::LogLevel level, std::string_view line) {
    char buffer[32];
    Text prefix(buffer);
    const LevelText& texts = level_texts[static_cast<std::size_t>(level)];
    if (form_ == Form::timed) put_time(prefix, wall_clock());
    prefix << (form_ == Form::journal ? texts.journal : texts.plain);
    char end = '\n';
    const iovec parts[] = {{buffer, prefix.size()}, {const_cast<char*>(line.data()), line.size()}, {&end, 1}};
    // A log that cannot be written has nowhere to complain.
    while (::writev(STDERR_FILENO, parts, 3) == -1 && errno == EINTR) {}
}

}  // namespace rivulet::platform
