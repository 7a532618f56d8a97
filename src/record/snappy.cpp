#include "record/snappy.h"

namespace rivulet::record {

namespace {

constexpr std::uint8_t magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

}  // namespace

Error SnappyDecoder::run(Bytes& input, ContentWindow& window) {
    if (state_ == State::start) {
        if (!field_.gather(input, input_bytes_ < sizeof magic ? input_bytes_ : sizeof magic)) return Error::none;
        framed_ = equal(field_.bytes(), magic);
        state_ = framed_ ? State::versions : State::content_size;
        if (!framed_) {
            // These were its beginning; so few decode to less than any window has room for.
            block_left_ = input_bytes_;
            std::uint8_t again[sizeof magic];
            Bytes beginning = Bytes(again).first(field_.bytes().size());
            copy(field_.bytes(), again);
            field_.reset();
            if (const Error error = decode(beginning, window); error != Error::none) return error;
            if (!beginning.empty()) return Error::invalid_record;
        }
    }
    return decode(input, window);
}

Error SnappyDecoder::decode(Bytes& input, ContentWindow& window) {
    for (;;) {
        const std::size_t before = input.size();
        const std::size_t end = window.end();
        const State state = state_;
        if (const Error error = step(input, window); error != Error::none) return error;
        produced_ += window.end() - end;
        if (bad_ || produced_ > content_size_) return Error::invalid_record;
        if (before == input.size() && end == window.end() && state == state_) return Error::none;
    }
}

bool SnappyDecoder::take(Bytes& input, std::size_t n) {
    const std::size_t before = input.size();
    const bool done = field_.gather(input, n);
    const std::size_t taken = before - input.size();
    if (taken > block_left_) bad_ = true;
    else block_left_ -= taken;
    return done && !bad_;
}

Error SnappyDecoder::step(Bytes& input, ContentWindow& window) {
    switch (state_) {
        case State::start:
            break;
        case State::magic_rest:
            if (!field_.gather(input, 4)) break;
            if (!equal(field_.bytes(), Bytes(magic).subspan(4))) return Error::invalid_record;
            state_ = State::versions;
            break;
        case State::versions:
            if (field_.gather(input, 8)) state_ = State::block_size;
            break;
        case State::block_size:
            if (!field_.gather(input, 4)) break;
            block_left_ = load_be<std::uint32_t>(field_.data());
            // Streams may follow one another.
            state_ = equal(field_.bytes(), Bytes(magic).first(4)) ? State::magic_rest : State::content_size;
            content_size_ = produced_ = 0;
            break;
        case State::content_size:
            if (!take(input, 1)) break;
            content_size_ |= std::uint64_t{field_.data()[0] & 0x7fU} << shift_;
            shift_ += 7;
            if ((field_.data()[0] & 0x80) != 0) {
                if (shift_ == 35) return Error::invalid_record;
                break;
            }
            if (content_size_ > UINT32_MAX) return Error::invalid_record;
            shift_ = 0;
            state_ = State::next;
            break;
        case State::next:
            state_ = State::tag;
            if (block_left_ != 0) break;
            if (produced_ != content_size_) return Error::invalid_record;
            state_ = framed_ ? State::block_size : State::over;
            break;
        case State::tag:
            if (!take(input, 1)) break;
            tag_ = field_.data()[0];
            length_ = tag_ >> 2;
            if ((tag_ & 3) == 0) {
                state_ = length_ < 60 ? State::literals : State::literal_size;
                ++length_;
            } else {
                length_ = (tag_ & 3) == 1 ? (length_ & 7) + 4 : length_ + 1;
                state_ = State::offset;
            }
            break;
        case State::literal_size: {
            const std::size_t n = (tag_ >> 2) - 59U;
            if (!take(input, n)) break;
            std::uint32_t size = 0;
            for (std::size_t i = n; i-- > 0;) size = size << 8 | field_.data()[i];
            if (size >= content_size_) return Error::invalid_record;
            length_ = size + std::size_t{1};
            state_ = State::literals;
            break;
        }
        case State::literals: {
            if (length_ > block_left_) return Error::invalid_record;
            const std::size_t before = length_;
            window.literal(input, length_);
            block_left_ -= before - length_;
            if (length_ == 0) state_ = State::next;
            break;
        }
        case State::offset: {
            const std::size_t n = (tag_ & 3) == 3 ? 4 : tag_ & 3;
            if (!take(input, n)) break;
            offset_ = field_.data()[0];
            if (n == 1) offset_ |= std::size_t{tag_ & 0xe0U} << 3;
            else for (std::size_t i = 1; i < n; ++i) offset_ |= std::size_t{field_.data()[i]} << (8 * i);
            if (offset_ == 0 || offset_ > produced_) return Error::invalid_record;
            if (offset_ > window.end()) return Error::out_of_memory_budget;
            state_ = State::match;
            break;
        }
        case State::match:
            // In the middle of a copy the window may have moved.
            if (offset_ > window.end()) return Error::out_of_memory_budget;
            window.match(offset_, length_);
            if (length_ == 0) state_ = State::next;
            break;
        case State::over:
            break;
    }
    return Error::none;
}

}  // namespace rivulet::record
