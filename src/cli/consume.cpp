// consume: prints the records of a topic, to the end of a count, a pause, or never.
#include <limits>

#include "cli/commands.h"
#include "cli/consume.h"
#include "client/fetcher.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

class PartitionsRun final : public ConsumeRun, client::FetcherHandler {
public:
    PartitionsRun(CliContext& context, Output& output, const ConsumeOptions& options, std::vector<client::FetchPosition>& positions)
        : ConsumeRun(context, output, options), positions_(positions), memory_(client::Fetcher::memory_bytes(fetcher_options(options))),
          fetcher_(context.env, fetcher_options(options), positions, memory_.arena(), *this) {}

private:
    static client::FetcherOptions fetcher_options(const ConsumeOptions& options) {
        client::FetcherOptions fetcher;
        fetcher.channel.receive_bytes = largest_answer;
        fetcher.channel.name = "rivulet consume";
        fetcher.topic = options.topic;
        return fetcher;
    }

    void start() override { fetcher_.start(options_.bootstrap); }
    void stop_reading() override { fetcher_.stop(); }

    void on_connected() override { outage_is_over(); }
    void on_fetched(std::size_t index, const protocol::Fetched& fetched) override {
        if (!stopping()) print(positions_[index].partition, fetched.batches, fetched.offset);
    }
    void on_skipped(std::size_t index, Offset from, Offset to) override { tell_skipped(positions_[index].partition, from, to); }
    void on_interrupted(const client::Ending& ending) override { tell_outage(explain(ending)); }
    void on_put_off(std::size_t index, Failure why, std::string_view text) override { tell_outage(partition_text(positions_[index].partition) + ": " + explain(why, text)); }
    void on_ended(const client::Ending& ending, std::optional<std::size_t> index) override;

    std::vector<client::FetchPosition>& positions_;
    ClientMemory memory_;
    client::Fetcher fetcher_;
};

void PartitionsRun::on_ended(const client::Ending& ending, std::optional<std::size_t> index) {
    if (!index) return ended(exit_could_not, explain(ending));
    std::string text = partition_text(positions_[*index].partition) + ": ";
    if (ending.failure.error == Error::offset_out_of_range)
        text += "offset " + std::to_string(positions_[*index].next.value) + " is beyond the end, " + std::to_string(ending.failure.detail);
    else text += explain(ending.failure, ending.text);
    ended(exit_code_of(ending.failure.error), text);
}

bool parse_offset(Arguments& arguments, ConsumeOptions& options) {
    if (arguments.has("from-beginning")) options.from = Offset(protocol::fetch_earliest);
    if (!arguments.has("offset")) return true;
    if (arguments.has("from-beginning")) return arguments.refuse("--from-beginning and --offset do not go together"), false;
    const std::string_view offset = arguments.text("offset");
    if (offset == "earliest") options.from = Offset(protocol::fetch_earliest);
    else if (offset == "latest") options.from = Offset(protocol::fetch_latest);
    else options.from = Offset(arguments.number("offset", 0, 0, std::numeric_limits<std::int64_t>::max()));
    return arguments.ok();
}

void parse_group(Arguments& arguments, ConsumeOptions& options) {
    if (!arguments.has("group")) {
        for (const std::string_view option : {"group-instance", "assignor"})
            if (arguments.has(option)) arguments.refuse("--" + std::string(option) + " needs --group");
        return;
    }
    options.group = arguments.text("group");
    if (options.group.empty()) arguments.refuse("--group: a name, please");
    for (const std::string_view option : {"offset", "partition"})
        if (arguments.has(option)) arguments.refuse("--group and --" + std::string(option) + " do not go together: the group has its offsets, and the broker says who reads what");
    if (arguments.has("group-instance")) options.instance = arguments.text("group-instance");
    if (!arguments.has("assignor")) return;
    const std::string_view assignor = arguments.text("assignor");
    if (assignor == "range") options.assignor = protocol::AssignBy::range;
    else if (assignor == "roundrobin") options.assignor = protocol::AssignBy::round_robin;
    else if (assignor != "sticky") arguments.refuse("--assignor: range, roundrobin or sticky");
}

}  // namespace

int consume(Arguments& arguments, CliContext& context, Output& output) {
    ConsumeOptions options;
    options.bootstrap = bootstrap_of(arguments);
    options.topic = arguments.operands()[0];
    parse_offset(arguments, options);
    parse_group(arguments, options);
    if (arguments.has("partition")) options.partition = static_cast<std::uint64_t>(arguments.number("partition", 0, 0, 1'000'000));
    options.messages_max = static_cast<std::uint64_t>(arguments.number("max-messages", 0, 1, std::numeric_limits<std::int64_t>::max()));
    options.timeout_ms = arguments.duration_ms("timeout", 0);
    std::string problem;
    if (arguments.json() && arguments.has("format")) arguments.refuse("--json and --format do not go together");
    if (arguments.json()) options.format.use_json();
    if (arguments.has("format") && !options.format.parse(arguments.text("format"), problem)) arguments.refuse("--format: " + problem);
    if (!arguments.ok()) {
        output.error(arguments.problem());
        return exit_usage;
    }

    int code = exit_done;
    const auto partitions = partition_count(options.bootstrap, options.topic, context, output, code);
    if (!partitions) return code;
    if (!options.group.empty()) return consume_as_member(context, output, options);
    if (options.partition && *options.partition >= *partitions) {
        output.error(no_partition_text(options.topic, *options.partition, *partitions));
        return exit_no;
    }
    if (options.from >= Offset(0) && !options.partition && *partitions > 1) {
        output.error("--offset " + std::to_string(options.from.value) + " needs --partition: " + std::string(options.topic) + " has " +
                     std::to_string(*partitions) + " of them");
        return exit_usage;
    }
    std::vector<client::FetchPosition> positions;
    const std::uint64_t first = options.partition.value_or(0);
    const std::uint64_t last = options.partition.value_or(*partitions - 1);
    for (std::uint64_t partition = first; partition <= last && *partitions != 0; ++partition) positions.push_back({partition, options.from});
    return PartitionsRun(context, output, options, positions).run();
}

}  // namespace rivulet::cli
