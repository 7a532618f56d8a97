#include "sim/abort_report.h"

#include <csignal>
#include <cstring>

#include <unistd.h>

namespace rivulet::sim {

namespace {

// Plain: abort() raises the signal in the simulator's one thread.
volatile std::uint64_t current_seed = 0;
const char* volatile replay_command = "make sim SEEDS=%llu-%llu";
struct sigaction before;
bool installed = false;

void put(const char* text, std::size_t n) { (void)!::write(2, text, n); }
void put(const char* text) { put(text, std::strlen(text)); }
void put_number(std::uint64_t n) {
    char digits[20];
    std::size_t at = sizeof digits;
    do digits[--at] = static_cast<char>('0' + n % 10);
    while ((n /= 10) != 0);
    put(digits + at, sizeof digits - at);
}

// Calls nothing that is not allowed in a signal handler.
void on_abort(int signal) {
    const std::uint64_t seed = current_seed;
    put("simulation: aborted with seed ");
    put_number(seed);
    put("; replay: ");
    const char* rest = replay_command;
    while (const char* at = std::strstr(rest, "%llu")) {
        put(rest, static_cast<std::size_t>(at - rest));
        put_number(seed);
        rest = at + 4;
    }
    put(rest);
    put("\n");
    ::sigaction(SIGABRT, &before, nullptr);
    installed = false;
    ::raise(signal);
}

}  // namespace

void set_current_seed(std::uint64_t seed) {
    current_seed = seed;
    // Again each time: a test framework may have put its own handler in place since.
    struct sigaction now;
    ::sigaction(SIGABRT, nullptr, &now);
    if (installed && now.sa_handler == on_abort) return;
    before = now;
    struct sigaction ours;
    std::memset(&ours, 0, sizeof ours);
    ours.sa_handler = on_abort;
    ::sigemptyset(&ours.sa_mask);
    ours.sa_flags = SA_NODEFER;
    installed = ::sigaction(SIGABRT, &ours, nullptr) == 0;
}

void set_replay_command(const char* format) { replay_command = format; }

}  // namespace rivulet::sim
