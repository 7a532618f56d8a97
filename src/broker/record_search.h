// The first record at or beyond a time within one compressed batch: the batch is read once more and opened off the loop (batch_opener.h).
// Owns:     a fetch with its view. Bounds: one batch at a time, the others wait in line.
// Errors:   a batch that cannot be opened (damaged within, or it needs more than limits.decode_bytes) is `closed`: counted, and told in the log once in a while.
// Guarantee: a waiter may be cancelled at any time; its batch is given up then.
// Thread:   loop; what the opener calls in its job.
#pragma once

#include "broker/batch_opener.h"
#include "broker/waiters.h"

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

class RecordSearch final : private Fetch, private BatchVisit {
public:
    RecordSearch(Broker& broker, BatchOpener& opener) : broker_(broker), opener_(opener) {}

    // on_searched() comes later, never from within the call. False: there is no memory to open anything.
    bool begin(RecordWaiter& waiter);
    void cancel(RecordWaiter& waiter);
    struct Statistics {
        std::uint64_t opened = 0;
        std::uint64_t closed = 0;  // of all batches those that could not be opened
    };
    Statistics statistics() const { return {opened_, closed_.total()}; }

private:
    enum class State : std::uint8_t { idle, reading, decoding };

    void on_fetched(Failure outcome) override;
    Bytes next_piece() override;
    bool on_record(const record::DecodedRecord& record) override;
    bool goes_on() override { return current_ != nullptr; }
    bool refill() override;
    void on_opened(Error error) override;
    void start_next();
    void settle(RecordWaiter::Outcome outcome);
    void report(const RecordWaiter& waiter, Error error);

    Broker& broker_;
    BatchOpener& opener_;
    List<RecordWaiter> waiters_;
    RecordWaiter* current_ = nullptr;  // none while deciding, or if it was cancelled
    State state_ = State::idle;
    // The job's.
    Offset from_at_{0};
    Timestamp at_{0};
    std::size_t piece_ = 0;
    bool gone_ = false;      // there was no more of the batch
    bool found_ = false;
    Offset found_offset_{0};
    Timestamp found_time_{-1};
    std::uint64_t opened_ = 0;
    ClosedCount closed_;
};

}  // namespace rivulet::broker
