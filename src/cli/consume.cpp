// consume: prints the records of a topic, to the end of a count, a pause, or never.
#include <limits>

#include "cli/commands.h"
#include "cli/consume.h"
#include "client/fetcher.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

class ConsumeRun final : client::FetcherHandler, env::Timer {
public:
    ConsumeRun(CliContext& context, Output& output, const ConsumeOptions& options, std::vector<client::FetchPosition>& positions)
        : context_(context), output_(output), options_(options), positions_(positions),
          memory_(client::Fetcher::memory_bytes(fetcher_options(options))),
          fetcher_(context.env, fetcher_options(options), positions, memory_.arena(), *this) {}
    ~ConsumeRun() {
        if (armed()) context_.env.disarm(*this);
    }
    int run();

private:
    static client::FetcherOptions fetcher_options(const ConsumeOptions& options) {
        client::FetcherOptions fetcher;
        fetcher.channel.receive_bytes = largest_answer;
        fetcher.channel.name = "rivulet consume";
        fetcher.topic = options.topic;
        return fetcher;
    }

    void on_connected() override { outage_told_ = false; }
    void on_fetched(std::size_t index, const protocol::Fetched& fetched) override;
    void on_skipped(std::size_t index, Offset from, Offset to) override;
    void on_interrupted(const client::Ending& ending) override;
    void on_put_off(std::size_t index, Failure why, std::string_view text) override;
    void on_ended(const client::Ending& ending, std::optional<std::size_t> index) override;
    void on_timer() override;
    std::string partition_text(std::size_t index) const {
        return std::string(options_.topic) + " partition " + std::to_string(positions_[index].partition);
    }
    void stop(int code) {
        code_ = code;
        stopping_ = true;
        fetcher_.stop();
    }

    CliContext& context_;
    Output& output_;
    const ConsumeOptions& options_;
    std::vector<client::FetchPosition>& positions_;
    ClientMemory memory_;
    client::Fetcher fetcher_;
    ClientDecoder decoder_;
    std::string text_;
    std::uint64_t messages_ = 0;
    Instant last_message_;
    int code_ = exit_done;
    bool outage_told_ = false;
    bool printed_ = false;  // in this turn of the loop
    bool stopping_ = false;
    bool ended_ = false;
};

int ConsumeRun::run() {
    const Interrupts interrupts(context_);
    last_message_ = context_.env.now();
    fetcher_.start(options_.bootstrap);
    on_timer();
    while (!ended_ && context_.loop.run_once()) {
        if (interrupts.count() != 0 && !stopping_) stop(exit_done);
        // Within a turn the clock stands still: it has not seen how long our own reader took.
        if (printed_) last_message_ = context_.env.now();
        printed_ = false;
    }
    return code_;
}

void ConsumeRun::on_fetched(std::size_t index, const protocol::Fetched& fetched) {
    if (stopping_) return;
    client::Batches batches(fetched.batches, fetched.offset, &decoder_.decoder());
    text_.clear();
    while (options_.messages_max == 0 || messages_ < options_.messages_max) {
        const auto record = batches.next();
        if (!record) break;
        options_.format.print(text_, options_.topic, positions_[index].partition, *record);
        ++messages_;
        last_message_ = context_.env.now();
        printed_ = true;
    }
    output_ << text_;
    output_.flush();
    if (batches.error() != Error::none) {
        output_.error(partition_text(index) + ", offset " + std::to_string(batches.failed_at().value) + ": " + explain(fail(batches.error())));
        return stop(exit_could_not);
    }
    if (output_.failed()) return stop(exit_could_not);
    if (output_.gone() || (options_.messages_max != 0 && messages_ >= options_.messages_max)) stop(exit_done);
}

void ConsumeRun::on_skipped(std::size_t index, Offset from, Offset to) {
    output_.error(partition_text(index) + ": offsets " + std::to_string(from.value) + " to " + std::to_string(to.value - 1) + " are gone, going on at " +
                  std::to_string(to.value));
}

void ConsumeRun::on_interrupted(const client::Ending& ending) {
    if (outage_told_) return;
    outage_told_ = true;
    output_.error(explain(ending) + "; trying again");
}

void ConsumeRun::on_put_off(std::size_t index, Failure why, std::string_view text) {
    if (outage_told_) return;
    outage_told_ = true;
    output_.error(partition_text(index) + ": " + explain(why, text) + "; trying again");
}

void ConsumeRun::on_ended(const client::Ending& ending, std::optional<std::size_t> index) {
    ended_ = true;
    if (stopping_) return;
    code_ = index ? exit_code_of(ending.failure.error) : exit_could_not;
    if (!index) return output_.error(explain(ending));
    std::string text = partition_text(*index) + ": ";
    if (ending.failure.error == Error::offset_out_of_range)
        text += "offset " + std::to_string(positions_[*index].next.value) + " is beyond the end, " + std::to_string(ending.failure.detail);
    else text += explain(ending.failure, ending.text);
    output_.error(text);
}

void ConsumeRun::on_timer() {
    const Instant now = context_.env.now();
    if (!stopping_ && output_.reader_has_gone()) return stop(exit_done);
    if (!stopping_ && options_.timeout_ms != 0 && now - last_message_ >= options_.timeout_ms * ns_per_ms) return stop(exit_done);
    const std::int64_t left = options_.timeout_ms == 0 ? look_ms : options_.timeout_ms - (now - last_message_) / ns_per_ms;
    context_.env.arm(*this, now + (left < look_ms ? left > 1 ? left : 1 : look_ms) * ns_per_ms);
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
    return ConsumeRun(context, output, options, positions).run();
}

}  // namespace rivulet::cli
