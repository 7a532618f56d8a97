// Cuts a receive buffer into frames, incrementally, and checks the running sum.
// Owns:     the sum of its direction, the limit. The buffer is the caller's.
// Bounds:   no allocation; never asks for more than the limit. A frame is a view into the buffer.
// Errors:   malformed (length, flags, correlation), frame_too_large, unsupported (kind), integrity. All are fatal: ERROR, then close.
//           State and direction are not judged here: admit() (kinds.h).
// Format:   PROTOCOL.md, sections 2 and 4.
#pragma once

#include "base/result.h"
#include "wire/compact/kinds.h"
#include "wire/compact/running_crc.h"

namespace rivulet::wire::compact {

class FrameReader {
public:
    // sender: whose frames these are. The limit starts at frame_bytes_before_open.
    explicit FrameReader(Side sender) : sender_(sender) {}

    // After OPEN: the limit that this end has stated in its own OPEN or answer.
    void set_frame_bytes_max(std::size_t bytes) { frame_bytes_max_ = bytes; }
    std::size_t frame_bytes_max() const { return frame_bytes_max_; }
    // After OPEN: whether feature::integrity holds. OPEN itself always carries the check.
    void set_integrity(bool on) { sum_.set_on(on); }

    enum class Outcome : std::uint8_t { need_more, frame, failed };
    struct Step {
        Outcome outcome = Outcome::need_more;
        std::size_t bytes = 0;  // frame: consumed. need_more: of the whole frame as far as known; more than `received` has
        FrameView frame;
        Failure failure;
    };
    // `received`: all bytes that arrived and were not consumed yet, from a frame's first on. Each whole frame is given once.
    Step next(Bytes received);

private:
    Side sender_;
    std::size_t frame_bytes_max_ = frame_bytes_before_open;
    RunningCrc sum_;
};

}  // namespace rivulet::wire::compact
