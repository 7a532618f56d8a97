// The first record at or beyond a time within one compressed batch: the batch is read once more and opened in a job, off the loop.
// Owns:     the memory for decoding, a fetch with its view, a job; memory_bytes() from the arena.
// Bounds:   one batch at a time, the others wait in line; a job decodes turn_bytes, or to the end of a record that is larger, and goes on after a turn of the loop. One batch has at most content_bytes_max of content.
// Errors:   a batch that cannot be opened (damaged within, or it needs more than limits.decode_bytes) is `closed`: counted, and told in the log once in a while.
// Guarantee: a waiter may be cancelled at any time; its batch is given up then.
// Thread:   loop; decoding in the job.
#pragma once

#include "base/arena.h"
#include "broker/waiters.h"
#include "record/batch_decoder.h"

namespace rivulet::broker {

class RecordWaiter : public ListNode<RecordWaiter> {
public:
    enum class Outcome : std::uint8_t {
        found,   // sought.offset and time
        none,    // no record of the batch is so late, or it is gone
        closed,
    };

    struct Sought {
        LogId log{0};
        Offset batch{0};   // its base offset
        Offset behind{0};  // the offset behind its last
        Offset from{0};
        Timestamp at{0};
        // The answer. Before and if it is `closed`: what the batch's header tells, for whoever has to make do with that.
        Offset offset{0};
        Timestamp time{-1};
    } sought;
    virtual void on_searched(Outcome outcome) = 0;

protected:
    ~RecordWaiter() = default;
};

class RecordSearch final : private Fetch, private env::Job {
public:
    static constexpr std::uint64_t turn_bytes = 1U << 20;
    static constexpr std::uint64_t content_bytes_max = 32U << 20;
    static constexpr std::int64_t report_ns = 60 * ns_per_s;

    // bytes: for decoding; 0: nothing is ever opened.
    RecordSearch(Broker& broker, Arena& arena, std::size_t bytes) : Job(env::JobKind::compute), broker_(broker), decoder_(arena.take_bytes(bytes)), bytes_(bytes) {}
    static constexpr std::size_t memory_bytes(std::size_t bytes) { return bytes == 0 ? 0 : bytes + alignof(std::max_align_t); }

    // on_searched() comes later, never from within the call. False: there is no memory to open anything.
    bool begin(RecordWaiter& waiter);
    void cancel(RecordWaiter& waiter);
    struct Statistics {
        std::uint64_t opened = 0;
        std::uint64_t closed = 0;  // of all batches those that could not be opened
    };
    const Statistics& statistics() const { return statistics_; }

private:
    enum class State : std::uint8_t { idle, reading, decoding };

    void on_fetched(Failure outcome) override;
    void run(env::Disk& disk) override;
    void done() override;
    void start_next();
    void settle(RecordWaiter::Outcome outcome);
    void report(const RecordWaiter& waiter);

    Broker& broker_;
    record::BatchDecoder decoder_;
    std::size_t bytes_;
    List<RecordWaiter> waiters_;
    RecordWaiter* current_ = nullptr;  // none while deciding, or if it was cancelled
    State state_ = State::idle;
    // The job's.
    Offset from_at_{0};
    Timestamp at_{0};
    std::size_t piece_ = 0;
    std::size_t skip_ = 0;   // of the first piece: the header
    bool fed_ = false;       // the piece was, and is not used up
    bool found_ = false;
    Offset found_offset_{0};
    Timestamp found_time_{-1};
    Statistics statistics_;
    Instant report_due_{0};
};

}  // namespace rivulet::broker
