// The kinds of frames and what the table (kinds.def) says about each.
// Owns:     nothing; constant tables.
// Errors:   admit() tells what a receiver does with a frame; unknown and reserved kinds are Error::unsupported.
// Format:   PROTOCOL.md, sections 2 and 3.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace rivulet::wire::compact {

constexpr std::uint64_t protocol_version = 1;

// Frame sizes count the whole frame, the length prefix included.
constexpr std::size_t frame_bytes_before_open = 256;  // both directions, until each side's OPEN has been read
constexpr std::size_t frame_bytes_least = 1024;       // the smallest limit that a broker may state; what a client may send before it knows
constexpr std::uint64_t credit_initial = 1024;        // bytes of puts that a client may send before the answer to OPEN
constexpr std::uint64_t correlation_max = 0xffffffff;
constexpr std::size_t name_bytes_max = 64;            // of a client, of the broker's software
constexpr std::size_t ping_bytes_max = 16;

enum class Kind : std::uint8_t {
    none = 0,  // never sent
#define RIVULET_FRAME(number, name, wire_name, sent_by, when, correlation, summed, flags_up, flags_down, text) name = number,
#define RIVULET_FRAME_RESERVED(number, name, wire_name, writer) name = number,
#include "wire/compact/kinds.def"
#undef RIVULET_FRAME
#undef RIVULET_FRAME_RESERVED
};
constexpr std::size_t kinds_max = 32;

// The two ends: a client opened the connection, a broker accepted it.
enum class Side : std::uint8_t { client, broker, either };
enum class When : std::uint8_t { fresh, open, always };

// A connection as one end sees it. fresh: the other side's OPEN has not been read; closing: CLOSE has been sent or read.
enum class State : std::uint8_t { fresh, open, closing };

struct KindInfo {
    Kind kind = Kind::none;
    const char* name = "?";  // as in PROTOCOL.md
    Side sent_by = Side::either;
    When when = When::always;
    bool defined = false;  // false: reserved or never assigned
    bool correlation = false;
    bool summed = false;
    std::uint8_t flags_up = 0;
    std::uint8_t flags_down = 0;
    const char* text = "";  // reserved: the future writer
};

// Never fails: of a value outside the table, the entry of Kind::none.
const KindInfo& kind_info(Kind kind);

// Flags: the three high bits of the kind byte, numbered from 0.
namespace flag {
constexpr std::uint8_t open_clock_trusted = 1;  // answer to OPEN: the time in it is trusted
constexpr std::uint8_t alias_confirm = 1;       // ALIAS: answer success too
constexpr std::uint8_t put_same_alias = 1;      // PUT, PUTB: the alias of the connection's previous put; no alias in the body
constexpr std::uint8_t put_unstamped = 2;       // PUT, PUTB: no times in the body; the broker stamps
constexpr std::uint8_t put_attributes = 4;      // PUT, PUTB: an attributes byte follows the alias
constexpr std::uint8_t ack_refusal = 1;         // ACK: a range of refused readings follows
constexpr std::uint8_t fetch_by_alias = 1;      // FETCH, SUBSCRIBE: an alias in place of topic and partition
constexpr std::uint8_t data_end = 1;            // DATA: the subscription is over; the body says why
constexpr std::uint8_t data_slot = 2;           // DATA: of a member of a group; the slot of the partition comes first
constexpr std::uint8_t credit_end = 1;          // CREDIT: the client wants no more
constexpr std::uint8_t credit_processed = 2;    // CREDIT: of a member of a group; positions follow
constexpr std::uint8_t commit_by_slot = 1;      // COMMIT: of a member, by slots
constexpr std::uint8_t assign_more = 1;         // ASSIGN, down: another frame about this generation follows
constexpr std::uint8_t page_more = 1;           // answers to TOPIC_LIST, TOPIC_DESCRIBE, GROUP: there is more after this page
}  // namespace flag

// Attributes byte of PUT and PUTB; any other bit is malformed.
namespace attribute {
constexpr std::uint8_t key = 1;
constexpr std::uint8_t headers = 2;
constexpr std::uint8_t null_value = 4;  // a tombstone: no value, where an empty one is a value
constexpr std::uint8_t regular = 8;     // PUTB: equal lengths and spacing, stated once
}  // namespace attribute

// Bits of OPEN's features.
namespace feature {
constexpr std::uint64_t integrity = 1;    // both directions' summed frames carry the check; needed on plain TCP
constexpr std::uint64_t push = 2;         // SUBSCRIBE, DATA, CREDIT
constexpr std::uint64_t groups = 4;       // ASSIGN, COMMIT, GROUP
constexpr std::uint64_t replication = 8;  // reserved: boards and replicas
constexpr std::uint64_t auth = 16;        // reserved: security
constexpr std::uint64_t known = integrity | push | groups;
}  // namespace feature

enum class Admission : std::uint8_t { take, discard, refuse };
// What the end `receiver` in `state` does with a frame that has arrived; refuse: ERROR out_of_order and close.
Admission admit(Kind kind, Side receiver, State state);

// A frame as it lies in a receive buffer.
struct FrameView {
    Kind kind = Kind::none;
    std::uint8_t flags = 0;         // 3 bits
    std::uint64_t correlation = 0;  // of requests and answers
    Bytes body;                     // without the check
    Bytes raw;                      // the whole frame, length prefix and check included
};

}  // namespace rivulet::wire::compact
