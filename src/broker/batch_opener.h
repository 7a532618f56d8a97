// Opens compressed batches off the loop, one after the other, in one piece of memory: for searches by time, and for compacted topics at their arrival.
// Owns:     the memory for decoding, a job; memory_bytes() from the arena.
// Bounds:   one batch at a time, the others wait in line; a job decodes turn_bytes, or to the end of a record that is larger, and goes on after a turn of the loop. One batch has at most
//           content_bytes_max of content.
// Errors:   those of record::BatchDecoder: invalid_record, also for a batch that is cut off, and out_of_memory_budget.
// Thread:   loop; next_piece() and on_record() in the job.
#pragma once

#include "base/arena.h"
#include "base/list.h"
#include "env/env.h"
#include "record/batch_decoder.h"

namespace rivulet::broker {

// Embedded by whoever has batches opened, and lives as long as the opener.
class BatchVisit : public ListNode<BatchVisit> {
public:
    // In the job: the next bytes of the batch, from its header on, as far as they are at hand; they stay until the next call. Empty: refill().
    virtual Bytes next_piece() = 0;
    // In the job. False: that was enough.
    virtual bool on_record(const record::DecodedRecord& record) = 0;
    // Between jobs. False: it is of no use any more; on_opened() comes.
    virtual bool goes_on() { return true; }
    // False: there is no more of the batch.
    virtual bool refill() = 0;
    // The last call. Error::none: all records were seen, or enough of them.
    virtual void on_opened(Error error) = 0;

    record::BatchHeader header;
    record::BatchDecoder::What what = record::BatchDecoder::What::records;

protected:
    ~BatchVisit() = default;
};

// Batches that could not be opened: all are counted, and told in the log once in a while.
class ClosedCount {
public:
    static constexpr std::int64_t report_ns = 60 * ns_per_s;

    // One more. True: it is to be told.
    bool add(Instant now);
    std::uint64_t total() const { return total_; }

private:
    std::uint64_t total_ = 0;
    Instant due_{0};
};

class BatchOpener final : private env::Job {
public:
    static constexpr std::uint64_t turn_bytes = 1U << 20;
    static constexpr std::uint64_t content_bytes_max = 32U << 20;

    // bytes: for decoding; 0: nothing is ever opened.
    BatchOpener(env::Env& env, Arena& arena, std::size_t bytes) : Job(env::JobKind::compute), env_(env), decoder_(arena.take_bytes(bytes)), possible_(bytes != 0) {}
    static constexpr std::size_t memory_bytes(std::size_t bytes) { return bytes == 0 ? 0 : bytes + alignof(std::max_align_t); }

    bool possible() const { return possible_; }
    // visit.header and visit.what are set. on_opened() comes later, never from within the call.
    void open(BatchVisit& visit);

private:
    void run(env::Disk& disk) override;
    void done() override;
    void start_next();
    void settle(Error error);

    env::Env& env_;
    record::BatchDecoder decoder_;
    bool possible_;
    List<BatchVisit> line_;
    BatchVisit* current_ = nullptr;
    bool busy_ = false;
    // The job's.
    std::size_t skip_ = 0;  // of the batch: what is left of its header
    bool fed_ = false;     // a piece that is not used up
    bool enough_ = false;
};

}  // namespace rivulet::broker
