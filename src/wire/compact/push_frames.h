// Frames of a follower of one log, to whom batches are pushed: SUBSCRIBE, DATA, CREDIT. Feature `push`. A member of a group gets DATA and grants CREDIT, too, with slots (member_frames.h).
// Owns:     nothing. A decoded struct is a view into the receive buffer: valid until the frame is consumed.
// Bounds:   no allocation. What is under way is bounded by the credit that the follower grants, in bytes of whole DATA frames.
// Errors:   decode_*: malformed.
// Format:   PROTOCOL.md, section 6. The correlation of all three is the subscription's number, chosen by the client.
#pragma once

#include <optional>
#include <span>

#include "wire/compact/frames.h"

namespace rivulet::wire::compact {

// SUBSCRIBE, from the client.
struct Subscribe : LogPlace {
    std::uint64_t credit = 0;
};
void encode_subscribe(Writer& out, std::uint64_t correlation, const Subscribe& subscribe);
Result<Subscribe> decode_subscribe(Bytes body, std::uint8_t flags);

// SUBSCRIBE, the answer. Failures as of FETCH.
void encode_subscribed(Writer& out, std::uint64_t correlation, const LogState& state);
Result<LogState> decode_subscribed(Bytes rest);

// DATA, from the broker, without flag data_end.
struct Data {
    Offset offset{0};          // where these batches were read: the end of what was sent before, or beyond it if records between are gone
    Offset high_watermark{0};  // at least offset
    Bytes batches;             // Kafka record batches v2, verbatim, at least one; the first may start below offset
    std::optional<std::uint64_t> slot = std::nullopt;  // of a member of a group: flag data_slot
};
// Writes all but the batches, which the caller sends right behind from where they lie. Needs data_head_bytes_max of room.
void encode_data_head(Writer& out, std::uint64_t correlation, const Data& data, std::size_t batches_bytes);
constexpr std::size_t data_head_bytes_max = 5 + 1 + 5 + 3 * varint_bytes_max;
Result<Data> decode_data(Bytes body, std::uint8_t flags = 0);

// DATA with flag data_end: the subscription is over, by the client's wish (Error::none) or for a reason. The body is read by decode_answer().
void encode_data_end(Writer& out, std::uint64_t correlation, Failure why);

// CREDIT, from the client. To a subscription that is over it is nothing: the two may cross.
struct Position {
    std::uint64_t slot = 0;
    Offset offset{0};
    static Position read(Reader& from);
};
struct Credit {
    bool end = false;         // no more DATA, but for the one that says so
    std::uint64_t bytes = 0;  // granted in addition; 0 with end
    bool processed = false;   // of a member of a group: flag credit_processed
    List<Position> positions = {};  // then: what is below the offset is processed
};
void encode_credit(Writer& out, std::uint64_t correlation, const Credit& credit, std::span<const Position> positions = {});
Result<Credit> decode_credit(Bytes body, std::uint8_t flags);

}  // namespace rivulet::wire::compact
