// The examples of PROTOCOL.md, and streams that hold what is encoded against them.
#pragma once

#include <doctest/doctest.h>

#include <cstdio>
#include <map>
#include <string>

#include "wire/compact/frame_reader.h"
#include "wire/compact/frames.h"

namespace rivulet::wire::compact::golden {

inline const std::map<std::string, std::string> examples = {
    {"OPEN", "25 01 72 76 01 01 88 77 66 55 44 33 22 11 d4 c3 b2 a1 29 80 a0 ab fe f9 62 80 08 08 62 6f 69 6c 65 72 2d 33 62 8e"},
    {"OPEN answer", "24 21 01 01 02 28 80 78 f4 a3 ab fe f9 62 80 40 10 08 e0 d4 03 0d 72 69 76 75 6c 65 74 20 30 2e 31 2e 30 af dd"},
    {"ALIAS partition", "0c 22 00 05 05 74 65 6d 70 73 03 e0 67"},
    {"ALIAS key", "15 02 01 0a 06 65 76 65 6e 74 73 08 62 6f 69 6c 65 72 2d 33 54 9b"},
    {"ALIAS answer", "08 02 00 00 06 c0 3e fc ef"},
    {"ALIAS refused", "0c 02 01 20 06 65 76 65 6e 74 73 a3 95"},
    {"PUT", "0a 03 00 d0 0f 32 31 2e 35 23 92"},
    {"PUT same alias", "08 23 06 32 31 2e 36 ed d6"},
    {"PUT unstamped", "06 43 01 6f 6e 60 32"},
    {"PUT key headers", "1a 83 00 03 0b 02 6b 37 02 08 75 6e 69 74 02 43 06 72 61 77 01 32 31 2e 37 59 e6"},
    {"PUT tombstone", "07 e3 05 02 6b 37 22 29"},
    {"PUTB", "12 24 06 04 32 31 2e 38 04 05 32 31 2e 38 35 09 00 2f 9e"},
    {"PUTB regular", "0e a4 08 08 e9 07 02 61 61 62 62 63 63 59 78"},
    {"ACK refusal", "08 25 08 51 03 01 20 15 16"},
    {"ACK", "05 05 03 0f 50 30"},
    {"PING", "03 06 70 31"},
    {"PONG", "03 07 70 31"},
    {"CLOSE", "02 09 00"},
    {"CLOSE broker", "02 09 36"},
    {"ERROR", "0b 08 08 12 07 61 6c 69 61 73 20 39"},
    {"FETCH", "12 0a 07 05 74 65 6d 70 73 03 d0 0f 01 80 80 04 01 f4 03"},
    {"FETCH by alias", "0b 2a 08 00 03 01 80 80 04 01 f4 03"},
    {"FETCH answer", "1d 0a 07 00 e8 07 04 00 ec 07 ee 07 f2 07 3c 72 65 63 6f 72 64 20 62 61 74 63 68 65 73 3e"},
    {"FETCH failed", "06 0a 08 27 e4 0f 00"},
    {"OFFSETS", "0a 0b 09 05 74 65 6d 70 73 03 01"},
    {"OFFSETS answer", "07 0b 09 00 ec 07 01 04"},
    {"METADATA", "02 0c 0a"},
    {"METADATA answer", "35 0c 0a 00 10 11 12 13 14 15 46 17 98 19 1a 1b 1c 1d 1e 1f 01 02 01 0c 31 39 32 2e 31 36 38 2e 37 2e 31 30 e8 47 02 0c 31 39 32 2e 31 36 38 2e 37 2e 31 31 e8 47"},
    {"TOPIC_CREATE", "31 0d 0b 05 74 65 6d 70 73 04 01 0c 72 65 74 65 6e 74 69 6f 6e 2e 6d 73 08 38 36 34 30 30 30 30 30 0a 64 75 72 61 62 69 6c 69 74 79 04 64 69 73 6b 00"},
    {"TOPIC_CREATE answer", "15 0d 0b 00 10 11 12 13 14 15 46 17 98 19 1a 1b 1c 1d 1e 1f 04 01"},
    {"TOPIC_LIST", "0a 0e 0c 06 65 76 65 6e 74 73 64"},
    {"TOPIC_LIST answer", "1c 2e 0c 00 05 74 65 6d 70 73 10 11 12 13 14 15 46 17 98 19 1a 1b 1c 1d 1e 1f 04 01 00"},
    {"TOPIC_DESCRIBE", "0a 0f 0d 05 74 65 6d 70 73 00 00"},
    {"TOPIC_DESCRIBE answer", "43 2f 0d 00 10 11 12 13 14 15 46 17 98 19 1a 1b 1c 1d 1e 1f 04 01 00 0c 72 65 74 65 6e 74 69 6f 6e 2e 6d 73 08 38 36 34 30 30 30 30 30 00 00 02 04 00 ee 07 ec 07 f2 07 e8 fb 03 01 01 01 01 01 01 c8 01 14"},
    {"TOPIC_DELETE", "08 11 0e 05 74 65 6d 70 73"},
    {"TOPIC_DELETE answer", "03 11 0e 00"},
    {"OFFSETS by time", "0f 0b 12 05 74 65 6d 70 73 03 d0 af ab fe f9 62"},
    {"OFFSETS by time answer", "0c 0b 12 00 e8 07 a0 b0 ab fe f9 62 04"},
    {"TOPIC_ALTER", "18 10 13 05 74 65 6d 70 73 00 0c 72 65 74 65 6e 74 69 6f 6e 2e 6d 73 00 00"},
    {"TOPIC_ALTER answer", "03 10 13 00"},
    {"SUBSCRIBE", "0d 12 0f 05 74 65 6d 70 73 03 03 01 80 40"},
    {"SUBSCRIBE answer", "0c 12 0f 00 00 04 00 ec 07 ee 07 f2 07"},
    {"DATA", "15 13 0f 00 ec 07 3c 72 65 63 6f 72 64 20 62 61 74 63 68 65 73 3e"},
    {"CREDIT", "03 14 0f 16"},
    {"CREDIT end", "02 34 0f"},
    {"DATA end", "03 33 0f 00"},
    {"ASSIGN join", "23 17 10 00 06 61 6c 61 72 6d 73 00 05 70 61 6e 65 6c 02 01 c8 df 02 e0 d4 03 88 27 80 40 05 74 65 6d 70 73"},
    {"ASSIGN joined", "0d 17 10 00 00 07 70 61 6e 65 6c 2d 31 07"},
    {"ASSIGN assigned", "1a 17 10 00 01 07 00 05 74 65 6d 70 73 02 d0 0f 04 01 05 74 65 6d 70 73 03 01 04"},
    {"DATA slot", "16 53 10 00 e8 07 04 3c 72 65 63 6f 72 64 20 62 61 74 63 68 65 73 3e"},
    {"CREDIT processed", "06 54 10 17 00 ec 07"},
    {"ASSIGN seek", "05 17 10 03 01 03"},
    {"ASSIGN sought", "0c 17 10 00 03 01 00 c8 01 c8 01 84 07"},
    {"ASSIGN not sought", "08 17 10 00 03 01 27 88 0e"},
    {"ASSIGN revoked", "05 17 10 00 02 01"},
    {"ASSIGN release", "04 17 10 02 01"},
    {"ASSIGN topics", "09 17 10 01 05 74 65 6d 70 73"},
    {"COMMIT by slot", "09 35 11 10 00 ec 07 02 6f 6b"},
    {"COMMIT", "14 15 12 06 61 6c 61 72 6d 73 05 74 65 6d 70 73 03 84 07 01 00"},
    {"COMMIT answer", "03 15 11 00"},
    {"GROUP list", "0c 16 14 00 07 6c 6f 67 67 65 72 73 64"},
    {"GROUP list answer", "16 36 14 00 07 72 65 61 64 65 72 73 08 63 6f 6e 73 75 6d 65 72 03 02"},
    {"GROUP describe", "0d 16 15 01 07 72 65 61 64 65 72 73 01 00"},
    {"GROUP describe answer", "2c 16 15 00 03 0a 08 63 6f 6e 73 75 6d 65 72 05 72 61 6e 67 65 02 06 61 70 70 2d 31 66 00 03 61 70 70 09 2f 31 30 2e 30 2e 30 2e 37 06"},
    {"GROUP offsets", "13 16 16 02 07 72 65 61 64 65 72 73 05 74 65 6d 70 73 02 00"},
    {"GROUP offsets answer", "1f 16 16 00 05 74 65 6d 70 73 03 d0 0f d8 0f 06 61 70 70 2d 31 66 05 74 65 73 74 73 00 01 01 00"},
    {"GROUP set", "17 16 17 03 07 72 65 61 64 65 72 73 05 74 65 6d 70 73 02 00 00 03 d0 0f"},
    {"GROUP set answer", "03 16 17 00"},
    {"GROUP set refused", "05 16 17 7a 00 00"},
    {"GROUP delete", "0b 16 18 04 07 72 65 61 64 65 72 73"},
};

inline std::string hex(Bytes bytes) {
    std::string out;
    char digits[4];
    for (const std::uint8_t b : bytes) {
        std::snprintf(digits, sizeof digits, "%02x ", b);
        out += digits;
    }
    if (!out.empty()) out.pop_back();
    return out;
}

inline void check_example(const std::string& name, Bytes bytes) {
    INFO(name);
    const auto found = examples.find(name);
    CHECK((found == examples.end() ? "none" : found->second) == hex(bytes));
}

// One end's encoded frames, each checked as it is written, then read back by the other end's reader.
struct Stream {
    explicit Stream(Side sender) : reader(sender) { reader.set_frame_bytes_max(4096); }

    // Call after encoding into `out`: the frame since the last call.
    FrameView frame(const std::string& name) {
        REQUIRE(out.ok());
        const Bytes bytes = out.written().subspan(done);
        check_example(name, bytes);
        done = out.size();
        const auto step = reader.next(bytes);
        INFO(name);
        REQUIRE(step.outcome == FrameReader::Outcome::frame);
        CHECK(step.bytes == bytes.size());
        return step.frame;
    }

    std::uint8_t buffer[4096];
    Writer out{buffer};
    std::size_t done = 0;
    RunningCrc sum;
    FrameReader reader;
};

inline Answer answer_of(const FrameView& frame) {
    auto answer = decode_answer(frame.body);
    REQUIRE(answer);
    return *answer;
}

}  // namespace rivulet::wire::compact::golden
