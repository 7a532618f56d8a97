// All connections of Kafka clients: their sessions, what they share, and their turns.
// Owns:     what ConnectionHub does; large output buffers, produce requests on their way in, parked fetches and their cells, streams, members that wait, searches by time: of the arena.
// Bounds:   HubOptions. Past options.connections a newcomer is closed, Kafka's protocol has no word for it (connection_hub.h).
//           When cells or streams are short the longest parked fetch is answered as soon as it has stood for a while (FetchPlan::hurry_ns_min), and who needs them waits in line; for cells in the order in which they came.
// Thread:   loop only.
#pragma once

#include "server/kafka/fetch.h"
#include "server/kafka/group_wait.h"
#include "server/kafka/offset_search.h"
#include "server/kafka/session.h"

namespace rivulet::server::kafka {

struct HubOptions {
    std::size_t connections = 0;
    std::size_t receive_bytes = 0;
    std::size_t request_bytes = 0;
    std::size_t response_bytes = 0;
    std::size_t fetch_partitions = 0;
    std::size_t inflight_bytes = 0;    // of record batches in one answer
    std::uint32_t node = 0;
    std::string_view software;
    const config::Config* config = nullptr;  // in force

    ReceivePoolOptions receive() const { return connections == 0 ? ReceivePoolOptions() : ReceivePoolOptions{receive_bytes, request_bytes + 4, 0}; }
    std::size_t output_buffers() const { return connections == 0 ? 0 : connections / 4 < 16 ? 16 : connections / 4; }
    std::size_t large_outputs() const { return connections == 0 ? 0 : 2; }
    std::size_t streams() const { return connections == 0 ? 0 : connections / 8 < 16 ? 16 : connections / 8; }
    ConnectionOptions for_connections() const { return {connections, "limits.kafka_connections", receive(), output_buffers(), Session::output_bytes, 0}; }
    std::size_t sessions() const { return connections == 0 ? 0 : for_connections().sessions(); }
    std::size_t searches() const { return connections < 32 ? (connections + 7) / 8 : 4; }  // of flash, for which there are a few windows
    std::size_t timers() const { return sessions(); }  // one for each parked fetch
};

struct HubStatistics {
    std::uint64_t batches = 0;
    std::uint64_t records = 0;
    std::uint64_t batch_bytes = 0;
    std::uint64_t duplicates = 0;
    std::uint64_t refused = 0;       // batches
    std::uint64_t fetched_bytes = 0;
    std::uint64_t requests = 0;
    std::uint64_t protocol_errors = 0;
};

class Hub final : public ConnectionHub<Hub, Session> {
public:
    Hub(env::Env& env, Arena& arena, broker::Broker& broker, broker::Coordinator& groups, const HubOptions& options);

    const HubStatistics& statistics() const { return statistics_; }

    // --- for sessions
    broker::Broker& broker() { return broker_; }
    broker::Coordinator& groups() { return groups_; }
    const HubOptions& options() const { return options_; }
    HubStatistics& count() { return statistics_; }
    BufferPool& large_outputs() { return large_outputs_; }
    void give_output(MutableBytes buffer) { (buffer.size() == output_pool().bytes() ? output_pool() : large_outputs_).give(buffer); }
    bool output_starving() const { return ConnectionHub::output_starving() || large_outputs_.starving(); }
    bool others_wait() const { return output_starving() || broker_.blocks_wanted(); }
    // Requests that are not there whole, and wait, keep half of the output buffers at most while somebody has been in line for one for long. The newest connections go first.
    void thin_out_answers();
    // A connection is cut off for a large batch that comes too slowly: told in the log, every 10 s at most, with their number.
    void tell_slow(const env::Address& peer);
    Bytes refusal() const { return {}; }
    // One for each connection.
    ProduceInHand* take_produce();
    void give_produce(ProduceInHand& produce) { produces_.give(produce); }

    // One for each connection.
    GroupWait* take_group_wait();
    void give_group_wait(GroupWait& wait) { group_waits_.give(wait); }

    // --- for fetches
    FetchPlan* take_plan();
    void give_plan(FetchPlan& plan) { plans_.give(plan); }
    std::size_t cells_free() const { return cells_.count() - cells_.taken(); }
    // Cells are given out in the order in which they were asked for, so that small fetches cannot keep out a large one: false, wait_for_cells().
    bool may_take_cells(FetchWaiter& waiter, std::size_t cells) {
        return (cell_waiters_.empty() || cell_waiters_.front() == &waiter) && cells <= cells_free();
    }
    void wait_for_cells(FetchWaiter& waiter);
    // Who is first in line looks whether there are enough.
    void cell_room();
    bool first_in_line(const FetchWaiter& waiter) { return cell_waiters_.front() == &waiter; }
    FetchCell* take_cell();
    void give_cell(FetchCell& cell);
    // nullptr: wait_for_stream().
    Stream* take_stream() { return streams_.take(); }
    void give_stream(Stream& stream);
    void wait_for_stream(FetchWaiter& waiter);
    bool streams_wanted() const { return !stream_waiters_.empty(); }
    List<FetchPlan, ParkedTag>& parked() { return parked_; }

    // --- for searches by time: nullptr, or wait_for_search(), likewise
    OffsetSearch* take_search() { return searches_.take(*this); }
    bool search_free() const { return searches_.taken() < searches_.count(); }
    std::size_t searches_taken() const { return searches_.taken(); }
    void give_search(OffsetSearch& search);
    void wait_for_search(FetchWaiter& waiter) {
        if (!waiter.linked()) search_waiters_.push_back(waiter);
    }

private:
    void hurry_longest();

    broker::Broker& broker_;
    broker::Coordinator& groups_;
    HubOptions options_;
    BufferPool large_outputs_;
    LazyPool<ProduceInHand> produces_;
    LazyPool<FetchPlan> plans_;
    LazyPool<GroupWait> group_waits_;
    LazyPool<FetchCell> cells_;
    LazyPool<Stream> streams_;
    LazyPool<OffsetSearch> searches_;
    List<FetchPlan, ParkedTag> parked_;   // in the order in which they came
    List<FetchWaiter> cell_waiters_;
    List<FetchWaiter> stream_waiters_;
    List<FetchWaiter> search_waiters_;
    HubStatistics statistics_;
    Instant slow_due_;
    std::uint64_t slow_untold_ = 0;
};

}  // namespace rivulet::server::kafka
