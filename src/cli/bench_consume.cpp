// bench consume: connections that share a topic's partitions and read them as fast as they come.
#include "cli/load.h"
#include "client/batches.h"
#include "client/fetcher.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

constexpr std::size_t answer_bytes_max = (64U << 20) + (64U << 10);  // unused memory stays untouched

class ConsumeLoadRun;

class Receiver final : client::FetcherHandler {
public:
    Receiver(ConsumeLoadRun& run, CliContext& context, const LoadOptions& options, std::vector<client::FetchPosition> positions);
    void start(const client::Bootstrap& bootstrap) { fetcher_.start(bootstrap); }
    void stop() { fetcher_.stop(); }

private:
    static client::FetcherOptions fetcher_options(std::string_view topic) {
        client::FetcherOptions options;
        options.channel.receive_bytes = answer_bytes_max;
        options.channel.send_bytes = 16U << 10;
        options.channel.name = "rivulet bench";
        options.topic = topic;
        return options;
    }
    void on_fetched(std::size_t index, const protocol::Fetched& fetched) override;
    void on_ended(const client::Ending& ending, std::optional<std::size_t> index) override;

    ConsumeLoadRun& run_;
    std::vector<client::FetchPosition> positions_;
    struct Target {
        std::optional<Offset> end;  // of the partition, when it was first read
        bool reached = false;
    };
    std::vector<Target> targets_;  // of each position
    ClientMemory memory_;
    client::Fetcher fetcher_;
};

class ConsumeLoadRun final : public LoadRun {
public:
    ConsumeLoadRun(CliContext& context, Output& output, const LoadOptions& options, std::uint64_t partitions, Offset from, bool to_end)
        : LoadRun(context, output, options, "consumed"), to_end_(to_end), partitions_left_(partitions) {
        for (std::size_t i = 0; i < options.connections && i < partitions; ++i) {
            std::vector<client::FetchPosition> positions;
            for (std::uint64_t p = i; p < partitions; p += options.connections) positions.push_back({p, from});
            receivers_.push_back(std::make_unique<Receiver>(*this, context, options, std::move(positions)));
        }
    }
    int run(bool json) {
        const int code = drive();
        end_at_last_count();
        if (records() != 0 || code == exit_done) tell(json, {});
        return code;
    }

private:
    friend class Receiver;
    void begin() override {
        for (const auto& receiver : receivers_) {
            ++connections_open_;
            receiver->start(options_.bootstrap);
        }
    }
    void on_over() override {
        for (const auto& receiver : receivers_) receiver->stop();
    }

    void partition_done() {
        if (--partitions_left_ == 0 && to_end_) finish();
    }

    ClientDecoder decoder_;
    bool to_end_;
    std::uint64_t partitions_left_;  // that were not read to their end
    std::vector<std::unique_ptr<Receiver>> receivers_;
};

Receiver::Receiver(ConsumeLoadRun& run, CliContext& context, const LoadOptions& options, std::vector<client::FetchPosition> positions)
    : run_(run), positions_(std::move(positions)), targets_(positions_.size()), memory_(client::Fetcher::memory_bytes(fetcher_options(options.topic))),
      fetcher_(context.env, fetcher_options(options.topic), positions_, memory_.arena(), *this) {}

void Receiver::on_fetched(std::size_t index, const protocol::Fetched& fetched) {
    if (run_.over()) return;
    client::Batches batches(fetched.batches, fetched.offset, &run_.decoder_.decoder());
    std::uint64_t records = 0;
    std::uint64_t bytes = 0;
    while (const auto record = batches.next()) {
        ++records;
        bytes += record->record.key.size() + record->record.value.size();
    }
    if (batches.error() != Error::none) return run_.failed(exit_could_not, explain(fail(batches.error())));
    run_.count(records, bytes);
    Target& target = targets_[index];
    if (!target.end) target.end = fetched.high_watermark;
    if (target.reached || positions_[index].next < *target.end) return;
    target.reached = true;
    run_.partition_done();
}

void Receiver::on_ended(const client::Ending& ending, std::optional<std::size_t>) { run_.ended(ending); }

}  // namespace

int bench_consume(Arguments& arguments, CliContext& context, Output& output) {
    LoadOptions options = load_options_of(arguments);
    const std::string_view from = arguments.text("offset", "earliest");
    if (from != "earliest" && from != "latest") arguments.refuse("--offset is earliest or latest");
    if (!arguments.ok()) {
        output.error(arguments.problem());
        return exit_usage;
    }
    const Offset offset(from == "earliest" ? protocol::fetch_earliest : protocol::fetch_latest);
    const bool to_end = from == "earliest" && !arguments.has("duration");
    if (to_end) options.duration_ms = 0;
    int code = exit_done;
    const auto partitions = partition_count(options.bootstrap, options.topic, context, output, code);
    if (!partitions) return code;
    return ConsumeLoadRun(context, output, options, *partitions, offset, to_end).run(arguments.json());
}

}  // namespace rivulet::cli
