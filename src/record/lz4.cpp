#include "record/lz4.h"

namespace rivulet::record {

namespace {

constexpr std::uint32_t magic_number = 0x184d2204;
constexpr std::uint8_t flag_independent = 0x20;
constexpr std::uint8_t flag_block_checksum = 0x10;
constexpr std::uint8_t flag_content_size = 0x08;
constexpr std::uint8_t flag_content_checksum = 0x04;
constexpr std::uint8_t flags_wrong = 0x03;  // reserved, and dictionary id
constexpr std::uint32_t raw_block = 0x80000000;
constexpr std::size_t match_min = 4;

}  // namespace

Error Lz4Decoder::run(Bytes& input, ContentWindow& window) {
    for (;;) {
        const std::size_t before = input.size();
        const std::size_t end = window.end();
        const State state = state_;
        if (const Error error = step(input, window); error != Error::none) return error;
        produced_ += window.end() - end;
        if (bad_ || produced_ - block_start_ > block_max_) return Error::invalid_record;
        if (before == input.size() && end == window.end() && state == state_) break;
    }
    hash(window);
    return Error::none;
}

// Of what was put out since the last time.
void Lz4Decoder::hash(ContentWindow& window) {
    if ((flags_ & flag_content_checksum) != 0) content_hash_.update(window.last(static_cast<std::size_t>(produced_ - seen_)));
    seen_ = produced_;
}

// A field within a block, which counts against it.
bool Lz4Decoder::take(Bytes& input, std::size_t n) {
    const std::size_t before = input.size();
    const bool done = field_.gather(input, n);
    const std::size_t taken = before - input.size();
    if (taken > block_left_) bad_ = true;
    else block_left_ -= static_cast<std::uint32_t>(taken);
    if ((flags_ & flag_block_checksum) != 0 && done) block_hash_.update(field_.bytes());
    return done && !bad_;
}

bool Lz4Decoder::take_length(Bytes& input) {
    while (take(input, 1)) {
        length_ += field_.data()[0];
        if (length_ > block_max_) bad_ = true;
        if (field_.data()[0] != 255) return !bad_;
    }
    return false;
}

void Lz4Decoder::after_literals() {
    if (block_left_ != 0) state_ = State::offset;
    else state_ = (flags_ & flag_block_checksum) != 0 ? State::block_checksum : State::block_size;
}

Error Lz4Decoder::step(Bytes& input, ContentWindow& window) {
    switch (state_) {
        case State::magic:
            if (!field_.gather(input, 4)) break;
            if (load_le<std::uint32_t>(field_.data()) != magic_number) return Error::invalid_record;
            state_ = State::descriptor;
            break;
        case State::descriptor:
            if (!field_.gather(input, 2)) break;
            flags_ = field_.data()[0];
            token_ = field_.data()[1];
            if ((flags_ & flags_wrong) != 0 || flags_ >> 6 != 1 || (token_ & 0x8f) != 0 || token_ >> 4 < 4) return Error::invalid_record;
            block_max_ = 1U << (8 + 2 * (token_ >> 4));
            descriptor_bytes_ = (flags_ & flag_content_size) != 0 ? 9 : 1;
            state_ = State::descriptor_rest;
            break;
        case State::descriptor_rest:
            if (!field_.gather(input, descriptor_bytes_)) break;
            return take_descriptor();
        case State::block_size:
            if (!field_.gather(input, 4)) break;
            hash(window);
            return take_block_size();
        case State::raw:
        case State::literals: {
            if (length_ > block_left_) return Error::invalid_record;
            const Bytes from = input;
            const std::size_t before = length_;
            window.literal(input, length_);
            block_left_ -= static_cast<std::uint32_t>(before - length_);
            if ((flags_ & flag_block_checksum) != 0) block_hash_.update(from.first(before - length_));
            if (length_ == 0) after_literals();
            break;
        }
        case State::token:
            if (!take(input, 1)) break;
            token_ = field_.data()[0];
            length_ = token_ >> 4;
            state_ = length_ == 15 ? State::literal_length : State::literals;
            break;
        case State::literal_length:
            if (take_length(input)) state_ = State::literals;
            break;
        case State::offset: {
            if (!take(input, 2)) break;
            offset_ = load_le<std::uint16_t>(field_.data());
            const std::uint64_t history = produced_ - ((flags_ & flag_independent) != 0 ? block_start_ : 0);
            if (offset_ == 0 || offset_ > history) return Error::invalid_record;
            length_ = token_ & 0x0f;
            state_ = length_ == 15 ? State::match_length : State::match;
            if (length_ != 15) length_ += match_min;
            break;
        }
        case State::match_length:
            if (!take_length(input)) break;
            length_ += match_min;
            state_ = State::match;
            break;
        case State::match:
            window.match(offset_, length_);
            if (length_ == 0) state_ = State::token;
            break;
        case State::block_checksum:
            if (!field_.gather(input, 4)) break;
            if (load_le<std::uint32_t>(field_.data()) != block_hash_.value()) return Error::invalid_record;
            state_ = State::block_size;
            break;
        case State::content_checksum:
            if (!field_.gather(input, 4)) break;
            if (load_le<std::uint32_t>(field_.data()) != content_hash_.value()) return Error::invalid_record;
            state_ = State::magic;
            break;
    }
    return Error::none;
}

Error Lz4Decoder::take_descriptor() {
    const std::uint8_t head[] = {flags_, token_};
    Xxh32 sum;
    sum.update(head);
    sum.update(field_.bytes().first(descriptor_bytes_ - 1));
    if (static_cast<std::uint8_t>(sum.value() >> 8) != field_.data()[descriptor_bytes_ - 1]) return Error::invalid_record;
    content_size_ = descriptor_bytes_ > 1 ? load_le<std::uint64_t>(field_.data()) : 0;
    produced_ = block_start_ = seen_ = 0;
    content_hash_ = Xxh32();
    any_ = true;
    state_ = State::block_size;
    return Error::none;
}

Error Lz4Decoder::take_block_size() {
    const auto size = load_le<std::uint32_t>(field_.data());
    block_start_ = produced_;
    if (size == 0) {
        if ((flags_ & flag_content_size) != 0 && content_size_ != produced_) return Error::invalid_record;
        state_ = (flags_ & flag_content_checksum) != 0 ? State::content_checksum : State::magic;
        return Error::none;
    }
    block_left_ = size & ~raw_block;
    if (block_left_ == 0 || block_left_ > block_max_) return Error::invalid_record;
    block_hash_ = Xxh32();
    length_ = block_left_;
    state_ = (size & raw_block) != 0 ? State::raw : State::token;
    return Error::none;
}

}  // namespace rivulet::record
