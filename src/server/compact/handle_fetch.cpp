// FETCH, OFFSETS and METADATA.
#include "server/compact/hub.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

namespace {

constexpr std::uint64_t wait_ms_max = 5 * 60 * 1000;

std::uint64_t least(std::uint64_t a, std::uint64_t b) { return a < b ? a : b; }

}  // namespace

Session::Progress Session::answer_failure(const frames::FrameView& frame, Failure failure, std::string_view text) {
    if (!output_room(answer_room)) return Progress::blocked;
    Writer out = output();
    frames::encode_failure(out, frame.kind, frame.correlation, failure, text.substr(0, 160));
    written(out);
    return Progress::done;
}

store::Log* Session::log_of(const Alias& alias, std::uint64_t partition) {
    broker::Broker& broker = hub_.broker();
    return alias.one_range ? broker.store().find(alias.first_log + partition) : broker.partition(alias.first_log, partition);
}

Result<Session::Place> Session::find_place(const frames::LogPlace& wanted) {
    broker::Broker& broker = hub_.broker();
    store::Log* log = nullptr;
    if (wanted.by_alias) {
        const Alias* const alias = hub_.aliases().find(s_.aliases, wanted.alias);
        if (!alias) return rivulet::fail(Error::unknown_alias);
        if (alias->error != Error::none) return rivulet::fail(alias->error);
        if (alias->placement != frames::Placement::partition) return rivulet::fail(Error::invalid_argument);
        log = log_of(*alias, static_cast<std::uint64_t>(alias->partition));
    } else if (const broker::Topic* topic = broker.find_topic(wanted.topic)) {
        log = broker.partition(*topic, wanted.partition);
    }
    if (!log) return rivulet::fail(Error::unknown_topic_or_partition);
    if (wanted.epoch.value >= 0 && wanted.epoch != log->epoch) return rivulet::fail(wanted.epoch < log->epoch ? Error::fenced_epoch : Error::unknown_epoch, log->epoch.value);
    Place place{log, wanted.offset};
    if (place.offset.value == frames::fetch_latest) place.offset = log->high_watermark();
    else if (place.offset.value == frames::fetch_earliest) place.offset = log->start;
    return place;
}

frames::LogState Session::state_of(const store::Log& log, Offset offset) {
    return {offset, log.epoch, log.start, log.high_watermark(), log.durable_end, log.end};
}

std::size_t Session::most_batches() const {
    return static_cast<std::size_t>(least(hub_.options().inflight_bytes, s_.frame_bytes_max - frames::fetched_head_bytes_max));
}

Session::Progress Session::handle_fetch(const frames::FrameView& frame) {
    const auto wanted = frames::decode_fetch(frame.body, frame.flags);
    if (!wanted) return fail(wanted.failure());
    if (too_many_requests()) return fail(rivulet::fail(Error::limit_reached, requests_max), "outstanding requests");
    if (!output_room(answer_room)) return Progress::blocked;
    const auto place = find_place(*wanted);
    if (!place) return answer_failure(frame, place.failure());
    FetchRequest* const request = take_fetch();
    if (!request) return answer_failure(frame, rivulet::fail(Error::busy), "limits.parked_fetches is reached");
    own(*request, frame);
    request->log = place->log->id;
    request->offset = place->offset;
    request->bytes_max = static_cast<std::size_t>(least(wanted->bytes_max, most_batches()));
    request->bytes_min = static_cast<std::size_t>(least(wanted->bytes_min, request->bytes_max));
    request->wait_ns_max = static_cast<std::int64_t>(least(wanted->wait_ms_max, wait_ms_max)) * ns_per_ms;
    look_up(*request);
    return Progress::done;
}

Session::Progress Session::handle_offsets(const frames::FrameView& frame) {
    const auto query = frames::decode_offsets(frame.body);
    if (!query) return fail(query.failure());
    const broker::Topic* const topic = hub_.broker().find_topic(query->topic);
    const store::Log* const log = topic ? hub_.broker().partition(*topic, query->partition) : nullptr;
    if (!log) return answer_failure(frame, rivulet::fail(Error::unknown_topic_or_partition));
    if (query->at >= 0) return search_time(frame, *log, Timestamp(query->at));
    if (!output_room(answer_room)) return Progress::blocked;
    Writer out = output();
    const Offset offset = query->at == frames::fetch_latest ? log->high_watermark() : log->start;
    frames::encode_offset_found(out, frame.correlation, {offset, Timestamp(-1), log->epoch});
    written(out);
    return Progress::done;
}

Session::Progress Session::search_time(const frames::FrameView& frame, const store::Log& log, Timestamp at) {
    if (too_many_requests()) return fail(rivulet::fail(Error::limit_reached, requests_max), "outstanding requests");
    FetchRequest* const request = take_fetch();
    if (!request) return answer_failure(frame, rivulet::fail(Error::busy), "limits.parked_fetches is reached");
    own(*request, frame);
    request->log = log.id;
    request->offset = hub_.broker().store().time_hint(log, at);
    request->at = at;
    request->found = {};
    request->bytes_max = hub_.options().inflight_bytes;
    request->bytes_min = 1;
    request->wait_ns_max = 0;
    hub_.broker().fetch(*request);
    return Progress::done;
}

// False: found, or there is none. What retention takes away meanwhile is not looked at.
bool Session::searches_on(FetchRequest& request) {
    const store::Log* const log = hub_.broker().store().find(request.log);
    if (request.outcome.error == Error::offset_out_of_range && log && request.offset < log->start) {
        request.outcome = {Error::none, 0};
        request.offset = log->start;
    } else if (request.outcome.error != Error::none || request.view.empty()) {
        if (log) request.found = {log->high_watermark(), Timestamp(-1)};
        return false;
    } else {
        const auto found = broker::find_time(hub_.broker(), request.view, request.offset, request.at);
        const Offset from = std::exchange(request.offset, request.view.next);
        hub_.broker().release(request.view);
        if (found && found->closed && broker::search_batch(hub_.broker(), request, request.log, *found, from, request.at)) return true;
        if (found) {
            request.found = *found;
            return false;
        }
    }
    hub_.broker().fetch(request);
    return true;
}

// In a compressed batch.
void Session::on_searched(FetchRequest& request, broker::RecordWaiter::Outcome outcome) {
    if (outcome == broker::RecordWaiter::Outcome::none) {
        request.offset = request.sought.behind;
        return hub_.broker().fetch(request);
    }
    request.found.offset = request.sought.offset;
    request.found.time = request.sought.time;
    on_ready(request);
}

Session::Progress Session::handle_metadata(const frames::FrameView& frame) {
    if (const Status status = frames::decode_metadata(frame.body); !status) return fail(status.failure());
    if (!output_room(answer_room)) return Progress::blocked;
    // Where the listener advertises nothing: the address that the client has reached is one that it can reach.
    env::Endpoint here = *advertised_;
    char buffer[64];
    Text local(buffer);
    if (here.host.empty()) {
        local << connection_->local();
        // A connection that has failed has no address any more, and takes no answer either.
        if (const auto parsed = env::parse_endpoint(local.view())) here = *parsed;
    }
    const std::uint64_t id = hub_.options().node;
    const frames::Node node{id, here.host, here.port};
    frames::Metadata head;
    head.cluster = hub_.broker().store().state().geometry.store_id;
    head.node = id;
    head.controller = static_cast<std::int64_t>(id);
    Writer out = output();
    frames::encode_metadata_answer(out, frame.correlation, head, {&node, 1});
    written(out);
    return Progress::done;
}

}  // namespace rivulet::server::compact
