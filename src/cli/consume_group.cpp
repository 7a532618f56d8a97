// consume --group: prints the records of the partitions that the broker gives to this member. What was printed is committed.
#include "cli/consume.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

constexpr std::uint64_t session_timeout_ms = 45'000;   // Kafka's defaults
constexpr std::uint64_t rebalance_timeout_ms = 60'000;
constexpr std::uint64_t auto_commit_ms = 5'000;
constexpr std::uint64_t credit_bytes = 1U << 20;

class MemberRun final : public ConsumeRun, client::GroupConsumerHandler {
public:
    MemberRun(CliContext& context, Output& output, const ConsumeOptions& options)
        : ConsumeRun(context, output, options), topic_{options.topic}, memory_(client::GroupConsumer::memory_bytes(consumer_options())),
          consumer_(context.env, consumer_options(), memory_.arena(), *this) {}

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

    void start() override { consumer_.start(options_.bootstrap); }
    void stop_reading() override { consumer_.stop(); }

    // What nobody has read is not processed: then it comes again, to whoever reads next.
    Offset on_batches(const client::GroupPartition& partition, const protocol::Data& data) override { return print(partition.partition, data.batches, data.offset); }
    void on_skipped(const client::GroupPartition& partition, Offset to) override { tell_skipped(partition.partition, partition.next, to); }
    void on_generation(std::uint64_t) override { outage_is_over(); }
    void on_interrupted(const client::Ending& ending) override { tell_outage(explain(ending)); }
    void on_ended(const client::Ending& ending) override {
        const bool refused = ending.stage == client::Stage::established && ending.from_broker;
        ended(exit_code_of(ending), refused ? "group " + std::string(options_.group) + ": " + explain(ending.failure, ending.text) : explain(ending));
    }

    std::string_view topic_;
    ClientMemory memory_;
    client::GroupConsumer consumer_;
};

}  // namespace

int consume_as_member(CliContext& context, Output& output, const ConsumeOptions& options) { return MemberRun(context, output, options).run(); }

}  // namespace rivulet::cli
