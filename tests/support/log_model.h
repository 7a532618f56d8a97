// What a store was told, log by log, and what may therefore be found in it: the oracle of unit and crash tests.
// Owns:     every batch and reading that was sent, shared between copies; entries of each log in their order.
// Guarantee: a copy is a moment of the run; verify() at a crash takes the copy of that moment.
#pragma once

#include <deque>
#include <functional>
#include <memory>

#include "support/store_harness.h"

namespace rivulet::test {

struct Sent {
    enum Kind : std::uint8_t { batch, reading, truncate, start, jump, clean };
    Kind kind = batch;
    Offset base{0};             // batch, reading; truncate, jump: the end of the log afterwards; start: the start
    std::int32_t count = 1;     // of records
    Buffer bytes;               // batch: as it will be served; reading: its value
    Timestamp timestamp{0};
    std::uint64_t session = 0;
    std::uint32_t incarnation = 0;
    std::uint64_t sequence = 0;
    std::vector<Offset> dropped;        // clean: bases of what the pass left out
    std::int64_t producer = -1;         // of an idempotent one: which, and its sequence
    std::int32_t first_sequence = 0;
};

struct LogHistory {
    struct Entry {
        std::shared_ptr<const Sent> sent;
        std::uint64_t ticket = 0;  // of this process; 0: durable before it
        bool late = false;         // of the last commit before a start that lost something beside it: proved by the next commit
    };
    bool memory = false;
    std::uint64_t created = 0;               // ticket
    std::uint64_t removed = UINT64_MAX;      // likewise; UINT64_MAX: is there
    Offset start{0};                         // at this moment, in RAM: retention and the ring may have moved it
    Offset end{0};                           // at this moment, in RAM
    std::vector<Entry> entries;
};

// What an idempotent producer has in a log, in order: what was cut off is not among it.
std::vector<const Sent*> produced(const LogHistory& log, std::int64_t producer);
std::vector<std::int64_t> producers_of(const LogHistory& log);

struct History {
    std::map<std::uint64_t, LogHistory> logs;
    std::uint64_t durable_ticket = 0;
    std::uint64_t proved_ticket = 0;         // durable, and a later group on flash says so
};

// What a fault may do to the store (DESIGN.md, promise 6).
enum class FaultClass : std::uint8_t {
    a,        // nothing acknowledged is lost
    b,        // right bytes, or a range that is reported; what no later group has proved may be gone from the end
    d,        // nothing invented
    d_later,  // after such a fault: what was acknowledged since is there
};

// Calls into a store that are written down.
class Driver {
public:
    explicit Driver(StoreHarness& harness) : harness_(harness) {}

    History history;
    // Goes on after a crash with what verify() left in a history: sessions continue, contents stay unlike any before.
    void resume(const History& survived);

    // Each gives the ticket, or 0 if the store refused (last_error says why).
    std::uint64_t create(std::uint32_t count, bool memory = false);
    std::uint64_t remove(LogId id);
    // `span`: more offsets than records, as in a compacted batch; 0: as many.
    std::uint64_t append(LogId id, std::int32_t records, std::size_t value_bytes, std::int32_t span = 0);
    // The next batch of an idempotent producer, whole or through a stage.
    std::uint64_t produce(LogId id, std::int64_t producer, std::int32_t records, std::size_t value_bytes, bool staged);
    // What every idempotent producer has sent last to the log comes again. What is wrong with that: it is not recognised.
    std::string resend(LogId id);
    std::uint64_t put(LogId id, std::size_t value_bytes, std::uint64_t session = 0, bool untrusted = false);
    std::uint64_t truncate(LogId id, Offset end, Epoch epoch = Epoch(1));
    std::uint64_t set_start(LogId id, Offset start);
    // A cleaning pass, from its first append to the record that ends it: of the batches that are durable those stay for which keep(n), n counting them, says so. Waits where it has to.
    // One that was begun goes on.
    std::uint64_t clean(LogId id, const std::function<bool(std::size_t)>& keep);
    // As clean(), but no more than `most` batches are written, and the pass is not finished.
    std::uint64_t begin_to_clean(LogId id, const std::function<bool(std::size_t)>& keep, std::size_t most);
    // The same, and again after each commit while the store is busy.
    std::uint64_t append_patiently(LogId id, std::int32_t records, std::size_t value_bytes);
    std::uint64_t put_patiently(LogId id, std::size_t value_bytes, std::uint64_t session = 0);
    std::uint64_t produce_patiently(LogId id, std::int64_t producer, std::int32_t records, std::size_t value_bytes, bool staged);
    LogId last_created() const { return last_created_; }
    Error last_error = Error::none;

    // The moment now: starts, ends and the durable ticket.
    void note_now();
    History moment() { note_now(); return history; }

private:
    void add(LogId id, Sent sent, std::uint64_t ticket);
    Buffer value(std::size_t bytes);
    Buffer batch(const Sent& sent, std::int32_t records, std::size_t value_bytes);
    Result<store::Appended> send(store::Log& log, Bytes bytes, bool staged);
    std::uint64_t relocate(Bytes bytes);
    std::uint64_t relocate_kept(LogId id, const std::function<bool(std::size_t)>& keep, std::size_t most, Sent& sent);
    std::uint64_t send(LogId id, Sent sent, Buffer bytes, bool staged);
    template <class Try>
    std::uint64_t patiently(Try one);

    StoreHarness& harness_;
    LogId last_created_{0};
    std::uint64_t ids_ = 0;
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::uint64_t> sequences_;  // by session and log
};

// Compares a store that was started again with what it was told. An empty string: all is as it must be; else what is wrong. What survived is left in `history`, as
// the base for going on.
std::string verify(StoreHarness& harness, History& history, FaultClass fault);

}  // namespace rivulet::test
