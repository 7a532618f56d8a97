// Decodes Snappy as a stream: raw, as librdkafka and franz-go send it, or in the frames of snappy-java, as Java, Sarama and kafka-python do.
// Owns:     its position. Bounds: a few machine words. History is what the window has kept of the block, half of it at least; compressors look back 64 KiB, the format allows for all.
// Errors:   invalid_record; out_of_memory_budget: it copies from what the window has no more.
// Thread:   any.
// Format:   snappy/format_description.txt; frames: 82 'SNAPPY' 00, two versions of 4 bytes, then blocks behind their length in 4 bytes, big-endian. (Not the framing of framing_format.txt, which Kafka does not use.)
#pragma once

#include "base/result.h"
#include "record/content_window.h"

namespace rivulet::record {

class SnappyDecoder {
public:
    explicit SnappyDecoder(std::size_t input_bytes = 0) : input_bytes_(input_bytes) {}

    // Until all input is taken or the window's turn is over.
    Error run(Bytes& input, ContentWindow& window);
    bool complete() const { return framed_ ? state_ == State::block_size && field_.between() : state_ == State::over; }

private:
    enum class State : std::uint8_t { start, magic_rest, versions, block_size, content_size, next, tag, literal_size, literals, offset, match, over };

    Error decode(Bytes& input, ContentWindow& window);
    Error step(Bytes& input, ContentWindow& window);
    bool take(Bytes& input, std::size_t n);

    FieldBuffer field_;
    State state_ = State::start;
    std::uint8_t tag_ = 0;
    bool framed_ = false;
    bool bad_ = false;
    unsigned shift_ = 0;
    std::size_t input_bytes_;
    std::uint64_t block_left_ = 0;     // of its input
    std::uint64_t content_size_ = 0;   // of the block
    std::uint64_t produced_ = 0;       // of that
    std::size_t length_ = 0;           // of literals or of a match, still to come
    std::size_t offset_ = 0;
};

}  // namespace rivulet::record
