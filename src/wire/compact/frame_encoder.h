// Writes one frame into a Writer: kind, correlation, then the body by the caller, then length and check.
// Owns:     nothing; the Writer is the caller's.
// Bounds:   no allocation. A full Writer drops the frame's tail and stays !ok(): rewind it to the size that it had before.
// Format:   PROTOCOL.md, section 2.
#pragma once

#include "base/bytes.h"
#include "wire/compact/kinds.h"
#include "wire/compact/running_crc.h"

namespace rivulet::wire::compact {

class FrameEncoder {
public:
    // One byte is kept for the length; finish() moves the frame if it takes more.
    FrameEncoder(Writer& out, Kind kind, std::uint8_t flags = 0);
    FrameEncoder(Writer& out, Kind kind, std::uint64_t correlation, std::uint8_t flags);

    Writer& body() { return out_; }
    void set_flags(std::uint8_t flags);
    // What the frame takes so far, with its length prefix but without a check.
    std::size_t frame_bytes() const;

    // elsewhere: bytes of the body that follow the Writer's from other buffers of the same write.
    void finish(std::size_t elsewhere = 0);
    // For summed frames. The sum advances only if the frame fits.
    void finish(RunningCrc& sum);

private:
    void put_length(std::size_t after_length);

    Writer& out_;
    std::size_t start_;
    Kind kind_;
};

// Of pages, whose frame may take frame_bytes_max: what was written beyond `before` and does not fit is taken back.
bool keep_if_fits(FrameEncoder& frame, std::size_t before, std::size_t frame_bytes_max);

}  // namespace rivulet::wire::compact
