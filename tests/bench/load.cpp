// The load generator of the benchmarks: sensors and consumers of the compact framing over loopback. Prints one JSON object a line.
// usage: bench_load COMMAND [--name value]...   see `commands` at the end; bench.py is its user
#include <sys/epoll.h>

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "bench/connection.h"
#include "bench/options.h"
#include "record/batch.h"

namespace rivulet::bench {
namespace {

// Connections and an epoll: turns until a time.
class Pool {
public:
    Pool() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}
    ~Pool() { ::close(epoll_); }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    Connection& add(const Options& options, std::uint64_t session, std::size_t frame_bytes_max = 4096) {
        connections_.push_back(std::make_unique<Connection>(options.port(), session, frame_bytes_max));
        Connection& connection = *connections_.back();
        connection.index = connections_.size() - 1;
        connection.flush();
        watch(connection, EPOLL_CTL_ADD);
        return connection;
    }
    std::size_t size() const { return connections_.size(); }
    Connection& operator[](std::size_t i) { return *connections_[i]; }
    void stop_watching(Connection& connection) { ::epoll_ctl(epoll_, EPOLL_CTL_DEL, connection.fd(), nullptr); }

    void send(Connection& connection) {
        connection.flush();
        if (connection.wants_to_write()) watch(connection, EPOLL_CTL_MOD);
    }
    void turn(Connection::Handler& handler, double until) {
        epoll_event events[64];
        const double left = std::max(0.0, until - now());
        const timespec timeout{static_cast<time_t>(left), static_cast<long>((left - static_cast<double>(static_cast<time_t>(left))) * 1e9)};
        const int n = ::epoll_pwait2(epoll_, events, 64, &timeout, nullptr);
        for (int i = 0; i < n; ++i) {
            Connection& connection = *connections_[events[i].data.u32];
            if ((events[i].events & ~static_cast<unsigned>(EPOLLOUT)) != 0) connection.on_readable(handler);
            connection.flush();
            if (connection.is_gone()) stop_watching(connection);
            else if ((events[i].events & EPOLLOUT) != 0 || connection.wants_to_write()) watch(connection, EPOLL_CTL_MOD);
        }
    }
    void run_until(Connection::Handler& handler, double until) {
        do turn(handler, until);
        while (now() < until);
    }
    template <class Condition>
    bool run_while(Connection::Handler& handler, Condition condition, double seconds) {
        const double deadline = now() + seconds;
        while (condition() && now() < deadline) turn(handler, std::min(deadline, now() + 1));
        return !condition();
    }
    void open_all(Connection::Handler& handler) {
        const auto closed = [&] { return std::any_of(connections_.begin(), connections_.end(), [](const auto& c) { return !c->opened() && !c->is_gone(); }); };
        if (!run_while(handler, closed, 30)) die("not all connections were opened");
    }
    std::uint64_t bytes_received() const {
        std::uint64_t sum = 0;
        for (const auto& connection : connections_) sum += connection->bytes_received();
        return sum;
    }
    // Readings sent and not acknowledged.
    std::uint64_t waiting() const {
        std::uint64_t sum = 0;
        for (const auto& connection : connections_) sum += connection->puts().sequence_next() - 1 - connection->puts().acked();
        return sum;
    }

private:
    void watch(Connection& connection, int operation) {
        epoll_event event{};
        event.events = EPOLLIN | (connection.wants_to_write() ? static_cast<std::uint32_t>(EPOLLOUT) : 0U);
        event.data.u32 = static_cast<std::uint32_t>(connection.index);
        ::epoll_ctl(epoll_, operation, connection.fd(), &event);
    }

    int epoll_;
    std::vector<std::unique_ptr<Connection>> connections_;
};

struct Ignore final : Connection::Handler {};

// Acknowledged readings of all connections.
struct AckCount : Connection::Handler {
    std::uint64_t acked = 0;
    double last = 0;
    void on_ack(Connection& connection, const compact::Ack&) override {
        std::uint64_t& before = by_connection[&connection];
        acked += connection.puts().acked() - before;
        before = connection.puts().acked();
        last = now();
    }
    std::map<const Connection*, std::uint64_t> by_connection;
};

double percentile(std::vector<double>& sorted, double fraction) {
    return sorted.empty() ? 0 : sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(fraction * static_cast<double>(sorted.size())))];
}

unsigned long long number(std::uint64_t n) { return n; }

// --- await: until a broker answers OPEN and, if there is a --topic, a fetch of its oldest records; the monotonic times then.
int await(const Options& options) {
    Connection connection(options.port(), 0, (1 << 20) + 65536, now() + options.number("seconds", 60));
    struct Answered final : Connection::Handler {
        bool done = false;
        void on_answer(Connection&, compact::Kind, std::uint64_t, const compact::Answer& answer) override {
            if (answer.error != Error::none) die("fetch: %s", error_info(answer.error).name);
            const Result<compact::Fetched> fetched = compact::decode_fetched(answer.rest);
            if (!fetched || fetched.value().batches.empty()) die("the fetch found nothing");
            done = true;
        }
    } handler;
    connection.wait(handler, [&] { return connection.opened(); });
    const double ready = now();
    const std::string name = options.text("topic", "");
    if (!name.empty()) {
        compact::Fetch fetch;
        fetch.topic = name;
        fetch.offset = Offset(compact::fetch_earliest);
        fetch.bytes_max = 1 << 20;
        fetch.bytes_min = 1;
        connection.fetch(1, fetch);
        connection.wait(handler, [&] { return handler.done; });
    }
    std::printf("{\"ready\": %.6f, \"fetched\": %.6f}\n", ready, now());
    return 0;
}

// --- topic: creates one, with --config key=value,key=value.
int topic(const Options& options) {
    Connection connection(options.port(), 0, 4096);
    const std::string name = options.topic();
    const std::string config = options.text("config", "");
    std::vector<compact::ConfigPair> pairs;
    for (std::size_t at = 0; at < config.size();) {
        const std::size_t end = std::min(config.find(',', at), config.size());
        const std::string_view pair = std::string_view(config).substr(at, end - at);
        const std::size_t equals = std::min(pair.find('='), pair.size() - 1);
        pairs.push_back({pair.substr(0, equals), pair.substr(equals + 1)});
        at = end + 1;
    }
    compact::TopicCreate create;
    create.name = name;
    create.partitions = options.count("partitions", 64);
    struct Answered final : Connection::Handler {
        bool done = false;
        void on_answer(Connection&, compact::Kind, std::uint64_t, const compact::Answer& answer) override {
            if (answer.error != Error::none)
                die("topic: %s %.*s", error_info(answer.error).name, static_cast<int>(answer.text.size()), answer.text.data());
            done = true;
        }
    } handler;
    compact::encode_topic_create(connection.out(), 1, create, pairs);
    connection.wait(handler, [&] { return handler.done; });
    return 0;
}

// --- ticks: sensors that each send at their own time of every second. Says when counters are to be read: {"mark": ...}.
int ticks(const Options& options) {
    const std::size_t partitions = options.count("partitions", 64);
    const std::size_t readings = options.count("readings", 1);
    const std::size_t sessions = options.count("sessions", 1);
    const std::size_t seconds = options.count("seconds", 42);
    const std::size_t warm = options.count("warm", 3);
    const std::size_t bytes = options.count("bytes", 200);
    const std::string name = options.topic();
    Values values(bytes);
    Pool pool;
    AckCount acks;
    struct Tick {
        double phase;
        std::size_t connection;
    };
    std::vector<Tick> order;
    for (std::size_t p = 0; p < partitions; ++p) {
        for (std::size_t s = 0; s < sessions; ++s) {
            Connection& connection = pool.add(options, 1000 + p * sessions + s);
            connection.alias(0, name, p);
            pool.send(connection);
        }
        for (std::size_t r = 0; r < readings; ++r) {
            const std::uint64_t mixed = (p * readings + r + 1) * 0x9e3779b97f4a7c15ULL;
            order.push_back({static_cast<double>(mixed >> 40) / static_cast<double>(1 << 24), p * sessions + r % sessions});
        }
    }
    std::sort(order.begin(), order.end(), [](const Tick& a, const Tick& b) { return a.phase < b.phase; });
    pool.open_all(acks);
    // A mark stands right behind a commit, when everything that was written is acknowledged.
    const auto mark = [&](const char* which) {
        std::printf("{\"mark\": \"%s\", \"payload\": %llu, \"received\": %llu}\n", which, number(acks.acked * bytes), number(pool.bytes_received()));
        std::fflush(stdout);
    };
    bool begun = false;
    const double begin = now();
    double acked_before = 0;
    for (std::size_t second = 0; second < warm + seconds + 5; ++second) {
        for (const Tick& tick : order) {
            const double due = begin + static_cast<double>(second) + tick.phase;
            while (now() < due) {
                pool.turn(acks, std::min(due, now() + 0.01));
                const bool commit_ended = acks.last > acked_before && now() > acks.last + 0.005;
                if (!commit_ended) continue;
                acked_before = acks.last;
                if (!begun && second >= warm) {
                    mark("begin");
                    begun = true;
                } else if (second >= warm + seconds) {
                    mark("end");
                    return 0;
                }
            }
            if (!pool[tick.connection].put(0, values())) die("no credit for a reading a second");
            pool.send(pool[tick.connection]);
        }
    }
    die("no acknowledgement near the end");
}

// --- fill: --total bytes of values. rounds=1: one reading to each partition, all of them acknowledged before the next ones, as at 1 Hz.
int fill(const Options& options) {
    const std::size_t partitions = options.count("partitions", 64);
    const std::size_t bytes = options.count("bytes", 200);
    const std::uint64_t total = options.count("total", 1 << 20);
    const std::size_t frame = options.count("frame", 60 * 1024);
    const bool rounds = options.count("rounds", 0) != 0;
    const std::string name = options.topic();
    Values values(bytes);
    Pool pool;
    AckCount acks;
    const std::size_t connections = rounds ? 1 : options.count("connections", 4);
    for (std::size_t i = 0; i < connections; ++i) {
        Connection& connection = pool.add(options, options.count("session", 1) + i);
        pool.run_while(acks, [&] { return !connection.opened(); }, 30);
        for (std::size_t p = i; p < partitions; p += connections) connection.alias(p / connections, name, p);
        pool.send(connection);
    }
    const double begin = now();
    std::uint64_t sent = 0;
    std::vector<std::size_t> next(connections);  // alias
    while (sent < total) {
        if (rounds) {
            for (std::size_t p = 0; p < partitions; ++p) {
                if (!pool[0].put(p, values())) die("the credit does not suffice for a round");
                sent += bytes;
            }
            pool.send(pool[0]);
            if (!pool.run_while(acks, [&] { return pool.waiting() != 0; }, 30)) die("no acknowledgement for 30 s");
            continue;
        }
        for (std::size_t i = 0; i < connections; ++i) {
            while (!pool[i].wants_to_write() && pool[i].puts().credit() >= frame && sent < total) {
                sent += pool[i].put_packed(next[i], values(), frame) * bytes;
                if (++next[i] * connections + i >= partitions) next[i] = 0;
                pool.send(pool[i]);
            }
        }
        pool.turn(acks, now() + 1);
        if (now() > std::max(begin, acks.last) + 30) die("no acknowledgement for 30 s");
    }
    if (!pool.run_while(acks, [&] { return pool.waiting() != 0; }, 30)) die("no acknowledgement for 30 s");
    std::printf("{\"payload\": %llu, \"seconds\": %.3f}\n", number(sent), now() - begin);
    return 0;
}

// --- consume: partitions from --first on, each by a fetch at a time, over --connections (default: one each), from earliest to what was there at the start; over and
// over for --seconds.
class Consumers final : public Connection::Handler {
public:
    explicit Consumers(const Options& options)
        : name_(options.topic()), bytes_max_(options.count("fetch", 1 << 20)), bytes_min_(options.count("fetch_min", 1)),
          deadline_(now() + options.number("seconds", 0)) {
        const std::size_t partitions = options.count("partitions", 64);
        const std::size_t first = options.count("first", 0);
        const std::size_t connections = options.count("connections", static_cast<double>(partitions));
        for (std::size_t i = 0; i < connections; ++i) pool_.add(options, 0, bytes_max_ + 65536);
        for (std::size_t i = 0; i < partitions; ++i) readers_.push_back({&pool_[i % connections], first + i});
    }

    int run() {
        pool_.open_all(*this);
        const double begin = now();
        for (std::size_t i = 0; i < readers_.size(); ++i) ask(i);
        std::uint64_t seen = 0;
        double moved = now();
        while (ended_ < readers_.size()) {
            pool_.turn(*this, now() + 1);
            if (fetches_ != seen) moved = now();
            seen = fetches_;
            if (now() > moved + 30) die("consumers get nothing for 30 s");
        }
        const double took = now() - begin;
        std::printf("{\"bytes\": %llu, \"seconds\": %.3f, \"rate\": %.0f, \"fetches\": %llu, \"empty\": %llu, \"batches\": %llu, \"cpu\": %.3f}\n", number(bytes_), took,
                    static_cast<double>(bytes_) / took, number(fetches_), number(empty_), number(batches_), seconds_of(CLOCK_PROCESS_CPUTIME_ID));
        return 0;
    }

private:
    struct Consumer {
        Connection* connection;
        std::uint64_t partition;
        Offset next{compact::fetch_earliest};
        Offset end{-1};
    };

    void ask(std::size_t index) {
        const Consumer& consumer = readers_[index];
        compact::Fetch fetch;
        fetch.topic = name_;
        fetch.partition = consumer.partition;
        fetch.offset = consumer.next;
        fetch.bytes_max = bytes_max_;
        fetch.bytes_min = bytes_min_;
        fetch.wait_ms_max = 1000;
        consumer.connection->fetch(index, fetch);
        pool_.send(*consumer.connection);
    }

    void on_answer(Connection&, compact::Kind, std::uint64_t index, const compact::Answer& answer) override {
        if (answer.error != Error::none) die("fetch: %s (%lld)", error_info(answer.error).name, static_cast<long long>(answer.detail));
        const Result<compact::Fetched> fetched = compact::decode_fetched(answer.rest);
        if (!fetched) die("bad answer to FETCH");
        Consumer& consumer = readers_[index];
        if (consumer.end.value < 0) consumer.end = fetched.value().high_watermark;
        consumer.next = fetched.value().offset;
        ++fetches_;
        if (fetched.value().batches.empty()) ++empty_;
        take(consumer, fetched.value().batches);
        if (consumer.next >= consumer.end && (deadline_ <= now() || consumer.end.value == 0)) {
            ++ended_;
            return;
        }
        if (consumer.next >= consumer.end) consumer.next = Offset(compact::fetch_earliest);
        ask(index);
    }

    void take(Consumer& consumer, Bytes batches) {
        bytes_ += batches.size();
        while (!batches.empty()) {
            if (batches.size() < record::batch_header_bytes) die("half a batch");
            const std::size_t bytes = 12 + load_be<std::uint32_t>(batches.data() + 8);
            const std::int64_t base = load_be<std::int64_t>(batches.data());
            const std::int64_t last = base + load_be<std::int32_t>(batches.data() + 23);
            if (bytes > batches.size()) die("half a batch");
            if (last < consumer.next.value || base > consumer.next.value) die("offset %lld where %lld was due", static_cast<long long>(base), static_cast<long long>(consumer.next.value));
            consumer.next = Offset(last + 1);
            batches = batches.subspan(bytes);
            ++batches_;
        }
    }

    std::string name_;
    std::uint64_t bytes_max_;
    std::uint64_t bytes_min_;
    double deadline_;
    Pool pool_;
    std::vector<Consumer> readers_;
    std::uint64_t bytes_ = 0, fetches_ = 0, empty_ = 0, batches_ = 0;
    std::size_t ended_ = 0;
};
int consume(const Options& options) { return Consumers(options).run(); }

// --- latency: readings at a steady --rate, from the time each was due to its acknowledgement.
int latency(const Options& options) {
    const double rate = options.number("rate", 200);
    const double seconds = options.number("seconds", 5);
    const std::size_t partitions = options.count("partitions", 16);
    const std::string name = options.topic();
    Values values(options.count("bytes", 200));
    Pool pool;
    struct Times final : Connection::Handler {
        std::deque<double> sent;
        std::vector<double> took;
        std::uint64_t acked = 0;
        void on_ack(Connection& connection, const compact::Ack&) override {
            for (const double time = now(); acked < connection.puts().acked(); ++acked) {
                took.push_back(time - sent.front());
                sent.pop_front();
            }
        }
    } times;
    Connection& connection = pool.add(options, 0);
    pool.open_all(times);
    for (std::size_t p = 0; p < partitions; ++p) connection.alias(p, name, p);
    pool.send(connection);
    const double begin = now() + 0.1;
    const std::uint64_t total = static_cast<std::uint64_t>(rate * seconds);
    for (std::uint64_t i = 0; i < total; ++i) {
        const double due = begin + static_cast<double>(i) / rate;
        while (now() < due) pool.turn(times, due);
        while (!connection.put(i % partitions, values())) pool.turn(times, now() + 1);
        times.sent.push_back(due);
        pool.send(connection);
    }
    if (!pool.run_while(times, [&] { return pool.waiting() != 0; }, 30)) die("no acknowledgement for 30 s");
    std::sort(times.took.begin(), times.took.end());
    std::printf("{\"count\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f}\n", times.took.size(), percentile(times.took, 0.5) * 1e3,
                percentile(times.took, 0.99) * 1e3, times.took.back() * 1e3);
    return 0;
}

// --- closed: each connection keeps --window readings unacknowledged; acknowledged ones per second.
int closed(const Options& options) {
    const std::size_t connections = options.count("connections", 1);
    const std::size_t window = options.count("window", 1);
    const std::size_t partitions = options.count("partitions", 64);
    const double seconds = options.number("seconds", 3);
    const std::string name = options.topic();
    Values values(options.count("bytes", 100));
    Pool pool;
    AckCount acks;
    for (std::size_t i = 0; i < connections; ++i) {
        Connection& connection = pool.add(options, 5000 + i);
        connection.alias(0, name, i % partitions);
        pool.send(connection);
    }
    pool.open_all(acks);
    const auto top_up = [&](Connection& connection) {
        while (connection.puts().sequence_next() - 1 - connection.puts().acked() < window && connection.put(0, values())) {}
        pool.send(connection);
    };
    const auto run = [&](double until) {
        while (now() < until) {
            for (std::size_t i = 0; i < connections; ++i) top_up(pool[i]);
            pool.turn(acks, until);
        }
    };
    run(now() + 0.5);
    std::printf("{\"mark\": \"begin\"}\n");
    std::fflush(stdout);
    const std::uint64_t before = acks.acked;
    const double begin = now();
    run(begin + seconds);
    const double took = now() - begin;
    std::printf("{\"mark\": \"end\", \"acked\": %llu, \"rate\": %.0f}\n", number(acks.acked - before), static_cast<double>(acks.acked - before) / took);
    std::fflush(stdout);
    return 0;
}

// --- hold: connections at the limit, each with all the aliases that it may have. A quarter sends at full credit, a quarter fetches and does not read, a quarter waits for
// data with all its requests, a quarter sends half a frame near the end.
int hold(const Options& options) {
    const std::size_t connections = options.count("connections", 128);
    const std::size_t partitions = options.count("partitions", 64);
    const std::size_t aliases = options.count("aliases", 8);
    const std::size_t requests = options.count("requests", 1);
    const std::size_t frame = options.count("frame", 16 * 1024);
    const std::string name = options.topic();
    Values values(options.count("bytes", 200));
    Pool pool;
    AckCount acks;
    for (std::size_t i = 0; i < connections; ++i) {
        Connection& connection = pool.add(options, 9000 + i, i % 4 == 1 ? (1U << 20) + 65536 : 65536);
        connection.tolerant = true;
        if (i % 64 == 63) pool.run_until(acks, now());  // within the listener's backlog
    }
    pool.open_all(acks);
    for (std::size_t i = 0; i < connections; ++i) {
        Connection& connection = pool[i];
        for (std::size_t a = 0; a < aliases; ++a) connection.alias(a, name, (i + a) % partitions);
        compact::Fetch fetch;
        fetch.topic = name;
        fetch.partition = i % partitions;
        fetch.bytes_min = 1;
        if (i % 4 == 1) {
            fetch.offset = Offset(compact::fetch_earliest);
            fetch.bytes_max = 1 << 20;
            connection.fetch(1, fetch);
            pool.send(connection);
            pool.stop_watching(connection);
            continue;
        }
        if (i % 4 == 2) {
            fetch.offset = Offset(compact::fetch_latest);
            fetch.bytes_max = 1 << 16;
            fetch.bytes_min = 1 << 30;
            fetch.wait_ms_max = 3'600'000;
            for (std::size_t r = 0; r < requests; ++r) connection.fetch(r, fetch);
        }
        pool.send(connection);
    }
    const auto produce_until = [&](double end) {
        while (now() < end) {
            for (std::size_t i = 0; i < connections; i += 4) {
                Connection& connection = pool[i];
                for (std::size_t a = 0; !connection.is_gone() && !connection.wants_to_write() && connection.puts().credit() >= frame; ++a)
                    if (connection.put_packed(a % aliases, values(), frame) == 0) break;
                pool.send(connection);
            }
            pool.turn(acks, std::min(end, now() + 0.05));
        }
    };
    const double begin = now();
    const double seconds = options.number("seconds", 6);
    produce_until(begin + seconds * 0.7);
    // These hold receive buffers, up to all of them, for some seconds: the length of a whole frame, a PUTB's kind, and not the rest.
    for (std::size_t i = 3; i < connections; i += 4) {
        Writer& out = pool[i].out();
        const std::size_t start = out.size();
        if (pool[i].put_packed(0, values(), frame) != 0) out.rewind(start + (out.size() - start) / 2);
        pool.send(pool[i]);
    }
    produce_until(begin + seconds);
    std::size_t gone = 0;
    for (std::size_t i = 0; i < connections; ++i) gone += pool[i].is_gone() ? 1 : 0;
    std::printf("{\"connections\": %zu, \"gone\": %zu, \"acked\": %llu}\n", connections, gone, number(acks.acked));
    return 0;
}

struct Command {
    const char* name;
    int (*run)(const Options&);
};
constexpr Command commands[] = {{"await", await}, {"topic", topic}, {"ticks", ticks}, {"fill", fill}, {"consume", consume}, {"latency", latency}, {"closed", closed}, {"hold", hold}};

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
    using namespace rivulet::bench;
    const std::string_view name = argc > 1 ? argv[1] : "";
    for (const Command& command : commands)
        if (name == command.name) return command.run(Options(argc, argv, 2));
    std::fprintf(stderr, "usage: bench_load");
    for (const Command& command : commands) std::fprintf(stderr, " %s%s", &command == commands ? "" : "| ", command.name);
    std::fprintf(stderr, " [--name value]...\n");
    return 2;
}
