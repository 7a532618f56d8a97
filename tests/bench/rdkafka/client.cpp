// The C library of Kafka as a load generator, with its defaults, and its own mock broker as a server: what kafka.py measures brokers with.
// usage: bench_rdkafka COMMAND [--name value]...   see `commands` at the end; prints JSON, an object a line
// Every setting of the library that is not named here has its default: acks=all, linger.ms=5, batch.num.messages=10000, enable.idempotence=false.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "bench/measure.h"
#include "bench/options.h"

namespace rivulet::bench {
namespace {

void set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK) die("%s", why);
}

// --conf name=value,name=value beside the defaults.
rd_kafka_conf_t* settings(const Options& options) {
    rd_kafka_conf_t* const conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", options.text("bootstrap", "127.0.0.1:9092"));
    const std::string more = options.text("conf", "");
    for (std::size_t at = 0; at < more.size();) {
        const std::size_t end = std::min(more.find(',', at), more.size());
        const std::size_t equals = std::min(more.find('=', at), end);
        set(conf, more.substr(at, equals - at).c_str(), more.substr(std::min(equals + 1, end), end - std::min(equals + 1, end)));
        at = end + 1;
    }
    return conf;
}

rd_kafka_t* client(rd_kafka_type_t type, rd_kafka_conf_t* conf) {
    char why[256];
    rd_kafka_t* const handle = rd_kafka_new(type, conf, why, sizeof why);
    if (!handle) die("%s", why);
    return handle;
}

// --- mock: the library's mock broker, in a process of its own, until it is ended.
int mock(const Options& options) {
    rd_kafka_t* const handle = client(RD_KAFKA_PRODUCER, rd_kafka_conf_new());
    rd_kafka_mock_cluster_t* const cluster = rd_kafka_mock_cluster_new(handle, 1);
    if (!cluster) die("no mock broker");
    const int partitions = static_cast<int>(options.count("partitions", 4));
    if (rd_kafka_mock_topic_create(cluster, options.topic().c_str(), partitions, 1) != RD_KAFKA_RESP_ERR_NO_ERROR) die("no topic of the mock broker");
    std::printf("{\"bootstrap\": \"%s\"}\n", rd_kafka_mock_cluster_bootstraps(cluster));
    std::fflush(stdout);
    for (;;) ::pause();
}

// --- topic: creates one, with --config key=value,key=value.
int topic(const Options& options) {
    rd_kafka_t* const handle = client(RD_KAFKA_PRODUCER, settings(options));
    char why[256];
    rd_kafka_NewTopic_t* made = rd_kafka_NewTopic_new(options.topic().c_str(), static_cast<int>(options.count("partitions", 4)), 1, why, sizeof why);
    if (!made) die("%s", why);
    const std::string config = options.text("config", "");
    for (std::size_t at = 0; at < config.size();) {
        const std::size_t end = std::min(config.find(',', at), config.size());
        const std::size_t equals = std::min(config.find('=', at), end - 1);
        rd_kafka_NewTopic_set_config(made, config.substr(at, equals - at).c_str(), config.substr(equals + 1, end - equals - 1).c_str());
        at = end + 1;
    }
    rd_kafka_queue_t* const queue = rd_kafka_queue_new(handle);
    rd_kafka_CreateTopics(handle, &made, 1, nullptr, queue);
    rd_kafka_event_t* const event = rd_kafka_queue_poll(queue, 60'000);
    const rd_kafka_CreateTopics_result_t* const result = event ? rd_kafka_event_CreateTopics_result(event) : nullptr;
    if (!result) die("no answer to CreateTopics");
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR) die("CreateTopics: %s", rd_kafka_event_error_string(event));
    std::size_t count = 0;
    const rd_kafka_topic_result_t** const topics = rd_kafka_CreateTopics_result_topics(result, &count);
    if (count != 1 || rd_kafka_topic_result_error(topics[0]) != RD_KAFKA_RESP_ERR_NO_ERROR) die("CreateTopics: %s", count == 1 ? rd_kafka_topic_result_error_string(topics[0]) : "no topic");
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(made);
    rd_kafka_destroy(handle);
    return 0;
}

// --- produce: for --seconds, or --total records; as fast as they are acknowledged, or --rate of them a second. The marks stand around what counts, behind --warm seconds.
class Producer {
public:
    explicit Producer(const Options& options) : values_(options.count("bytes", 100)), partitions_(options.count("partitions", 4)) {
        rd_kafka_conf_t* const conf = settings(options);
        rd_kafka_conf_set_opaque(conf, this);
        rd_kafka_conf_set_dr_msg_cb(conf, [](rd_kafka_t*, const rd_kafka_message_t* message, void* self) { static_cast<Producer*>(self)->on_report(*message); });
        handle_ = client(RD_KAFKA_PRODUCER, conf);
        topic_ = rd_kafka_topic_new(handle_, options.topic().c_str(), nullptr);
        if (!topic_) die("no topic");
    }
    Producer(const Producer&) = delete;
    Producer& operator=(const Producer&) = delete;
    ~Producer() {
        rd_kafka_topic_destroy(topic_);
        rd_kafka_destroy(handle_);
    }

    int run(const Options& options) {
        const double rate = options.number("rate", 0);
        const std::uint64_t total = options.count("total", 0);
        if (total != 0) {
            const double begin = now();
            // So that every server has the same batches for its consumers.
            while (sent_ < total) send(static_cast<std::int32_t>(sent_ / fill_run % partitions_));
            flush();
            std::printf("{\"acked\": %llu, \"seconds\": %.4f}\n", static_cast<unsigned long long>(acked_), now() - begin);
            return 0;
        }
        run_until(now() + options.number("warm", 1), rate);
        std::printf("{\"mark\": \"begin\"}\n");
        std::fflush(stdout);
        took_.clear();
        const std::uint64_t before = acked_;
        const double begin = now();
        const double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
        run_until(begin + options.number("seconds", 2), rate);
        const double took = now() - begin;
        std::printf("{\"mark\": \"end\", \"records\": %llu, \"seconds\": %.4f, \"p50_us\": %.1f, \"p99_us\": %.1f, \"client_cpu\": %.3f}\n", static_cast<unsigned long long>(acked_ - before), took,
                    took_.microseconds(0.5), took_.microseconds(0.99), seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
        std::fflush(stdout);
        flush();
        return 0;
    }

private:
    void run_until(double end, double rate) {
        const double begin = now();
        double due = begin;
        while (now() < end) {
            if (rate == 0) {
                for (int i = 0; i < 100; ++i) send(RD_KAFKA_PARTITION_UA);
                rd_kafka_poll(handle_, 0);
                continue;
            }
            while (now() >= due) {
                send(RD_KAFKA_PARTITION_UA);
                due += 1 / rate;
            }
            rd_kafka_poll(handle_, std::max(1, static_cast<int>((due - now()) * 1000)));
        }
    }

    // RD_KAFKA_PARTITION_UA: the library's own partitioner chooses. The value begins with the time.
    void send(std::int32_t partition) {
        const Bytes value = values_();
        copy_.assign(value.begin(), value.end());
        const std::uint64_t time = now_ns();
        std::memcpy(copy_.data(), &time, std::min(sizeof time, copy_.size()));
        while (rd_kafka_produce(topic_, partition, RD_KAFKA_MSG_F_COPY, copy_.data(), copy_.size(), nullptr, 0, nullptr) != 0) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) die("produce: %s", rd_kafka_err2str(rd_kafka_last_error()));
            rd_kafka_poll(handle_, 1);
        }
        ++sent_;
    }

    void flush() {
        if (rd_kafka_flush(handle_, 60'000) != RD_KAFKA_RESP_ERR_NO_ERROR) die("records are not acknowledged for a minute");
    }

    void on_report(const rd_kafka_message_t& message) {
        if (message.err != RD_KAFKA_RESP_ERR_NO_ERROR) die("not acknowledged: %s", rd_kafka_err2str(message.err));
        ++acked_;
        took_.add(static_cast<std::uint64_t>(rd_kafka_message_latency(&message)) * 1000, 1);
    }

    static constexpr std::uint64_t fill_run = 1000;  // records in a row to one partition
    Values values_;
    std::uint64_t partitions_;
    std::vector<std::uint8_t> copy_;
    rd_kafka_t* handle_ = nullptr;
    rd_kafka_topic_t* topic_ = nullptr;
    std::uint64_t sent_ = 0;
    std::uint64_t acked_ = 0;
    Histogram took_;
};

class Consumer {
public:
    explicit Consumer(const Options& options) : topic_(options.topic()), partitions_(options.count("partitions", 4)) {
        rd_kafka_conf_t* const conf = settings(options);
        set(conf, "group.id", "bench");
        set(conf, "enable.auto.commit", "false");
        handle_ = client(RD_KAFKA_CONSUMER, conf);
        rd_kafka_poll_set_consumer(handle_);
        queue_ = rd_kafka_queue_get_consumer(handle_);
    }
    Consumer(const Consumer&) = delete;
    Consumer& operator=(const Consumer&) = delete;
    ~Consumer() {
        rd_kafka_queue_destroy(queue_);
        rd_kafka_consumer_close(handle_);
        rd_kafka_destroy(handle_);
    }

    // Reads all partitions from that offset on.
    void assign(std::int64_t offset) {
        rd_kafka_topic_partition_list_t* const list = rd_kafka_topic_partition_list_new(static_cast<int>(partitions_));
        for (std::size_t p = 0; p < partitions_; ++p) rd_kafka_topic_partition_list_add(list, topic_.c_str(), static_cast<int>(p))->offset = offset;
        if (rd_kafka_assign(handle_, list) != RD_KAFKA_RESP_ERR_NO_ERROR) die("assign");
        rd_kafka_topic_partition_list_destroy(list);
    }
    void unassign() { rd_kafka_assign(handle_, nullptr); }

    // What is there within so long; `each` gets a value at a time. Their number.
    template <class Each>
    std::uint64_t take(int wait_ms, Each each) {
        rd_kafka_message_t* got[1000];
        const ssize_t n = rd_kafka_consume_batch_queue(queue_, wait_ms, got, 1000);
        if (n < 0) die("consume: %s", rd_kafka_err2str(rd_kafka_last_error()));
        for (ssize_t i = 0; i < n; ++i) {
            if (got[i]->err != RD_KAFKA_RESP_ERR_NO_ERROR) die("consume: %s", rd_kafka_message_errstr(got[i]));
            each(Bytes(static_cast<const std::uint8_t*>(got[i]->payload), got[i]->len));
            rd_kafka_message_destroy(got[i]);
        }
        return static_cast<std::uint64_t>(n);
    }

private:
    std::string topic_;
    std::size_t partitions_;
    rd_kafka_t* handle_ = nullptr;
    rd_kafka_queue_t* queue_ = nullptr;
};

// --- consume: all --partitions from their beginning, --total records, --rounds times over. A round counts from its first record, so that neither connections nor the look-up of
// offsets do.
int consume(const Options& options) {
    Consumer consumer(options);
    const std::uint64_t total = options.count("total", 1000);
    std::uint64_t records = 0, bytes = 0;
    double took = 0;
    std::printf("{\"mark\": \"begin\"}\n");
    std::fflush(stdout);
    const double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (std::size_t round = 0; round < options.count("rounds", 1); ++round) {
        consumer.assign(RD_KAFKA_OFFSET_BEGINNING);
        std::uint64_t seen = 0, first = 0;
        double begin = 0, moved = now();
        while (seen < total) {
            const std::uint64_t n = consumer.take(100, [&](Bytes value) { bytes += value.size(); });
            seen += n;
            if (n > 0) moved = now();
            if (now() > moved + 30) die("%llu of %llu records, and no more for 30 s", static_cast<unsigned long long>(seen), static_cast<unsigned long long>(total));
            if (begin == 0 && n > 0) {
                begin = now();
                first = seen;
            }
        }
        took += now() - begin;
        records += seen - first;
        consumer.unassign();
    }
    std::printf("{\"mark\": \"end\", \"records\": %llu, \"bytes\": %llu, \"seconds\": %.4f, \"client_cpu\": %.3f}\n", static_cast<unsigned long long>(records),
                static_cast<unsigned long long>(bytes), took, seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
    std::fflush(stdout);
    return 0;
}

// --- follow: what is produced from now on, for --seconds from the first record on; how old records are when they come.
int follow(const Options& options) {
    Consumer consumer(options);
    consumer.assign(RD_KAFKA_OFFSET_END);
    Histogram ages;
    std::uint64_t seen = 0;
    const auto each = [&](Bytes value) {
        std::uint64_t sent = 0;
        if (value.size() < sizeof sent) die("a record without its time");
        std::memcpy(&sent, value.data(), sizeof sent);
        ages.add(now_ns() - sent, 1);
        ++seen;
    };
    const double deadline = now() + 30;
    while (seen == 0 && now() < deadline) consumer.take(100, each);
    if (seen == 0) die("no record for 30 s");
    for (const double end = now() + options.number("warm", 1); now() < end;) consumer.take(100, each);
    ages.clear();
    seen = 0;
    for (const double end = now() + options.number("seconds", 2); now() < end;) consumer.take(100, each);
    std::printf("{\"records\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f}\n", static_cast<unsigned long long>(seen), ages.microseconds(0.5), ages.microseconds(0.99));
    return 0;
}

struct Command {
    std::string_view name;
    int (*run)(const Options&);
};
constexpr Command commands[] = {{"mock", mock}, {"topic", topic}, {"produce", [](const Options& options) { return Producer(options).run(options); }}, {"consume", consume},
                                {"follow", follow}};

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
    for (const auto& command : rivulet::bench::commands)
        if (argc > 1 && command.name == argv[1]) return command.run(rivulet::bench::Options(argc, argv, 2));
    rivulet::bench::die("commands: mock, topic, produce, consume, follow");
}
