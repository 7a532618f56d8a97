// SUBSCRIBE, DATA, CREDIT: a fetch that goes on by itself, as far as its credit allows.
// A subscription is a FetchRequest that is not forgotten when its answer has left:
//   ready (SUBSCRIBE's answer) -> waiting (the broker looks for batches) -> ready -> sending -> waiting ... ; starved: until CREDIT comes. It ends from `ready`, by DATA with the flag.
#include "server/compact/hub.h"
#include "server/compact/session.h"
#include "wire/compact/push_frames.h"

namespace rivulet::server::compact {

namespace {

// A fetch without a deadline would need a second kind of waiting; one that finds nothing is asked again.
constexpr std::int64_t subscription_wait_ns = 300 * ns_per_s;

}  // namespace

FetchRequest* Session::find_subscription(std::uint64_t correlation) {
    for (Request* request = requests_.front(); request; request = requests_.next(*request))
        if (request->kind == frames::Kind::subscribe && request->correlation == correlation) return static_cast<FetchRequest*>(request);
    return nullptr;
}

bool Session::awaits_answers() {
    for (Request* request = requests_.front(); request; request = requests_.next(*request))
        if (request->kind != frames::Kind::subscribe && request->kind != frames::Kind::assign && request->kind != frames::Kind::data) return true;
    return false;
}

Session::Progress Session::handle_subscribe(const frames::FrameView& frame) {
    const auto wanted = frames::decode_subscribe(frame.body, frame.flags);
    if (!wanted) return fail(wanted.failure());
    if (!s_.push) return fail(rivulet::fail(Error::unsupported, static_cast<std::int64_t>(frame.kind)), "feature push is not agreed");
    if (wanted->credit > subscription_credit_max) return fail(rivulet::fail(Error::invalid_argument), "credit");
    if (find_subscription(frame.correlation) || find_membership(frame.correlation)) return fail(rivulet::fail(Error::invalid_argument), "the correlation belongs to a subscription");
    if (too_many_requests()) return fail(rivulet::fail(Error::limit_reached, requests_max), "outstanding requests");
    if (!output_room(answer_room)) return Progress::blocked;
    const auto place = find_place(*wanted);
    if (!place) return answer_failure(frame, place.failure());
    const auto [log, offset] = *place;
    if (offset < log->start || offset > log->end) return answer_failure(frame, rivulet::fail(Error::offset_out_of_range, (offset < log->start ? log->start : log->end).value));
    FetchRequest* const request = take_fetch();
    if (!request) return answer_failure(frame, rivulet::fail(Error::busy), "limits.parked_fetches is reached");
    own(*request, frame);
    request->log = log->id;
    request->offset = offset;
    request->credit = static_cast<std::int64_t>(wanted->credit);
    request->started = request->over = false;
    on_ready(*request);
    return Progress::done;
}

Session::Progress Session::handle_credit(const frames::FrameView& frame) {
    const auto credit = frames::decode_credit(frame.body, frame.flags);
    if (!credit) return fail(credit.failure());
    if (!s_.push && !s_.groups) return fail(rivulet::fail(Error::unsupported, static_cast<std::int64_t>(frame.kind)), "neither feature push nor groups is agreed");
    if (Membership* const member = find_membership(frame.correlation)) return credit_member(*member, *credit);
    FetchRequest* const request = find_subscription(frame.correlation);
    if (credit->processed && (request || !s_.groups)) return fail(rivulet::fail(Error::malformed), "positions of no member of a group");
    if (!request) return Progress::done;
    if (credit->end) {
        end_subscription(*request, rivulet::fail(Error::none));
        return Progress::done;
    }
    if (credit->bytes > subscription_credit_max || request->credit + static_cast<std::int64_t>(credit->bytes) > subscription_credit_max)
        return fail(rivulet::fail(Error::invalid_argument), "credit");
    request->credit += static_cast<std::int64_t>(credit->bytes);
    if (request->state == Request::State::starved && request->credit > 0) go_on(*request);
    return Progress::done;
}

// Batches that are on their way, or found already, still leave before the end does.
void Session::end_subscription(FetchRequest& request, Failure why) {
    if (request.over) return;
    request.over = true;
    request.outcome = why;
    if (request.state == Request::State::ready || request.state == Request::State::sending) return;
    if (request.state == Request::State::waiting) hub_.broker().cancel(static_cast<broker::Fetch&>(request));
    on_ready(request);
}

// What comes next for a subscription whose answer or DATA has left. It goes behind the connection's other requests: they take turns.
void Session::go_on(FetchRequest& request) {
    List<Request, OwnedTag>::remove(request);
    requests_.push_back(request);
    if (request.over) return on_ready(request);
    if (request.credit <= 0) {
        request.state = Request::State::starved;
        request.starved_since = hub_.env().now();
        return;
    }
    const std::size_t room = most_batches();
    request.bytes_max = static_cast<std::uint64_t>(request.credit) < room ? static_cast<std::size_t>(request.credit) : room;
    request.bytes_min = 1;
    request.wait_ns_max = subscription_wait_ns;
    look_up(request);
}

// True: it has gone on by itself, there is nothing to send.
bool Session::takes_up(FetchRequest& request) {
    if (request.outcome.error == Error::offset_out_of_range) {
        const store::Log* const log = hub_.broker().store().find(request.log);
        if (!log || request.offset >= log->start) return false;
        request.outcome = {Error::none, 0};
        request.offset = log->start;
        go_on(request);
        return true;
    }
    if (request.outcome.error != Error::none || !request.view.empty()) return false;
    go_on(request);
    return true;
}

void Session::write_pushed(FetchRequest& request, Writer& out) {
    const store::Log* const log = hub_.broker().store().find(request.log);
    if (!request.started) {
        request.started = true;
        if (!log) {
            frames::encode_failure(out, request.kind, request.correlation, rivulet::fail(Error::unknown_topic_or_partition), {});
            return forget(request);
        }
        frames::encode_subscribed(out, request.correlation, state_of(*log, request.offset));
        return go_on(request);
    }
    if (!log && !request.over) end_subscription(request, rivulet::fail(Error::unknown_topic_or_partition));
    if (!log || request.view.empty()) {
        frames::encode_data_end(out, request.correlation, request.outcome);
        return forget(request);
    }
    const std::size_t before = out.size();
    const Offset high_watermark = log->high_watermark() < request.offset ? request.offset : log->high_watermark();
    frames::encode_data_head(out, request.correlation, {request.offset, high_watermark, {}}, request.view.bytes);
    request.credit -= static_cast<std::int64_t>(out.size() - before + request.view.bytes);
    start_stream(request, out);
}

// Its DATA has left.
void Session::pushed(FetchRequest& request) {
    if (s_.phase == Phase::ending) return forget(request);
    request.offset = request.view.next;
    drop_view(request);
    go_on(request);
    retry_deferred();
}

}  // namespace rivulet::server::compact
