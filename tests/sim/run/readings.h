// What producers send. A reading's content follows from the seed, who sent it and its number, so any record that is read says which one it should be.
// Owns:     nothing; Content is a plain value. Bounds: a mark of 8 bytes in the value, or in the key of readings without room for it there, or in a header of deletions of states.
#pragma once

#include <optional>
#include <vector>

#include "record/batch.h"
#include "wire/compact/put_state.h"

#include "sim/random.h"

namespace rivulet::sim {

struct ReadingId {
    std::uint16_t producer = 0;
    std::uint8_t incarnation = 0;  // counted; the wire has a random number for it
    std::uint32_t sequence = 0;
    bool operator==(const ReadingId&) const = default;
};

constexpr std::uint16_t hostile_producer = 0xfffe;  // what it sends is damaged and must never be stored

// Chances in a hundred.
struct ReadingStyle {
    unsigned stamped = 100;
    unsigned keyed = 30;
    unsigned keys = 8;        // different ones
    unsigned headers = 10;
    unsigned tombstones = 2;  // of keys that nothing else has
    unsigned deletions = 0;   // of the keys that have values
    unsigned empty = 2;
    unsigned bad_time = 0;    // out of range: to be refused
    unsigned too_large = 0;   // likewise
    std::uint32_t value_min = 8;
    std::uint32_t value_max = 100;
    std::uint32_t reading_max = 1024;  // of one that is to be taken
    std::uint32_t batch_max = 1024;    // a value of this size does not fit its topic
    std::uint32_t frame_max = 1024;    // that even a reading to be refused must fit
    std::int64_t period_ms = 1000;
    std::int64_t jitter_ms = 50;
};

struct Content {
    bool stamped = false;
    std::int64_t time = -1;
    bool has_key = false;
    bool has_value = true;
    bool bad_time = false;
    bool too_large = false;
    std::int32_t header_count = 0;
    std::vector<std::uint8_t> key;
    std::vector<std::uint8_t> value;
    std::vector<std::uint8_t> headers;  // as in Kafka's record
    // Points into this object.
    wire::compact::Reading reading() const;
};

Content make_reading(std::uint64_t seed, ReadingId id, const ReadingStyle& style);
// Whose a record is, by its mark; nothing if it has none.
std::optional<ReadingId> read_mark(Bytes key, Bytes value, Bytes headers);
void write_mark(ReadingId id, MutableBytes out);
constexpr std::size_t mark_bytes = 8;

}  // namespace rivulet::sim
