// What all commands that talk to a broker share: the address list, memory for a client, words about failed connections, and signals.
// Owns:     as each says. Thread: loop only.
#pragma once

#include <memory>
#include <string>

#include "base/arena.h"
#include "cli/arguments.h"
#include "client/channel.h"
#include "env/stop_requests.h"
#include "record/batch_decoder.h"

namespace rivulet::cli {

constexpr std::string_view bootstrap_default = "127.0.0.1:9192";

constexpr std::string_view kafka_bootstrap_default = "127.0.0.1:9092";

// Of --bootstrap. A wrong list is a problem of `arguments`.
client::Bootstrap bootstrap_of(Arguments& arguments, bool kafka = false);

// Memory for one client, of which pages that are never used stay unused.
class ClientMemory {
public:
    explicit ClientMemory(std::size_t bytes) : block_(std::make_unique_for_overwrite<std::uint8_t[]>(bytes)), arena_({block_.get(), bytes}) {}
    Arena& arena() { return arena_; }

private:
    std::unique_ptr<std::uint8_t[]> block_;
    Arena arena_;
};

// For compressed batches: as large as a broker takes them, or what a window of zstd needs.
class ClientDecoder {
public:
    record::BatchDecoder& decoder() { return decoder_; }

private:
    static constexpr std::size_t bytes = 72U << 20;
    ClientMemory memory_{bytes};
    record::BatchDecoder decoder_{memory_.arena().take_bytes(bytes, 1)};
};

// "could not connect to 10.0.0.7:9192: connection refused".
std::string explain(const client::Ending& ending, std::string_view listener = "a rivulet broker's compact listener");
// The exit code of a command that ended so.
int exit_code_of(const client::Ending& ending);

// Failed attempts, told together when none of the list worked out.
class Attempts {
public:
    void failed(const client::Ending& ending) { lines_.push_back(explain(ending)); }
    void clear() { lines_.clear(); }
    void tell(Output& output) const {
        for (const std::string& line : lines_) output.error(line);
    }

private:
    std::vector<std::string> lines_;
};

// Counts ^C and SIGTERM (and SIGHUP, which ends a command too) for as long as it lives, as requests to stop.
class Interrupts final : public env::SignalHandler {
public:
    explicit Interrupts(CliContext& context) : context_(context) { context_.process.handle_signals(this); }
    ~Interrupts() { context_.process.handle_signals(nullptr); }
    Interrupts(const Interrupts&) = delete;
    Interrupts& operator=(const Interrupts&) = delete;
    int count() const { return requests_.count(); }

private:
    void on_signal(env::Signal) override { requests_.take(context_.env.now()); }

    CliContext& context_;
    env::StopRequests requests_;
};

// Requests one after the other, as a command that runs once sees them: each call drives the loop until its answer is there.
class Caller final : client::ChannelHandler, env::Timer {
public:
    Caller(CliContext& context, Output& output);
    ~Caller();

    // False: could not connect, which has been told.
    bool open(const client::Bootstrap& bootstrap);
    void close();
    // 0 until a connection failed.
    int exit_code() const { return exit_code_; }
    const client::protocol::Opened& opened() const { return channel_.opened(); }

    struct Reply {
        Failure failure{Error::none, 0};
        std::string text;  // of a failure
        std::vector<std::uint8_t> rest;
        std::uint8_t flags = 0;
        bool ok() const { return failure.error == Error::none; }
    };
    // encode(Writer&, correlation) writes one request. Nothing: the connection broke or no answer came, which has been told.
    template <class F>
    std::optional<Reply> call(F&& encode) {
        answered_ = false;
        encode(channel_.out(), ++correlation_);
        return wait();
    }

private:
    static constexpr std::int64_t answer_timeout_ms = 30'000;

    void on_open(const client::protocol::Opened&) override { opened_ = true; }
    void on_answer(const client::protocol::FrameView& frame, const client::protocol::Answer& answer) override;
    void on_attempt_failed(const client::Ending& ending) override { attempts_.failed(ending); }
    void on_closed(const client::Ending& ending) override;
    void on_timer() override { timed_out_ = true; }

    std::optional<Reply> wait();

    CliContext& context_;
    Output& output_;
    ClientMemory memory_;
    client::Channel channel_;
    Attempts attempts_;
    std::uint64_t correlation_ = 0;
    Reply reply_;
    bool opened_ = false;
    bool answered_ = false;
    bool closed_ = true;
    bool closing_ = false;
    bool timed_out_ = false;
    int exit_code_ = 0;
};

// What commands end with: each tells why, and returns the exit code.
int refused(Output& output, std::string_view what, const Caller::Reply& reply);
int usage(Output& output, const Arguments& arguments);
int garbled(Output& output);

// "temps has no partition 9: there are 0 to 3".
std::string no_partition_text(std::string_view topic, std::uint64_t partition, std::uint64_t partitions);

// How many partitions the topic has. Nothing: told, and `code` is the exit code.
std::optional<std::uint64_t> partition_count(const client::Bootstrap& bootstrap, std::string_view topic, CliContext& context, Output& output, int& code);

}  // namespace rivulet::cli
