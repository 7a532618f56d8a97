// What both ends of a connection know about its puts: sequence, credit, alias and time of the last one. The client encodes with it and
// the broker decodes with it, so that they cannot disagree.
// Owns:     a few numbers; one per connection and end. A decoded reading is a view into the receive buffer.
// Bounds:   no allocation.
// Errors:   encode: credit_exceeded, busy (no room in the Writer), invalid_argument; nothing is changed or written then. decode: malformed, unknown_alias (same-alias flag on a first put),
//           credit_exceeded. After a decode error the connection is closed.
// Format:   PROTOCOL.md, section 5 (PUT, PUTB, ACK).
#pragma once

#include "wire/compact/frames.h"

namespace rivulet::wire::compact {

// Kafka's record header, encoded on the wire as in Kafka's record, so that List<Header>::encoded() can be stored as it is.
struct Header {
    std::string_view key;
    bool has_value = true;
    Bytes value;
    static Header read(Reader& from);
};
// The encoded list; Writer overflow is sticky. Reading::headers of `headers`, pointing into `out`.
List<Header> encode_headers(Writer& out, std::span<const Header> headers);

// One reading: what the sensor says about a record.
struct Reading {
    bool stamped = false;   // false: the broker stamps
    Timestamp time{-1};     // when stamped; any value arrives as sent: the broker refuses those out of range
    bool has_key = false;
    Bytes key;
    bool has_value = true;  // false: a tombstone
    Bytes value;
    List<Header> headers;
};

// How times are coded: each as the change of the distance between the last two. A regular sensor's change is 0: one byte.
class TimeCode {
public:
    explicit TimeCode(Timestamp base = Timestamp(0)) : time_(static_cast<std::uint64_t>(base.value)) {}
    std::int64_t change_to(Timestamp time) const { return static_cast<std::int64_t>(static_cast<std::uint64_t>(time.value) - time_ - step_); }
    // Modulo 2^64: any bytes give some time.
    Timestamp advance(std::int64_t change) {
        step_ += static_cast<std::uint64_t>(change);
        time_ += step_;
        return Timestamp(static_cast<std::int64_t>(time_));
    }

private:
    std::uint64_t time_;
    std::uint64_t step_ = 0;
};

class PutState {
public:
    PutState() = default;
    explicit PutState(const Open& open);

    std::uint64_t sequence_next() const { return sequence_next_; }  // of the next reading
    std::uint64_t acked() const { return acked_; }                  // position of the last ACK
    std::uint64_t credit() const { return credit_; }                // bytes of puts that may still come
    // By Opened::credit; ACK's is granted by encode_ack() and decode_ack().
    void grant(std::uint64_t credit);

private:
    friend class PutCodec;
    std::uint64_t sequence_next_ = 1;
    std::uint64_t acked_ = 0;
    std::uint64_t credit_ = credit_initial;
    std::uint64_t alias_ = 0;
    bool alias_known_ = false;
    TimeCode time_;
};

// Client: one reading in a frame of its own. Its size is the caller's to hold against Opened::frame_bytes_max: put_frame_bytes().
std::size_t put_frame_bytes(const RunningCrc& sum, const PutState& state, std::uint64_t alias, const Reading& reading);
Status encode_put(Writer& out, RunningCrc& sum, PutState& state, std::uint64_t alias, const Reading& reading);

// Client: readings of one alias in one frame. All of them alike in what they have: stamped, key, value, headers.
class PackedPutEncoder {
public:
    // frame_bytes_max: what the broker takes; the Writer's room and the credit bound it too.
    PackedPutEncoder(Writer& out, RunningCrc& sum, PutState& state, std::uint64_t alias, std::size_t frame_bytes_max);
    // False: full, not alike, or a tombstone without a key (encode_put takes that); nothing changed.
    bool add(const Reading& reading);
    std::size_t count() const { return count_; }
    // Without a reading, nothing is written. Nothing counts before this: state and sum are as before if it is not called, and the
    // Writer is then the caller's to rewind.
    void finish();

private:
    void write_start(const Reading& reading);

    Writer& out_;
    RunningCrc& sum_;
    PutState& state_;
    std::uint64_t alias_;
    std::size_t start_;
    bool out_was_ok_;
    std::size_t frame_bytes_max_;  // the least of all bounds, less the check
    FrameEncoder frame_;
    std::size_t count_ = 0;
    std::uint8_t attributes_ = 0;
    bool stamped_ = false;
    TimeCode time_;
};

// Client: readings of equal length and spacing, no keys or headers. `values`: value_bytes each; `step` in ms, ignored when not stamped.
// invalid_argument: value_bytes 0, no values, or not a multiple.
Status encode_put_regular(Writer& out, RunningCrc& sum, PutState& state, std::uint64_t alias, bool stamped, Timestamp first, std::int64_t step,
                          std::size_t value_bytes, Bytes values);

// The readings of a PUT (one) or PUTB, as a lazy range.
class Readings {
public:
    class Iterator {
    public:
        const Reading& operator*() const { return reading_; }
        const Reading* operator->() const { return &reading_; }
        Iterator& operator++() { --left_; load(); return *this; }
        bool operator==(const Iterator& other) const { return left_ == other.left_; }

    private:
        friend class Readings;
        Iterator(const Readings& readings, std::size_t left);
        void load();

        const Readings* readings_;
        Reader reader_;
        TimeCode time_;
        std::size_t left_;
        Reading reading_;
    };

    std::size_t size() const { return count_; }
    Reading front() const { return *begin(); }  // there is always one
    Iterator begin() const { return {*this, count_}; }
    Iterator end() const { return {*this, 0}; }

private:
    friend class PutCodec;
    // Into the one before: what readings of this frame do not have, none of them has.
    void read(Reader& from, TimeCode& time, std::size_t index, Reading& reading) const;

    Bytes bytes_;
    std::size_t count_ = 0;
    std::uint8_t flags_ = 0;
    std::uint8_t attributes_ = 0;
    bool packed_ = false;
    std::uint64_t value_bytes_ = 0;     // regular, as the changes
    std::int64_t change_first_ = 0;
    std::int64_t change_second_ = 0;
    TimeCode time_;  // before the first
};

struct Puts {
    std::uint64_t alias = 0;
    std::uint64_t sequence_first = 0;  // of the first reading; they count on
    Readings readings;
};
// Broker: of a PUT or a PUTB. Spends the credit and counts the readings.
Result<Puts> decode_puts(const FrameView& frame, PutState& state);

// Broker: ack.sequence must not go back nor beyond what was received; the refused range lies within what was received and not yet acked.
void encode_ack(Writer& out, RunningCrc& sum, PutState& state, const Ack& ack);
// Client. malformed: acknowledges what was never sent.
Result<Ack> decode_ack(const FrameView& frame, PutState& state);

}  // namespace rivulet::wire::compact
