// bench produce: connections that keep a window of readings under way each, and how soon they are acknowledged. Over Kafka's protocol: bench_kafka.cpp.
#include "cli/bench_produce.h"

#include <deque>

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

class Sender final : public ProduceSender, client::ChannelHandler {
public:
    Sender(ProduceLoadRun& run, CliContext& context, std::size_t number);
    void open() override { channel_.open(run_.load().bootstrap); }
    std::uint64_t pump(std::uint64_t allowed) override;
    void flush() override { channel_.flush(); }
    void stop() override {
        if (channel_.is_open()) channel_.close();
        else if (!channel_.is_idle()) channel_.drop();
    }

private:
    static client::ChannelOptions channel_options();
    void on_open(const protocol::Opened& opened) override;
    void on_aliased(const protocol::Aliased& aliased) override;
    void on_ack(const protocol::Ack& ack) override;
    void on_writable() override;
    void on_closed(const client::Ending& ending) override;
    std::size_t put(std::size_t most);

    struct Mark {
        std::uint64_t last;  // reading
        Instant at;
    };
    ProduceLoadRun& run_;
    CliContext& context_;
    std::size_t number_;
    ClientMemory memory_;
    client::Channel channel_;
    std::deque<Mark> marks_;  // readings up to `last` were put at `at`
    std::uint64_t acked_ = 0;
    bool ready_ = false;
};

client::ChannelOptions Sender::channel_options() { return {.receive_bytes = 4U << 10, .send_bytes = 64U << 10, .name = "rivulet bench"}; }

Sender::Sender(ProduceLoadRun& run, CliContext& context, std::size_t number)
    : run_(run), context_(context), number_(number), memory_(client::Channel::memory_bytes(channel_options())), channel_(context.env, channel_options(), memory_.arena(), *this) {}

void Sender::on_open(const protocol::Opened&) {
    protocol::Alias alias;
    alias.placement = protocol::Placement::partition;
    alias.partition = number_ % run_.load().partitions;
    alias.acks = run_.load().acks;
    alias.confirm = true;
    alias.topic = run_.load().topic;
    protocol::encode_alias(channel_.out(), channel_.sum(), alias);
}

void Sender::on_aliased(const protocol::Aliased& aliased) {
    if (aliased.error != Error::none) return run_.failed(exit_code_of(aliased.error), std::string(run_.load().topic) + ": " + explain(fail(aliased.error), aliased.text));
    if (aliased.reading_bytes_max < run_.load().value_bytes)
        return run_.failed(exit_no, "--size " + std::to_string(run_.load().value_bytes) + ": the broker takes " + std::to_string(aliased.reading_bytes_max) + " bytes");
    ready_ = true;
    if (run_.load().rate == 0) pump(UINT64_MAX);
}

void Sender::on_ack(const protocol::Ack& ack) {
    if (ack.refusal.count != 0) return run_.failed(exit_no, "a reading was refused: " + explain(fail(ack.refusal.error)));
    const Instant now = context_.env.now();
    run_.acknowledged(ack.sequence - acked_);
    while (!marks_.empty() && acked_ < ack.sequence) {
        const std::uint64_t last = marks_.front().last < ack.sequence ? marks_.front().last : ack.sequence;
        for (; acked_ < last; ++acked_) run_.measured(now - marks_.front().at);
        if (marks_.front().last <= ack.sequence) marks_.pop_front();
    }
    if (run_.load().rate == 0) pump(UINT64_MAX);
}

void Sender::on_writable() {
    if (run_.load().rate == 0) pump(UINT64_MAX);
}

void Sender::on_closed(const client::Ending& ending) { run_.ended(ending); }

std::uint64_t Sender::pump(std::uint64_t allowed) {
    std::uint64_t sent = 0;
    while (ready_ && !run_.over() && sent < allowed) {
        const std::uint64_t under_way = channel_.puts().sequence_next() - 1 - acked_;
        if (under_way >= run_.load().window) break;
        std::uint64_t most = run_.load().window - under_way;
        if (most > allowed - sent) most = allowed - sent;
        const std::size_t n = put(static_cast<std::size_t>(most < run_.load().packed ? most : run_.load().packed));
        if (n == 0) break;
        sent += n;
        marks_.push_back({channel_.puts().sequence_next() - 1, context_.env.now()});
    }
    return sent;
}

std::size_t Sender::put(std::size_t most) {
    protocol::Reading reading;
    reading.stamped = true;
    reading.time = context_.env.wall();
    reading.value = run_.value();
    Writer& out = channel_.out();
    if (most == 1) {
        const std::size_t bytes = protocol::put_frame_bytes(channel_.sum(), channel_.puts(), 0, reading);
        const bool fits = bytes <= channel_.room() && bytes <= channel_.puts().credit();
        return fits && protocol::encode_put(out, channel_.sum(), channel_.puts(), 0, reading).ok() ? 1 : 0;
    }
    const std::size_t before = out.size();
    protocol::PackedPutEncoder frame(out, channel_.sum(), channel_.puts(), 0, static_cast<std::size_t>(channel_.opened().frame_bytes_max));
    while (frame.count() < most && frame.add(reading)) {}
    const std::size_t n = frame.count();
    if (n == 0) out.rewind(before);
    else frame.finish();
    return n;
}

}  // namespace

ProduceLoadRun::ProduceLoadRun(CliContext& context, Output& output, const ProduceLoad& load) : LoadRun(context, output, load, "produced"), load_(load), value_(load.value_bytes) {
    // Values that compress badly and differ in no interesting way.
    std::uint32_t state = 1;
    for (std::uint8_t& byte : value_) byte = static_cast<std::uint8_t>((state = state * 1664525U + 1013904223U) >> 24);
}

int ProduceLoadRun::run(bool json) {
    const int code = drive();
    if (records() != 0 || code == exit_done) tell(json, latency_);
    return code;
}

void ProduceLoadRun::begin() {
    for (const auto& sender : senders) {
        ++connections_open_;
        sender->open();
    }
}

void ProduceLoadRun::on_tick(std::int64_t elapsed_ns) {
    if (load_.rate == 0) {
        for (const auto& sender : senders) {
            sender->pump(UINT64_MAX);
            sender->flush();
        }
        return;
    }
    const auto due = static_cast<std::uint64_t>(static_cast<double>(elapsed_ns) / 1e9 * static_cast<double>(load_.rate));
    for (std::size_t tries = 0; tries < senders.size() && paced_ < due; ++tries) {
        ProduceSender& sender = *senders[turn_++ % senders.size()];
        paced_ += sender.pump((due - paced_ + senders.size() - 1) / senders.size());
        sender.flush();
    }
    // What could not be sent is not made up for.
    if (paced_ + load_.rate < due) paced_ = due - load_.rate;
}

void ProduceLoadRun::on_over() {
    for (const auto& sender : senders) sender->stop();
}

int bench_produce(Arguments& arguments, CliContext& context, Output& output) {
    ProduceLoad load;
    static_cast<LoadOptions&>(load) = load_options_of(arguments);
    load.value_bytes = static_cast<std::size_t>(arguments.number("size", 100, 1, 64 << 20));
    load.rate = static_cast<std::uint64_t>(arguments.number("rate", 0, 1, 1'000'000'000));
    const std::string_view acks = arguments.text("acks", "1");
    if (acks == "0") load.acks = protocol::Acks::none;
    else if (acks == "all") load.acks = protocol::Acks::all;
    else if (acks != "1") arguments.refuse("--acks is 0, 1 or all");
    if (load.kafka) return bench_produce_kafka(load, arguments, context, output);
    load.window = static_cast<std::size_t>(arguments.number("window", 256, 1, 1'000'000));
    load.packed = static_cast<std::size_t>(arguments.number("packed", 1, 1, 100'000));
    if (arguments.has("batch")) arguments.refuse("--batch is of --protocol kafka; --packed says how many readings a frame has");
    // The window would cut each frame.
    if (load.packed > load.window)
        arguments.refuse("--packed " + std::to_string(load.packed) + ": more than --window " + std::to_string(load.window) + " lets be under way, give a larger --window");
    if (!arguments.ok()) {
        output.error(arguments.problem());
        return exit_usage;
    }
    int code = exit_done;
    const auto partitions = partition_count(load.bootstrap, load.topic, context, output, code);
    if (!partitions) return code;
    load.partitions = *partitions;
    ProduceLoadRun run(context, output, load);
    for (std::size_t i = 0; i < load.connections; ++i) run.senders.push_back(std::make_unique<Sender>(run, context, i));
    return run.run(arguments.json());
}

}  // namespace rivulet::cli
