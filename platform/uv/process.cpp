#include "platform/uv/process.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cerrno>

#include "platform/linux/errors.h"
#include "platform/uv/standard_input.h"

namespace rivulet::platform {

namespace {

constexpr int signals = 3;
constexpr int signal_numbers[signals] = {SIGINT, SIGTERM, SIGHUP};  // in the order of env::Signal

Status write_all(int descriptor, Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(descriptor, bytes.data(), bytes.size());
        if (n >= 0) {
            bytes = bytes.subspan(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN) {
            // Somebody who shares it has made it non-blocking.
            pollfd p{descriptor, POLLOUT, 0};
            ::poll(&p, 1, -1);
        } else if (errno != EINTR) {
            return file_failure(errno);
        }
    }
    return {};
}

// While a reader takes nothing the loop does not turn, and nobody would hear of a signal: it has its default effect then.
class DefaultSignals {
public:
    DefaultSignals() {
        struct sigaction usual = {};
        usual.sa_handler = SIG_DFL;
        for (int i = 0; i < signals; ++i) ::sigaction(signal_numbers[i], &usual, &before_[i]);
    }
    DefaultSignals(const DefaultSignals&) = delete;
    DefaultSignals& operator=(const DefaultSignals&) = delete;
    ~DefaultSignals() {
        for (int i = 0; i < signals; ++i) ::sigaction(signal_numbers[i], &before_[i], nullptr);
    }

private:
    struct sigaction before_[signals];
};

// What a pipe takes without blocking once it has any room.
constexpr std::size_t piece_bytes = PIPE_BUF;

void wait_for_room(int descriptor) {
    pollfd p{descriptor, POLLOUT, 0};
    if (::poll(&p, 1, 0) != 0) return;
    const DefaultSignals meanwhile;
    while (::poll(&p, 1, -1) == -1 && errno == EINTR) {}
}

}  // namespace

struct UvProcess::Parts {
    explicit Parts(uv_loop_t& loop) : input(loop) {
        for (uv_signal_t& handle : handles) {
            uv_signal_init(&loop, &handle);
            handle.data = this;
            uv_unref(reinterpret_cast<uv_handle_t*>(&handle));
        }
    }

    static void on_signal(uv_signal_t* handle, int) {
        Parts& parts = *static_cast<Parts*>(handle->data);
        if (parts.handler) parts.handler->on_signal(static_cast<env::Signal>(handle - parts.handles));
    }

    uv_signal_t handles[signals];
    env::SignalHandler* handler = nullptr;
    StandardInput input;
};

std::size_t UvProcess::memory_bytes() { return sizeof(Parts) + alignof(std::max_align_t); }

UvProcess::UvProcess(UvEnv& env, Arena& arena) : parts_(arena.make<Parts>(env.loop())) {}

UvProcess::~UvProcess() {
    // The handles stay in the arena until the loop has let go of them.
    parts_.handler = nullptr;
    for (uv_signal_t& handle : parts_.handles) uv_close(reinterpret_cast<uv_handle_t*>(&handle), nullptr);
    parts_.input.abandon();
}

void UvProcess::handle_signals(env::SignalHandler* handler) {
    parts_.handler = handler;
    for (int i = 0; i < signals; ++i) {
        const int result = handler ? uv_signal_start(&parts_.handles[i], Parts::on_signal, signal_numbers[i]) : uv_signal_stop(&parts_.handles[i]);
        RIVULET_CHECK(result == 0);
    }
}

env::Connection& UvProcess::read_standard_input(env::ConnectionHandler& handler) {
    parts_.input.start(handler);
    return parts_.input;
}

Status UvProcess::write_standard_output(Bytes bytes) {
    struct stat found;
    if (::fstat(STDOUT_FILENO, &found) == 0 && S_ISREG(found.st_mode)) return write_all(STDOUT_FILENO, bytes);
    while (!bytes.empty()) {
        const Bytes piece = bytes.first(bytes.size() < piece_bytes ? bytes.size() : piece_bytes);
        wait_for_room(STDOUT_FILENO);
        RIVULET_TRY(write_all(STDOUT_FILENO, piece));
        bytes = bytes.subspan(piece.size());
    }
    return {};
}
Status UvProcess::write_standard_error(Bytes bytes) { return write_all(STDERR_FILENO, bytes); }
bool UvProcess::standard_output_is_gone() const {
    pollfd p{STDOUT_FILENO, 0, 0};
    return ::poll(&p, 1, 0) == 1 && (p.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}
bool UvProcess::standard_output_is_terminal() const { return ::isatty(STDOUT_FILENO) == 1; }
bool UvProcess::standard_error_is_terminal() const { return ::isatty(STDERR_FILENO) == 1; }
bool UvProcess::standard_input_is_terminal() const { return ::isatty(STDIN_FILENO) == 1; }

}  // namespace rivulet::platform
