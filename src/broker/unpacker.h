// Compressed batches for compacted topics: each is opened off the loop, and appended with its records uncompressed, as Kafka does where compression.type is uncompressed. So whatever such a
// topic has, its cleaner can read.
// Owns:     the stage of the batch in hand, as it came, and one for what becomes of it; the others, in line, keep theirs.
// Bounds:   one batch at a time, opened twice: to count, no further than to where it is too large for certain, and to write. The second stage is begun ahead of others', and kept while a
//           commit is to make room for it, but not while appends are held: then it is given up, and the batch as it came is the waiter's again.
// Errors:   to the waiter: those of store::Store::append, busy where there is no room for the second stage, or appends are held; invalid_record, where some record has no key or the batch is
//           no sound one within; batch_too_large, where it is more than max.message.bytes uncompressed; unsupported_compression, where limits.decode_bytes are too few to open it, which is
//           told in the log once in a while.
// Guarantee: a waiter may be cancelled at any time: its batch is not appended then.
// Thread:   loop; what the opener calls in its job, which has both stages for itself.
#pragma once

#include <optional>

#include "broker/batch_opener.h"
#include "broker/waiters.h"

namespace rivulet::broker {

class Broker;

class UnpackWaiter : public ListNode<UnpackWaiter> {
public:
    // The stage is the waiter's again: as it was, or empty if the batch is appended.
    virtual void on_unpacked(const Result<store::Appended>& outcome) = 0;

protected:
    ~UnpackWaiter() = default;

private:
    friend class Unpacker;
    LogId log_{0};
    store::Stage* staged_ = nullptr;
};

class Unpacker final : private BatchVisit, private RoomWaiter {
public:
    Unpacker(Broker& broker, BatchOpener& opener) : broker_(broker), opener_(opener) {}

    // A whole batch of a producer, valid as far as that can be told from outside. on_unpacked() comes later, never from within the call; until then the stage is not to be touched.
    // False: there is no memory to open anything.
    bool begin(UnpackWaiter& waiter, LogId log, store::Stage& stage);
    void cancel(UnpackWaiter& waiter);

private:
    Bytes next_piece() override { return pieces_->next(); }
    bool on_record(const record::DecodedRecord& record) override;
    bool goes_on() override { return current_ != nullptr; }
    bool refill() override { return false; }
    void on_opened(Error error) override;
    void on_room() override { append(); }
    void start_next();
    void open();
    bool too_large() const { return record::batch_header_bytes + content_ > limit_; }
    Status reserve();
    void append();
    void finish(const Result<store::Appended>& outcome);
    void report();

    Broker& broker_;
    BatchOpener& opener_;
    List<UnpackWaiter> line_;
    UnpackWaiter* current_ = nullptr;
    bool busy_ = false;
    store::Stage packed_;
    store::Stage stage_;          // active: it is being written
    std::optional<store::Stage::Pieces> pieces_;
    bool keyless_ = false;
    std::uint64_t content_ = 0;   // bytes of its records
    std::uint64_t limit_ = 0;     // of the batch
    std::uint32_t crc_ = 0;       // of these
    ClosedCount closed_;
};

}  // namespace rivulet::broker
