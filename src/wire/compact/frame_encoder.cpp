#include "wire/compact/frame_encoder.h"

namespace rivulet::wire::compact {

namespace {

std::uint8_t kind_byte(Kind kind, std::uint8_t flags) { return static_cast<std::uint8_t>(static_cast<unsigned>(kind) | (unsigned{flags} << 5)); }

}  // namespace

FrameEncoder::FrameEncoder(Writer& out, Kind kind, std::uint8_t flags) : out_(out), start_(out.size()), kind_(kind) {
    out_.u8(0);
    out_.u8(kind_byte(kind, flags));
}

FrameEncoder::FrameEncoder(Writer& out, Kind kind, std::uint64_t correlation, std::uint8_t flags) : FrameEncoder(out, kind, flags) {
    out_.varint(correlation);
}

void FrameEncoder::set_flags(std::uint8_t flags) {
    if (out_.size() >= start_ + 2) out_.buffer()[start_ + 1] = kind_byte(kind_, flags);
}

std::size_t FrameEncoder::frame_bytes() const {
    const std::size_t after_length = out_.size() - start_ - 1;
    return varint_size(after_length) + after_length;
}

void FrameEncoder::put_length(std::size_t after_length) {
    const std::size_t have = out_.size() - start_ - 1;
    const std::size_t more = varint_size(after_length) - 1;
    out_.zeros(more);
    if (!out_.ok()) return;
    std::uint8_t* at = out_.buffer().data() + start_;
    if (more != 0) std::memmove(at + 1 + more, at + 1, have);
    Writer length({at, 1 + more});
    length.varint(after_length);
}

void FrameEncoder::finish(std::size_t elsewhere) {
    if (out_.ok()) put_length(out_.size() - start_ - 1 + elsewhere);
}

void FrameEncoder::finish(RunningCrc& sum) {
    const bool summed = sum.on() || kind_ == Kind::open;
    const std::size_t check = summed ? check_bytes : 0;
    if (!out_.ok()) return;
    put_length(out_.size() - start_ - 1 + check);
    if (!summed) return;
    if (!out_.ok() || out_.room() < check) return out_.zeros(check);  // overflow; the sum stays
    sum.add(out_.written().subspan(start_));
    out_.le(sum.check());
}

bool keep_if_fits(FrameEncoder& frame, std::size_t before, std::size_t frame_bytes_max) {
    Writer& body = frame.body();
    constexpr std::size_t length_growth = 3;  // finish() moves the frame by so much at most: the room must be there
    if (body.ok() && frame.frame_bytes() <= frame_bytes_max && body.room() >= length_growth) return true;
    body.rewind(before);
    return false;
}

}  // namespace rivulet::wire::compact
