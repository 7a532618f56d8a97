// bench consume: what both protocols share. Receivers read some partitions each; the run counts.
// Owns:     as each says. Thread: loop only.
#pragma once

#include "cli/connect.h"
#include "cli/load.h"

namespace rivulet::cli {

class LoadReceiver {
public:
    virtual ~LoadReceiver() = default;
    virtual void start() = 0;
    virtual void stop() = 0;
};

class ConsumeLoadRun final : public LoadRun {
public:
    ConsumeLoadRun(CliContext& context, Output& output, const LoadOptions& options, std::uint64_t partitions, bool to_end)
        : LoadRun(context, output, options, "consumed"), to_end_(to_end), partitions_left_(partitions) {}
    int run(bool json);

    const LoadOptions& options() const { return options_; }
    // Batches of a partition, read at `from`, whose log reached up to `end` then. False: they cannot be read, which has been told.
    struct Target {
        std::optional<Offset> end;  // of the partition, when it was first read
        bool reached = false;
    };
    bool take(Bytes batches, Offset from, Offset next, Offset end, Target& target);
    using LoadRun::ended;
    using LoadRun::failed;
    std::vector<std::unique_ptr<LoadReceiver>> receivers;

private:
    void begin() override;
    void on_over() override;

    ClientDecoder decoder_;
    bool to_end_;
    std::uint64_t partitions_left_;  // that were not read to their end
};

// The same over Kafka's protocol.
int bench_consume_kafka(LoadOptions& options, bool earliest, bool to_end, bool json, CliContext& context, Output& output);

}  // namespace rivulet::cli
