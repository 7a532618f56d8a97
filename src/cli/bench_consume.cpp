// bench consume: connections that share a topic's partitions and read them as fast as they come. Over Kafka's protocol: bench_kafka.cpp.
#include "cli/bench_consume.h"

#include "client/batches.h"
#include "client/fetcher.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

constexpr std::size_t answer_bytes_max = (64U << 20) + (64U << 10);  // unused memory stays untouched

class Receiver final : public LoadReceiver, client::FetcherHandler {
public:
    Receiver(ConsumeLoadRun& run, CliContext& context, std::vector<client::FetchPosition> positions)
        : run_(run), positions_(std::move(positions)), targets_(positions_.size()), memory_(client::Fetcher::memory_bytes(fetcher_options(run.options().topic))),
          fetcher_(context.env, fetcher_options(run.options().topic), positions_, memory_.arena(), *this) {}
    void start() override { fetcher_.start(run_.options().bootstrap); }
    void stop() override { fetcher_.stop(); }

private:
    static client::FetcherOptions fetcher_options(std::string_view topic) {
        client::FetcherOptions options;
        options.channel.receive_bytes = answer_bytes_max;
        options.channel.send_bytes = 16U << 10;
        options.channel.name = "rivulet bench";
        options.topic = topic;
        return options;
    }
    void on_fetched(std::size_t index, const protocol::Fetched& fetched) override {
        run_.take(fetched.batches, fetched.offset, positions_[index].next, fetched.high_watermark, targets_[index]);
    }
    void on_ended(const client::Ending& ending, std::optional<std::size_t>) override { run_.ended(ending); }

    ConsumeLoadRun& run_;
    std::vector<client::FetchPosition> positions_;
    std::vector<ConsumeLoadRun::Target> targets_;  // of each position
    ClientMemory memory_;
    client::Fetcher fetcher_;
};

}  // namespace

int ConsumeLoadRun::run(bool json) {
    const int code = drive();
    end_at_last_count();
    if (records() != 0 || code == exit_done) tell(json, {});
    return code;
}

void ConsumeLoadRun::begin() {
    for (const auto& receiver : receivers) {
        ++connections_open_;
        receiver->start();
    }
}

void ConsumeLoadRun::on_over() {
    for (const auto& receiver : receivers) receiver->stop();
}

bool ConsumeLoadRun::take(Bytes bytes, Offset from, Offset next, Offset end, Target& target) {
    if (over()) return false;
    client::Batches batches(bytes, from, &decoder_.decoder());
    std::uint64_t records = 0;
    std::uint64_t size = 0;
    while (const auto record = batches.next()) {
        ++records;
        size += record->record.key.size() + record->record.value.size();
    }
    if (batches.error() != Error::none) return failed(exit_could_not, explain(fail(batches.error()))), false;
    count(records, size);
    if (!target.end) target.end = end;
    if (target.reached || next < *target.end) return true;
    target.reached = true;
    if (--partitions_left_ == 0 && to_end_) finish();
    return true;
}

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
    if (options.kafka) return bench_consume_kafka(options, from == "earliest", to_end, arguments.json(), context, output);
    int code = exit_done;
    const auto partitions = partition_count(options.bootstrap, options.topic, context, output, code);
    if (!partitions) return code;
    ConsumeLoadRun run(context, output, options, *partitions, to_end);
    for (std::size_t i = 0; i < options.connections && i < *partitions; ++i) {
        std::vector<client::FetchPosition> positions;
        for (std::uint64_t p = i; p < *partitions; p += options.connections) positions.push_back({p, offset});
        run.receivers.push_back(std::make_unique<Receiver>(run, context, std::move(positions)));
    }
    return run.run(arguments.json());
}

}  // namespace rivulet::cli
