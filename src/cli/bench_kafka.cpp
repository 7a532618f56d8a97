// bench over Kafka's protocol: produces to, and reads from, the leaders of a topic's partitions, of any broker of that protocol.
#include <algorithm>
#include <deque>

#include "cli/bench_consume.h"
#include "cli/bench_produce.h"
#include "client/batches.h"
#include "client/kafka_channel.h"
#include "record/pack.h"

namespace rivulet::cli {

namespace kafka = client::kafka;
using kafka::Api;
using kafka::Array;

namespace {

constexpr std::size_t requests_max = 5;                      // of a connection, under way: as many as Kafka's own client has
constexpr std::size_t batch_bytes_default = 16U << 10;       // likewise
constexpr std::size_t record_bytes_extra = 20;               // a record beside its value, at most
constexpr std::size_t request_bytes_extra = 512;             // a Produce request beside its batch
constexpr std::size_t send_at_once = 1U << 20;               // without answers to wait for
constexpr std::int32_t produce_timeout_ms = 30'000;
constexpr std::int32_t fetch_wait_ms = 500;
constexpr std::int32_t partition_bytes_max = 1 << 20;
constexpr std::int32_t answer_bytes_most = 32 << 20;
constexpr std::size_t receive_bytes = (64U << 20) + (64U << 10);  // unused memory stays untouched

std::string kafka_text(std::int16_t code) {
    const Error error = client::error_of_kafka(code);
    return error == Error::unknown ? "error " + std::to_string(code) + " of Kafka's protocol" : std::string(error_info(error).text);
}

// An array of one item that is there already, and stays.
template <class T>
struct One {
    T& item;
    void operator()(std::size_t, T& out) { out = item; }
    operator Array<T>() { return Array<T>::of(1, *this); }
};

template <class Run>
void open_leader(client::KafkaChannel& channel, std::string_view address, Run& run) {
    const auto bootstrap = client::Bootstrap::parse(address);
    if (bootstrap) return channel.open(*bootstrap);
    client::Ending ending;
    ending.failure = bootstrap.failure();
    ending.where = address;
    run.ended(ending);
}

// Where the partitions are.
struct Leaders {
    std::vector<std::string> addresses;   // HOST:PORT
    std::vector<std::size_t> of;          // of each partition, in addresses
};

class LeaderLookup final : client::KafkaHandler {
public:
    LeaderLookup(CliContext& context, Output& output, const LoadOptions& load)
        : context_(context), output_(output), load_(load), memory_(client::KafkaChannel::memory_bytes(options())), channel_(context.env, options(), memory_.arena(), *this) {}
    // False: told, and `code` is the exit code.
    bool run(Leaders& leaders, int& code) {
        leaders_ = &leaders;
        channel_.open(load_.bootstrap);
        while (!closed_ && context_.loop.run_once()) {}
        code = code_;
        return code_ == exit_done;
    }

private:
    static client::KafkaOptions options() { return {.receive_bytes = 4U << 20, .send_bytes = 4U << 10, .name = "rivulet bench"}; }
    void on_open() override {
        kafka::MetadataRequest::Topic topic;
        topic.name = load_.topic;
        One<kafka::MetadataRequest::Topic> topics{topic};
        kafka::MetadataRequest request;
        request.topics = topics;
        request.allow_auto_topic_creation = false;
        channel_.send(Api::metadata, request);
    }
    void on_answer(Api, Bytes body) override {
        const auto answer = channel_.decode<kafka::MetadataResponse>(Api::metadata, body);
        if (!answer) return channel_.refuse(answer.failure());
        code_ = take(*answer);
        answered_ = true;
        channel_.close();
    }
    void on_attempt_failed(const client::Ending& ending) override { attempts_.push_back(explain(ending, kafka_listener_name)); }
    void on_closed(const client::Ending& ending) override {
        closed_ = true;
        if (answered_) return;
        for (const std::string& attempt : attempts_) output_.error(attempt);
        output_.error(explain(ending, kafka_listener_name));
    }
    int no(const std::string& text, int code = exit_no) {
        output_.error(std::string(load_.topic) + ": " + text);
        return code;
    }
    int take(const kafka::MetadataResponse& answer) {
        std::vector<std::int32_t> ids;
        for (const auto& broker : answer.brokers) {
            const bool v6 = broker.host.find(':') != std::string_view::npos;
            ids.push_back(broker.node_id);
            leaders_->addresses.push_back((v6 ? "[" : "") + std::string(broker.host) + (v6 ? "]:" : ":") + std::to_string(broker.port));
        }
        if (answer.topics.size() != 1) return no("the broker's answer cannot be understood", exit_could_not);
        const kafka::MetadataResponse::Topic topic = *answer.topics.begin();
        if (topic.error_code != 0) return no(kafka_text(topic.error_code));
        const std::size_t none = ids.size();
        leaders_->of.assign(topic.partitions.size(), none);
        for (const auto& partition : topic.partitions) {
            const auto index = static_cast<std::size_t>(partition.partition_index);
            if (partition.partition_index < 0 || index >= leaders_->of.size()) return no("the broker's answer cannot be understood", exit_could_not);
            leaders_->of[index] = static_cast<std::size_t>(std::find(ids.begin(), ids.end(), partition.leader_id) - ids.begin());
        }
        for (std::size_t p = 0; p < leaders_->of.size(); ++p)
            if (leaders_->of[p] == none) return no("partition " + std::to_string(p) + " has no leader now", exit_could_not);
        return leaders_->of.empty() ? no("it has no partitions") : exit_done;
    }

    CliContext& context_;
    Output& output_;
    const LoadOptions& load_;
    ClientMemory memory_;
    client::KafkaChannel channel_;
    Leaders* leaders_ = nullptr;
    std::vector<std::string> attempts_;
    int code_ = exit_could_not;
    bool answered_ = false;
    bool closed_ = false;
};

// ---- produce ----

class KafkaSender final : public ProduceSender, client::KafkaHandler {
public:
    KafkaSender(ProduceLoadRun& run, CliContext& context, std::size_t partition, const std::string& address)
        : run_(run), context_(context), partition_(partition), address_(address), batch_(record::batch_header_bytes + run.load().packed * (run.load().value_bytes + record_bytes_extra)),
          memory_(client::KafkaChannel::memory_bytes(options(batch_.size()))), channel_(context.env, options(batch_.size()), memory_.arena(), *this) {}
    void open() override { open_leader(channel_, address_, run_); }
    std::uint64_t pump(std::uint64_t allowed) override {
        std::uint64_t sent = 0;
        std::size_t bytes = 0;
        while (ready_ && !run_.over() && sent < allowed) {
            if (answered() && (channel_.under_way() == requests_max || bytes >= send_at_once)) break;
            if (!answered() && bytes >= send_at_once) break;
            if (channel_.room() < batch_.size() + request_bytes_extra) {
                // Without answers nothing else brings this about.
                if (answered()) break;
                channel_.flush();
                if (channel_.room() < batch_.size() + request_bytes_extra) break;
            }
            const std::uint64_t most = std::min<std::uint64_t>({run_.load().packed, run_.load().window - under_way_, allowed - sent});
            if (most == 0) break;
            send(static_cast<std::size_t>(most));
            sent += most;
            bytes += batch_.size();
        }
        return sent;
    }
    void flush() override {
        if (channel_.is_open()) channel_.flush();
    }
    void stop() override { channel_.close(); }

private:
    struct Mark {
        std::size_t records;
        Instant at;
    };
    static client::KafkaOptions options(std::size_t batch_bytes) {
        return {.receive_bytes = 64U << 10, .send_bytes = std::max<std::size_t>(64U << 10, requests_max * (batch_bytes + request_bytes_extra)), .name = "rivulet bench"};
    }
    bool answered() const { return run_.load().acks != client::protocol::Acks::none; }
    void on_open() override {
        ready_ = true;
        if (run_.load().rate == 0) pump(UINT64_MAX);
    }
    void on_writable() override {
        if (run_.load().rate == 0) pump(UINT64_MAX);
    }
    void on_closed(const client::Ending& ending) override { run_.ended(ending); }
    void on_answer(Api, Bytes body) override {
        const auto answer = channel_.decode<kafka::ProduceResponse>(Api::produce, body);
        if (!answer || answer->responses.size() != 1) return channel_.refuse(answer ? fail(Error::malformed) : answer.failure());
        const kafka::ProduceResponse::Topic topic = *answer->responses.begin();
        if (topic.partition_responses.size() != 1 || marks_.empty()) return channel_.refuse(fail(Error::malformed));
        const kafka::ProduceResponse::Partition partition = *topic.partition_responses.begin();
        if (partition.error_code != 0) {
            const std::string_view more = partition.error_message.value_or(std::string_view());
            return run_.failed(exit_no, "partition " + std::to_string(partition_) + " refused a batch: " + kafka_text(partition.error_code) + (more.empty() ? "" : ": " + std::string(more)));
        }
        const Mark mark = marks_.front();
        marks_.pop_front();
        under_way_ -= mark.records;
        run_.acknowledged(mark.records);
        for (std::size_t i = 0; i < mark.records; ++i) run_.measured(context_.env.now() - mark.at);
        if (run_.load().rate == 0) pump(UINT64_MAX);
    }
    void send(std::size_t records) {
        record::Reading reading;
        reading.timestamp = context_.env.wall();
        reading.value = run_.value();
        record::Pack pack;
        Writer body(MutableBytes(batch_).subspan(record::batch_header_bytes));
        for (std::size_t i = 0; i < records; ++i) RIVULET_CHECK(pack.add(reading, body));
        record::encode_header(pack.close(), batch_);

        kafka::ProduceRequest::Partition partition;
        partition.index = static_cast<std::int32_t>(partition_);
        partition.records.bytes = Bytes(batch_).first(pack.bytes());
        One<kafka::ProduceRequest::Partition> partitions{partition};
        kafka::ProduceRequest::Topic topic;
        topic.name = run_.load().topic;
        topic.partition_data = partitions;
        One<kafka::ProduceRequest::Topic> topics{topic};
        kafka::ProduceRequest request;
        request.acks = run_.load().acks == client::protocol::Acks::all ? std::int16_t{-1} : run_.load().acks == client::protocol::Acks::leader ? std::int16_t{1} : std::int16_t{0};
        request.timeout_ms = produce_timeout_ms;
        request.topic_data = topics;
        channel_.send(Api::produce, request, answered());
        if (!answered()) return run_.acknowledged(records);
        under_way_ += records;
        marks_.push_back({records, context_.env.now()});
    }

    ProduceLoadRun& run_;
    CliContext& context_;
    std::size_t partition_;
    const std::string& address_;
    std::vector<std::uint8_t> batch_;
    ClientMemory memory_;
    client::KafkaChannel channel_;
    std::deque<Mark> marks_;       // of batches that are not acknowledged
    std::uint64_t under_way_ = 0;  // records of those
    bool ready_ = false;
};

// ---- consume ----

class KafkaReceiver final : public LoadReceiver, client::KafkaHandler {
public:
    KafkaReceiver(ConsumeLoadRun& run, CliContext& context, const std::string& address, std::vector<std::size_t> partitions, bool earliest)
        : run_(run), address_(address), earliest_(earliest), memory_(client::KafkaChannel::memory_bytes(options(partitions.size()))),
          channel_(context.env, options(partitions.size()), memory_.arena(), *this) {
        for (const std::size_t partition : partitions) places_.push_back({static_cast<std::int32_t>(partition), {}, {}, true});
    }
    void start() override { open_leader(channel_, address_, run_); }
    void stop() override { channel_.close(); }

private:
    struct Place {
        std::int32_t partition;
        Offset next;
        ConsumeLoadRun::Target target;
        bool lost;  // where it is to read is asked for: at first, and when the log starts beyond
    };
    // A request names each partition, in 33 bytes at most.
    static client::KafkaOptions options(std::size_t partitions) { return {.receive_bytes = receive_bytes, .send_bytes = (64U << 10) + 40 * partitions, .name = "rivulet bench"}; }

    // The sources of requests: one item for each place.
    struct Queries {
        const KafkaReceiver& of;
        void operator()(std::size_t index, kafka::ListOffsetsRequest::Partition& item) {
            item.partition_index = of.places_[index].partition;
            item.timestamp = Timestamp(of.earliest_ ? client::protocol::fetch_earliest : client::protocol::fetch_latest);
        }
        void operator()(std::size_t index, kafka::FetchRequest::Partition& item) {
            item.partition = of.places_[index].partition;
            item.fetch_offset = of.places_[index].next;
            item.partition_max_bytes = partition_bytes_max;
        }
    };
    template <class Topic>
    void ask(Topic& topic) { topic.partitions = decltype(topic.partitions)::of(places_.size(), queries_); }

    void on_open() override { ask_offsets(); }
    void ask_offsets() {
        kafka::ListOffsetsRequest::Topic topic;
        topic.name = run_.options().topic;
        ask(topic);
        One<kafka::ListOffsetsRequest::Topic> topics{topic};
        kafka::ListOffsetsRequest request;
        request.replica_id = -1;
        request.topics = topics;
        request.timeout_ms = produce_timeout_ms;
        channel_.send(Api::list_offsets, request);
    }
    void fetch() {
        kafka::FetchRequest::Topic topic;
        topic.topic = run_.options().topic;
        ask(topic);
        One<kafka::FetchRequest::Topic> topics{topic};
        kafka::FetchRequest request;
        request.max_wait_ms = fetch_wait_ms;
        request.min_bytes = 1;
        request.max_bytes = answer_bytes_most;
        request.topics = topics;
        channel_.send(Api::fetch, request);
    }
    Place* find(std::int32_t partition) {
        for (Place& place : places_)
            if (place.partition == partition) return &place;
        return nullptr;
    }
    void told(std::int32_t partition, std::int16_t code) { run_.failed(exit_no, "partition " + std::to_string(partition) + ": " + kafka_text(code)); }
    void on_answer(Api api, Bytes body) override {
        const Status taken = api == Api::list_offsets ? take_offsets(body) : take_fetched(body);
        if (!taken) channel_.refuse(taken.failure());
    }
    Status take_offsets(Bytes body) {
        RIVULET_TRY_ASSIGN(const kafka::ListOffsetsResponse answer, channel_.decode<kafka::ListOffsetsResponse>(Api::list_offsets, body));
        for (const auto& topic : answer.topics) {
            for (const auto& partition : topic.partitions) {
                Place* const place = find(partition.partition_index);
                if (!place) return fail(Error::malformed);
                if (partition.error_code != 0) return told(partition.partition_index, partition.error_code), Status();
                // Not before what was read already: then the topic has been cut or made anew.
                if (place->lost && partition.offset < place->next) return told(partition.partition_index, error_info(Error::offset_out_of_range).kafka_code), Status();
                if (std::exchange(place->lost, false)) place->next = partition.offset;
            }
        }
        fetch();
        return {};
    }
    Status take_fetched(Bytes body) {
        RIVULET_TRY_ASSIGN(const kafka::FetchResponse answer, channel_.decode<kafka::FetchResponse>(Api::fetch, body));
        if (answer.error_code != 0) return run_.failed(exit_no, kafka_text(answer.error_code)), Status();
        bool lost = false;
        std::vector<Offset> from;
        for (const Place& place : places_) from.push_back(place.next);
        for (const auto& topic : answer.responses) {
            for (const auto& partition : topic.partitions) {
                Place* const place = find(partition.partition_index);
                if (!place) return fail(Error::malformed);
                // What it was to read next is gone meanwhile: it goes on at what is there.
                place->lost = client::error_of_kafka(partition.error_code) == Error::offset_out_of_range;
                lost |= place->lost;
                if (place->lost) continue;
                if (partition.error_code != 0) return told(partition.partition_index, partition.error_code), Status();
                place->next = client::end_of_batches(whole(partition.records.bytes), place->next);
            }
        }
        // What comes next is under way while this is looked at.
        if (lost) {
            earliest_ = true;
            ask_offsets();
        } else {
            fetch();
        }
        channel_.flush();
        for (const auto& topic : answer.responses) {
            for (const auto& partition : topic.partitions) {
                Place& place = *find(partition.partition_index);
                if (place.lost) continue;
                if (!run_.take(whole(partition.records.bytes), from[static_cast<std::size_t>(&place - places_.data())], place.next, partition.high_watermark, place.target)) return {};
            }
        }
        return {};
    }
    // Older brokers cut the last batch where the answer is full.
    static Bytes whole(Bytes batches) {
        std::size_t end = 0;
        while (batches.size() - end >= record::batch_header_bytes) {
            const std::size_t bytes = record::decode_header(batches.subspan(end)).total_bytes();
            if (bytes < record::batch_header_bytes || bytes > batches.size() - end) break;
            end += bytes;
        }
        return batches.first(end);
    }
    void on_closed(const client::Ending& ending) override { run_.ended(ending); }

    ConsumeLoadRun& run_;
    const std::string& address_;
    bool earliest_;
    std::vector<Place> places_;
    Queries queries_{*this};
    ClientMemory memory_;
    client::KafkaChannel channel_;
};

}  // namespace

int bench_produce_kafka(ProduceLoad& load, Arguments& arguments, CliContext& context, Output& output) {
    const auto batch_bytes = static_cast<std::size_t>(arguments.number("batch", static_cast<std::int64_t>(batch_bytes_default), 100, 64 << 20));
    const std::size_t fitting = batch_bytes > record::batch_header_bytes ? (batch_bytes - record::batch_header_bytes) / (load.value_bytes + record_bytes_extra) : 0;
    const auto packed_default = static_cast<std::int64_t>(std::clamp<std::size_t>(fitting, 1, 100'000));
    load.packed = static_cast<std::size_t>(arguments.number("packed", packed_default, 1, packed_default));
    load.window = static_cast<std::size_t>(arguments.number("window", static_cast<std::int64_t>(load.packed * requests_max), 1, 1'000'000));
    if (!arguments.ok()) return usage(output, arguments);
    Leaders leaders;
    int code = exit_done;
    if (!LeaderLookup(context, output, load).run(leaders, code)) return code;
    load.partitions = leaders.of.size();
    ProduceLoadRun run(context, output, load);
    for (std::size_t i = 0; i < load.connections; ++i) {
        const std::size_t partition = i % leaders.of.size();
        run.senders.push_back(std::make_unique<KafkaSender>(run, context, partition, leaders.addresses[leaders.of[partition]]));
    }
    return run.run(arguments.json());
}

int bench_consume_kafka(LoadOptions& options, bool earliest, bool to_end, bool json, CliContext& context, Output& output) {
    Leaders leaders;
    int code = exit_done;
    if (!LeaderLookup(context, output, options).run(leaders, code)) return code;
    ConsumeLoadRun run(context, output, options, leaders.of.size(), to_end);
    // --connections of them to each leader, which share its partitions.
    const std::size_t each = std::clamp<std::size_t>(load_connections_max / leaders.addresses.size(), 1, options.connections);
    for (std::size_t leader = 0; leader < leaders.addresses.size(); ++leader) {
        std::vector<std::vector<std::size_t>> shares(each);
        std::size_t turn = 0;
        for (std::size_t p = 0; p < leaders.of.size(); ++p)
            if (leaders.of[p] == leader) shares[turn++ % shares.size()].push_back(p);
        for (std::vector<std::size_t>& share : shares)
            if (!share.empty()) run.receivers.push_back(std::make_unique<KafkaReceiver>(run, context, leaders.addresses[leader], std::move(share), earliest));
    }
    return run.run(json);
}

}  // namespace rivulet::cli
