// Frames of a session: OPEN, ALIAS, ACK, PING, PONG, ERROR, CLOSE, FETCH, OFFSETS, METADATA. Puts: put_state.h. Topics: admin_frames.h.
// Owns:     nothing. A decoded struct is a view into the receive buffer: valid until the frame is consumed.
// Bounds:   no allocation, no copies; lists are lazy ranges (list.h).
// Errors:   decode_*: malformed, and what each says. encode_*: sticky overflow of the Writer (see frame_encoder.h).
// Format:   PROTOCOL.md, section 5. Decoders take the body that FrameReader gives, flags where they matter.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/units.h"
#include "base/uuid.h"
#include "wire/compact/frame_encoder.h"
#include "wire/compact/list.h"

namespace rivulet::wire::compact {

// OPEN, from the client.
struct Open {
    std::uint64_t version = protocol_version;
    std::uint64_t features = 0;
    std::uint64_t session = 0;        // 0: no session, at least once
    std::uint32_t incarnation = 0;    // random at each loss of the sensor's memory: resets the session's state
    std::uint64_t base_sequence = 1;  // of the first reading that this connection sends; the first of an incarnation is 1
    Timestamp base_time{0};           // where the times of the puts start
    std::uint64_t frame_bytes_max = 0;  // the largest frame that this client takes; at least frame_bytes_before_open
    std::string_view name;            // for logs; at most name_bytes_max
};
void encode_open(Writer& out, RunningCrc& sum, const Open& open);
// unsupported_version (detail: this build's, as ERROR says it), invalid_argument.
Result<Open> decode_open(Bytes body);

enum class SessionState : std::uint8_t {
    none = 0,       // session 0
    fresh = 1,      // never seen, or a new incarnation: counting starts at base_sequence
    resumed = 2,    // last_sequence is known
    forgotten = 3,  // base_sequence > 1 but the state was evicted or lost: what was sent and not acknowledged may be stored twice
};

// OPEN, the broker's answer.
struct Opened {
    std::uint64_t version = protocol_version;
    std::uint64_t features = 0;  // those asked for that hold on this connection
    SessionState session_state = SessionState::none;
    std::uint64_t last_sequence = 0;  // every reading up to it is settled; 0: nothing known
    std::uint64_t credit = 0;         // in addition to credit_initial
    Timestamp time{0};                // the broker's wall clock
    bool clock_trusted = false;
    std::uint64_t frame_bytes_max = 0;  // the largest frame that this broker takes
    std::uint64_t aliases_max = 0;      // ids are 0 .. aliases_max - 1
    std::uint64_t requests_max = 0;     // outstanding
    std::uint64_t idle_ms_max = 0;      // silent for longer: the broker closes; 0: never
    std::string_view software;          // name and version; at most name_bytes_max
};
void encode_opened(Writer& out, RunningCrc& sum, const Opened& opened);
Result<Opened> decode_opened(Bytes body, std::uint8_t flags);

enum class Placement : std::uint8_t {
    by_key = 0,     // a reading's own key by murmur2; without one: the partition fixed for the session
    partition = 1,  // always this partition
    key = 2,        // this key for readings without their own
};
enum class Acks : std::uint8_t { none = 0, leader = 1, all = 2 };

// ALIAS, from the client. Replaces an earlier alias of the same id.
struct Alias {
    std::uint64_t id = 0;
    Placement placement = Placement::by_key;
    Acks acks = Acks::leader;
    bool confirm = false;  // answer success too; a failure is always answered
    std::string_view topic;
    std::uint64_t partition = 0;  // Placement::partition
    Bytes key;                    // Placement::key
};
void encode_alias(Writer& out, RunningCrc& sum, const Alias& alias);
Result<Alias> decode_alias(Bytes body, std::uint8_t flags);

// ALIAS, the broker's answer. With an error, puts to the alias are refused with that error until it is replaced.
struct Aliased {
    std::uint64_t id = 0;
    Error error = Error::none;
    std::string_view text;               // of an error, may be empty
    std::int64_t partition = -1;         // of readings without their own key; -1: no one partition
    std::uint64_t reading_bytes_max = 0;  // key, value and headers of one reading
};
void encode_aliased(Writer& out, RunningCrc& sum, const Aliased& aliased);
Result<Aliased> decode_aliased(Bytes body);

// Refused readings: first .. first + count - 1. They are not stored, their numbers are consumed; it is final.
struct Refusal {
    std::uint64_t first = 0;
    std::uint64_t count = 0;  // 0: none
    Error error = Error::none;
};

// ACK, from the broker. Encoded and decoded with the connection's PutState (put_state.h), which turns distances into sequences.
struct Ack {
    std::uint64_t sequence = 0;  // every reading up to it is settled: stored as its ack level says, or refused
    std::uint64_t credit = 0;    // bytes granted in addition
    Refusal refusal;
};

struct Ping {
    Bytes echo;  // at most ping_bytes_max
};
void encode_ping(Writer& out, const Ping& ping);
void encode_pong(Writer& out, const Ping& ping);
Result<Ping> decode_ping(Bytes body);

// ERROR, from either side: why the connection closes now.
struct FatalError {
    Error error = Error::unknown;
    std::uint64_t number = 0;  // as received, for one that this build does not know
    std::int64_t detail = 0;
    std::string_view text;
};
void encode_error(Writer& out, Failure failure, std::string_view text);
Result<FatalError> decode_error(Bytes body);

// CLOSE, from either side. A broker that has read it settles what it has, sends the last acks and answers, then its own CLOSE.
struct Close {
    Error reason = Error::none;
};
void encode_close(Writer& out, const Close& close);
Result<Close> decode_close(Bytes body);

// Every answer to a request with a correlation starts like this; without an error, `rest` is what decode_fetched() and the others take.
struct Answer {
    Error error = Error::none;
    std::uint64_t number = 0;  // as received
    std::int64_t detail = 0;
    std::string_view text;  // of an error, may be empty
    Bytes rest;
};
Result<Answer> decode_answer(Bytes body);
// Answers a request with an error.
void encode_failure(Writer& out, Kind kind, std::uint64_t correlation, Failure failure, std::string_view text);
// Answers a request whose success has nothing to say (TOPIC_DELETE).
void encode_done(Writer& out, Kind kind, std::uint64_t correlation);

constexpr std::int64_t fetch_latest = -1;    // in place of an offset: the high watermark
constexpr std::int64_t fetch_earliest = -2;  // the log start

// What FETCH and SUBSCRIBE begin with: whose batches are asked for, and from where.
struct LogPlace {
    bool by_alias = false;    // flag 0
    std::uint64_t alias = 0;  // of a fixed partition
    std::string_view topic;
    std::uint64_t partition = 0;
    Offset offset{0};  // or fetch_latest, fetch_earliest
    Epoch epoch{-1};   // the leader epoch that the client knows; -1: not checked
};

// What their answers begin with: the log as it stands.
struct LogState {
    Offset offset{0};  // asked for, with latest and earliest resolved
    Epoch epoch{-1};   // the leader's
    Offset log_start{0};
    Offset high_watermark{0};
    Offset durable_end{0};
    Offset log_end{0};
};

// FETCH, from the client.
struct Fetch : LogPlace {
    std::uint64_t bytes_max = 0;  // of record batches; the first batch comes even if larger, unless it exceeds the client's frame limit
    std::uint64_t bytes_min = 0;  // wait for so many ...
    std::uint64_t wait_ms_max = 0;  // ... so long; then an answer with what is there, perhaps no batches
};
void encode_fetch(Writer& out, std::uint64_t correlation, const Fetch& fetch);
Result<Fetch> decode_fetch(Bytes body, std::uint8_t flags);

// FETCH, the answer. offset_out_of_range comes as a failure with detail = the log start if below it, else the log end.
struct Fetched : LogState {
    Bytes batches;  // Kafka record batches v2, verbatim; the first may start below offset
};
// Writes all but the batches, which the caller sends right behind from where they lie. Needs fetched_head_bytes_max of room.
void encode_fetched_head(Writer& out, std::uint64_t correlation, const LogState& state, std::size_t batches_bytes);
constexpr std::size_t fetched_head_bytes_max = 80;
Result<Fetched> decode_fetched(Bytes rest);

// OFFSETS, from the client.
struct OffsetsQuery {
    std::string_view topic;
    std::uint64_t partition = 0;
    std::int64_t at = fetch_latest;  // or fetch_earliest; >= 0: the earliest record of that time (ms) or later
};
void encode_offsets(Writer& out, std::uint64_t correlation, const OffsetsQuery& query);
Result<OffsetsQuery> decode_offsets(Bytes body);

struct OffsetFound {
    Offset offset{0};
    Timestamp time{-1};  // of the record there, if it was asked for by time; -1: none, and offset is the high watermark
    Epoch epoch{-1};
};
void encode_offset_found(Writer& out, std::uint64_t correlation, const OffsetFound& found);
Result<OffsetFound> decode_offset_found(Bytes rest);

// METADATA, from the client: empty body.
void encode_metadata(Writer& out, std::uint64_t correlation);
Status decode_metadata(Bytes body);

struct Node {
    std::uint64_t id = 0;
    std::string_view host;
    std::uint64_t port = 0;  // of the compact listener that the request came in by
    static Node read(Reader& from);
};
struct Metadata {
    Uuid cluster;
    std::uint64_t node = 0;        // the one that answers
    std::int64_t controller = -1;  // -1: none known
    List<Node> nodes;
};
void encode_metadata_answer(Writer& out, std::uint64_t correlation, const Metadata& head, std::span<const Node> nodes);
Result<Metadata> decode_metadata_answer(Bytes rest);

}  // namespace rivulet::wire::compact
