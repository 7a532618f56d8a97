// One connection that speaks the compact framing (src/wire/compact/PROTOCOL.md), from accept to close.
// Owns:     while needed: a receive buffer, an output buffer, alias cells, request slots; all from the hub's pools.
// Bounds:   session_bytes_max idle. A turn digests turn_bytes or turn_frames or turn_readings, the rest follows on the next turns. requests_max requests that are not handed to the connection yet.
//           What is sent after our last frame is dropped, parting_bytes_max of it and for parting_ns_max (and a tick); then it is closed.
// Errors:   a frame that breaks the protocol: ERROR with its code, and the end. What does not fit now (room in the store, buffers) waits: the connection is not read meanwhile.
// Guarantee: an ACK leaves only when the store has reported the commit of everything that it covers, and its alias asks for that.
// Thread:   loop only.
//
// phases:  fresh --OPEN--> open --CLOSE, drain()--> draining --all settled and answered--> ending --all sent--> parting --the client's end, or time--> gone
//          any --fail()--> ending;  fresh --refuse()--> parting;  any --connection lost--> gone
// parting: our side has ended. To close at once, with bytes of the client's unread or on their way, would be a reset, which can take our last frame from it.
// A frame is digested in place. What stops one (Progress::blocked) calls wake() later, and it goes on where it stood: frame and reading in hand are kept
// in the front of the receive buffer (InHand).
#pragma once

#include <optional>

#include "server/compact/aliases.h"
#include "server/compact/requests.h"
#include "server/compact/settling.h"
#include "server/connection_hub.h"
#include "wire/compact/admin_frames.h"
#include "wire/compact/frame_reader.h"
#include "wire/compact/group_frames.h"
#include "wire/compact/member_frames.h"
#include "wire/compact/put_state.h"

namespace rivulet::server::compact {

class Hub;

namespace frames = rivulet::wire::compact;

// What of the received bytes is being digested; lies in front of them.
struct InHand {
    frames::FrameView frame;
    frames::Puts puts;
    std::optional<frames::Readings::Iterator> reading;
    std::uint64_t index = 0;  // of the reading
};
constexpr std::size_t in_hand_bytes = (sizeof(InHand) + 15) / 16 * 16;

class Session final : public env::ConnectionHandler,
                      private broker::CommitWaiter,
                      private broker::RoomWaiter,
                      private ReceiveWaiter,
                      private OutputWaiter,
                      public ListNode<Session, LazyPoolTag>,
                      public ListNode<Session, FlushTag>,
                      public ListNode<Session, RunTag> {
public:
    static constexpr std::size_t requests_max = 16;
    static constexpr std::size_t output_bytes = 2048;
    static constexpr std::size_t answer_room = 256;  // of most answers, and of any failure
    static constexpr std::size_t member_room = 1024;  // of what a member is told at once
    static constexpr std::size_t turn_bytes = 64 * 1024;
    static constexpr std::size_t turn_frames = 256;
    static constexpr std::size_t turn_readings = 512;
    static constexpr std::int64_t open_ns_max = 10 * ns_per_s;       // from accept to OPEN
    static constexpr std::int64_t parting_ns_max = 1 * ns_per_s;
    static constexpr std::size_t parting_bytes_max = 256 * 1024;
    static constexpr std::int64_t idle_ns_max = 300 * ns_per_s;      // afterwards
    static constexpr std::int64_t stalled_ns_max = 60 * ns_per_s;    // a reader that takes nothing; in_the_way_ns_max while others wait for what it holds: hinders()
    static constexpr std::int64_t hindering_ns_max = 10 * ns_per_s;  // ... however slowly it takes; and a subscription without credit

    explicit Session(Hub& hub) : hub_(hub) {}
    void begin(env::Connection& connection, const env::Endpoint& advertised);

    // For the hub, on its turns.
    void run();                     // digests on
    std::size_t flush();            // sends what there is; bytes sent
    void check_time(Instant now);
    // CLOSE with this reason, once everything taken is settled and answered; what was not taken is dropped.
    void drain(Error reason);
    // While nothing was sent on it: this frame, which must stand as long as the session, and the end.
    void refuse(Bytes error_frame);
    bool parting() const { return s_.phase == Phase::parting; }
    Instant parting_since() const { return s_.heard; }
    void abort();                   // closes at once
    Instant accepted() const { return s_.accepted; }
    // Holds a small receive buffer with the beginning of a frame since then.
    bool incomplete_since(Instant at) const { return s_.incomplete && s_.held_since <= at; }
    bool proven() const { return s_.proven; }
    // Its frame is late, and its receive buffer wanted (receive_pool.h).
    bool overstays(Instant now) const;
    void give_up_frame();

    bool is_session(std::uint64_t id) const { return s_.id == id && (s_.phase == Phase::fresh || s_.phase == Phase::open); }
    std::uint32_t incarnation() const { return s_.incarnation; }
    void on_fetched(FetchRequest& request);
    void on_searched(FetchRequest& request, broker::RecordWaiter::Outcome outcome);
    void on_ready(Request& request);
    void on_assignment(Membership& member);
    void on_readable(GroupSlot& slot);
    Instant heard() const { return s_.heard; }

private:
    enum class Phase : std::uint8_t { fresh, open, draining, ending, parting, gone };
    enum class Progress : std::uint8_t { done, blocked, ended };
    struct Budget {
        std::size_t bytes = turn_bytes;
        std::size_t frames = turn_frames;
        std::size_t readings = turn_readings;
    };

    // --- session.cpp: receiving
    MutableBytes receive_buffer() override;
    void on_received(std::size_t n) override;
    void on_closed(Error reason) override;
    void on_receive_buffer(MutableBytes buffer) override;
    void on_room() override { wake(); }
    void digest(Budget& budget);
    Progress handle(InHand& in_hand, Budget& budget);
    void await_more(std::size_t frame_bytes);
    void set_incomplete(bool incomplete);
    void block();                   // not read until wake()
    void wake();
    void adopt(MutableBytes buffer);
    void give_receive_buffer();
    InHand& in_hand() { return *reinterpret_cast<InHand*>(receive_.data()); }
    MutableBytes payload() const { return receive_.subspan(in_hand_bytes); }
    void stop_receiving();
    Progress fail(Failure failure, std::string_view text = {});
    void part();
    void leave();                   // counts against the limit no more
    void end();                     // closes the connection
    void release();                 // gives everything back

    // --- session_output.cpp
    void on_sent() override;
    void on_output_buffer(MutableBytes buffer) override;
    // Room for n more bytes of output; false: block and wait for wake(). Bulk: batches that follow may keep the buffer for long; the last quarter of them is for
    // acks and small answers.
    enum class Output : std::uint8_t { small, bulk };
    bool output_room(std::size_t n, Output what = Output::small);
    Writer output() { return Writer(output_.subspan(s_.output_used)); }
    void written(const Writer& out);
    bool write_acks();
    bool write_refusal();
    bool write_answer(Request& request);
    Request* next_answer();
    void write_answers();
    bool gathers();
    std::size_t send_some();
    void note_sent(std::size_t taken);
    void finish_streams();
    void start_stream(FetchRequest& fetch, const Writer& head);
    FetchRequest* stream();         // the first whose batches are on their way
    FetchRequest* next_stream(FetchRequest& stream);
    bool holds_window(const FetchRequest& than);
    void check_sending(Instant now);
    void check_starved(Instant now);
    bool hinders(Instant now);      // others wait for a buffer, window, block or request that this session holds
    void drop_view(FetchRequest& fetch);
    void look_up(FetchRequest& request);
    void retry_deferred();
    void forget(Request& request);

    // --- handle_*.cpp
    Progress handle_open(const frames::FrameView& frame);
    Progress handle_alias(const frames::FrameView& frame);
    Progress handle_put(InHand& in_hand, Budget& budget);
    Progress take_reading(const Alias& alias, const frames::Reading& reading, std::uint64_t sequence);
    Progress refuse(std::uint64_t sequence, Error error);
    void on_committed(Error error) override;
    Progress handle_ping(const frames::FrameView& frame);
    Progress handle_close(const frames::FrameView& frame);
    Progress handle_fetch(const frames::FrameView& frame);
    // Whose batches FETCH and SUBSCRIBE ask for, and from where.
    struct Place {
        store::Log* log;
        Offset offset;
    };
    store::Log* log_of(const Alias& alias, std::uint64_t partition);  // nullptr: the topic is deleted
    Result<Place> find_place(const frames::LogPlace& wanted);
    static frames::LogState state_of(const store::Log& log, Offset offset);
    std::size_t most_batches() const;  // bytes in one answer
    Progress handle_subscribe(const frames::FrameView& frame);
    Progress handle_credit(const frames::FrameView& frame);
    FetchRequest* find_subscription(std::uint64_t correlation);
    void end_subscription(FetchRequest& request, Failure why);
    void go_on(FetchRequest& request);
    bool takes_up(FetchRequest& request);
    void write_pushed(FetchRequest& request, Writer& out);
    void pushed(FetchRequest& request);
    bool awaits_answers();
    // handle_assign.cpp, membership.cpp
    Progress handle_assign(const frames::FrameView& frame);
    Progress join_group(const frames::FrameView& frame, const frames::Assign& wanted);
    Progress change_topics(Membership& member, const frames::Assign& wanted);
    Progress release_slots(Membership& member, const frames::Assign& wanted);
    Progress seek(Membership& member, const frames::Assign& wanted);
    Progress handle_commit(const frames::FrameView& frame);
    Progress credit_member(Membership& member, const frames::Credit& credit);
    Membership* find_membership(std::uint64_t correlation);
    // `after`: the one that was named before; slots are named in their order, for the most part.
    static GroupSlot* find_slot(Membership& member, std::uint64_t number, GroupSlot* after = nullptr);
    // Each is named once at most, so that what a frame costs is bounded by what the member has.
    static bool names_too_many(Membership& member, std::size_t named);
    static GroupSlot* find_log(Membership& member, GroupSlot* after, LogId log);
    static void look_at(GroupSlot& slot);  // there may be something to push
    bool take_slot(Membership& member, std::string_view topic, std::uint32_t partition, store::Log& log);
    void give_slot(GroupSlot& slot);
    void stop_reading(GroupSlot& slot);
    void push_on(Membership& member);
    bool takes_up_slot(FetchRequest& request);
    void write_slot(FetchRequest& request, Writer& out);
    void slot_pushed(FetchRequest& request);
    void write_member(Membership& member, Writer& out);
    static bool has_news(Membership& member);
    void commit_processed(Membership& member);
    void end_membership(Membership& member, Failure why);
    void check_members(Instant now);
    void forget_member(Membership& member);
    Progress handle_offsets(const frames::FrameView& frame);
    Progress search_time(const frames::FrameView& frame, const store::Log& log, Timestamp at);
    bool searches_on(FetchRequest& request);
    void stop_waiting(FetchRequest& request);
    Progress handle_metadata(const frames::FrameView& frame);
    Progress handle_topic_create(const frames::FrameView& frame);
    Progress handle_topic_alter(const frames::FrameView& frame);
    Progress handle_topic_delete(const frames::FrameView& frame);
    Progress handle_topic_list(const frames::FrameView& frame);
    Progress handle_topic_describe(const frames::FrameView& frame);
    Progress handle_group(const frames::FrameView& frame);
    Progress list_groups(const frames::FrameView& frame, const frames::GroupRequest& wanted);
    Progress describe_group(const frames::FrameView& frame, const frames::GroupRequest& wanted);
    Progress list_group_offsets(const frames::FrameView& frame, const frames::GroupRequest& wanted);
    Progress change_group(const frames::FrameView& frame, const frames::GroupRequest& wanted);
    Progress finish_page(const Writer& out, frames::GroupPageEncoder& page, const frames::FrameView& frame, std::uint64_t listed, bool more);
    Progress answer_failure(const frames::FrameView& frame, Failure failure, std::string_view text = {});
    FetchRequest* take_fetch();
    bool too_many_requests() const { return s_.request_count == requests_max; }
    void own(Request& request, const frames::FrameView& frame);
    void uncount(Request& request);
    std::uint32_t partition_of_session(std::uint32_t partitions) const;

    // What begins anew with each connection.
    struct State {
        frames::FrameReader reader{frames::Side::client};
        frames::RunningCrc output_sum;
        frames::PutState puts;
        Settling settling;
        frames::Refusal refusal;         // not sent yet
        std::uint64_t id = 0;            // of the sensor's session
        Instant accepted;
        Instant heard;                   // parting: its beginning
        Instant held_since;              // the receive buffer, with the frame in it
        Instant sending_since;
        Instant moved;                   // some of it left since
        std::uint32_t incarnation = 0;
        std::uint32_t seed = 0;          // places readings without session and key
        std::uint32_t frame_bytes_max = 0;  // the client's
        std::uint32_t filled = 0;        // of the receive buffer; parting: dropped
        std::uint32_t position = 0;      // digested of that
        std::uint32_t frame_bytes = 0;   // of the frame in hand; 0: none
        std::uint32_t output_used = 0;
        std::uint32_t output_sent = 0;   // handed to the connection
        std::uint32_t ready_bytes = 0;   // of answers that wait to be sent
        std::uint32_t unsent = 0;        // when it moved
        CellIndex aliases = no_cell;
        Error close_reason = Error::none;
        std::uint8_t request_count = 0;
        Phase phase = Phase::gone;
        bool blocked = false;
        bool held_off = false;           // by a topic that takes no more until somebody makes room
        bool wants_output = false;       // blocked until output has left
        bool bulk = false;               // the output buffer may be kept for long
        bool waits_for_bulk = false;     // for such a one
        bool sending = false;
        bool incomplete = false;         // incomplete_since()
        bool push = false;               // the feature is agreed
        bool groups = false;             // likewise
        bool proven = false;             // receive_pool.h
    };

    Hub& hub_;
    env::Connection* connection_ = nullptr;
    const env::Endpoint* advertised_ = nullptr;
    MutableBytes receive_;
    MutableBytes output_;
    List<Request, OwnedTag> requests_;   // those that are being sent, in that order; then the others, in order of arrival
    store::SessionHold hold_;            // the sensor's session, while it may append
    State s_;
};
constexpr std::size_t session_bytes_max = 640;
static_assert(sizeof(Session) <= session_bytes_max);

}  // namespace rivulet::server::compact
