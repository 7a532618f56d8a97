// consume --group: prints the records of the partitions that the broker gives to this member. What was printed is committed.
#include "cli/consume.h"
#include "client/batches.h"
#include "client/group_consumer.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

constexpr std::uint64_t session_timeout_ms = 45'000;   // Kafka's defaults
constexpr std::uint64_t rebalance_timeout_ms = 60'000;
constexpr std::uint64_t auto_commit_ms = 5'000;
constexpr std::uint64_t credit_bytes = 1U << 20;

class MemberRun final : client::GroupConsumerHandler, env::Timer {
public:
    MemberRun(CliContext& context, Output& output, const ConsumeOptions& options)
        : context_(context), output_(output), options_(options), topic_{options.topic}, memory_(client::GroupConsumer::memory_bytes(consumer_options())),
          consumer_(context.env, consumer_options(), memory_.arena(), *this) {}
    ~MemberRun() {
        if (armed()) context_.env.disarm(*this);
    }
    int run();

private:
    client::GroupConsumerOptions consumer_options() const {
        client::GroupConsumerOptions consumer;
        consumer.channel.receive_bytes = largest_answer;
        consumer.channel.name = "rivulet consume";
        consumer.join.group = options_.group;
        consumer.join.instance = options_.instance;
        consumer.join.client = "rivulet-consume";
        consumer.join.assignor = options_.assignor;
        consumer.join.start = options_.from == Offset(protocol::fetch_earliest) ? protocol::StartAt::earliest : protocol::StartAt::latest;
        consumer.join.session_timeout_ms = session_timeout_ms;
        consumer.join.rebalance_timeout_ms = rebalance_timeout_ms;
        consumer.join.auto_commit_ms = auto_commit_ms;
        consumer.join.credit = credit_bytes;
        consumer.topics = {&topic_, 1};
        return consumer;
    }

    Offset on_batches(const client::GroupPartition& partition, const protocol::Data& data) override;
    void on_skipped(const client::GroupPartition& partition, Offset to) override;
    void on_generation(std::uint64_t) override { outage_told_ = false; }
    void on_interrupted(const client::Ending& ending) override;
    void on_ended(const client::Ending& ending) override;
    void on_timer() override;
    std::string partition_text(const client::GroupPartition& partition) const { return std::string(partition.topic) + " partition " + std::to_string(partition.partition); }
    void stop(int code) {
        if (stopping_) return;
        code_ = code;
        stopping_ = true;
        consumer_.stop();
    }

    CliContext& context_;
    Output& output_;
    const ConsumeOptions& options_;
    std::string_view topic_;
    ClientMemory memory_;
    ClientDecoder decoder_;
    client::GroupConsumer consumer_;
    std::string text_;
    std::uint64_t messages_ = 0;
    Instant last_message_;
    int code_ = exit_done;
    bool outage_told_ = false;
    bool printed_ = false;  // in this turn of the loop
    bool stopping_ = false;
    bool ended_ = false;
};

int MemberRun::run() {
    const Interrupts interrupts(context_);
    last_message_ = context_.env.now();
    consumer_.start(options_.bootstrap);
    on_timer();
    while (!ended_ && context_.loop.run_once()) {
        if (interrupts.count() != 0) stop(exit_done);
        // Within a turn the clock stands still: it has not seen how long our own reader took.
        if (printed_) last_message_ = context_.env.now();
        printed_ = false;
    }
    return code_;
}

// What nobody has read is not processed: then it comes again, to whoever reads next.
Offset MemberRun::on_batches(const client::GroupPartition& partition, const protocol::Data& data) {
    client::Batches batches(data.batches, data.offset, &decoder_.decoder());
    Offset printed = data.offset;
    text_.clear();
    while (options_.messages_max == 0 || messages_ < options_.messages_max) {
        const auto record = batches.next();
        if (!record) break;
        options_.format.print(text_, options_.topic, partition.partition, *record);
        printed = record->offset + 1;
        ++messages_;
        printed_ = true;
    }
    const bool all = options_.messages_max == 0 || messages_ < options_.messages_max;
    output_ << text_;
    output_.flush();
    if (output_.failed() || output_.gone()) {
        stop(output_.failed() ? exit_could_not : exit_done);
        return data.offset;
    }
    if (batches.error() != Error::none) {
        output_.error(partition_text(partition) + ", offset " + std::to_string(batches.failed_at().value) + ": " + explain(fail(batches.error())));
        stop(exit_could_not);
        return printed;
    }
    if (!all) stop(exit_done);
    return all ? client::end_of_batches(data.batches, data.offset) : printed;
}

void MemberRun::on_skipped(const client::GroupPartition& partition, Offset to) {
    output_.error(partition_text(partition) + ": offsets " + std::to_string(partition.next.value) + " to " + std::to_string(to.value - 1) + " are gone, going on at " + std::to_string(to.value));
}

void MemberRun::on_interrupted(const client::Ending& ending) {
    if (outage_told_ || stopping_) return;
    outage_told_ = true;
    output_.error(explain(ending) + "; trying again");
}

void MemberRun::on_ended(const client::Ending& ending) {
    ended_ = true;
    if (stopping_) return;
    code_ = exit_code_of(ending);
    if (ending.stage == client::Stage::established && ending.from_broker) return output_.error("group " + std::string(options_.group) + ": " + explain(ending.failure, ending.text));
    output_.error(explain(ending));
}

void MemberRun::on_timer() {
    const Instant now = context_.env.now();
    if (!stopping_ && output_.reader_has_gone()) return stop(exit_done);
    if (!stopping_ && options_.timeout_ms != 0 && now - last_message_ >= options_.timeout_ms * ns_per_ms) return stop(exit_done);
    const std::int64_t left = options_.timeout_ms == 0 ? look_ms : options_.timeout_ms - (now - last_message_) / ns_per_ms;
    context_.env.arm(*this, now + (left < look_ms ? left > 1 ? left : 1 : look_ms) * ns_per_ms);
}

}  // namespace

int consume_as_member(CliContext& context, Output& output, const ConsumeOptions& options) { return MemberRun(context, output, options).run(); }

}  // namespace rivulet::cli
