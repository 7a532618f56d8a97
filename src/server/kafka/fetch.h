// A fetch request: which partitions from where, waiting until there is enough, and the batches that answer it.
// Owns:     a cell for each partition; while it is being answered a stream for each partition that has something.
// Bounds:   limits.fetch_partitions cells in all; streams_max partitions with batches and limits.inflight_bytes in one answer, at least one whole batch (KIP-74); the others answer that they have nothing now.
// Guarantee: partitions are answered in the order of the request, all of them, and read in this order. But of those that are on flash the rearmost in the journal takes the turn of the
//           first one, if it is near: something is loaded for it alone, the others join if they are at hand. So a client that lags in many partitions gets them by one scan. It waits
//           for flash only while it holds nothing that others may wait for, and only when no partition has something at hand. What was loaded is read first by the one that it was loaded
//           for, and the plan itself remembers how far that one looked: each load brings it forward, whatever the store forgets meanwhile.
// Thread:   loop only.
#pragma once

#include "broker/log_watch.h"
#include "server/kafka/outbox.h"
#include "server/kafka/parked.h"
#include "wire/kafka/fetch.h"

namespace rivulet::server::kafka {

class FetchPlan;
struct ParkedTag;

// Waits for a cell, a stream or a search that another request gives back.
class FetchWaiter : public ListNode<FetchWaiter> {
public:
    virtual void on_fetch_room() = 0;

protected:
    ~FetchWaiter() = default;
};

// One partition of a fetch, or of a search by time (offset_search.h).
struct FetchCell final : broker::LogWatch, ListNode<FetchCell, LazyPoolTag> {
    void on_readable() override;

    FetchPlan* plan = nullptr;
    FetchCell* next = nullptr;
    LogId log{0};
    Offset offset{0};
    Epoch leader_epoch{-1};        // as the client knows it
    std::int32_t partition = 0;
    std::uint32_t bytes_max = 0;
    Timestamp time{-1};            // of a search: sought, then found
    Error error = Error::none;
    bool starts_topic = false;     // in the request
    bool known = false;            // the topic was, by `topic_id`
    bool read = false;             // for the answer in hand
    Uuid topic_id;
    std::string_view unknown;      // if not: its name, a view of the request, which is answered at once
    Stream* stream = nullptr;
    std::size_t stream_position = 0;
};

class FetchPlan final : public Parked, public ListNode<FetchPlan, ParkedTag>, public ListNode<FetchPlan, LazyPoolTag>, private env::Timer, private store::ReadWaiter {
public:
    static constexpr std::size_t streams_max = 8;
    static constexpr std::int64_t wait_ns_max = 5 * 60 * ns_per_s;
    static constexpr std::int64_t hurry_ns_min = 100 * ns_per_ms;  // that a fetch may wait, whoever needs its cells

    explicit FetchPlan(Hub& hub) : hub_(hub) {}

    // Takes the request in, and answers it if it can. blocked: no cells, or no room for an answer that cannot wait; it is as if it had never begun then.
    static Progress begin(Exchange& exchange, const wire::kafka::FetchRequest& request);
    Progress resume(Exchange& exchange) override;
    void drop() override;
    bool hurry() override;
    void on_readable();

    // For the encoder: what to answer, item by item, in order.
    void operator()(std::size_t index, wire::kafka::FetchResponse::Topic& topic);
    void operator()(std::size_t index, wire::kafka::FetchResponse::Partition& partition);

private:
    enum class Gathered : std::uint8_t { all, waits };
    enum class Found : std::uint8_t { done, pending, no_stream };

    Progress start(Exchange& exchange, const wire::kafka::FetchRequest& request);
    void add_all(const wire::kafka::FetchRequest& request);
    Error judge(const broker::Topic* topic, FetchCell& cell) const;
    Gathered gather();
    FetchCell& rearmost(FetchCell& turn) const;
    Found read(FetchCell& cell, store::ReadWaiter& waiter, bool waits);  // pending: on flash, being loaded if it `waits`
    bool enough() const;
    Progress answer(Exchange& exchange);
    void wait();                   // for data
    void stop_waiting();
    void give_streams();
    void release();
    static std::size_t answer_bytes_max(std::size_t topics, std::size_t cells);

    void on_timer() override;
    void on_read_ready() override;

    Hub& hub_;
    FetchCell* first_ = nullptr;
    FetchCell* last_ = nullptr;
    FetchCell* cursor_ = nullptr;  // of the encoder
    FetchCell* awaited_ = nullptr;  // flash is read for it; how far it looked stands in the ReadWaiter
    std::size_t cells_ = 0;
    std::size_t topics_ = 0;
    std::size_t bytes_min_ = 0;
    std::size_t bytes_max_ = 0;
    std::size_t bytes_ = 0;        // gathered
    Instant since_;                // it came
    std::size_t streams_ = 0;
    bool by_id_ = false;           // topics are asked for by their ids
    bool read_committed_ = false;
    bool failed_ = false;          // some partition has an error: it does not wait
    bool over_ = false;            // its time is, or others need its cells
    bool full_ = false;            // there is more than an answer takes
    bool reading_ = false;         // from flash
};

}  // namespace rivulet::server::kafka
