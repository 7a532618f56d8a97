// What a log broker does with one file per partition: each second a reading is appended to each of them and synced. To measure beside ours.
// usage: bench_files DIR PARTITIONS READING_BYTES SECONDS     says when counters are to be read: {"mark": ...}
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <vector>

namespace {

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "bench_files: %s: %s\n", what, std::strerror(errno));
    std::exit(3);
}

void mark(const char* which, unsigned long long payload) {
    std::printf("{\"mark\": \"%s\", \"payload\": %llu}\n", which, payload);
    std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fprintf(stderr, "usage: bench_files DIR PARTITIONS READING_BYTES SECONDS\n");
        return 2;
    }
    const unsigned long partitions = std::strtoul(argv[2], nullptr, 10);
    const std::vector<char> reading(std::strtoul(argv[3], nullptr, 10), 'r');
    const unsigned long seconds = std::strtoul(argv[4], nullptr, 10);
    std::vector<int> files;
    for (unsigned long p = 0; p < partitions; ++p) {
        const std::string path = std::string(argv[1]) + "/partition-" + std::to_string(p);
        files.push_back(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
        if (files.back() < 0) die(path.c_str());
    }
    constexpr unsigned long warm = 2;
    timespec due{};
    ::clock_gettime(CLOCK_MONOTONIC, &due);
    unsigned long long payload = 0;
    for (unsigned long second = 0; second < warm + seconds; ++second) {
        for (const int file : files) {
            if (::write(file, reading.data(), reading.size()) != static_cast<ssize_t>(reading.size())) die("write");
            if (::fdatasync(file) != 0) die("fdatasync");
            payload += reading.size();
        }
        if (second + 1 == warm) mark("begin", payload);
        ++due.tv_sec;
        ::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, nullptr);
    }
    mark("end", payload);
    return 0;
}
