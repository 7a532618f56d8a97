#include "wire/compact/frame_reader.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "wire/compact/frames.h"
#include "wire/compact/put_state.h"

using namespace rivulet;
using namespace rivulet::wire::compact;
using Buffer = std::vector<std::uint8_t>;
using Outcome = FrameReader::Outcome;

namespace {

FrameReader open_reader(Side sender = Side::client, std::size_t limit = 4096) {
    FrameReader reader(sender);
    reader.set_frame_bytes_max(limit);
    return reader;
}

Error error_of(Buffer bytes, Side sender = Side::client) {
    FrameReader reader = open_reader(sender);
    const auto step = reader.next(bytes);
    return step.outcome == Outcome::failed ? step.failure.error : Error::none;
}

// OPEN and some frames of a client; returns the ends of the frames.
std::vector<std::size_t> conversation(Writer& out, bool integrity) {
    std::vector<std::size_t> ends;
    RunningCrc sum;
    Open open;
    open.features = integrity ? feature::integrity : 0;
    open.frame_bytes_max = 1024;
    encode_open(out, sum, open);
    sum.set_on(integrity);
    ends.push_back(out.size());
    encode_alias(out, sum, {7, Placement::by_key, Acks::leader, false, "temps", 0, {}});
    ends.push_back(out.size());
    PutState state(open);
    state.grant(100000);
    Reading reading;
    reading.value = as_bytes("0123456789");
    for (int i = 0; i < 3; ++i) {
        REQUIRE(encode_put(out, sum, state, 7, reading));
        ends.push_back(out.size());
    }
    encode_ping(out, {as_bytes("x")});
    ends.push_back(out.size());
    const Buffer large(300, 'v');
    reading.value = large;
    REQUIRE(encode_put(out, sum, state, 7, reading));
    ends.push_back(out.size());
    encode_fetch(out, 70000, {});
    ends.push_back(out.size());
    REQUIRE(out.ok());
    return ends;
}

}  // namespace

TEST_CASE("compact frame reader: every cut of a conversation gives the same frames") {
    for (const bool integrity : {true, false}) {
        std::uint8_t buffer[2048];
        Writer out(buffer);
        const auto ends = conversation(out, integrity);
        for (std::size_t piece = 1; piece <= out.size(); piece = piece < 20 ? piece + 1 : piece * 2) {
            FrameReader reader = open_reader();
            std::size_t done = 0, frames = 0;
            for (std::size_t arrived = piece; frames < ends.size(); arrived += piece) {
                if (arrived > out.size()) arrived = out.size();
                for (;;) {
                    const auto step = reader.next(out.written().first(arrived).subspan(done));
                    REQUIRE(step.outcome != Outcome::failed);
                    if (step.outcome == Outcome::need_more) {
                        CHECK(step.bytes > arrived - done);
                        if (frames < ends.size()) CHECK(done + step.bytes <= ends[frames]);
                        break;
                    }
                    done += step.bytes;
                    REQUIRE(done == ends[frames++]);
                    CHECK(step.frame.raw.size() == step.bytes);
                    if (step.frame.kind == Kind::open) reader.set_integrity(integrity);
                    if (step.frame.kind == Kind::put) CHECK(step.frame.body.back() >= '0');  // the check is not in the body
                    if (step.frame.kind == Kind::fetch) CHECK(step.frame.correlation == 70000);
                    if (frames == ends.size()) break;
                }
            }
            CHECK(done == out.size());
        }
    }
}

TEST_CASE("compact frame reader: a flipped bit never passes as the frame that was sent") {
    std::uint8_t buffer[2048];
    Writer out(buffer);
    const auto ends = conversation(out, true);
    for (std::size_t bit = 0; bit < out.size() * 8; ++bit) {
        Buffer bytes(out.written().begin(), out.written().end());
        bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1U << (bit % 8)));
        FrameReader reader = open_reader();
        std::size_t done = 0;
        for (std::size_t frame = 0; frame < ends.size(); ++frame) {
            const bool hit = bit / 8 >= done && bit / 8 < ends[frame];
            const auto step = reader.next(Bytes(bytes).subspan(done));
            if (!hit) {
                REQUIRE(step.outcome == Outcome::frame);
                done += step.bytes;
                continue;
            }
            const std::uint8_t sent = out.written()[done + (ends[frame] - done > 128 ? 2 : 1)] & 0x1f;
            const bool summed = kind_info(static_cast<Kind>(sent)).summed;
            // A summed frame may turn into one that is not summed, or want more bytes; the next summed one tells.
            if (summed && step.outcome == Outcome::frame) CHECK(!kind_info(step.frame.kind).summed);
            break;
        }
    }
}

TEST_CASE("compact frame reader: a lost, repeated or swapped frame breaks the sum") {
    std::uint8_t buffer[2048];
    Writer out(buffer);
    const auto ends = conversation(out, true);
    const auto frame = [&](std::size_t i) { return out.written().subspan(i == 0 ? 0 : ends[i - 1], ends[i] - (i == 0 ? 0 : ends[i - 1])); };
    const auto run = [&](std::initializer_list<std::size_t> order) {
        FrameReader reader = open_reader();
        Error error = Error::none;
        for (const std::size_t i : order) error = reader.next(frame(i)).failure.error == Error::integrity ? Error::integrity : error;
        return error;
    };
    CHECK(run({0, 1, 2, 3, 4}) == Error::none);
    CHECK(run({0, 2}) == Error::integrity);
    CHECK(run({0, 1, 2, 2}) == Error::integrity);
    CHECK(run({0, 1, 3, 2}) == Error::integrity);
    CHECK(run({0, 1, 2, 4}) == Error::integrity);
}

TEST_CASE("compact frame reader: bad frames") {
    CHECK(error_of({0x00}) == Error::malformed);
    CHECK(error_of({0x80, 0x00}) == Error::malformed);                          // length 0 in two bytes
    CHECK(error_of({0x83, 0x00, 0x06}) == Error::malformed);                    // 3, not minimal
    CHECK(error_of({0x80, 0x80, 0x80, 0x80, 0x01}) == Error::frame_too_large);  // before the length is complete
    CHECK(error_of({0xff, 0xff, 0xff, 0xff}) == Error::none);
    CHECK(error_of({0xff, 0x3f}) == Error::frame_too_large);
    CHECK(error_of({0x02, 0x00, 0x00}) == Error::unsupported);
    CHECK(error_of({0x02, 0x18, 0x00}) == Error::unsupported);  // reserved
    CHECK(error_of({0x02, 0x1f, 0x00}) == Error::unsupported);
    CHECK(error_of({0x7f, 0x1f}) == Error::unsupported);        // before the body has arrived
    CHECK(error_of({0x02, 0x26, 0x00}) == Error::malformed);    // PING with a flag
    CHECK(error_of({0x02, 0x25, 0x00}, Side::client) == Error::malformed);   // a flag of the other direction
    CHECK(error_of({0x02, 0x03, 0x00}) == Error::malformed);                 // no room for the check
    CHECK(error_of({0x04, 0x03, 0x00, 0x00, 0x00}) == Error::integrity);
    CHECK(error_of({0x01, 0x0a}) == Error::malformed);                       // no correlation
    CHECK(error_of({0x03, 0x0a, 0x80, 0x00}) == Error::malformed);           // not minimal
    CHECK(error_of({0x06, 0x0a, 0xff, 0xff, 0xff, 0xff, 0x1f}) == Error::malformed);  // above 32 bits
    // Other protocols at this port: TLS, HTTP, Kafka.
    CHECK(admit(open_reader().next(Buffer{0x02, 0x06, 0x00}).frame.kind, Side::broker, State::fresh) == Admission::refuse);
    CHECK(error_of({0x16, 0x03, 0x01, 0x02}) == Error::none);  // a PUT so far: it does not end well
    CHECK(error_of({'G', 'E', 'T', ' '}) == Error::malformed);
    CHECK(error_of({0x00, 0x00, 0x00, 0x20}) == Error::malformed);
}

TEST_CASE("compact frame reader: the limit counts the whole frame") {
    Buffer frame(256, 0);
    frame[0] = 0xfe;  // 254 + 2
    frame[1] = 0x01;
    frame[2] = 0x07;
    FrameReader reader(Side::client);
    CHECK(reader.frame_bytes_max() == frame_bytes_before_open);
    auto step = reader.next(frame);
    CHECK(step.outcome == Outcome::frame);
    CHECK(step.bytes == 256);
    CHECK(reader.next(Bytes(frame).first(2)).bytes == 256);
    frame[0] = 0xff;
    step = reader.next(frame);
    CHECK(step.failure.error == Error::frame_too_large);
    CHECK(step.failure.detail == 257);
    reader.set_frame_bytes_max(257);
    step = reader.next(frame);
    CHECK(step.outcome == Outcome::need_more);
    CHECK(step.bytes == 257);
    CHECK(reader.next({}).bytes == 2);
}
