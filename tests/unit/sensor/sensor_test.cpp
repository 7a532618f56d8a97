#include "unit/sensor/fake.h"

#include "base/crc32c.h"

using namespace rivulet;
using sensor_test::Buffer;
using sensor_test::FakeBroker;
using sensor_test::FakeSensor;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

constexpr std::uint64_t noon = 1'700'000'000'000;

// Opened, its alias confirmed.
void start(FakeSensor& sensor, FakeBroker& broker, std::uint32_t now = 0) {
    if (sensor.aliases.empty()) REQUIRE(sensor.add("temps") == 0);
    rvs_open(&sensor.s, now);
    talk(sensor, broker, now);
    REQUIRE(rvs_state(&sensor.s) == RVS_OPENED);
}

}  // namespace

TEST_CASE("sensor: the state is small") {
    static_assert(sizeof(void*) != 4 || sizeof(rvs_sensor) <= 256);
    CHECK(sizeof(rvs_sensor) <= 384);
}

TEST_CASE("sensor: configurations that cannot work are refused") {
    Buffer ring(64), out(256);
    rvs_config good{};
    good.ring = ring.data();
    good.ring_bytes = ring.size();
    good.out = out.data();
    good.out_bytes = out.size();
    rvs_sensor s;
    CHECK(rvs_init(&s, &good) == RVS_OK);
    rvs_config bad = good;
    bad.out_bytes = 127;
    CHECK(rvs_init(&s, &bad) == RVS_INVALID);
    bad = good;
    bad.ring_bytes = 15;
    CHECK(rvs_init(&s, &bad) == RVS_INVALID);
    bad = good;
    const std::string name(65, 'n');
    bad.name = name.c_str();
    CHECK(rvs_init(&s, &bad) == RVS_INVALID);
    CHECK(rvs_init(&s, &good) == RVS_OK);
    rvs_alias alias{};
    const std::string topic(230, 't');
    alias.topic = topic.c_str();
    CHECK(rvs_add_alias(&s, &alias) == RVS_INVALID);
    std::vector<rvs_alias> aliases(33);
    for (int i = 0; i < 32; ++i) {
        aliases[static_cast<std::size_t>(i)].topic = "t";
        CHECK(rvs_add_alias(&s, &aliases[static_cast<std::size_t>(i)]) == i);
    }
    aliases[32].topic = "t";
    CHECK(rvs_add_alias(&s, &aliases[32]) == RVS_INVALID);
}

TEST_CASE("sensor: OPEN and ALIAS say what the configuration says") {
    FakeSensor sensor;
    FakeBroker broker;
    REQUIRE(sensor.add("temps", RVS_PARTITION, 300) == 0);
    REQUIRE(sensor.add("events", RVS_BY_KEY) == 1);
    REQUIRE(sensor.add("logs", RVS_DEFAULT_KEY) == 2);
    sensor.aliases[2]->key = reinterpret_cast<const std::uint8_t*>("boiler");
    sensor.aliases[2]->key_bytes = 6;
    sensor.aliases[2]->acks = RVS_ACKS_ALL;
    rvs_open(&sensor.s, 0);
    broker.feed(sensor.take());
    CHECK(broker.kinds == std::vector<Kind>{Kind::open, Kind::alias});  // how many more it may make, the answer says
    talk(sensor, broker);
    CHECK(broker.opened.version == 1);
    CHECK(broker.opened.features == frames::feature::integrity);
    CHECK(broker.opened.session == 0x1122334455667788);
    CHECK(broker.opened.incarnation == 7);
    CHECK(broker.opened.base_sequence == 1);
    CHECK(broker.opened.base_time.value == 0);
    CHECK(broker.opened.frame_bytes_max == 256);
    CHECK(broker.name == "test");
    REQUIRE(broker.kinds == std::vector<Kind>{Kind::open, Kind::alias, Kind::alias, Kind::alias});
    const auto first = frames::decode_alias(Bytes(broker.bodies[1]), 1);
    const auto third = frames::decode_alias(Bytes(broker.bodies[3]), 1);
    REQUIRE(first.ok());
    REQUIRE(third.ok());
    CHECK(first->id == 0);
    CHECK(first->topic == "temps");
    CHECK(first->placement == frames::Placement::partition);
    CHECK(first->partition == 300);
    CHECK(first->acks == frames::Acks::leader);
    CHECK(third->id == 2);
    CHECK(third->placement == frames::Placement::key);
    CHECK(third->acks == frames::Acks::all);
    CHECK(std::string(third->key.begin(), third->key.end()) == "boiler");
    CHECK(sensor.count(RVS_EVENT_ALIAS) == 3);
    CHECK(sensor.last(RVS_EVENT_OPENED).count == 60000);
}

TEST_CASE("sensor: readings wait for a confirmed alias, unless eager") {
    FakeSensor sensor;
    REQUIRE(sensor.add("temps") == 0);
    REQUIRE(sensor.put("1") == RVS_OK);
    rvs_open(&sensor.s, 0);
    FakeBroker broker;
    broker.feed(sensor.take());
    CHECK(broker.kinds == std::vector<Kind>{Kind::open, Kind::alias});
    talk(sensor, broker);
    CHECK(broker.got.size() == 1);

    FakeSensor eager({.eager = 1});
    REQUIRE(eager.add("temps") == 0);
    REQUIRE(eager.put("1") == RVS_OK);
    rvs_open(&eager.s, 0);
    FakeBroker other;
    other.feed(eager.take());
    CHECK(other.kinds == std::vector<Kind>{Kind::open, Kind::alias, Kind::put});
}

TEST_CASE("sensor: an eager sensor keeps to the first credit of 1024 bytes") {
    FakeSensor sensor({.ring_bytes = 8192, .out_bytes = 4096, .eager = 1});
    REQUIRE(sensor.add("temps") == 0);
    for (int i = 0; i < 100; ++i) REQUIRE(sensor.put(std::string(50, 'x'), noon + static_cast<unsigned>(i * i)) == RVS_OK);
    rvs_open(&sensor.s, 0);
    FakeBroker broker;
    broker.automatic = false;
    broker.feed(sensor.take());  // the codec refuses what exceeds the credit
    std::size_t bytes = 0;
    for (const std::size_t n : broker.put_bytes) bytes += n;
    CHECK(bytes <= 1024);
    CHECK(bytes > 900);
    CHECK(broker.got.size() < 20);
}

TEST_CASE("sensor: values, keys, tombstones, times and no times arrive as put") {
    for (const std::size_t ring : {600U, 601U, 640U, 700U}) {  // entries wrap at different places
        FakeSensor sensor({.ring_bytes = ring});
        FakeBroker broker;
        REQUIRE(sensor.add("temps") == 0);
        REQUIRE(sensor.add("events", RVS_BY_KEY) == 1);
        start(sensor, broker);
        std::size_t expected = 0;
        for (int round = 0; round < 50; ++round) {
            const std::uint64_t t = noon + static_cast<unsigned>(round) * 1000;
            REQUIRE(sensor.put("21.5", t) == RVS_OK);
            REQUIRE(sensor.put("", t + 7) == RVS_OK);
            REQUIRE(sensor.put("on") == RVS_OK);
            REQUIRE(sensor.put_keyed("k" + std::to_string(round), std::string(150, 'v'), t - 3, 1) == RVS_OK);
            REQUIRE(sensor.put_keyed("", "empty key", RVS_UNSTAMPED, 1) == RVS_OK);
            REQUIRE(rvs_put(&sensor.s, 1, "gone", 4, nullptr, 0, (std::uint64_t(1) << 48) - 1) == RVS_OK);
            REQUIRE(sensor.put(std::string(130, 'l'), 0) == RVS_OK);
            rvs_flush(&sensor.s, 0);
            talk(sensor, broker);
            REQUIRE(broker.got.size() == expected + 7);
            const auto* g = &broker.got[expected];
            for (std::size_t i = 0; i < 7; ++i) CHECK(g[i].sequence == expected + i + 1);
            CHECK((g[0].time == static_cast<std::int64_t>(t) && g[0].value == "21.5" && !g[0].key && g[0].alias == 0));
            CHECK((g[1].time == static_cast<std::int64_t>(t + 7) && g[1].value == ""));
            CHECK((g[2].time == -1 && g[2].value == "on"));
            CHECK((g[3].time == static_cast<std::int64_t>(t - 3) && g[3].key == "k" + std::to_string(round) && g[3].value == std::string(150, 'v') && g[3].alias == 1));
            CHECK((g[4].key == "" && g[4].value == "empty key"));
            CHECK((g[5].key == "gone" && !g[5].value && g[5].time == (std::int64_t(1) << 48) - 1));
            CHECK((g[6].time == 0 && g[6].value == std::string(130, 'l')));
            expected += 7;
            broker.ack(1000);
            talk(sensor, broker);
            CHECK(rvs_waiting(&sensor.s) == 0);
        }
        CHECK(rvs_get_statistics(&sensor.s)->settled == expected);
    }
}

TEST_CASE("sensor: what can never be sent is refused at once") {
    FakeSensor sensor({.ring_bytes = 4096, .out_bytes = 2048});
    FakeBroker broker;
    start(sensor, broker);
    CHECK(sensor.put("x", RVS_UNSTAMPED, 1) == RVS_INVALID);
    CHECK(rvs_put(&sensor.s, 0, nullptr, 0, nullptr, 0, 0) == RVS_INVALID);
    CHECK(sensor.put("x", std::uint64_t(1) << 48) == RVS_INVALID);
    CHECK(sensor.put("x", RVS_UNSTAMPED - 1) == RVS_INVALID);
    CHECK(sensor.put_keyed(std::string(128, 'k'), "v") == RVS_INVALID);
    CHECK(sensor.put(std::string(1004, 'x'), 5) == RVS_INVALID);
    CHECK(sensor.put(std::string(70000, 'x')) == RVS_INVALID);
    CHECK(rvs_waiting(&sensor.s) == 0);
    CHECK(sensor.put(std::string(1003, 'x'), 5) == RVS_OK);
    CHECK(sensor.put_keyed(std::string(127, 'k'), std::string(875, 'x'), 5) == RVS_OK);
    rvs_flush(&sensor.s, 0);
    talk(sensor, broker);
    CHECK(broker.got.size() == 2);
    for (const std::size_t n : broker.put_bytes) CHECK(n <= 1024);
}

TEST_CASE("sensor: framing costs what the protocol promises") {
    FakeSensor sensor({.ring_bytes = 8192, .out_bytes = 4096});
    FakeBroker broker;
    start(sensor, broker);
    std::uint64_t t = noon;
    const auto reading = [&](std::size_t bytes, unsigned jitter) {
        t += 1000 + jitter;
        REQUIRE(sensor.put(std::string(bytes, 'x'), t) == RVS_OK);
    };
    const auto sent = [&] {
        broker.put_bytes.clear();
        rvs_flush(&sensor.s, 0);
        talk(sensor, broker);
        broker.ack(2000);
        talk(sensor, broker);
        std::size_t bytes = 0;
        for (const std::size_t n : broker.put_bytes) bytes += n;
        return bytes;
    };
    for (unsigned i = 0; i < 3; ++i) {
        reading(50, i % 7);
        const std::size_t bytes = sent();
        if (i == 2) CHECK(bytes == 50 + 5);
    }
    for (unsigned i = 0; i < 16; ++i) reading(50, i % 7);  // as many as are sure to fit 1024 bytes
    CHECK(sent() == 5 + 16 * (50 + 2));
    CHECK(broker.put_bytes.size() == 1);
    for (unsigned i = 0; i < 20; ++i) reading(37, i % 7);
    CHECK(sent() == 5 + 20 * (37 + 2));
    for (unsigned i = 0; i < 20; ++i) reading(50, i % 7);
    CHECK(sent() == 20 * 50 + 50);  // two frames: 2.50 each
    CHECK(broker.put_bytes.size() == 2);
    for (unsigned i = 0; i < 20; ++i) reading(50, 0);
    CHECK(sent() == 20 * 50 + 22);  // 1.10
    for (unsigned i = 0; i < 20; ++i) reading(37, 0);
    CHECK(sent() == 20 * 37 + 9);  // the step is known: 0.45
    for (unsigned i = 0; i < 20; ++i) reading(4, 0);
    CHECK(sent() <= 20 * 4 + 12);  // the regular form
    CHECK(broker.put_bytes.size() == 1);
    for (unsigned i = 0; i < 20; ++i) REQUIRE(sensor.put("abcd") == RVS_OK);
    CHECK(sent() <= 20 * 4 + 7);
    for (unsigned i = 0; i < 5; ++i) reading(4, 0);
    REQUIRE(sensor.put("longer", t + 1000) == RVS_OK);
    CHECK(sent() == 4 + 5 * (2 + 4) + (2 + 6));
    const std::size_t n = broker.got.size();
    for (std::size_t i = n - 46; i < n; ++i) {
        if (i > n - 46 && i < n - 26) CHECK(broker.got[i].time == broker.got[i - 1].time + 1000);
        else if (i >= n - 26 && i < n - 6) CHECK(broker.got[i].time == -1);
    }
    CHECK(broker.got[n - 1].time == static_cast<std::int64_t>(t + 1000));
    CHECK(broker.got[n - 2].time == static_cast<std::int64_t>(t));
}

TEST_CASE("sensor: random readings by random pieces arrive in order with their times") {
    std::uint64_t seed = 42;
    const auto random = [&](std::uint64_t below) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        return (seed >> 33) % below;
    };
    for (int round = 0; round < 40; ++round) {
        FakeSensor sensor({.ring_bytes = static_cast<std::size_t>(300 + random(900)), .out_bytes = static_cast<std::size_t>(256 + random(1200)), .eager = static_cast<std::uint8_t>(random(2))});
        sensor.piece = 1 + random(40);
        FakeBroker broker;
        REQUIRE(sensor.add("temps") == 0);
        REQUIRE(sensor.add("events", RVS_BY_KEY) == 1);
        rvs_open(&sensor.s, 0);
        std::vector<sensor_test::Got> expected;
        std::uint64_t t = noon;
        for (int step = 0; step < 600; ++step) {
            sensor_test::Got one;
            one.sequence = expected.size() + 1;
            one.alias = random(8) == 0;
            if (random(4) != 0) {
                t += random(3) == 0 ? random(100000) : 1000;
                one.time = static_cast<std::int64_t>(t);
            }
            if (random(5) == 0) one.key = std::string(random(20), 'k');
            if (!one.key || random(4) != 0) one.value = std::string(random(3) == 0 ? random(150) : 8, static_cast<char>('a' + random(26)));
            const auto time = one.time < 0 ? RVS_UNSTAMPED : static_cast<std::uint64_t>(one.time);
            const int result = rvs_put(&sensor.s, static_cast<std::uint8_t>(one.alias), one.key ? one.key->data() : nullptr, one.key ? one.key->size() : 0,
                                       one.value ? one.value->data() : nullptr, one.value ? one.value->size() : 0, time);
            if (result == RVS_OK) expected.push_back(one);
            else CHECK(result == RVS_FULL);
            if (random(10) == 0) rvs_flush(&sensor.s, 0);
            rvs_poll(&sensor.s, 0);
            if (random(4) == 0) {
                broker.feed(sensor.take());
                if (random(3) == 0 && broker.puts.acked() + 1 < broker.puts.sequence_next()) {
                    const std::uint64_t waits = broker.puts.sequence_next() - 1 - broker.puts.acked();
                    broker.ack(random(400), broker.puts.acked() + 1 + random(waits));
                }
                for (const std::uint8_t byte : broker.answers()) rvs_receive(&sensor.s, &byte, 1, 0);
            }
        }
        for (int i = 0; i < 1000 && rvs_waiting(&sensor.s) != 0; ++i) {
            rvs_flush(&sensor.s, 0);
            broker.feed(sensor.take());
            if (broker.puts.acked() + 1 < broker.puts.sequence_next()) broker.ack(500);
            const Buffer answers = broker.answers();
            rvs_receive(&sensor.s, answers.data(), answers.size(), 0);
        }
        REQUIRE(rvs_state(&sensor.s) == RVS_OPENED);
        REQUIRE(broker.got.size() == expected.size());
        for (std::size_t i = 0; i < expected.size(); ++i) {
            const sensor_test::Got &is = broker.got[i], &should = expected[i];
            CHECK((is.sequence == should.sequence && is.alias == should.alias && is.time == should.time && is.key == should.key && is.value == should.value));
        }
    }
}

TEST_CASE("sensor: the broker's clock stamps readings from before and after its answer") {
    FakeSensor sensor({.clock = RVS_CLOCK_BROKER});
    REQUIRE(sensor.add("temps") == 0);
    const std::uint32_t boot = 0xffffff00;  // the sensor's clock wraps meanwhile
    REQUIRE(sensor.put("early", boot) == RVS_OK);
    FakeBroker broker;
    rvs_open(&sensor.s, boot + 500);
    talk(sensor, broker, boot + 600);
    REQUIRE(broker.got.size() == 1);
    CHECK(broker.got[0].time == broker.time - 600);
    REQUIRE(sensor.put("late", static_cast<std::uint32_t>(boot + 5600)) == RVS_OK);
    REQUIRE(sensor.put("none") == RVS_OK);
    rvs_flush(&sensor.s, boot + 5700);
    talk(sensor, broker, boot + 5700);
    CHECK(broker.got[1].time == broker.time + 5000);
    CHECK(broker.got[2].time == -1);
    CHECK(rvs_time(&sensor.s, boot + 600 + 77) == static_cast<std::uint64_t>(broker.time) + 77);
    // A connection of months: the distance from the answer outgrows 31 bits.
    std::uint32_t now = boot + 5700;
    for (int i = 0; i < 1000; ++i) rvs_poll(&sensor.s, now += 4'000'000);
    CHECK(rvs_time(&sensor.s, now) == static_cast<std::uint64_t>(broker.time) - 600 + 5700 + 4'000'000'000ULL);
    // Its own clock goes back a little, as that of a timer and that of an interrupt do.
    const std::uint64_t then = rvs_time(&sensor.s, now);
    CHECK(rvs_time(&sensor.s, now - 3) == then - 3);
    rvs_poll(&sensor.s, now - 1);
    CHECK(rvs_time(&sensor.s, now) == then);
    rvs_poll(&sensor.s, now);
    CHECK(rvs_time(&sensor.s, now) == then);

    FakeSensor untrusting({.clock = RVS_CLOCK_BROKER});
    REQUIRE(untrusting.add("temps") == 0);
    REQUIRE(untrusting.put("x", 1) == RVS_OK);
    FakeBroker lost;
    lost.trusted = false;
    rvs_open(&untrusting.s, 5);
    talk(untrusting, lost, 6);
    REQUIRE(lost.got.size() == 1);
    CHECK(lost.got[0].time == -1);
    CHECK(rvs_time(&untrusting.s, 7) == 0);
}
