// The bytes that PROTOCOL.md promises in section 10, counted.
#include <doctest/doctest.h>

#include <cstdio>
#include <random>
#include <vector>

#include "wire/compact/put_state.h"

using namespace rivulet;
using namespace rivulet::wire::compact;

namespace {

struct Sensor {
    explicit Sensor(bool integrity = true) : state(open()) {
        state.grant(1 << 30);
        sum.set_on(integrity);
        Reading first;  // the alias, and the step of a second, are known from here on
        first.stamped = true;
        first.time = Timestamp(now += 1000);
        REQUIRE(encode_put(out, sum, state, 1, first));
    }
    static Open open() {
        Open o;
        o.base_time = Timestamp(1'700'000'000'000);
        return o;
    }
    Reading next() {
        now += 1000 + static_cast<std::int64_t>(random() % 31) - 15;
        Reading reading;
        reading.stamped = true;
        reading.time = Timestamp(now);
        reading.value = Bytes(value).first(50);
        return reading;
    }
    std::size_t written() {
        const std::size_t n = out.size();
        out.rewind(0);
        return n;
    }

    std::uint8_t value[64] = {};
    std::uint8_t buffer[4096];
    Writer out{buffer};
    RunningCrc sum;
    PutState state;
    std::mt19937 random{7};
    std::int64_t now = 1'700'000'000'000;
};

}  // namespace

TEST_CASE("compact cost: a 50-byte reading alone") {
    Sensor sensor;
    sensor.written();
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(encode_put(sensor.out, sensor.sum, sensor.state, 1, sensor.next()));
        CHECK(sensor.written() - 50 == 5);
    }
    for (int i = 0; i < 1000; ++i) {
        REQUIRE(encode_put(sensor.out, sensor.sum, sensor.state, static_cast<std::uint64_t>(2 + i % 2), sensor.next()));
        CHECK(sensor.written() - 50 == 6);
    }
    Reading unstamped = sensor.next();
    unstamped.stamped = false;
    REQUIRE(encode_put(sensor.out, sensor.sum, sensor.state, 3, unstamped));
    CHECK(sensor.written() - 50 == 4);
    Sensor secure(false);
    secure.written();
    REQUIRE(encode_put(secure.out, secure.sum, secure.state, 1, secure.next()));
    CHECK(secure.written() - 50 == 3);
}

TEST_CASE("compact cost: 20 readings a frame") {
    Sensor sensor;
    sensor.written();
    for (int frame = 0; frame < 100; ++frame) {
        PackedPutEncoder packed(sensor.out, sensor.sum, sensor.state, 1, 4096);
        for (int i = 0; i < 20; ++i) REQUIRE(packed.add(sensor.next()));
        packed.finish();
        CHECK(sensor.written() - 20 * 50 == 45);
    }
    const std::vector<std::uint8_t> values(1000);
    Sensor steady;
    steady.written();
    for (int frame = 0; frame < 10; ++frame) {
        REQUIRE(encode_put_regular(steady.out, steady.sum, steady.state, 1, true, Timestamp(steady.now + 1000), 1000, 50, values));
        steady.now += 20'000;
        CHECK(steady.written() - 1000 == 9);
    }
}

TEST_CASE("compact cost: acks, and a connection") {
    Sensor sensor;
    RunningCrc down;
    std::uint8_t bytes[100];
    Writer out(bytes);
    encode_ack(out, down, sensor.state, {1, 55, {}});
    CHECK(out.size() == 7 - 1);
    out.rewind(0);
    encode_ack(out, down, sensor.state, {1, 1045, {}});
    CHECK(out.size() == 7);
}
