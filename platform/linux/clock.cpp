#include "platform/linux/clock.h"

#include <fcntl.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "platform/linux/entropy.h"

namespace rivulet::platform {

static_assert(sizeof(time_t) == 8, "time goes on after 2038: build with -D_TIME_BITS=64");

namespace {

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

}  // namespace

Timestamp wall_clock() {
    timespec t;
    RIVULET_CHECK(::clock_gettime(CLOCK_REALTIME, &t) == 0);
    return Timestamp(static_cast<std::int64_t>(t.tv_sec) * 1000 + t.tv_nsec / ns_per_ms);
}

bool wall_clock_synchronised() {
    timex state{};
    const int result = ::adjtimex(&state);
    return result != -1 && result != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
}

Uuid read_boot_id() {
    char text[36];
    const int descriptor = ::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    const ssize_t n = descriptor == -1 ? -1 : ::read(descriptor, text, sizeof text);
    if (descriptor != -1) ::close(descriptor);
    Uuid id;
    unsigned nibbles = 0;
    for (ssize_t i = 0; i < n; ++i) {
        const int digit = hex_digit(text[i]);
        if (digit < 0 || nibbles == 32) continue;
        auto& byte = id.bytes[nibbles++ / 2];
        byte = static_cast<std::uint8_t>(byte << 4 | digit);
    }
    if (nibbles == 32) return id;
    std::array<std::uint8_t, 16> random;
    fill_with_entropy(random);
    return uuid_from_random(random);
}

}  // namespace rivulet::platform
