// Reads partitions of one topic, each in order, for ever or until it is stopped; after a broken connection it goes on where it was.
// Owns:     a channel and two timers, out of the arena. The positions are the caller's memory.
// Bounds:   memory_bytes() of arena; no allocation. One request per partition and at most what the broker allows; with more partitions
//           than that they take turns, and each waits for news less long.
// Errors:   on_ended(): as a Producer's; also offset_out_of_range (beyond the log end), batch_too_large (detail = its size).
// Thread:   loop only. No callback comes from within a call of ours.
#pragma once

#include "client/backoff.h"
#include "client/channel.h"

namespace rivulet::client {

struct FetchPosition {
    std::uint64_t partition = 0;
    Offset next{protocol::fetch_earliest};  // or fetch_latest; then what the broker says
    // For the Fetcher alone.
    bool asked = false;
    bool resting = false;  // after an error that passes
};

struct FetcherOptions {
    ChannelOptions channel{.receive_bytes = 1U << 20, .send_bytes = 64U << 10};
    std::string_view topic;           // must outlive the fetcher
    std::size_t bytes_max = 256U << 10;  // of each answer, but for a batch that is larger by itself
    std::int64_t wait_ms = 500;
    std::int64_t retry_ms = 10'000;
};

class FetcherHandler {
public:
    virtual void on_connected() {}
    // The answer for positions[index]; batches may be empty (nothing new). Read them with Batches(fetched.batches, fetched.offset).
    // The position has moved behind them already.
    virtual void on_fetched(std::size_t index, const protocol::Fetched& fetched) = 0;
    // The log begins later than the position: [from, to) is gone.
    virtual void on_skipped(std::size_t /*index*/, Offset /*from*/, Offset /*to*/) {}
    virtual void on_interrupted(const Ending&) {}
    // The broker could not answer for this position just now; it is asked again.
    virtual void on_put_off(std::size_t /*index*/, Failure /*why*/, std::string_view /*text*/) {}
    // The last call; canceled: after stop(). index: of the partition that it is about, or none.
    virtual void on_ended(const Ending& ending, std::optional<std::size_t> index) = 0;

protected:
    ~FetcherHandler() = default;
};

class Fetcher final : ChannelHandler, env::Timer {
public:
    static std::size_t memory_bytes(const FetcherOptions& options) { return Channel::memory_bytes(options.channel); }
    Fetcher(env::Env& env, const FetcherOptions& options, std::span<FetchPosition> positions, Arena& arena, FetcherHandler& handler);
    ~Fetcher();

    void start(const Bootstrap& bootstrap);
    // No on_fetched() comes any more.
    void stop();

private:
    // ChannelHandler
    void on_open(const protocol::Opened& opened) override;
    void on_answer(const protocol::FrameView& frame, const protocol::Answer& answer) override;
    void on_writable() override { ask(); }
    void on_attempt_failed(const Ending& ending) override;
    void on_closed(const Ending& ending) override;
    void on_timer() override;

    void ask();
    std::size_t requests_max() const;
    void take_failure(std::size_t index, const protocol::Answer& answer);
    void end(Failure failure, std::size_t index);

    env::Env& env_;
    FetcherOptions options_;
    std::span<FetchPosition> positions_;
    FetcherHandler& handler_;
    Channel channel_;
    Backoff backoff_;
    Bootstrap bootstrap_;
    std::size_t turn_ = 0;         // where the search for the next partition begins
    std::size_t outstanding_ = 0;
    bool started_ = false;         // it was open once
    bool stopped_ = false;
    Failure failure_{Error::none, 0};  // of an answer, for good
    char failure_text_[160];
    std::size_t failure_text_bytes_ = 0;
    std::optional<std::size_t> failure_index_;
};

}  // namespace rivulet::client
