// One generator for all servers of the part "peers": each connection keeps --window readings unacknowledged, rounded up to whole
// requests of --pack, over raw sockets, one thread.
// usage: bench_publish --protocol compact|redis|nats|mosquitto --port N [--name value]...   prints {"mark": "begin"}, then a line of figures; peers.py is its user
#include <sys/epoll.h>

#include "bench/options.h"
#include "bench/protocols.h"

namespace rivulet::bench {
namespace {

struct Client {
    int fd = -1;
    std::unique_ptr<Protocol> protocol;
    std::vector<std::size_t> partitions;
    std::size_t place = 0;           // where the next request goes
    std::vector<std::uint64_t> sent_at;  // of the requests in flight, by number modulo their size
    std::uint64_t sent = 0;
    std::uint64_t acked = 0;
    std::vector<std::uint8_t> storage;
    std::size_t queued = 0;
    std::size_t flushed = 0;
    std::vector<std::uint8_t> held;  // the beginning of an answer
    bool watched_for_room = false;
};

class Publisher {
public:
    explicit Publisher(const Options& options)
        : pack_(options.count("pack", 1)), window_((options.count("window", 1) + pack_ - 1) / pack_), values_(options.count("bytes", 100)), clients_(options.count("connections", 1)),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        const std::size_t partitions = options.count("partitions", 4);
        const std::string protocol = options.text("protocol", "compact");
        for (std::size_t i = 0; i < clients_.size(); ++i) {
            Client& client = clients_[i];
            // Each connection has a share of the partitions, or one that others put to as well.
            for (std::size_t p = i % partitions; p < partitions; p += clients_.size()) client.partitions.push_back(p);
            client.protocol = make_protocol(protocol, options.topic(), i, pack_);
            client.fd = connect_loopback(options.port(), now() + 10);
            if (client.fd < 0) die("nobody listens on port %u", options.port());
            const int one = 1;
            ::setsockopt(client.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            client.protocol->open(client.fd, client.partitions);
            ::fcntl(client.fd, F_SETFL, ::fcntl(client.fd, F_GETFL) | O_NONBLOCK);
            client.sent_at.resize(window_);
            client.storage.resize(std::min<std::size_t>(window_ * (pack_ * (options.count("bytes", 100) + 8) + 128), 1 << 20) + request_bytes_max);
            watch(i, EPOLL_CTL_ADD);
        }
    }

    int run(double warm, double seconds) {
        for (std::size_t i = 0; i < clients_.size(); ++i) fill_window(clients_[i], now_ns());
        for (std::size_t i = 0; i < clients_.size(); ++i) flush(i);
        run_until(now() + warm);
        std::printf("{\"mark\": \"begin\"}\n");
        std::fflush(stdout);
        took_.clear();
        const std::uint64_t before = acked_;
        const double begin = now();
        const double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        run_until(begin + seconds);
        const double took = now() - begin;
        std::printf("{\"mark\": \"end\", \"acked\": %llu, \"seconds\": %.4f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"generator_cpu\": %.3f}\n",
                    static_cast<unsigned long long>((acked_ - before) * pack_), took, took_.microseconds(0.5), took_.microseconds(0.99),
                    seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
        std::fflush(stdout);
        return 0;
    }

private:
    void run_until(double end) {
        std::uint64_t seen = acked_;
        double moved = now();
        while (now() < end) {
            epoll_event events[256];
            const int n = ::epoll_wait(epoll_, events, 256, 20);
            for (int i = 0; i < n; ++i) {
                const std::size_t index = events[i].data.u32;
                if ((events[i].events & ~static_cast<unsigned>(EPOLLOUT)) != 0) receive(clients_[index]);
                flush(index);
            }
            if (seen != acked_) moved = now();
            seen = acked_;
            if (now() > moved + 30) die("no acknowledgement for 30 s");
        }
    }

    void receive(Client& client) {
        static std::vector<std::uint8_t> arrivals(256 * 1024);
        std::copy(client.held.begin(), client.held.end(), arrivals.begin());
        const std::size_t before = client.held.size();
        const ssize_t n = ::recv(client.fd, arrivals.data() + before, arrivals.size() - before, 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) die("recv: %s", n == 0 ? "the server closed the connection" : std::strerror(errno));
        const Bytes received = Bytes(arrivals).first(before + static_cast<std::size_t>(n));
        const std::uint64_t time = now_ns();
        const std::uint64_t acked_before = client.acked;
        const std::size_t done = client.protocol->take(received, client.acked);
        client.held.assign(received.begin() + static_cast<std::ptrdiff_t>(done), received.end());
        if (client.acked > client.sent) die("more acknowledgements than requests");
        // Those that were queued together came back together, mostly.
        for (std::uint64_t i = acked_before; i < client.acked;) {
            const std::uint64_t at = client.sent_at[i % window_];
            std::uint64_t like = 0;
            while (i < client.acked && client.sent_at[i % window_] == at) ++i, ++like;
            took_.add(time - at, like);
        }
        acked_ += client.acked - acked_before;
        fill_window(client, time);
    }

    // By half windows, so that what is sent goes in few pieces, to every server alike.
    void fill_window(Client& client, std::uint64_t time) {
        if (client.queued != client.flushed || client.sent - client.acked > window_ / 2) return;
        client.queued = client.flushed = 0;
        Writer out(client.storage);
        const Timestamp stamp = wall_ms();
        while (client.sent - client.acked < window_ && out.room() >= request_bytes_max && client.protocol->put(out, client.place, values_(), stamp)) {
            client.sent_at[client.sent++ % window_] = time;
            if (++client.place == client.partitions.size()) client.place = 0;
        }
        client.queued = out.size();
    }

    void flush(std::size_t index) {
        Client& client = clients_[index];
        while (client.flushed != client.queued) {
            const ssize_t n = ::send(client.fd, client.storage.data() + client.flushed, client.queued - client.flushed, MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN && errno != EINTR) die("send: %s", std::strerror(errno));
            if (n < 0) break;
            client.flushed += static_cast<std::size_t>(n);
        }
        if (client.watched_for_room != (client.flushed != client.queued)) watch(index, EPOLL_CTL_MOD);
    }

    void watch(std::size_t index, int operation) {
        Client& client = clients_[index];
        client.watched_for_room = client.flushed != client.queued;
        epoll_event event{};
        event.events = EPOLLIN | (client.watched_for_room ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
        event.data.u32 = static_cast<std::uint32_t>(index);
        ::epoll_ctl(epoll_, operation, client.fd, &event);
    }

    std::size_t pack_;    // readings of a request
    std::size_t window_;  // requests
    Values values_;
    std::vector<Client> clients_;
    int epoll_;
    Histogram took_;
    std::uint64_t acked_ = 0;
};

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
    const rivulet::bench::Options options(argc, argv, 1);
    return rivulet::bench::Publisher(options).run(options.number("warm", 0.3), options.number("seconds", 1));
}
