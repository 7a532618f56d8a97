// bench produce: connections that keep a window of readings under way each, and how soon they are acknowledged.
#include <deque>

#include "cli/load.h"

namespace rivulet::cli {

namespace protocol = client::protocol;

namespace {

struct ProduceLoad : LoadOptions {
    std::uint64_t partitions = 1;
    std::size_t window = 256;  // readings of one connection that are not acknowledged
    std::size_t value_bytes = 100;
    std::size_t packed = 1;    // readings in a frame
    std::uint64_t rate = 0;    // readings per second of all connections; 0: as many as possible
    protocol::Acks acks = protocol::Acks::leader;
};

class ProduceRun;

class Sender final : client::ChannelHandler {
public:
    Sender(ProduceRun& run, CliContext& context, std::size_t number);
    client::Channel& channel() { return channel_; }
    // What the window, the credit and the send buffer take, at most `allowed`; how many it were.
    std::uint64_t pump(std::uint64_t allowed);
    void flush() { channel_.flush(); }

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
    ProduceRun& run_;
    CliContext& context_;
    std::size_t number_;
    ClientMemory memory_;
    client::Channel channel_;
    std::deque<Mark> marks_;  // readings up to `last` were put at `at`
    std::uint64_t acked_ = 0;
    bool ready_ = false;
};

class ProduceRun final : public LoadRun {
public:
    ProduceRun(CliContext& context, Output& output, const ProduceLoad& load) : LoadRun(context, output, load, "produced"), load_(load), value_(load.value_bytes) {
        // Values that compress badly and differ in no interesting way.
        std::uint32_t state = 1;
        for (std::uint8_t& byte : value_) byte = static_cast<std::uint8_t>((state = state * 1664525U + 1013904223U) >> 24);
        for (std::size_t i = 0; i < load.connections; ++i) senders_.push_back(std::make_unique<Sender>(*this, context, i));
    }
    int run(bool json) {
        const int code = drive();
        if (records() != 0 || code == exit_done) tell(json, latency_);
        return code;
    }

private:
    friend class Sender;
    void begin() override {
        for (const auto& sender : senders_) {
            ++connections_open_;
            sender->channel().open(load_.bootstrap);
        }
    }
    void on_tick(std::int64_t elapsed_ns) override {
        if (load_.rate == 0) return;
        const auto due = static_cast<std::uint64_t>(static_cast<double>(elapsed_ns) / 1e9 * static_cast<double>(load_.rate));
        for (std::size_t tries = 0; tries < senders_.size() && paced_ < due; ++tries) {
            Sender& sender = *senders_[turn_++ % senders_.size()];
            paced_ += sender.pump((due - paced_ + senders_.size() - 1) / senders_.size());
            sender.flush();
        }
        // What could not be sent is not made up for.
        if (paced_ + load_.rate < due) paced_ = due - load_.rate;
    }
    void on_over() override {
        for (const auto& sender : senders_) {
            if (sender->channel().is_open()) sender->channel().close();
            else if (!sender->channel().is_idle()) sender->channel().drop();
        }
    }
    void acknowledged(std::uint64_t readings) { count(readings, readings * load_.value_bytes); }
    void measured(std::int64_t ns) {
        latency_.add(ns);
        recent_.add(ns);
    }

    const ProduceLoad& load_;
    std::vector<std::uint8_t> value_;
    std::vector<std::unique_ptr<Sender>> senders_;
    Histogram latency_;
    std::uint64_t paced_ = 0;
    std::size_t turn_ = 0;
};

client::ChannelOptions Sender::channel_options() { return {.receive_bytes = 4U << 10, .send_bytes = 64U << 10, .name = "rivulet bench"}; }

Sender::Sender(ProduceRun& run, CliContext& context, std::size_t number)
    : run_(run), context_(context), number_(number), memory_(client::Channel::memory_bytes(channel_options())), channel_(context.env, channel_options(), memory_.arena(), *this) {}

void Sender::on_open(const protocol::Opened&) {
    protocol::Alias alias;
    alias.placement = protocol::Placement::partition;
    alias.partition = number_ % run_.load_.partitions;
    alias.acks = run_.load_.acks;
    alias.confirm = true;
    alias.topic = run_.load_.topic;
    protocol::encode_alias(channel_.out(), channel_.sum(), alias);
}

void Sender::on_aliased(const protocol::Aliased& aliased) {
    if (aliased.error != Error::none) return run_.failed(exit_code_of(aliased.error), std::string(run_.load_.topic) + ": " + explain(fail(aliased.error), aliased.text));
    if (aliased.reading_bytes_max < run_.load_.value_bytes)
        return run_.failed(exit_no, "--size " + std::to_string(run_.load_.value_bytes) + ": the broker takes " + std::to_string(aliased.reading_bytes_max) + " bytes");
    ready_ = true;
    if (run_.load_.rate == 0) pump(UINT64_MAX);
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
    if (run_.load_.rate == 0) pump(UINT64_MAX);
}

void Sender::on_writable() {
    if (run_.load_.rate == 0) pump(UINT64_MAX);
}

void Sender::on_closed(const client::Ending& ending) { run_.ended(ending); }

std::uint64_t Sender::pump(std::uint64_t allowed) {
    std::uint64_t sent = 0;
    while (ready_ && !run_.over() && sent < allowed) {
        const std::uint64_t under_way = channel_.puts().sequence_next() - 1 - acked_;
        if (under_way >= run_.load_.window) break;
        std::uint64_t most = run_.load_.window - under_way;
        if (most > allowed - sent) most = allowed - sent;
        const std::size_t n = put(static_cast<std::size_t>(most < run_.load_.packed ? most : run_.load_.packed));
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
    reading.value = run_.value_;
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

int bench_produce(Arguments& arguments, CliContext& context, Output& output) {
    ProduceLoad load;
    static_cast<LoadOptions&>(load) = load_options_of(arguments);
    load.window = static_cast<std::size_t>(arguments.number("window", 256, 1, 1'000'000));
    load.value_bytes = static_cast<std::size_t>(arguments.number("size", 100, 1, 64 << 20));
    load.packed = static_cast<std::size_t>(arguments.number("packed", 1, 1, 100'000));
    load.rate = static_cast<std::uint64_t>(arguments.number("rate", 0, 1, 1'000'000'000));
    const std::string_view acks = arguments.text("acks", "1");
    if (acks == "0") load.acks = protocol::Acks::none;
    else if (acks == "all") load.acks = protocol::Acks::all;
    else if (acks != "1") arguments.refuse("--acks is 0, 1 or all");
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
    return ProduceRun(context, output, load).run(arguments.json());
}

}  // namespace rivulet::cli
