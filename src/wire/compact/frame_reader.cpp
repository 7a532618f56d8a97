#include "wire/compact/frame_reader.h"

namespace rivulet::wire::compact {

namespace {

FrameReader::Step failed(Error error, std::int64_t detail = 0) {
    FrameReader::Step step;
    step.outcome = FrameReader::Outcome::failed;
    step.failure = fail(error, detail);
    return step;
}

FrameReader::Step need(std::size_t bytes) {
    FrameReader::Step step;
    step.bytes = bytes;
    return step;
}

}  // namespace

FrameReader::Step FrameReader::next(Bytes received) {
    std::uint64_t length = 0;
    std::size_t prefix = 0;
    for (;;) {
        if (prefix == received.size()) return need(prefix + (prefix == 0 ? 2U : 1U));
        const std::uint8_t byte = received[prefix];
        if (prefix == 4) return failed(Error::frame_too_large);  // five bytes of length: beyond any limit
        length |= std::uint64_t{byte & 0x7fU} << (7 * prefix);
        ++prefix;
        if ((byte & 0x80U) != 0) continue;
        if (byte == 0) return failed(Error::malformed);  // length 0, or not minimal
        break;
    }
    const std::size_t total = prefix + static_cast<std::size_t>(length);
    if (total > frame_bytes_max_) return failed(Error::frame_too_large, static_cast<std::int64_t>(total));
    if (received.size() == prefix) return need(total);

    Step step;
    step.frame.kind = static_cast<Kind>(received[prefix] & 0x1fU);
    step.frame.flags = received[prefix] >> 5;
    const KindInfo& info = kind_info(step.frame.kind);
    if (!info.defined) return failed(Error::unsupported, static_cast<std::int64_t>(step.frame.kind));
    const std::uint8_t flags_allowed = sender_ == Side::client ? info.flags_up : info.flags_down;
    if ((step.frame.flags & ~flags_allowed) != 0) return failed(Error::malformed);
    if (received.size() < total) return need(total);

    step.frame.raw = received.first(total);
    Bytes body = step.frame.raw.subspan(prefix + 1);
    if (info.summed && (sum_.on() || step.frame.kind == Kind::open)) {
        if (body.size() < check_bytes) return failed(Error::malformed);
        sum_.add(received.first(total - check_bytes));
        if (load_le<std::uint16_t>(received.data() + total - check_bytes) != sum_.check()) return failed(Error::integrity);
        body = body.first(body.size() - check_bytes);
    }
    if (info.correlation) {
        Reader reader(body);
        step.frame.correlation = reader.varint();
        if (!reader.ok() || step.frame.correlation > correlation_max) return failed(Error::malformed);
        body = reader.rest();
    }
    step.frame.body = body;
    step.outcome = Outcome::frame;
    step.bytes = total;
    return step;
}

}  // namespace rivulet::wire::compact
