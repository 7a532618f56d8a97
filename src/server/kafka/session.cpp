// Receiving and the life of a connection. Output: session_output.cpp; requests: handle_*.cpp, produce.cpp.
#include "server/kafka/session.h"

#include "env/log.h"
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "server/kafka/offset_search.h"

namespace rivulet::server::kafka {

namespace {

constexpr std::size_t length_bytes = 4;
constexpr std::size_t request_bytes_max = 100 * 1024 * 1024;  // Kafka's socket.request.max.bytes
constexpr std::int64_t stage_stall_ns_max = 750 * ns_per_ms;  // without a byte of a batch, while others wait for its blocks
// Large batches that come at this rate have more of the ring. What may have piled up in kernels before their turn tells nothing of it.
constexpr std::int64_t swift_bytes_per_s = 256 * 1024;
constexpr std::size_t piled_up_bytes_max = 128 * 1024;

}  // namespace

void Session::begin(env::Connection& connection, const env::Endpoint& advertised) {
    s_ = State();
    s_.phase = Phase::fresh;
    s_.accepted = s_.heard = s_.held_since = hub_.env().now();
    connection_ = &connection;
    advertised_ = &advertised;
}

// ---- receiving ----

MutableBytes Session::receive_buffer() {
    if (s_.phase == Phase::parting) return hub_.sink();
    if (s_.blocked || (s_.phase != Phase::fresh && s_.phase != Phase::open)) return {};
    if (receive_.empty()) {
        BufferPool& pool = hub_.receive_pool().small_buffers();
        // What follows a request that waits has time: half of the buffers are for others. It is read on when that is answered.
        if (parked_ && pool.lent() >= pool.count() / 2) return {};
        const MutableBytes buffer = pool.take();
        if (buffer.empty()) {
            ReceiveWaiter& waiter = *this;
            if (!waiter.linked()) pool.wait(waiter);
            hub_.receive_wanted();
            return {};
        }
        adopt(buffer);
    }
    return receive_.subspan(s_.filled);
}

// What is still to come of a large batch is read to where it stays, and what follows it, with the same read, into a buffer, if one is free.
std::size_t Session::receive_buffers(std::span<MutableBytes> pieces) {
    const bool listens = !s_.blocked && (s_.phase == Phase::fresh || s_.phase == Phase::open);
    std::size_t count = listens && produce_ && receive_.empty() ? produce_->lend_places(pieces.first(pieces.size() - 1)) : 0;
    if (count == 0) return ConnectionHandler::receive_buffers(pieces);
    if (!produce_->all_places_lent()) return count;
    if (const MutableBytes buffer = hub_.receive_pool().small_buffers().take(); !buffer.empty()) {
        adopt(buffer);
        pieces[count++] = buffer;
    }
    return count;
}

void Session::adopt(MutableBytes buffer) {
    set_incomplete(false);
    receive_ = buffer;
    s_.filled = s_.position = 0;
    s_.held_since = hub_.env().now();
}

// A small one, to go on reading; or the large one that the request in the small one needs.
void Session::on_receive_buffer(MutableBytes buffer) {
    if (!receive_.empty()) {
        const MutableBytes small = receive_;
        const std::uint32_t filled = s_.filled;
        copy(Bytes(small).first(filled), buffer);
        adopt(buffer);
        s_.filled = filled;
        s_.blocked = false;
        hub_.env().charge(filled);
        hub_.receive_pool().give(small, s_.proven);
    } else {
        adopt(buffer);
    }
    connection_->resume_reading();
}

void Session::on_received(std::size_t n) {
    if (s_.phase == Phase::parting) {
        s_.filled += static_cast<std::uint32_t>(n);
        if (s_.filled > parting_bytes_max) end();
        return;
    }
    const std::size_t in_place = produce_ ? produce_->take_places(hub_, n) : 0;
    hub_.env().charge(in_place);
    if (in_place == 0 && receive_.empty()) return;
    s_.filled += static_cast<std::uint32_t>(n - in_place);
    if (n != 0) s_.heard = hub_.env().now();
    if (s_.filled == 0) give_receive_buffer();
    if (n == 0 || s_.blocked || parked_) return;
    Budget budget;
    digest(budget);
}

void Session::digest(Budget& budget) {
    // A produce request may go on without a byte more: behind what was read in place, or after it has waited.
    for (bool goes_on = produce_ != nullptr; (goes_on || !receive_.empty()) && !parked_; goes_on = false) {
        if (budget.requests == 0 || budget.bytes == 0) {
            block();
            return wake();
        }
        switch (take(budget)) {
            case Progress::ended: return;
            case Progress::blocked: return block();
            case Progress::more: return;
            case Progress::parked:
            case Progress::done: break;
        }
        if (s_.filled == s_.position) give_receive_buffer();
    }
    if (connection_) connection_->resume_reading();
}

Progress Session::take(Budget& budget) {
    if (produce_) return take_produce(budget);
    const Bytes bytes = unread();
    if (bytes.size() < length_bytes) {
        await_more(length_bytes);
        return Progress::more;
    }
    const auto length = load_be<std::int32_t>(bytes.data());
    if (length < static_cast<std::int32_t>(wire::kafka::request_head_bytes)) return fail(rivulet::fail(Error::malformed, length), "length of a request");
    const auto frame_bytes = static_cast<std::size_t>(length);
    if (frame_bytes > request_bytes_max) return fail(rivulet::fail(Error::frame_too_large, length), "a request of more than 100 MiB");
    if (bytes.size() < length_bytes + wire::kafka::request_head_bytes) {
        await_more(length_bytes + wire::kafka::request_head_bytes);
        return Progress::more;
    }
    const Bytes frame = bytes.subspan(length_bytes, bytes.size() - length_bytes < frame_bytes ? bytes.size() - length_bytes : frame_bytes);
    if (load_be<std::int16_t>(frame.data()) == static_cast<std::int16_t>(wire::kafka::Api::produce)) {
        const auto header = wire::kafka::decode_request_header(frame);
        // It may just not be there whole.
        if (header.error() == Error::malformed && frame.size() < frame_bytes && bytes.size() < hub_.receive_pool().small_buffers().bytes()) {
            await_more(bytes.size() + 1);
            return Progress::more;
        }
        if (!header) return fail(header.failure());
        if (header->version < produce_version_min) return fail(rivulet::fail(Error::unsupported_version, header->version), "records older than Kafka 0.11's");
        produce_ = hub_.take_produce();
        produce_->begin(*header, frame_bytes - header->bytes, hub_.env().now());
        consume(length_bytes + header->bytes);
        --budget.requests;
        note_open();
        return take_produce(budget);
    }
    if (frame_bytes > hub_.options().request_bytes) return fail(rivulet::fail(Error::frame_too_large, length), "limits.kafka_request_bytes");
    if (frame.size() < frame_bytes) {
        await_more(length_bytes + frame_bytes);
        return Progress::more;
    }
    hub_.env().charge(frame_bytes + 64);
    set_incomplete(false);
    const Progress progress = handle(frame);
    if (progress != Progress::done && progress != Progress::parked) return progress;
    if (!s_.proven && hub_.receive_pool().needs_large(length_bytes + frame_bytes)) {
        s_.proven = true;
        hub_.receive_pool().prove();
    }
    consume(length_bytes + frame_bytes);
    --budget.requests;
    budget.bytes -= frame_bytes < budget.bytes ? frame_bytes : budget.bytes;
    return progress;
}

Progress Session::handle(Bytes frame) {
    const auto header = wire::kafka::decode_request_header(frame);
    if (!header) return fail(header.failure(), "an API or version that is not served");
    note_open();
    Exchange exchange(hub_, *this, *header, frame.subspan(header->bytes));
    return find_handler(header->api)(exchange);
}

Progress Session::take_produce(Budget& budget) {
    set_incomplete(false);
    const Bytes bytes = unread();
    const ProduceInHand::Step step = produce_->take(hub_, *this, bytes, hub_.receive_pool().small_buffers().bytes());
    const std::size_t taken = produce_->consumed();
    hub_.env().charge(taken + 64);
    consume(taken);
    budget.bytes -= taken < budget.bytes ? taken : budget.bytes;
    switch (step) {
        case ProduceInHand::Step::done:
            hub_.give_produce(*produce_);
            produce_ = nullptr;
            s_.held_since = hub_.env().now();
            return Progress::done;
        case ProduceInHand::Step::more:
            await_more(produce_->wanted());
            return Progress::more;
        case ProduceInHand::Step::blocked:
            if (half_produced()) join_crowd();
            return Progress::blocked;
        case ProduceInHand::Step::failed:
        case ProduceInHand::Step::further:
            return fail(produce_->failure(), "in a produce request");
    }
    return Progress::ended;
}

void Session::note_open() {
    ++hub_.count().requests;
    if (s_.phase != Phase::fresh) return;
    hub_.no_longer_fresh(*this);
    s_.phase = Phase::open;
}

void Session::consume(std::size_t bytes) {
    s_.position += static_cast<std::uint32_t>(bytes);
    if (!produce_) s_.held_since = hub_.env().now();
}

// Whatever can be digested is; `bytes`: of what comes next, as far as known.
void Session::await_more(std::size_t bytes) {
    const std::size_t left = s_.filled - s_.position;
    if (left == 0) {
        give_receive_buffer();
    } else {
        if (s_.position != 0) {
            std::memmove(receive_.data(), receive_.data() + s_.position, left);
            hub_.env().charge(left);
        }
        s_.filled = static_cast<std::uint32_t>(left);
        s_.position = 0;
        ReceivePool& pool = hub_.receive_pool();
        const bool larger = bytes > receive_.size();
        set_incomplete(pool.is_small(receive_) && !(larger && s_.proven));
        if (larger) {
            const MutableBytes large = pool.take_large(s_.proven);
            if (!large.empty()) return on_receive_buffer(large);
            block();
            ReceiveWaiter& waiter = *this;
            pool.wait_large(waiter, s_.proven);
            return hub_.receive_wanted();
        }
    }
    connection_->resume_reading();
}

void Session::set_incomplete(bool incomplete) {
    if (s_.incomplete == incomplete) return;
    s_.incomplete = incomplete;
    hub_.count_incomplete(incomplete);
}

// It waits for what few may have at a time: in a crowd of such its receive buffer is for others.
void Session::join_crowd() {
    if (!receive_.empty()) set_incomplete(hub_.receive_pool().is_small(receive_));
}

bool Session::overstays(Instant now) const {
    const ReceivePool& pool = hub_.receive_pool();
    if (receive_.empty() || s_.blocked || parked_ || !pool.wanted(receive_, s_.proven)) return false;
    const std::int64_t held = now - s_.held_since;
    if (pool.is_small(receive_)) return held > ReceivePool::hold_ns_max;
    const std::int64_t silent = now - s_.heard;
    return held > ReceivePool::large_ns_max || (held > ReceivePool::stall_ns_max && silent > ReceivePool::stall_ns_max);
}

void Session::give_up_frame() {
    const bool in_line = (s_.blocked || parked_) && !half_produced();
    static_cast<void>(fail(rivulet::fail(Error::timed_out), in_line ? "too many wait for what few may have at a time" : "request incomplete for too long while memory is short"));
}

void Session::block() {
    s_.blocked = true;
    connection_->pause_reading();
}

void Session::wake() { hub_.run_soon(*this); }

void Session::wait_for_room() {
    broker::RoomWaiter& waiter = *this;
    if (!waiter.linked()) hub_.broker().wait_for_room(waiter);
}

void Session::wait_for_blocks() {
    wait_for_room();
    hub_.holders_wanted();
}

void Session::wait_for_stream() {
    FetchWaiter& waiter = *this;
    hub_.wait_for_stream(waiter);
}

bool Session::may_take_cells(std::size_t cells) {
    FetchWaiter& waiter = *this;
    if (cells != 0 && !hub_.may_take_cells(waiter, cells)) {
        hub_.wait_for_cells(waiter);
        return false;
    }
    leave_line();
    return true;
}

// Whoever comes next in it may have what it waits for.
void Session::leave_line() {
    FetchWaiter& waiter = *this;
    if (!waiter.linked()) return;
    List<FetchWaiter>::remove(waiter);
    hub_.cell_room();
}

void Session::wait_for_search() {
    FetchWaiter& waiter = *this;
    if (hub_.first_in_line(waiter)) leave_line();
    hub_.wait_for_search(waiter);
    join_crowd();
}

void Session::attach(OffsetSearch& search) {
    // It may have been woken by something else while it stood in line for this.
    leave_line();
    search_ = &search;
}

void Session::run() {
    // The output buffer that was kept for what is done now: flush() gives it back if that needed none.
    s_.wants_output = false;
    if (outbox_.has_buffer()) hub_.flush_soon(*this);
    if (s_.phase != Phase::fresh && s_.phase != Phase::open) return;
    ReceiveWaiter& waiter = *this;
    if (waiter.linked() && !receive_.empty()) return;  // for a large buffer
    if (parked_) {
        if (resume_parked() != Progress::done) return;
        s_.heard = hub_.env().now();  // it has waited for us
    }
    if (s_.phase != Phase::fresh && s_.phase != Phase::open) return;
    if (std::exchange(s_.blocked, false)) s_.heard = hub_.env().now();  // until now nobody listened
    Budget budget;
    digest(budget);
}

Progress Session::resume_parked() {
    const wire::kafka::RequestHeader header = parked_->header;
    Exchange exchange(hub_, *this, header, {});
    return parked_->resume(exchange);
}

void Session::park(Parked& parked, const wire::kafka::RequestHeader& header) {
    parked.header = header;
    parked.header.client.reset();
    parked.session = this;
    parked_ = &parked;
}

// ---- the end ----

void Session::check_time(Instant now) {
    if (s_.phase == Phase::gone) return;
    if (s_.sending) check_sending(now);
    if (s_.phase == Phase::gone) return;
    if (s_.phase == Phase::parting && now - s_.heard > parting_ns_max) return end();
    if (s_.phase != Phase::fresh && s_.phase != Phase::open) return;
    if (overstays(now)) return give_up_frame();
    // What follows a request that waits keeps a buffer from others.
    const bool in_the_way = parked_ && !receive_.empty() && hub_.receive_pool().wanted(receive_, s_.proven);
    if (in_the_way && !parked_->hurry() && now - s_.held_since > ReceivePool::hold_ns_max) return give_up_frame();
    if (produce_ && delays_others(now)) return give_up_frame();
    // What others have given back may have gone to one that needed it no more.
    if (const FetchWaiter& waiter = *this; waiter.linked()) wake();
    if (s_.blocked || parked_ || (!outbox_.empty() && !produce_)) return;
    const bool late = s_.phase == Phase::fresh ? now - s_.accepted > open_ns_max : now - s_.heard > idle_ns_max;
    if (late) drain(Error::timed_out);
}

// By a produce request that comes too slowly for what it holds.
bool Session::delays_others(Instant now) {
    if (s_.blocked) return false;
    const std::int64_t silent = now - s_.heard;
    const bool holds = produce_->holds_blocks();
    const bool slow = holds && produce_->comes_slowly(now);
    if (holds && hub_.broker().blocks_wanted(produce_->share()) && (slow || silent > stage_stall_ns_max)) {
        hub_.tell_slow(connection_->peer());
        return true;
    }
    return output_wanted() && (silent > ReceivePool::stall_ns_max || now - (holds ? produce_->since() : produce_->began()) > hindering_ns_max);
}

store::StageShare Session::stage_share() const { return s_.swift ? store::StageShare::whole : store::StageShare::slow; }

void Session::note_staged(std::size_t bytes, std::int64_t ns) {
    if (bytes > piled_up_bytes_max) s_.swift = static_cast<std::int64_t>(bytes - piled_up_bytes_max) >= ns / ns_per_ms * swift_bytes_per_s / 1000;
}

void Session::give_receive_buffer() {
    if (receive_.empty()) return;
    set_incomplete(false);
    const MutableBytes buffer = receive_;
    receive_ = {};
    s_.filled = s_.position = 0;
    hub_.receive_pool().give(buffer, s_.proven);
}

// Nothing more is taken from this connection.
void Session::stop_receiving() {
    broker::RoomWaiter& room = *this;
    broker::Broker::cancel(room);
    leave_line();
    ReceiveWaiter& waiter = *this;
    BufferPool::cancel(waiter);
    if (ListNode<Session, RunTag>& node = *this; node.linked()) List<Session, RunTag>::remove(*this);
    connection_->pause_reading();
    give_receive_buffer();
    drop_requests();
}

void Session::drop_requests() {
    if (outbox_.answering()) outbox_.drop_answer();
    if (parked_) {
        Parked& parked = *parked_;
        parked_ = nullptr;
        parked.drop();
    }
    if (search_) detach()->drop();
    if (produce_) {
        produce_->drop(hub_.broker());
        hub_.give_produce(*produce_);
        produce_ = nullptr;
    }
}

void Session::drain(Error reason) {
    if (s_.phase != Phase::fresh && s_.phase != Phase::open) return;
    if (s_.phase == Phase::fresh) hub_.no_longer_fresh(*this);
    s_.phase = Phase::ending;
    s_.clean_end = reason == Error::shutting_down;
    stop_receiving();
    hub_.flush_soon(*this);
}

Progress Session::fail(Failure failure, std::string_view text) {
    if (s_.phase == Phase::ending || s_.phase == Phase::gone) return Progress::ended;
    ++hub_.count().protocol_errors;
    // For what its client would ask again and again somebody must know why it ends.
    const bool limit = failure.error == Error::limit_reached || failure.error == Error::frame_too_large;
    env::LogLine(hub_.env(), limit && hub_.may_warn() ? env::LogLevel::warning : env::LogLevel::debug)
        << connection_->peer() << ": " << error_info(failure.error).text << " (" << failure.detail << "): " << text;
    if (s_.phase == Phase::fresh) hub_.no_longer_fresh(*this);
    s_.phase = Phase::ending;
    stop_receiving();
    hub_.flush_soon(*this);
    return Progress::ended;
}

void Session::refuse(Bytes) {
    RIVULET_CHECK(s_.phase == Phase::fresh);
    part();
}

void Session::part() {
    leave();
    s_.phase = Phase::parting;
    s_.heard = hub_.env().now();
    stop_receiving();
    release();
    s_.filled = 0;
    connection_->shutdown_sending();
    connection_->resume_reading();
}

void Session::leave() {
    if (s_.phase != Phase::parting && s_.phase != Phase::gone) hub_.leave(*this);
}

void Session::abort() {
    if (s_.phase != Phase::gone) end();
}

void Session::end() {
    leave();
    s_.phase = Phase::gone;
    stop_receiving();
    connection_->close();
}

void Session::on_closed(Error) {
    leave();
    s_.phase = Phase::gone;
    stop_receiving();
    release();
    connection_ = nullptr;
    hub_.release(*this);
}

void Session::release() {
    broker::CommitWaiter& commit = *this;
    broker::Broker::cancel(commit);
    OutputWaiter& waiter = *this;
    BufferPool::cancel(waiter);
    if (ListNode<Session, FlushTag>& node = *this; node.linked()) List<Session, FlushTag>::remove(*this);
    outbox_.drop_streams(*this);
    give_output();
}

env::Endpoint Session::advertised(Text& scratch) const {
    if (!advertised_->host.empty()) return *advertised_;
    // The address that the client has reached is one that it can reach.
    scratch << connection_->local();
    const auto parsed = env::parse_endpoint(scratch.view());
    return parsed ? *parsed : env::Endpoint{"", 0};
}

Text& Session::print_peer(Text& out) const { return out << connection_->peer(); }

Text& Session::print_host(Text& out) const {
    char buffer[64];
    Text peer(buffer);
    print_peer(peer);
    const auto parsed = env::parse_endpoint(peer.view());
    return out << '/' << (parsed ? parsed->host : std::string_view());
}

}  // namespace rivulet::server::kafka
