#include "wire/compact/frames.h"

#include "wire/compact/fields.h"

namespace rivulet::wire::compact {

namespace {

constexpr std::uint8_t magic[2] = {'r', 'v'};
constexpr std::uint64_t sequence_max = std::uint64_t{1} << 62;

void write_failure(Writer& body, Failure failure, std::string_view text) {
    body.varint(static_cast<std::uint64_t>(failure.error));
    body.zigzag_varint(failure.detail);
    body.text(text);
}

void encode_echo(Writer& out, Kind kind, const Ping& ping) {
    FrameEncoder frame(out, kind);
    frame.body().bytes(ping.echo);
    frame.finish();
}

}  // namespace

void encode_open(Writer& out, RunningCrc& sum, const Open& open) {
    FrameEncoder frame(out, Kind::open);
    Writer& body = frame.body();
    body.bytes(magic);
    body.varint(open.version);
    body.varint(open.features);
    body.le(open.session);
    body.le(open.incarnation);
    body.varint(open.base_sequence);
    body.zigzag_varint(open.base_time.value);
    body.varint(open.frame_bytes_max);
    body.text(open.name);
    frame.finish(sum);
}

Result<Open> decode_open(Bytes bytes) {
    Reader body(bytes);
    if (!equal(body.bytes(sizeof magic), magic)) return fail(Error::malformed);
    Open open;
    open.version = body.varint();
    if (!body.ok()) return fail(Error::malformed);
    if (open.version != protocol_version) return fail(Error::unsupported_version, static_cast<std::int64_t>(protocol_version));
    open.features = body.varint();
    open.session = body.le<std::uint64_t>();
    open.incarnation = body.le<std::uint32_t>();
    open.base_sequence = body.varint();
    open.base_time = Timestamp(body.zigzag_varint());
    open.frame_bytes_max = body.varint();
    open.name = body.text();
    const auto result = all_of(body, open);
    if (result && (open.base_sequence == 0 || open.base_sequence > sequence_max || open.frame_bytes_max < frame_bytes_before_open ||
                   open.name.size() > name_bytes_max))
        return fail(Error::invalid_argument);
    return result;
}

void encode_opened(Writer& out, RunningCrc& sum, const Opened& opened) {
    FrameEncoder frame(out, Kind::open, opened.clock_trusted ? flag::open_clock_trusted : std::uint8_t{0});
    Writer& body = frame.body();
    body.varint(opened.version);
    body.varint(opened.features);
    body.u8(static_cast<std::uint8_t>(opened.session_state));
    body.varint(opened.last_sequence);
    body.varint(opened.credit);
    body.zigzag_varint(opened.time.value);
    body.varint(opened.frame_bytes_max);
    body.varint(opened.aliases_max);
    body.varint(opened.requests_max);
    body.varint(opened.idle_ms_max);
    body.text(opened.software);
    frame.finish(sum);
}

Result<Opened> decode_opened(Bytes bytes, std::uint8_t flags) {
    Reader body(bytes);
    Opened opened;
    opened.clock_trusted = (flags & flag::open_clock_trusted) != 0;
    opened.version = body.varint();
    if (body.ok() && opened.version != protocol_version) return fail(Error::unsupported_version, static_cast<std::int64_t>(opened.version));
    opened.features = body.varint();
    const std::uint8_t state = body.u8();
    if (state > static_cast<std::uint8_t>(SessionState::forgotten)) body.invalidate();
    opened.session_state = static_cast<SessionState>(state);
    opened.last_sequence = body.varint();
    opened.credit = body.varint();
    opened.time = Timestamp(body.zigzag_varint());
    opened.frame_bytes_max = body.varint();
    opened.aliases_max = body.varint();
    opened.requests_max = body.varint();
    opened.idle_ms_max = body.varint();
    opened.software = body.text();
    if (opened.frame_bytes_max < frame_bytes_least || opened.last_sequence > sequence_max || opened.software.size() > name_bytes_max) body.invalidate();
    return all_of(body, opened);
}

void encode_alias(Writer& out, RunningCrc& sum, const Alias& alias) {
    FrameEncoder frame(out, Kind::alias, alias.confirm ? flag::alias_confirm : std::uint8_t{0});
    Writer& body = frame.body();
    body.varint(alias.id);
    body.u8(static_cast<std::uint8_t>(static_cast<unsigned>(alias.placement) | (static_cast<unsigned>(alias.acks) << 2)));
    body.text(alias.topic);
    if (alias.placement == Placement::partition) body.varint(alias.partition);
    if (alias.placement == Placement::key) body.block(alias.key);
    frame.finish(sum);
}

Result<Alias> decode_alias(Bytes bytes, std::uint8_t flags) {
    Reader body(bytes);
    Alias alias;
    alias.confirm = (flags & flag::alias_confirm) != 0;
    alias.id = body.varint();
    const unsigned how = body.u8();
    if ((how & 3U) == 3 || (how >> 2) > 2) body.invalidate();
    alias.placement = static_cast<Placement>(how & 3U);
    alias.acks = static_cast<Acks>(how >> 2);
    alias.topic = body.text();
    if (alias.placement == Placement::partition) alias.partition = body.varint();
    if (alias.placement == Placement::key) alias.key = body.block();
    return all_of(body, alias);
}

void encode_aliased(Writer& out, RunningCrc& sum, const Aliased& aliased) {
    FrameEncoder frame(out, Kind::alias);
    Writer& body = frame.body();
    body.varint(aliased.id);
    body.varint(static_cast<std::uint64_t>(aliased.error));
    if (aliased.error != Error::none) {
        body.text(aliased.text);
    } else {
        body.zigzag_varint(aliased.partition);
        body.varint(aliased.reading_bytes_max);
    }
    frame.finish(sum);
}

Result<Aliased> decode_aliased(Bytes bytes) {
    Reader body(bytes);
    Aliased aliased;
    aliased.id = body.varint();
    aliased.error = error_from_number(body.varint());
    if (aliased.error != Error::none) {
        aliased.text = body.text();
    } else {
        aliased.partition = body.zigzag_varint();
        aliased.reading_bytes_max = body.varint();
        if (aliased.partition < -1) body.invalidate();
    }
    return all_of(body, aliased);
}

void encode_ping(Writer& out, const Ping& ping) { encode_echo(out, Kind::ping, ping); }
void encode_pong(Writer& out, const Ping& ping) { encode_echo(out, Kind::pong, ping); }

Result<Ping> decode_ping(Bytes body) {
    if (body.size() > ping_bytes_max) return fail(Error::malformed);
    return Ping{body};
}

void encode_error(Writer& out, Failure failure, std::string_view text) {
    FrameEncoder frame(out, Kind::error);
    write_failure(frame.body(), failure, text);
    frame.finish();
}

Result<FatalError> decode_error(Bytes bytes) {
    Reader body(bytes);
    FatalError error;
    error.number = body.varint();
    error.error = error_from_number(error.number);
    error.detail = body.zigzag_varint();
    error.text = body.text();
    if (error.number == 0) body.invalidate();
    return all_of(body, error);
}

void encode_close(Writer& out, const Close& close) {
    FrameEncoder frame(out, Kind::close);
    frame.body().varint(static_cast<std::uint64_t>(close.reason));
    frame.finish();
}

Result<Close> decode_close(Bytes bytes) {
    Reader body(bytes);
    const Close close{error_from_number(body.varint())};
    return all_of(body, close);
}

Result<Answer> decode_answer(Bytes bytes) {
    Reader body(bytes);
    Answer answer;
    answer.number = body.varint();
    answer.error = error_from_number(answer.number);
    if (answer.error == Error::none) {
        answer.rest = body.rest();
    } else {
        answer.detail = body.zigzag_varint();
        answer.text = body.text();
    }
    return all_of(body, answer);
}

void encode_failure(Writer& out, Kind kind, std::uint64_t correlation, Failure failure, std::string_view text) {
    FrameEncoder frame(out, kind, correlation, 0);
    write_failure(frame.body(), failure, text);
    frame.finish();
}

void encode_done(Writer& out, Kind kind, std::uint64_t correlation) {
    FrameEncoder frame(out, kind, correlation, 0);
    frame.body().varint(0);
    frame.finish();
}

void encode_fetch(Writer& out, std::uint64_t correlation, const Fetch& fetch) {
    FrameEncoder frame(out, Kind::fetch, correlation, flags_of(fetch));
    Writer& body = frame.body();
    write_place(body, fetch);
    body.varint(fetch.bytes_max);
    body.varint(fetch.bytes_min);
    body.varint(fetch.wait_ms_max);
    frame.finish();
}

Result<Fetch> decode_fetch(Bytes bytes, std::uint8_t flags) {
    Reader body(bytes);
    Fetch fetch;
    read_place(body, flags, fetch);
    fetch.bytes_max = body.varint();
    fetch.bytes_min = body.varint();
    fetch.wait_ms_max = body.varint();
    return all_of(body, fetch);
}

void encode_fetched_head(Writer& out, std::uint64_t correlation, const LogState& state, std::size_t batches_bytes) {
    FrameEncoder frame(out, Kind::fetch, correlation, 0);
    frame.body().varint(0);
    write_state(frame.body(), state);
    frame.finish(batches_bytes);
}

Result<Fetched> decode_fetched(Bytes rest) {
    Reader body(rest);
    Fetched fetched;
    read_state(body, fetched);
    fetched.batches = body.rest();
    return all_of(body, fetched);
}

void encode_offsets(Writer& out, std::uint64_t correlation, const OffsetsQuery& query) {
    FrameEncoder frame(out, Kind::offsets, correlation, 0);
    frame.body().text(query.topic);
    frame.body().varint(query.partition);
    frame.body().zigzag_varint(query.at);
    frame.finish();
}

Result<OffsetsQuery> decode_offsets(Bytes bytes) {
    Reader body(bytes);
    OffsetsQuery query;
    query.topic = body.text();
    query.partition = body.varint();
    query.at = body.zigzag_varint();
    if (query.at < fetch_earliest) body.invalidate();
    return all_of(body, query);
}

void encode_offset_found(Writer& out, std::uint64_t correlation, const OffsetFound& found) {
    FrameEncoder frame(out, Kind::offsets, correlation, 0);
    Writer& body = frame.body();
    body.varint(0);
    write_offset(body, found.offset);
    body.zigzag_varint(found.time.value);
    body.zigzag_varint(found.epoch.value);
    frame.finish();
}

Result<OffsetFound> decode_offset_found(Bytes rest) {
    Reader body(rest);
    OffsetFound found;
    found.offset = read_offset(body);
    found.time = Timestamp(body.zigzag_varint());
    found.epoch = read_epoch(body);
    return all_of(body, found);
}

void encode_metadata(Writer& out, std::uint64_t correlation) { FrameEncoder(out, Kind::metadata, correlation, 0).finish(); }

Status decode_metadata(Bytes body) {
    if (!body.empty()) return fail(Error::malformed);
    return {};
}

Node Node::read(Reader& from) {
    Node node;
    node.id = from.varint();
    node.host = from.text();
    node.port = from.varint();
    if (node.port > 65535) from.invalidate();
    return node;
}

void encode_metadata_answer(Writer& out, std::uint64_t correlation, const Metadata& head, std::span<const Node> nodes) {
    FrameEncoder frame(out, Kind::metadata, correlation, 0);
    Writer& body = frame.body();
    body.varint(0);
    body.bytes(head.cluster.bytes);
    body.varint(head.node);
    body.zigzag_varint(head.controller);
    for (const Node& node : nodes) {
        body.varint(node.id);
        body.text(node.host);
        body.varint(node.port);
    }
    frame.finish();
}

Result<Metadata> decode_metadata_answer(Bytes rest) {
    Reader body(rest);
    Metadata metadata;
    const Bytes cluster = body.bytes(metadata.cluster.bytes.size());
    if (body.ok()) copy(cluster, metadata.cluster.bytes);
    metadata.node = body.varint();
    metadata.controller = body.zigzag_varint();
    metadata.nodes = List<Node>::to_end(body);
    return all_of(body, metadata);
}

}  // namespace rivulet::wire::compact
