// What a connection sends: acks, answers and, straight from the store's memory, record batches.
#include <algorithm>

#include "server/compact/hub.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

namespace {

constexpr std::size_t ack_bytes_max = 2 + 5 * varint_bytes_max + frames::check_bytes;
constexpr std::size_t sends_per_flush = 4;
// Of one send: enough that what a call costs is small beside what its bytes cost.
constexpr std::size_t send_buffers_max = 256;
constexpr std::size_t send_batches_bytes = 256 * 1024;  // no further answer is begun beyond
static_assert(send_buffers_max > 1 + store::ReadView::pieces_max);

}  // namespace

bool Session::output_room(std::size_t n, Output what) {
    const bool bulk = what == Output::bulk;
    BufferPool& pool = hub_.output_pool();
    OutputWaiter& waiter = *this;
    if (output_.empty()) {
        if (!bulk && s_.waits_for_bulk) BufferPool::cancel(waiter);
        if (!waiter.linked()) output_ = bulk ? pool.take_bulk() : pool.take();
        s_.bulk = bulk;
        s_.output_used = s_.output_sent = 0;
    } else if (bulk && !s_.bulk) {
        s_.bulk = pool.bulk_free();
    }
    if (output_.empty() || (bulk && !s_.bulk)) {
        // Nothing that is received waits for bulk.
        if (!bulk) s_.wants_output = true;
        if (waiter.linked()) return false;
        hub_.holders_wanted();
        s_.waits_for_bulk = bulk;
        if (bulk) pool.wait_bulk(waiter);
        else pool.wait(waiter);
        return false;
    }
    if (s_.output_sent == s_.output_used && !s_.sending && !stream()) s_.output_sent = s_.output_used = 0;
    if (s_.output_used + n > output_.size()) {
        s_.wants_output = true;
        return false;
    }
    hub_.flush_soon(*this);  // gives the buffer back if nothing is written after all
    return true;
}

void Session::on_output_buffer(MutableBytes buffer) {
    if (output_.empty()) {
        output_ = buffer;
        s_.output_used = s_.output_sent = 0;
        s_.bulk = s_.waits_for_bulk;
    } else {
        // It was to be allowed to keep the one that it has.
        s_.bulk = true;
        hub_.output_pool().give(buffer);
    }
    hub_.flush_soon(*this);
    if (s_.wants_output) wake();
}

void Session::written(const Writer& out) {
    RIVULET_CHECK(out.ok());
    s_.output_used += static_cast<std::uint32_t>(out.size());
    hub_.flush_soon(*this);
}

// ---- what is sent next ----

bool Session::write_refusal() {
    if (!output_room(ack_bytes_max)) return false;
    frames::Ack ack;
    ack.sequence = s_.settling.settled();
    ack.credit = s_.settling.grant();
    ack.refusal = s_.refusal;
    Writer out = output();
    frames::encode_ack(out, s_.output_sum, s_.puts, ack);
    written(out);
    s_.refusal = {};
    return true;
}

bool Session::write_acks() {
    if (s_.phase != Phase::open && s_.phase != Phase::draining) return true;
    if (s_.refusal.count == 0 && s_.settling.settled() == s_.puts.acked() && s_.settling.credit() == 0) return true;
    return write_refusal();
}

Request* Session::next_answer() {
    for (Request* request = requests_.front(); request; request = requests_.next(*request))
        if (request->state == Request::State::ready) return request;
    return nullptr;
}

bool Session::write_answer(Request& request) {
    const bool batches = request.is_fetch() && !static_cast<FetchRequest&>(request).view.empty();
    if (!output_room(request.type == Request::Type::membership ? member_room : answer_room, batches ? Output::bulk : Output::small)) return false;
    Writer out = output();
    if (request.type == Request::Type::membership || request.kind == frames::Kind::data) {
        if (request.type == Request::Type::membership) write_member(static_cast<Membership&>(request), out);
        else write_slot(static_cast<FetchRequest&>(request), out);
        written(out);
        return true;
    }
    if (request.kind == frames::Kind::subscribe) {
        write_pushed(static_cast<FetchRequest&>(request), out);
        written(out);
        return true;
    }
    if (request.outcome.error != Error::none) {
        frames::encode_failure(out, request.kind, request.correlation, request.outcome, {});
    } else if (!request.is_fetch()) {
        const auto& change = static_cast<TopicRequest&>(request);
        if (request.kind == frames::Kind::topic_create) frames::encode_topic_created(out, request.correlation, {change.id, change.partitions, 1});
        else frames::encode_done(out, request.kind, request.correlation);
    } else {
        auto& fetch = static_cast<FetchRequest&>(request);
        const store::Log* const log = hub_.broker().store().find(fetch.log);
        if (!log) {
            frames::encode_failure(out, request.kind, request.correlation, rivulet::fail(Error::unknown_topic_or_partition), {});
        } else if (request.kind == frames::Kind::offsets) {
            frames::encode_offset_found(out, request.correlation, {fetch.found.offset, fetch.found.time, log->epoch});
        } else {
            frames::encode_fetched_head(out, request.correlation, state_of(*log, fetch.offset), fetch.view.bytes);
            if (!fetch.view.empty()) start_stream(fetch, out);
        }
    }
    written(out);
    if (request.state != Request::State::sending) forget(request);
    return true;
}

// What is written is the head of a frame that ends with the batches of this view.
void Session::start_stream(FetchRequest& fetch, const Writer& head) {
    hub_.count().fetched_bytes += fetch.view.bytes;
    fetch.head_end = s_.output_used + head.size();
    fetch.piece = fetch.piece_done = 0;
    fetch.state = Request::State::sending;
    List<Request, OwnedTag>::remove(fetch);
    Request* behind = requests_.front();
    while (behind && behind->state == Request::State::sending) behind = requests_.next(*behind);
    if (behind) requests_.insert_before(*behind, fetch);
    else requests_.push_back(fetch);
}

FetchRequest* Session::stream() {
    Request* const first = requests_.front();
    return first && first->state == Request::State::sending ? static_cast<FetchRequest*>(first) : nullptr;
}

FetchRequest* Session::next_stream(FetchRequest& stream) {
    Request* const next = requests_.next(stream);
    return next && next->state == Request::State::sending ? static_cast<FetchRequest*>(next) : nullptr;
}

// One send has room for another answer. What has more pieces to come is the last of a send.
bool Session::gathers() {
    std::size_t buffers = 0;
    std::size_t bytes = 0;
    for (FetchRequest* at = stream(); at; at = next_stream(*at)) {
        buffers += 1 + at->view.piece_count;
        bytes += at->view.bytes;
        if (at->view.more()) return false;
    }
    return buffers + 1 + store::ReadView::pieces_max < send_buffers_max && bytes < send_batches_bytes;
}

void Session::write_answers() {
    if (!write_acks()) return;
    while (gathers()) {
        Request* const request = next_answer();
        if (!request || !write_answer(*request)) return;
    }
}

// ---- sending ----

std::size_t Session::flush() {
    if (!connection_ || s_.phase == Phase::parting || s_.phase == Phase::gone || s_.sending) return 0;
    std::size_t bytes = 0;
    for (std::size_t sends = 0; sends < sends_per_flush && bytes < send_batches_bytes; ++sends) {
        write_answers();
        const bool idle = !stream() && s_.output_sent == s_.output_used;
        if (idle && s_.phase == Phase::draining && requests_.empty() && !s_.settling.waiting() && output_room(answer_room)) {
            Writer out = output();
            frames::encode_close(out, {s_.close_reason});
            written(out);
            s_.phase = Phase::ending;
        } else if (idle) {
            break;
        }
        bytes += send_some() + Session::output_bytes;
        if (s_.phase == Phase::gone || s_.sending) return bytes;
    }
    const bool all_sent = !stream() && s_.output_sent == s_.output_used;
    if (!all_sent || next_answer()) {
        OutputWaiter& waiter = *this;
        if (!waiter.linked()) hub_.flush_soon(*this);
    }
    if (s_.wants_output) wake();
    if (!all_sent) return bytes;
    if (s_.phase == Phase::ending) {
        // A client that asked for the end sends nothing any more; and a stop does not wait.
        if (s_.close_reason == Error::none || hub_.draining()) end();
        else part();
    } else if (!output_.empty() && !s_.wants_output) {
        const MutableBytes buffer = output_;
        output_ = {};
        s_.output_used = s_.output_sent = 0;
        hub_.output_pool().give(buffer);
    }
    return bytes;
}

// Everything at once: what the output buffer has, and the batches in between.
std::size_t Session::send_some() {
    Bytes buffers[send_buffers_max];
    std::size_t count = 0;
    std::size_t position = s_.output_sent;
    const auto add_output = [&](std::size_t end) {
        if (position < end) buffers[count++] = Bytes(output_).subspan(position, end - position);
        position = std::max(position, end);
    };
    bool whole = true;
    for (FetchRequest* at = stream(); at; at = next_stream(*at)) {
        add_output(at->head_end);
        for (std::size_t i = at->piece; i < at->view.piece_count; ++i) buffers[count++] = at->view.pieces[i].subspan(i == at->piece ? at->piece_done : 0);
        whole = !at->view.more();
    }
    if (whole) add_output(s_.output_used);
    RIVULET_CHECK(count <= send_buffers_max);
    const std::size_t taken = connection_->send({buffers, count});
    hub_.env().charge(taken + 64);
    s_.sending = connection_->sending();
    if (s_.sending) {
        s_.sending_since = s_.moved = hub_.env().now();
        s_.unsent = static_cast<std::uint32_t>(connection_->unsent());
    }
    note_sent(taken);
    if (!s_.sending) finish_streams();
    return taken;
}

// So much of the output buffer and of the batches in between was handed to the connection.
void Session::note_sent(std::size_t taken) {
    const auto take_output = [&](std::size_t end) {
        const std::size_t n = s_.output_sent < end ? std::min(end - s_.output_sent, taken) : 0;
        s_.output_sent += static_cast<std::uint32_t>(n);
        taken -= n;
    };
    for (FetchRequest* at = stream(); at; at = next_stream(*at)) {
        take_output(at->head_end);
        while (taken != 0 && at->piece != at->view.piece_count) {
            const std::size_t left = at->view.pieces[at->piece].size() - at->piece_done;
            const std::size_t n = std::min(left, taken);
            at->piece_done += n;
            taken -= n;
            if (n == left) {
                ++at->piece;
                at->piece_done = 0;
            }
        }
        // The client may have it, and ask for more, before the connection lets go of what came behind.
        if (at->piece == at->view.piece_count && !at->view.more() && at->kind != frames::Kind::subscribe) uncount(*at);
    }
    take_output(s_.output_used);
}

void Session::on_sent() {
    s_.sending = false;
    if (s_.phase == Phase::parting) return;
    finish_streams();
    hub_.flush_soon(*this);
}

// Nothing is kept by the connection any more: answers that were handed over whole are done.
void Session::finish_streams() {
    while (FetchRequest* const first = stream()) {
        if (first->piece != first->view.piece_count) return;
        if (first->view.more()) {
            // One batch of more pieces than a view holds: the rest takes their place.
            first->piece = first->piece_done = 0;
            // Deleted or cut meanwhile: what the frame promised cannot be sent any more.
            if (!hub_.broker().refill(first->view)) end();
            return;
        }
        if (first->kind == frames::Kind::subscribe) pushed(*first);
        else if (first->kind == frames::Kind::data) slot_pushed(*first);
        else forget(*first);
    }
}

// ---- who is in the way ----

void Session::check_sending(Instant now) {
    const auto unsent = static_cast<std::uint32_t>(connection_->unsent());
    if (unsent != s_.unsent) s_.moved = now;
    s_.unsent = unsent;
    const bool hindering = hinders(now);
    if (now - s_.moved > (hindering ? in_the_way_ns_max : stalled_ns_max)) return end();
    if (hindering && now - s_.sending_since > hindering_ns_max) return end();
}

// A follower that has stopped holds its request for ever otherwise.
void Session::check_starved(Instant now) {
    for (Request* request = requests_.front(); request; request = requests_.next(*request))
        if (request->state == Request::State::starved && now - static_cast<FetchRequest&>(*request).starved_since > hindering_ns_max) {
            auto& fetch = static_cast<FetchRequest&>(*request);
            if (fetch.membership) end_membership(*fetch.membership, rivulet::fail(Error::busy));
            else end_subscription(fetch, rivulet::fail(Error::busy));
        }
}

bool Session::hinders(Instant now) {
    if (!output_.empty() && hub_.output_pool().starving()) return true;
    if (!receive_.empty() && hub_.receive_pool().wanted(receive_, s_.proven)) return true;
    for (Request* request = requests_.front(); request; request = requests_.next(*request)) {
        if (!request->is_fetch()) continue;
        if (hub_.fetches_crowded(now)) return true;
        const store::ReadView& view = static_cast<FetchRequest&>(*request).view;
        if (view.window >= 0 ? hub_.broker().store().windows_wanted() : view.pinned_count != 0 && hub_.broker().pinned_wanted()) return true;
    }
    return false;
}

// ---- requests ----

void Session::own(Request& request, const frames::FrameView& frame) {
    request.session = this;
    request.state = Request::State::waiting;
    request.kind = frame.kind;
    request.correlation = frame.correlation;
    request.outcome = {Error::none, 0};
    requests_.push_back(request);
    ++s_.request_count;
    request.counted = true;
}

FetchRequest* Session::take_fetch() { return hub_.take_fetch(s_.request_count); }

void Session::uncount(Request& request) {
    s_.request_count -= request.counted;
    request.counted = false;
}

void Session::on_ready(Request& request) {
    request.state = Request::State::ready;
    hub_.flush_soon(*this);
}

// The request is answered or dropped; its slot goes back, and a fetch that had to wait for room gets its turn.
void Session::forget(Request& request) {
    List<Request, OwnedTag>::remove(request);
    uncount(request);
    if (request.type == Request::Type::membership) return forget_member(static_cast<Membership&>(request));
    if (!request.is_fetch()) {
        auto& change = static_cast<TopicRequest&>(request);
        broker::Broker::cancel(static_cast<broker::CommitWaiter&>(change));
        change.refused = {Error::none, 0};
        return hub_.topic_requests().give(change);
    }
    auto& fetch = static_cast<FetchRequest&>(request);
    if (Membership* const member = std::exchange(fetch.membership, nullptr)) {
        member->fetch = nullptr;
        member->reading = nullptr;
    }
    if (request.state == Request::State::waiting) stop_waiting(fetch);
    if (!fetch.view.empty()) drop_view(fetch);
    hub_.give_fetch(fetch);
    retry_deferred();
}

void Session::stop_waiting(FetchRequest& fetch) {
    hub_.broker().cancel(static_cast<broker::Fetch&>(fetch));
    hub_.broker().cancel(static_cast<broker::RecordWaiter&>(fetch));
}

void Session::drop_view(FetchRequest& fetch) {
    s_.ready_bytes -= static_cast<std::uint32_t>(fetch.view.bytes);
    hub_.broker().release(fetch.view);
}

// Behind those that wait for their turn: otherwise who asks again at once would always be first, and leave the others behind.
void Session::look_up(FetchRequest& request) {
    for (Request* other = requests_.front(); other; other = requests_.next(*other)) {
        if (other->state != Request::State::deferred) continue;
        request.state = Request::State::deferred;
        return;
    }
    request.state = Request::State::waiting;
    hub_.broker().fetch(request);
}

// Two for one that has left, so that they get more as long as there is room; all of them if nothing is on its way out that would bring this about again.
void Session::retry_deferred() {
    if (s_.phase != Phase::open) return;
    std::size_t left = s_.ready_bytes == 0 ? requests_max : 2;
    for (Request* next = requests_.front(); next && left != 0; next = requests_.next(*next)) {
        if (next->state != Request::State::deferred) continue;
        next->state = Request::State::waiting;
        hub_.broker().fetch(static_cast<FetchRequest&>(*next));
        --left;
    }
}

// What lies in a window that is held anyway costs no more memory.
bool Session::holds_window(const FetchRequest& than) {
    for (Request* request = requests_.front(); request; request = requests_.next(*request)) {
        if (!request->is_fetch() || request == &than || (request->state != Request::State::ready && request->state != Request::State::sending)) continue;
        if (than.view.window >= 0 && static_cast<FetchRequest&>(*request).view.window == than.view.window) return true;
    }
    return false;
}

void Session::on_fetched(FetchRequest& request) {
    if (request.kind == frames::Kind::subscribe && takes_up(request)) return;
    if (request.kind == frames::Kind::data && takes_up_slot(request)) return;
    if (request.kind == frames::Kind::offsets) {
        if (!searches_on(request)) on_ready(request);
        return;
    }
    if (request.outcome.error == Error::none && !request.view.empty()) {
        const std::size_t bytes = request.view.bytes;
        const bool too_large = bytes + frames::fetched_head_bytes_max > s_.frame_bytes_max;
        const bool too_much = s_.ready_bytes != 0 && s_.ready_bytes + bytes > hub_.options().inflight_bytes && !holds_window(request);
        if (too_large || too_much) hub_.broker().release(request.view);
        if (too_large) {
            request.outcome = rivulet::fail(Error::batch_too_large, static_cast<std::int64_t>(bytes));
            request.over = true;
        } else if (too_much) {
            request.state = Request::State::deferred;
            request.wait_ns_max = 0;
            return;
        } else {
            s_.ready_bytes += static_cast<std::uint32_t>(bytes);
        }
    }
    on_ready(request);
}

void FetchRequest::on_searched(Outcome result) { session->on_searched(*this, result); }

void FetchRequest::on_fetched(Failure failure) {
    outcome = failure;
    session->on_fetched(*this);
}

void TopicRequest::on_committed(Error error) {
    outcome = error == Error::none ? refused : rivulet::fail(error);
    session->on_ready(*this);
}

}  // namespace rivulet::server::compact
