// bench produce: what both protocols share. Senders keep a window of readings under way each; the run paces and counts them.
// Owns:     as each says. Thread: loop only.
#pragma once

#include "cli/load.h"

namespace rivulet::cli {

struct ProduceLoad : LoadOptions {
    std::uint64_t partitions = 1;
    std::size_t window = 256;  // readings of one connection that are not acknowledged
    std::size_t value_bytes = 100;
    std::size_t packed = 1;    // readings in a frame, records in a batch
    std::uint64_t rate = 0;    // readings per second of all connections; 0: as many as possible
    client::protocol::Acks acks = client::protocol::Acks::leader;
};

class ProduceSender {
public:
    virtual ~ProduceSender() = default;
    virtual void open() = 0;
    // What the window and the send buffer take, at most `allowed`; how many it were. Called again at each tick.
    virtual std::uint64_t pump(std::uint64_t allowed) = 0;
    virtual void flush() = 0;
    virtual void stop() = 0;
};

class ProduceLoadRun final : public LoadRun {
public:
    ProduceLoadRun(CliContext& context, Output& output, const ProduceLoad& load);
    int run(bool json);

    const ProduceLoad& load() const { return load_; }
    Bytes value() const { return value_; }
    void acknowledged(std::uint64_t readings) { count(readings, readings * load_.value_bytes); }
    void measured(std::int64_t ns) {
        latency_.add(ns);
        recent_.add(ns);
    }
    using LoadRun::ended;
    using LoadRun::failed;
    std::vector<std::unique_ptr<ProduceSender>> senders;

private:
    void begin() override;
    void on_tick(std::int64_t elapsed_ns) override;
    void on_over() override;

    const ProduceLoad& load_;
    std::vector<std::uint8_t> value_;
    Histogram latency_;
    std::uint64_t paced_ = 0;
    std::size_t turn_ = 0;
};

// The same over Kafka's protocol; the options that both have are checked.
int bench_produce_kafka(ProduceLoad& load, Arguments& arguments, CliContext& context, Output& output);

}  // namespace rivulet::cli
