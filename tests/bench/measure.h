// What the load generators share: the end after something unexpected, clocks, a histogram of durations.
#pragma once

#include <array>
#include <bit>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace rivulet::bench {

[[noreturn]] __attribute__((format(printf, 1, 2))) inline void die(const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    std::fprintf(stderr, "%s: ", program_invocation_short_name);
    std::vfprintf(stderr, format, arguments);
    std::fputs("\n", stderr);
    va_end(arguments);
    std::exit(3);
}

inline double seconds_of(clockid_t clock) {
    timespec t{};
    ::clock_gettime(clock, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}
inline double now() { return seconds_of(CLOCK_MONOTONIC); }
inline std::uint64_t now_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(t.tv_nsec);
}

// Durations in buckets that are at most 1.6% wide.
class Histogram {
public:
    void add(std::uint64_t ns, std::uint64_t times) {
        const unsigned shift = ns < buckets ? 0 : static_cast<unsigned>(std::bit_width(ns)) - 6;
        counts_[shift * buckets + (ns >> shift)] += times;
        total_ += times;
    }
    double microseconds(double fraction) const {
        std::uint64_t left = static_cast<std::uint64_t>(fraction * static_cast<double>(total_));
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            if (counts_[i] > left) return static_cast<double>((i % buckets) << (i / buckets)) / 1e3;
            left -= counts_[i];
        }
        return 0;
    }
    void clear() {
        counts_.fill(0);
        total_ = 0;
    }

private:
    static constexpr std::size_t buckets = 64;  // of each power of two; the upper half of them from the second on
    std::array<std::uint64_t, buckets * 60> counts_{};
    std::uint64_t total_ = 0;
};

}  // namespace rivulet::bench
