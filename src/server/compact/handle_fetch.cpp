// FETCH, OFFSETS and METADATA.
#include "server/compact/hub.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

namespace {

constexpr std::uint64_t wait_ms_max = 5 * 60 * 1000;
constexpr std::size_t answer_bytes_max = 256;

std::uint64_t least(std::uint64_t a, std::uint64_t b) { return a < b ? a : b; }

}  // namespace

Session::Progress Session::answer_failure(const frames::FrameView& frame, Failure failure, std::string_view text) {
    if (!output_room(answer_bytes_max)) return Progress::blocked;
    Writer out = output();
    frames::encode_failure(out, frame.kind, frame.correlation, failure, text.substr(0, 160));
    written(out);
    return Progress::done;
}

Session::Progress Session::handle_fetch(const frames::FrameView& frame) {
    const auto wanted = frames::decode_fetch(frame.body, frame.flags);
    if (!wanted) return fail(wanted.failure());
    if (too_many_requests()) return fail(rivulet::fail(Error::limit_reached, requests_max), "outstanding requests");
    broker::Broker& broker = hub_.broker();
    store::Log* log = nullptr;
    if (wanted->by_alias) {
        const Alias* const alias = hub_.aliases().find(s_.aliases, wanted->alias);
        if (!alias) return answer_failure(frame, rivulet::fail(Error::unknown_alias));
        if (alias->error != Error::none) return answer_failure(frame, rivulet::fail(alias->error));
        if (alias->placement != frames::Placement::partition) return answer_failure(frame, rivulet::fail(Error::invalid_argument), "the alias has no one partition");
        log = broker.store().find(alias->first_log + static_cast<std::uint64_t>(alias->partition));
    } else if (const broker::Topic* topic = broker.find_topic(wanted->topic)) {
        log = broker.partition(*topic, wanted->partition);
    }
    if (!log) return answer_failure(frame, rivulet::fail(Error::unknown_topic_or_partition), wanted->topic);
    if (wanted->epoch.value >= 0 && wanted->epoch != log->epoch)
        return answer_failure(frame, rivulet::fail(wanted->epoch < log->epoch ? Error::fenced_epoch : Error::unknown_epoch, log->epoch.value));
    Offset offset = wanted->offset;
    if (offset.value == frames::fetch_latest) offset = log->high_watermark();
    else if (offset.value == frames::fetch_earliest) offset = log->start;
    else if (offset.value < 0) return answer_failure(frame, rivulet::fail(Error::invalid_argument), "offset");

    FetchRequest* const request = hub_.fetches().take();
    if (!request) return answer_failure(frame, rivulet::fail(Error::busy), "limits.parked_fetches is reached");
    own(*request, frame);
    request->log = log->id;
    request->offset = offset;
    const std::uint64_t frame_room = s_.frame_bytes_max - frames::fetched_head_bytes_max;
    request->bytes_max = static_cast<std::size_t>(least(least(wanted->bytes_max, hub_.options().inflight_bytes), frame_room));
    request->bytes_min = static_cast<std::size_t>(least(wanted->bytes_min, request->bytes_max));
    request->wait_ns_max = static_cast<std::int64_t>(least(wanted->wait_ms_max, wait_ms_max)) * ns_per_ms;
    broker.fetch(*request);
    return Progress::done;
}

Session::Progress Session::handle_offsets(const frames::FrameView& frame) {
    const auto query = frames::decode_offsets(frame.body);
    if (!query) return fail(query.failure());
    const broker::Topic* const topic = hub_.broker().find_topic(query->topic);
    const store::Log* const log = topic ? hub_.broker().partition(*topic, query->partition) : nullptr;
    if (!log) return answer_failure(frame, rivulet::fail(Error::unknown_topic_or_partition), query->topic);
    if (query->at >= 0) return answer_failure(frame, rivulet::fail(Error::unsupported), "offsets by time come in a later version");
    if (query->at < frames::fetch_earliest) return answer_failure(frame, rivulet::fail(Error::invalid_argument));
    if (!output_room(answer_bytes_max)) return Progress::blocked;
    Writer out = output();
    const Offset offset = query->at == frames::fetch_latest ? log->high_watermark() : log->start;
    frames::encode_offset_found(out, frame.correlation, {offset, Timestamp(-1), log->epoch});
    written(out);
    return Progress::done;
}

Session::Progress Session::handle_metadata(const frames::FrameView& frame) {
    if (const Status status = frames::decode_metadata(frame.body); !status) return fail(status.failure());
    if (!output_room(answer_bytes_max)) return Progress::blocked;
    // The address that the client has reached is one that it can reach.
    const env::Address local = connection_->local();
    char buffer[64];
    Text host(buffer);
    env::Address bare = local;
    bare.port = 0;
    host << bare;
    std::string_view text = host.view();
    if (const std::size_t colon = text.rfind(':'); colon != std::string_view::npos) text = text.substr(0, colon);
    if (!text.empty() && text.front() == '[') text = text.substr(1, text.size() - 2);
    const std::uint64_t id = hub_.options().node;
    const frames::Node node{id, text, local.port};
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
