// One run of `produce`: lines from standard input through a client::Producer, with a word at the end about how far it came.
// Owns:     the line buffer, the producer, its memory. Thread: loop only. Returns: run(): the exit code.
#pragma once

#include <deque>
#include <optional>

#include "cli/connect.h"
#include "cli/line_buffer.h"
#include "client/producer.h"

namespace rivulet::cli {

struct ProduceOptions {
    client::Bootstrap bootstrap;
    client::protocol::Alias alias;
    std::string key;                    // of all records, also when the partition is chosen
    bool has_key = false;
    std::string separator;              // empty: lines are values
    bool ignore_missing_key = false;
    std::vector<std::pair<std::string_view, std::string_view>> headers;
    std::int64_t retry_ms = 10'000;
    std::uint64_t session = 0;
    bool print_acks = false;
    bool quiet = false;
};

class ProduceRun final : client::ProducerHandler, env::ConnectionHandler, env::Timer {
public:
    ProduceRun(CliContext& context, Output& output, const ProduceOptions& options);
    ~ProduceRun();
    int run();

private:
    // client::ProducerHandler
    void on_ready(std::size_t reading_bytes_max) override;
    void on_settled() override;
    void on_refused(std::uint64_t first, std::uint64_t count, Error error) override;
    void on_interrupted(const client::Ending& ending) override;
    void on_resumed() override;
    void on_forgotten() override;
    void on_ended(const client::Ending& ending, bool about_topic) override;
    // env::ConnectionHandler: standard input
    MutableBytes receive_buffer() override;
    void on_received(std::size_t n) override;
    void on_sent() override {}
    void on_closed(Error reason) override;
    void on_timer() override;  // progress, or that there is none

    client::ProducerOptions producer_options() const;
    void tell_stall();
    void take_lines();
    bool take_line(std::string_view line);
    void stop_input(std::string_view why, int code);
    void handle_interrupts(int count);
    int conclude();
    int tell_missing_partition();
    std::string stored_words() const;
    // Lines that are stored, as --acks has it: settled and not refused.
    std::uint64_t acknowledged() const { return producer_.settled() - refused_settled_; }

    CliContext& context_;
    Output& output_;
    const ProduceOptions& options_;
    std::vector<std::uint8_t> header_bytes_;
    client::protocol::List<client::protocol::Header> headers_;
    ClientMemory memory_;
    client::Producer producer_;
    std::optional<LineBuffer> lines_;
    env::Connection* input_ = nullptr;  // nullptr: not opened yet, or closed
    std::uint64_t lines_taken_ = 0;
    struct Refusal {
        std::uint64_t first;
        std::uint64_t count;
    };
    std::deque<Refusal> refusals_;  // of lines that are not settled: a refusal may come before what lies in front of it
    std::uint64_t refused_settled_ = 0;
    std::uint64_t acknowledged_told_ = 0;
    std::uint64_t refused_ = 0;
    std::uint64_t refused_to_ = 0;
    std::size_t refusals_told_ = 0;
    std::uint64_t settled_seen_ = 0;
    Instant settled_at_;
    int interrupts_seen_ = 0;
    int code_ = 0;           // of what was wrong with the input
    bool waiting_ = false;   // the window is full
    bool input_ended_ = false;
    bool finishing_ = false;
    bool outage_told_ = false;
    bool stall_told_ = false;
    bool shows_progress_ = false;
    bool ended_ = false;
    bool about_topic_ = false;
    client::Ending ending_;
    std::string ending_text_;
};

}  // namespace rivulet::cli
