// Decodes LZ4 frames as a stream: history is 64 KiB, whatever the size of a block (4 MiB with some clients), so no block is ever held whole.
// Owns:     its position. Bounds: history_bytes of the window before its end; a few machine words.
// Errors:   invalid_record. Dictionaries, skippable and legacy frames are not Kafka's.
// Thread:   any.
// Format:   LZ4 frame format 1.6 (magic 0x184D2204): linked and independent blocks, checksums of header, blocks and content, which are all checked. Frames may follow one another.
#pragma once

#include "base/result.h"
#include "record/content_window.h"
#include "record/xxh32.h"

namespace rivulet::record {

class Lz4Decoder {
public:
    static constexpr std::size_t history_bytes = 64 * 1024;

    // Until all input is taken or the window's turn is over.
    Error run(Bytes& input, ContentWindow& window);
    bool complete() const { return state_ == State::magic && any_ && field_.between(); }

private:
    enum class State : std::uint8_t { magic, descriptor, descriptor_rest, block_size, raw, token, literal_length, literals, offset, match_length, match, block_checksum, content_checksum };

    Error step(Bytes& input, ContentWindow& window);
    Error take_descriptor();
    Error take_block_size();
    bool take(Bytes& input, std::size_t n);
    bool take_length(Bytes& input);  // the bytes that extend a length of 15; false: there are no more yet
    void after_literals();
    void hash(ContentWindow& window);

    FieldBuffer field_;
    State state_ = State::magic;
    std::uint8_t flags_ = 0;
    std::uint8_t token_ = 0;
    bool any_ = false;              // frame
    bool bad_ = false;              // a length that goes beyond its block
    std::uint32_t block_max_ = 0;
    std::uint32_t block_left_ = 0;  // of its input
    std::size_t descriptor_bytes_ = 0;
    std::size_t length_ = 0;        // of literals or of a match, still to come
    std::size_t offset_ = 0;
    std::uint64_t produced_ = 0;    // in this frame
    std::uint64_t block_start_ = 0;  // of that
    std::uint64_t content_size_ = 0;
    std::uint64_t seen_ = 0;        // produced_ when hash() was last called
    Xxh32 block_hash_;
    Xxh32 content_hash_;
};

}  // namespace rivulet::record
