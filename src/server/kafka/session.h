// One connection of a Kafka client, from accept to close.
// Owns:     while needed: a receive buffer, an output buffer, a produce request that is on its way in, a parked request, a search by time; all from the hub's pools.
// Bounds:   session_bytes_max idle. A turn digests turn_bytes or turn_requests, or what one read has brought of a batch in place; the rest follows on the next turns. One request at a time, but for produce requests that wait for their commit: of these as many
//           as their answers fit the output buffer. Requests but for Produce: limits.kafka_request_bytes.
// Errors:   a frame that breaks the protocol, an API or version that is not served: the connection ends (ApiVersions excepted). What does not fit now (room in the store, buffers) waits: the connection is not
//           read meanwhile.
// Guarantee: answers leave in the order of the requests; a produce answer with acks other than 0 when its records are durable, on a topic of durability=memory at once.
// Thread:   loop only.
//
// phases:  fresh --a whole request--> open --drain(), fail()--> ending --all sent--> parting --the client's end, or time--> gone
//          fresh --refuse()--> parting;  any --connection lost--> gone
#pragma once

#include "server/connection_hub.h"
#include "server/kafka/fetch.h"
#include "server/kafka/outbox.h"
#include "server/kafka/parked.h"
#include "server/kafka/produce.h"

namespace rivulet::server::kafka {

class OffsetSearch;

class Session final : public env::ConnectionHandler,
                      private broker::CommitWaiter,
                      private broker::RoomWaiter,
                      private ReceiveWaiter,
                      private OutputWaiter,
                      private StreamOwner,
                      private FetchWaiter,
                      public ListNode<Session, LazyPoolTag>,
                      public ListNode<Session, FlushTag>,
                      public ListNode<Session, RunTag> {
public:
    static constexpr std::size_t output_bytes = 4096;
    static constexpr std::size_t answer_room = 256;  // of most answers
    static constexpr std::size_t turn_bytes = 64 * 1024;
    static constexpr std::size_t turn_requests = 64;
    static constexpr std::size_t turn_send_bytes = 256 * 1024;
    static constexpr std::int64_t open_ns_max = 10 * ns_per_s;       // from accept to the first whole request
    static constexpr std::int64_t idle_ns_max = 600 * ns_per_s;      // afterwards: Kafka's connections.max.idle.ms
    static constexpr std::int64_t parting_ns_max = 1 * ns_per_s;
    static constexpr std::size_t parting_bytes_max = 256 * 1024;
    static constexpr std::int64_t stalled_ns_max = 60 * ns_per_s;    // a client that takes nothing; in_the_way_ns_max while others wait for what it holds: hinders()
    static constexpr std::int64_t hindering_ns_max = 10 * ns_per_s;  // ... however slowly it takes

    explicit Session(Hub& hub) : hub_(hub) {}
    void begin(env::Connection& connection, const env::Endpoint& advertised);

    // --- for the hub, on its turns
    void run();                     // digests on
    std::size_t flush();            // sends what there is; bytes sent
    void check_time(Instant now);
    void drain(Error reason);       // takes no more; what was taken is answered, but for what is parked
    void refuse(Bytes frame);       // while nothing was sent on it: the end
    bool parting() const { return s_.phase == Phase::parting; }
    Instant parting_since() const { return s_.heard; }
    void abort();                   // closes at once
    Instant accepted() const { return s_.accepted; }
    // Holds a small receive buffer since then, with the beginning of a request or one that is in line behind others.
    bool incomplete_since(Instant at) const { return s_.incomplete && s_.held_since <= at; }
    bool proven() const { return s_.proven; }
    // Its request is late, and its receive buffer wanted (receive_pool.h).
    bool overstays(Instant now) const;
    void give_up_frame();
    // Keeps an output buffer of that kind for a request that is not there whole; waits with it since then.
    bool half_answers(bool large) const { return outbox_.has_buffer() && (outbox_.capacity() > output_bytes) == large && half_produced(); }
    bool half_answers_since(bool large, Instant at) const { return s_.blocked && half_answers(large) && produce_->began() <= at; }
    bool lacks_output_since(bool large, Instant at) const;

    // --- for handlers
    // False: blocked, until there is room.
    bool reserve(std::size_t bytes);
    // The answer in hand has the largest buffer for itself, and not so much room in it.
    bool never_fits(std::size_t bytes) const;
    Progress answer(const wire::kafka::RequestHeader& header, void (*encode)(void*, wire::kafka::Codec&), void* message, const Done& done);
    Progress fail(Failure failure, std::string_view text = {});
    // The answer in hand, which ProduceInHand has written, is complete.
    void finish_produce(std::uint64_t commit);
    // The record batches of the answer that was just encoded, at this position of what was.
    void insert(Stream& stream, std::size_t position);
    void park(Parked& parked, const wire::kafka::RequestHeader& header);
    void unpark() { parked_ = nullptr; }
    void wake();                    // run() on the next turn
    void wait_for_room();           // in the store: wakes
    void wait_for_stream();         // likewise
    void wait_for_blocks();         // in the store, which others may keep for batches that are on their way in: likewise
    // Of its large batches, by how fast the last one came: bytes, and the time from its turn on.
    store::StageShare stage_share() const;
    void note_staged(std::size_t bytes, std::int64_t ns);
    bool may_take_cells(std::size_t cells);  // false: blocked, until it is its turn and there are so many
    void wait_for_search();         // one of the hub's to be free: likewise
    // The search by time that its request waits for (offset_search.h).
    void attach(OffsetSearch& search);
    OffsetSearch* detach() { return std::exchange(search_, nullptr); }
    OffsetSearch* search() { return search_; }
    Outbox& outbox() { return outbox_; }
    Text& print_peer(Text& out) const;
    Text& print_host(Text& out) const;  // of the peer, as Kafka writes it: "/127.0.0.1"
    // What clients of its listener are told to connect to; `scratch` for what is printed.
    env::Endpoint advertised(Text& scratch) const;

private:
    enum class Phase : std::uint8_t { fresh, open, ending, parting, gone };
    struct Budget {
        std::size_t bytes = turn_bytes;
        std::size_t requests = turn_requests;
    };

    // --- session.cpp: receiving
    MutableBytes receive_buffer() override;
    std::size_t receive_buffers(std::span<MutableBytes> pieces) override;
    void on_received(std::size_t n) override;
    void on_closed(Error reason) override;
    void on_receive_buffer(MutableBytes buffer) override;
    void on_room() override { wake(); }
    void on_fetch_room() override { wake(); }
    void digest(Budget& budget);
    void note_open();
    // The request at the front of what was received. more: await_more() was called.
    Progress take(Budget& budget);
    Progress take_produce(Budget& budget);
    Progress resume_parked();
    Progress handle(Bytes frame);
    void await_more(std::size_t bytes);
    void set_incomplete(bool incomplete);
    void join_crowd();
    void block();
    void adopt(MutableBytes buffer);
    void give_receive_buffer();
    void leave_line();
    bool delays_others(Instant now);
    bool half_produced() const { return produce_ && produce_->left() > unread().size(); }
    Bytes unread() const { return Bytes(receive_).subspan(s_.position, s_.filled - s_.position); }
    void consume(std::size_t bytes);
    void stop_receiving();
    void drop_requests();
    void part();
    void leave();
    void end();
    void release();

    // --- session_output.cpp
    void on_sent() override;
    void on_output_buffer(MutableBytes buffer) override;
    void on_committed(Error error) override;
    void on_stream_sent(Stream& stream) override;
    bool refill(Stream& stream) override;
    void finish(std::uint64_t commit, std::size_t inserted_bytes);
    void await_commit();
    void give_output();
    bool wait_output(bool large);
    void check_sending(Instant now);
    bool output_wanted() const;
    bool hinders();

    // What begins anew with each connection.
    struct State {
        Instant accepted;
        Instant heard;                   // parting: its beginning
        Instant held_since;              // the receive buffer, with the request in it
        Instant sending_since;
        Instant moved;                   // some of it left since
        Instant wants_since;             // in line for an output buffer
        std::uint32_t filled = 0;        // of the receive buffer; parting: dropped
        std::uint32_t position = 0;      // digested of that
        std::uint32_t unsent = 0;        // when it moved
        Phase phase = Phase::gone;
        bool blocked = false;
        bool wants_output = false;       // blocked until output has left, or a buffer is there
        bool wants_large = false;        // which is to be a large one
        bool moved_output = false;       // some has left since
        bool sending = false;
        bool incomplete = false;
        bool proven = false;             // receive_pool.h
        bool swift = false;              // its last large batch came fast: the next may have more of what stages have
        bool clean_end = false;          // the broker stops: nothing is waited for
    };

    Hub& hub_;
    env::Connection* connection_ = nullptr;
    const env::Endpoint* advertised_ = nullptr;
    MutableBytes receive_;
    Outbox outbox_;
    Parked* parked_ = nullptr;
    ProduceInHand* produce_ = nullptr;
    OffsetSearch* search_ = nullptr;
    State s_;
};
constexpr std::size_t session_bytes_max = 512;
static_assert(sizeof(Session) <= session_bytes_max);

}  // namespace rivulet::server::kafka
