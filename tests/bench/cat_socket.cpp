// `cat journal` through a loopback socket: what a reader of everything could get at best. One process reads and sends, another takes.
// usage: bench_cat_socket FILE FROM BYTES      prints one JSON object
#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

namespace {

[[noreturn]] void die(const char* what) {
    std::fprintf(stderr, "bench_cat_socket: %s: %s\n", what, std::strerror(errno));
    std::exit(3);
}

double now() {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) / 1e9;
}

constexpr std::size_t piece = 256 * 1024;

// Takes all, then says so with one byte.
int take(const sockaddr_in& from) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ::connect(fd, reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0) die("connect");
    std::vector<char> buffer(piece);
    ssize_t n = 0;
    while ((n = ::recv(fd, buffer.data(), buffer.size(), 0)) > 0) {}
    return n == 0 && ::send(fd, "", 1, 0) == 1 ? 0 : 3;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: bench_cat_socket FILE FROM BYTES\n");
        return 2;
    }
    const int file = ::open(argv[1], O_RDONLY | O_CLOEXEC);
    if (file < 0) die(argv[1]);
    const unsigned long long from = std::strtoull(argv[2], nullptr, 10);
    const unsigned long long total = std::strtoull(argv[3], nullptr, 10);
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (listener < 0 || ::bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 || ::listen(listener, 1) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        die("listen");
    const pid_t taker = ::fork();
    if (taker < 0) die("fork");
    if (taker == 0) return take(address);
    const int fd = ::accept(listener, nullptr, nullptr);
    if (fd < 0) die("accept");
    std::vector<char> buffer(piece);
    const double begin = now();
    for (unsigned long long done = 0; done < total;) {
        const ssize_t n = ::pread(file, buffer.data(), static_cast<std::size_t>(std::min<unsigned long long>(piece, total - done)), static_cast<off_t>(from + done));
        if (n <= 0) die("read");
        for (ssize_t sent = 0; sent < n;) {
            const ssize_t k = ::send(fd, buffer.data() + sent, static_cast<std::size_t>(n - sent), MSG_NOSIGNAL);
            if (k <= 0) die("send");
            sent += k;
        }
        done += static_cast<unsigned long long>(n);
    }
    ::shutdown(fd, SHUT_WR);
    char end = 0;
    if (::recv(fd, &end, 1, 0) != 1) die("the taker ended early");
    const double took = now() - begin;
    int status = 0;
    ::waitpid(taker, &status, 0);
    std::printf("{\"bytes\": %llu, \"seconds\": %.3f, \"rate\": %.0f}\n", total, took, static_cast<double>(total) / took);
    return status == 0 ? 0 : 3;
}
