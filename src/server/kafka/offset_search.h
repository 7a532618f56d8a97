// Offsets by time for the partitions of one request, which read flash: one partition after the other.
// Owns:     a cell of the hub for each partition that is searched, with what was found in it.
// Bounds:   Hub::searches() at once, limits.fetch_partitions cells in all; a view of limits.inflight_bytes at a time. A search by time begins where the segment index says (broker/time_search.h). One for the
//           largest time goes through the headers of the batches from where the index has it, or from the log's start where it does not know, then into the first batch that has it.
// Errors:   a topic that goes meanwhile: unknown_topic_or_partition, for its partitions.
// Guarantee: it ends with its connection. What retention takes away meanwhile is not looked at. Of a compressed batch that cannot be opened the record is its first.
// Thread:   loop only.
#pragma once

#include "broker/time_search.h"
#include "server/kafka/fetch.h"
#include "wire/kafka/list_offsets.h"

namespace rivulet::server::kafka {

// Kafka's times that are none.
constexpr Timestamp latest_time{-1};
constexpr Timestamp earliest_time{-2};
constexpr Timestamp newest_time{-3};
constexpr Timestamp earliest_local_time{-4};
constexpr Timestamp latest_tiered_time{-5};

class OffsetSearch final : public broker::Fetch, private broker::RecordWaiter, public ListNode<OffsetSearch, LazyPoolTag> {
public:
    explicit OffsetSearch(Hub& hub) : hub_(hub) {}

    void begin(Session& session);
    // The partition at this place of the request. False: no cell is free.
    bool add(std::size_t place, const store::Log& searched, Timestamp time);
    std::size_t cells() const { return cells_; }
    void start();
    // The session's turn: one view for each, so that a search of much that is in RAM does not hold up the loop.
    void go_on();
    bool finished() const { return !current_; }
    // By ascending place; nullptr: that partition was not searched.
    const FetchCell* result(std::size_t place);
    void drop();

private:
    void on_fetched(Failure outcome) override;
    void on_searched(Outcome outcome) override;
    void search();
    void go_on_with(FetchCell& cell, bool further);
    bool look(FetchCell& cell);  // in what was fetched; false: it is found, or a batch is being opened
    void take(FetchCell& cell, Offset found, Timestamp time);

    Hub& hub_;
    Session* session_ = nullptr;
    FetchCell* first_ = nullptr;
    FetchCell* last_ = nullptr;
    FetchCell* current_ = nullptr;  // that is being searched
    FetchCell* cursor_ = nullptr;
    std::size_t cells_ = 0;
    Timestamp sought_{0};
    bool due_ = false;              // the next view is to be fetched
    bool opening_ = false;          // a compressed batch: on_searched() comes
    bool newest_ = false;           // of the headers: the largest time so far is newest_found_
    broker::TimeFound newest_found_;
};

}  // namespace rivulet::server::kafka
