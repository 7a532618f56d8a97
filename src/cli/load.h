// What both load generators share: a histogram of latencies, the clock of a run, its figures on a terminal, in words and in JSON.
// Owns:     as each says. Thread: loop only.
#pragma once

#include <array>
#include <bit>

#include "cli/commands.h"
#include "cli/connect.h"
#include "cli/json.h"

namespace rivulet::cli {

// Of microseconds, in buckets of 1/16 of a power of two: a percentile is at most 6.25% too high.
class Histogram {
public:
    void add(std::int64_t ns) {
        const std::uint64_t us = ns < 0 ? 0 : static_cast<std::uint64_t>(ns) / 1000;
        ++counts_[bucket(us)];
        ++total_;
        if (us > most_) most_ = us;
    }
    // Microseconds; 0 if nothing was added.
    std::uint64_t percentile(double part) const;
    std::uint64_t most() const { return most_; }
    std::uint64_t count() const { return total_; }

private:
    static constexpr unsigned fine_bits = 4;
    static constexpr std::size_t bucket(std::uint64_t us) {
        if (us < 1U << fine_bits) return static_cast<std::size_t>(us);
        const auto shift = static_cast<unsigned>(std::bit_width(us)) - 1 - fine_bits;
        return (std::size_t{shift} + 1) * (1U << fine_bits) + static_cast<std::size_t>((us >> shift) & ((1U << fine_bits) - 1));
    }
    static std::uint64_t upper(std::size_t bucket);

    std::array<std::uint64_t, (64 - fine_bits + 1) << fine_bits> counts_{};
    std::uint64_t total_ = 0;
    std::uint64_t most_ = 0;
};

struct LoadOptions {
    bool kafka = false;  // Kafka's protocol, which any broker of it speaks; else the compact one
    client::Bootstrap bootstrap;
    std::string_view topic;
    std::size_t connections = 1;
    std::int64_t duration_ms = 0;   // 0: until `records` are done
    std::uint64_t records = 0;      // 0: until the time is over
};
constexpr std::string_view kafka_listener_name = "a Kafka broker";
constexpr std::int64_t load_duration_ms = 10'000;  // when neither is given
// --protocol, --bootstrap, --connections, --duration, --records; problems are kept by `arguments`.
LoadOptions load_options_of(Arguments& arguments);

// Counts, tells once a second on a terminal, ends a run.
class LoadRun : private env::Timer {
public:
    LoadRun(CliContext& context, Output& output, const LoadOptions& options, std::string_view verb) : context_(context), output_(output), options_(options), verb_(verb) {}

    std::uint64_t records() const { return records_; }
    bool over() const { return over_; }

protected:
    ~LoadRun() {
        if (armed()) context_.env.disarm(*this);
    }
    // Until all connections have ended. Calls begin(), then on_tick() each 10 ms, on_over() once.
    int drive();
    void count(std::uint64_t records, std::uint64_t bytes) {
        records_ += records;
        bytes_ += bytes;
        if (records != 0) counted_at_ = context_.env.now();
        if (options_.records != 0 && records_ >= options_.records) finish();
    }
    void finish();
    // A connection has ended; a code other than exit_done ends the run.
    void ended(const client::Ending& ending);
    void failed(int code, std::string_view text);
    // Time in which nothing came any more is not part of the rate.
    void end_at_last_count() { ended_at_ = counted_at_; }
    // The result: rates, and latencies if there are any.
    void tell(bool json, const Histogram& latency);

    virtual void begin() = 0;
    virtual void on_tick(std::int64_t /*elapsed_ns*/) {}
    virtual void on_over() = 0;  // ends its connections

    CliContext& context_;
    Output& output_;
    const LoadOptions& options_;
    std::size_t connections_open_ = 0;
    Histogram recent_;  // since the last line on the terminal

private:
    void on_timer() override;
    void show(Instant now);

    std::string_view verb_;
    std::uint64_t records_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t records_shown_ = 0;
    Instant started_;
    Instant shown_;
    Instant counted_at_;
    Instant ended_at_;
    bool over_ = false;
    int code_ = exit_done;
};

}  // namespace rivulet::cli
