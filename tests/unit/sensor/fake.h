// A sensor with a transport of bytes in memory, and a broker of a few lines that answers it through the codec of src/wire/compact, which was
// written apart from the library.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sensor/rivulet_sensor.h"
#include "wire/compact/frame_reader.h"
#include "wire/compact/put_state.h"

namespace rivulet::sensor_test {

namespace frames = rivulet::wire::compact;
using Buffer = std::vector<std::uint8_t>;

struct SensorOptions {
    std::size_t ring_bytes = 1024;
    std::size_t out_bytes = 512;
    std::uint8_t clock = RVS_CLOCK_OWN;
    std::uint8_t when_full = RVS_REFUSE_NEWEST;
    std::uint8_t eager = 0;
    std::uint64_t session = 0x1122334455667788;
};

class FakeSensor {
public:
    explicit FakeSensor(const SensorOptions& options = {}) : ring(options.ring_bytes), out(options.out_bytes) {
        rvs_config config{};
        config.ring = ring.data();
        config.ring_bytes = ring.size();
        config.out = out.data();
        config.out_bytes = out.size();
        config.write = [](void* me, const std::uint8_t* bytes, std::size_t n) { return static_cast<FakeSensor*>(me)->write(bytes, n); };
        config.event = [](void* me, const rvs_event* event) { static_cast<FakeSensor*>(me)->events.push_back(*event); };
        config.context = this;
        config.name = "test";
        config.session = options.session;
        config.incarnation = 7;
        config.clock = options.clock;
        config.when_full = options.when_full;
        config.eager = options.eager;
        REQUIRE(rvs_init(&s, &config) == RVS_OK);
    }
    FakeSensor(const FakeSensor&) = delete;
    FakeSensor& operator=(const FakeSensor&) = delete;

    int add(const char* topic, std::uint8_t placement = RVS_PARTITION, std::uint32_t partition = 3) {
        auto alias = std::make_unique<rvs_alias>();
        alias->topic = topic;
        alias->placement = placement;
        alias->partition = partition;
        alias->acks = RVS_ACKS_LEADER;
        aliases.push_back(std::move(alias));
        return rvs_add_alias(&s, aliases.back().get());
    }
    int put(std::string_view value, std::uint64_t time = RVS_UNSTAMPED, std::uint8_t alias = 0) {
        return rvs_put(&s, alias, nullptr, 0, value.data(), value.size(), time);
    }
    int put_keyed(std::string_view key, std::string_view value, std::uint64_t time = RVS_UNSTAMPED, std::uint8_t alias = 0) {
        return rvs_put(&s, alias, key.data(), key.size(), value.data(), value.size(), time);
    }
    Buffer take() { return std::exchange(wire, {}); }
    std::size_t count(std::uint8_t kind) const {
        return static_cast<std::size_t>(std::count_if(events.begin(), events.end(), [&](const rvs_event& e) { return e.kind == kind; }));
    }
    const rvs_event& last(std::uint8_t kind) const {
        for (std::size_t i = events.size(); i-- > 0;)
            if (events[i].kind == kind) return events[i];
        FAIL("no such event");
        return events.front();
    }

    rvs_sensor s;
    Buffer ring, out;
    Buffer wire;                     // what the transport has taken
    std::size_t piece = SIZE_MAX;    // the most that it takes at once
    std::size_t room = SIZE_MAX;     // and in all
    bool lost = false;
    std::vector<rvs_event> events;
    std::vector<std::unique_ptr<rvs_alias>> aliases;

private:
    int write(const std::uint8_t* bytes, std::size_t n) {
        if (lost) return -1;
        n = std::min({n, piece, room});
        wire.insert(wire.end(), bytes, bytes + n);
        if (room != SIZE_MAX) room -= n;
        return static_cast<int>(n);
    }
};

struct Got {
    std::uint64_t sequence = 0;
    std::uint64_t alias = 0;
    std::int64_t time = -1;  // -1: unstamped
    std::optional<std::string> key;
    std::optional<std::string> value;
};

// One connection's other end.
class FakeBroker {
public:
    void feed(const Buffer& bytes) {
        received.insert(received.end(), bytes.begin(), bytes.end());
        for (;;) {
            const auto step = reader.next(Bytes(received));
            REQUIRE(step.outcome != frames::FrameReader::Outcome::failed);
            if (step.outcome != frames::FrameReader::Outcome::frame) return;
            take(step.frame);
            received.erase(received.begin(), received.begin() + static_cast<std::ptrdiff_t>(step.bytes));
        }
    }
    template <class Encode>
    void encode(Encode how) {
        std::uint8_t room[4096];
        Writer writer(room);
        how(writer);
        REQUIRE(writer.ok());
        out.insert(out.end(), room, room + writer.size());
    }
    Buffer answers() { return std::exchange(out, {}); }
    void answer_open() {
        puts.grant(credit);
        encode([&](Writer& w) {
            frames::Opened o;
            o.features = frames::feature::integrity;
            o.session_state = session_state;
            o.credit = credit;
            o.time = Timestamp(time);
            o.clock_trusted = trusted;
            o.frame_bytes_max = 8192;
            o.aliases_max = 16;
            o.requests_max = 8;
            o.idle_ms_max = idle_ms;
            o.software = software;
            frames::encode_opened(w, sum, o);
        });
    }
    void answer_alias(std::uint64_t id, Error why = Error::none) {
        encode([&](Writer& w) { frames::encode_aliased(w, sum, {id, why, why == Error::none ? "" : "why", 3, 8000}); });
    }
    // All that was received and not acknowledged, or up to a sequence.
    void ack(std::uint64_t more_credit = 0, std::uint64_t sequence = 0, frames::Refusal refusal = {}) {
        if (sequence == 0) sequence = puts.sequence_next() - 1;
        encode([&](Writer& w) { frames::encode_ack(w, sum, puts, {sequence, more_credit, refusal}); });
    }
    std::size_t frames_of(frames::Kind kind) const { return static_cast<std::size_t>(std::count(kinds.begin(), kinds.end(), kind)); }

    // how it answers
    bool automatic = true;
    std::uint64_t credit = 15360;
    std::int64_t time = 1'700'000'000'000;
    bool trusted = true;
    std::uint64_t idle_ms = 60000;
    Error alias_error = Error::none;
    std::string software = "rivulet 0.1.0";
    frames::SessionState session_state = frames::SessionState::fresh;

    frames::FrameReader reader{frames::Side::client};
    frames::RunningCrc sum;
    frames::PutState puts;
    frames::Open opened;
    std::string name;
    Buffer received;
    Buffer out;
    std::vector<frames::Kind> kinds;
    std::vector<std::size_t> put_bytes;  // of each PUT and PUTB frame
    std::vector<Buffer> bodies;
    std::vector<Got> got;
    Error error = Error::none;

private:
    static std::string text(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
    void take(const frames::FrameView& frame) {
        kinds.push_back(frame.kind);
        bodies.emplace_back(frame.body.begin(), frame.body.end());
        switch (frame.kind) {
        case frames::Kind::open: {
            const auto open = frames::decode_open(frame.body);
            REQUIRE(open.ok());
            opened = *open;
            name = open->name;
            puts = frames::PutState(*open);
            reader.set_frame_bytes_max(8192);
            if (automatic) answer_open();
            break;
        }
        case frames::Kind::alias: {
            const auto alias = frames::decode_alias(frame.body, frame.flags);
            REQUIRE(alias.ok());
            CHECK(alias->confirm);
            if (automatic) answer_alias(alias->id, alias_error);
            break;
        }
        case frames::Kind::put:
        case frames::Kind::put_packed: {
            const auto batch = frames::decode_puts(frame, puts);
            REQUIRE(batch.ok());
            put_bytes.push_back(frame.raw.size());
            std::uint64_t sequence = batch->sequence_first;
            for (const frames::Reading& r : batch->readings) {
                Got one{sequence++, batch->alias, r.stamped ? r.time.value : -1, {}, {}};
                if (r.has_key) one.key = text(r.key);
                if (r.has_value) one.value = text(r.value);
                got.push_back(one);
            }
            break;
        }
        case frames::Kind::ping: encode([&](Writer& w) { frames::encode_pong(w, {frame.body}); }); break;
        case frames::Kind::error: {
            const auto fatal = frames::decode_error(frame.body);
            REQUIRE(fatal.ok());
            error = fatal->error;
            break;
        }
        case frames::Kind::close:
            if (automatic) encode([&](Writer& w) { frames::encode_close(w, {Error::none}); });
            break;
        default: break;
        }
    }
};

// Everything there and back until nothing moves.
inline void talk(FakeSensor& sensor, FakeBroker& broker, std::uint32_t now = 0) {
    while (!sensor.wire.empty() || !broker.out.empty()) {
        broker.feed(sensor.take());
        const Buffer answers = broker.answers();
        rvs_receive(&sensor.s, answers.data(), answers.size(), now);
    }
}

}  // namespace rivulet::sensor_test
