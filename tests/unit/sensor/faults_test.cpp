// What goes wrong between a sensor and a broker: full rings, refusals, stalls, broken connections, bad bytes.
#include "unit/sensor/fake.h"

using namespace rivulet;
using sensor_test::Buffer;
using sensor_test::FakeBroker;
using sensor_test::FakeSensor;
namespace frames = rivulet::wire::compact;
using frames::Kind;

namespace {

void start(FakeSensor& sensor, FakeBroker& broker, std::uint32_t now = 0) {
    if (sensor.aliases.empty()) REQUIRE(sensor.add("temps") == 0);
    rvs_open(&sensor.s, now);
    talk(sensor, broker, now);
    REQUIRE(rvs_state(&sensor.s) == RVS_OPENED);
}

void flush(FakeSensor& sensor, FakeBroker& broker, std::uint32_t now = 0) {
    rvs_flush(&sensor.s, now);
    talk(sensor, broker, now);
}

std::vector<std::string> values(const FakeBroker& broker) {
    std::vector<std::string> all;
    for (const sensor_test::Got& got : broker.got) all.push_back(*got.value);
    return all;
}

// What the sensor answers to these bytes of the broker: the error in its ERROR frame, and the connection broken for it.
Error answer_to(FakeSensor& sensor, FakeBroker& broker, const Buffer& bytes) {
    rvs_receive(&sensor.s, bytes.data(), bytes.size(), 0);
    CHECK(rvs_state(&sensor.s) == RVS_BROKEN);
    broker.feed(sensor.take());
    CHECK(static_cast<int>(broker.error) == rvs_error(&sensor.s));
    return broker.error;
}

}  // namespace

TEST_CASE("sensor: a full ring refuses the newest") {
    FakeSensor sensor({.ring_bytes = 120});
    REQUIRE(sensor.add("temps") == 0);
    int taken = 0;
    while (sensor.put(std::to_string(10 + taken)) == RVS_OK) ++taken;
    CHECK(taken == 120 / 5);
    CHECK(sensor.put("x") == RVS_FULL);
    FakeBroker broker;
    start(sensor, broker);
    CHECK(broker.got.size() == 24);
    broker.ack(0, 1);
    talk(sensor, broker);
    CHECK(sensor.put("yy") == RVS_OK);
    CHECK(sensor.put("zz") == RVS_FULL);
    CHECK(rvs_get_statistics(&sensor.s)->dropped == 0);
    CHECK(rvs_get_statistics(&sensor.s)->put == 25);
}

TEST_CASE("sensor: a full ring drops the oldest, and later readings take the numbers of those that were never sent") {
    FakeSensor sensor({.ring_bytes = 100, .when_full = RVS_DROP_OLDEST});
    REQUIRE(sensor.add("temps") == 0);
    for (int i = 10; i < 50; ++i) REQUIRE(sensor.put(std::to_string(i)) == RVS_OK);
    CHECK(sensor.count(RVS_EVENT_DROPPED) == 20);
    FakeBroker broker;
    start(sensor, broker);
    REQUIRE(broker.got.size() == 20);
    CHECK(broker.got[0].sequence == 1);
    CHECK(broker.got[0].value == "30");
    // In flight: these numbers are taken.
    REQUIRE(sensor.put("50") == RVS_OK);
    REQUIRE(sensor.put("51") == RVS_OK);
    CHECK(sensor.last(RVS_EVENT_DROPPED).first == 2);
    flush(sensor, broker);
    CHECK(rvs_state(&sensor.s) == RVS_OPENED);
    REQUIRE(broker.got.size() == 22);
    CHECK(broker.got[21].sequence == 22);
    CHECK(broker.got[21].value == "51");
    broker.ack(0, 3);
    talk(sensor, broker);
    CHECK(rvs_waiting(&sensor.s) == 19);
    broker.ack();
    talk(sensor, broker);
    CHECK(rvs_waiting(&sensor.s) == 0);
    CHECK(rvs_get_statistics(&sensor.s)->settled == 22);
}

TEST_CASE("sensor: what was dropped before it was sent again makes a gap, which a new connection skips") {
    FakeSensor sensor({.ring_bytes = 100, .when_full = RVS_DROP_OLDEST});
    FakeBroker first;
    REQUIRE(sensor.add("temps") == 0);
    for (int i = 1; i <= 9; ++i) REQUIRE(sensor.put(std::to_string(i)) == RVS_OK);
    start(sensor, first);
    REQUIRE(first.got.size() == 9);
    rvs_disconnected(&sensor.s);
    FakeBroker second;
    rvs_open(&sensor.s, 0);  // OPEN says base sequence 1
    for (int i = 10; i < 25; ++i) REQUIRE(sensor.put(std::to_string(i)) == RVS_OK);  // 6 x 4 + 15 x 5 bytes: three are dropped
    talk(sensor, second);
    CHECK(second.opened.base_sequence == 1);
    CHECK(second.got.empty());
    CHECK(rvs_state(&sensor.s) == RVS_BROKEN);
    CHECK(rvs_error(&sensor.s) == RVS_ERROR_GAP);
    rvs_disconnected(&sensor.s);
    FakeBroker third;
    start(sensor, third);
    CHECK(third.opened.base_sequence == 4);
    REQUIRE(third.got.size() == 21);
    CHECK(third.got[0].sequence == 4);
    CHECK(third.got[0].value == "4");
    CHECK(third.got[20].sequence == 24);
    CHECK(third.got[20].value == "24");
}

TEST_CASE("sensor: behind a gap acknowledgements still tell the readings that they are about") {
    FakeSensor sensor({.ring_bytes = 40 * 54, .when_full = RVS_DROP_OLDEST});
    REQUIRE(sensor.add("temps") == 0);
    for (int i = 0; i < 40; ++i) REQUIRE(sensor.put(std::string(51, 'x')) == RVS_OK);
    FakeBroker first, second;
    start(sensor, first);
    REQUIRE(first.got.size() == 40);
    rvs_disconnected(&sensor.s);
    second.credit = 0;
    start(sensor, second);
    const std::uint64_t again = second.got.size();
    REQUIRE(again > 10);
    for (std::uint64_t i = 1; i <= again + 5; ++i) {
        REQUIRE(sensor.put(std::string(51, 'y')) == RVS_OK);
        CHECK(sensor.last(RVS_EVENT_DROPPED).first == i);
    }
    sensor.events.clear();
    second.ack(0, 1);
    second.ack(0, 4, {5, 2, Error::batch_too_large});
    talk(sensor, second);
    REQUIRE(sensor.events.size() == 3);
    CHECK((sensor.events[0].kind == RVS_EVENT_SETTLED && sensor.events[0].first == 1 && sensor.events[0].count == 1));
    CHECK((sensor.events[1].kind == RVS_EVENT_REFUSED && sensor.events[1].first == 5 && sensor.events[1].count == 2));
    CHECK((sensor.events[2].kind == RVS_EVENT_SETTLED && sensor.events[2].first == 2 && sensor.events[2].count == 3));
    CHECK(rvs_waiting(&sensor.s) == 40);
    CHECK(rvs_error(&sensor.s) == RVS_ERROR_GAP);
}

TEST_CASE("sensor: dropped while disconnected, the base sequence moves on") {
    FakeSensor sensor({.ring_bytes = 100, .when_full = RVS_DROP_OLDEST});
    FakeBroker first;
    REQUIRE(sensor.add("temps") == 0);
    for (int i = 10; i < 30; ++i) REQUIRE(sensor.put(std::to_string(i)) == RVS_OK);
    start(sensor, first);
    rvs_disconnected(&sensor.s);
    for (int i = 30; i < 60; ++i) REQUIRE(sensor.put(std::to_string(i)) == RVS_OK);
    FakeBroker second;
    start(sensor, second);
    // All twenty that were sent are gone, their numbers too; ten that were not are gone without a trace.
    CHECK(second.opened.base_sequence == 21);
    REQUIRE(second.got.size() == 20);
    CHECK(second.got[0].value == "40");
    CHECK(rvs_get_statistics(&sensor.s)->dropped == 30);
}

TEST_CASE("sensor: a connection that sent only part again leaves the numbers of the rest as they are") {
    FakeSensor sensor({.ring_bytes = 40 * 54, .when_full = RVS_DROP_OLDEST});
    REQUIRE(sensor.add("temps") == 0);
    FakeBroker first, second, third;
    for (int i = 0; i < 40; ++i) REQUIRE(sensor.put(std::string(50, 'x') + "a") == RVS_OK);
    start(sensor, first);
    REQUIRE(first.got.size() == 40);
    rvs_disconnected(&sensor.s);
    second.credit = 0;
    start(sensor, second);
    REQUIRE(second.got.size() < 20);
    rvs_disconnected(&sensor.s);
    for (int i = 0; i < 30; ++i) REQUIRE(sensor.put(std::string(50, 'x') + "b") == RVS_OK);
    start(sensor, third);
    CHECK(third.opened.base_sequence == 31);
    REQUIRE(third.got.size() == 40);
    CHECK(third.got[9].value->back() == 'a');
    CHECK(third.got[10].value->back() == 'b');
}

TEST_CASE("sensor: refusals are told, final, and do not hold up what follows") {
    FakeSensor sensor;
    FakeBroker broker;
    start(sensor, broker);
    for (int i = 0; i < 10; ++i) REQUIRE(sensor.put(std::to_string(i)) == RVS_OK);
    flush(sensor, broker);
    broker.ack(0, 2);
    broker.ack(0, 4, {6, 2, Error::batch_too_large});  // beyond its position
    talk(sensor, broker);
    REQUIRE(sensor.count(RVS_EVENT_REFUSED) == 1);
    CHECK(sensor.last(RVS_EVENT_REFUSED).first == 6);
    CHECK(sensor.last(RVS_EVENT_REFUSED).count == 2);
    CHECK(sensor.last(RVS_EVENT_REFUSED).error == 18);
    CHECK(sensor.last(RVS_EVENT_SETTLED).first == 3);
    CHECK(sensor.last(RVS_EVENT_SETTLED).count == 2);
    CHECK(rvs_waiting(&sensor.s) == 6);
    broker.ack();
    talk(sensor, broker);
    CHECK(rvs_waiting(&sensor.s) == 0);
    CHECK(rvs_get_statistics(&sensor.s)->refused == 2);
    CHECK(rvs_get_statistics(&sensor.s)->settled == 10);
}

TEST_CASE("sensor: a topic that is not there keeps the readings until it is") {
    FakeSensor sensor;
    FakeBroker broker;
    REQUIRE(sensor.add("temps") == 0);
    REQUIRE(sensor.put("1") == RVS_OK);
    broker.alias_error = Error::unknown_topic_or_partition;
    rvs_open(&sensor.s, 0);
    talk(sensor, broker);
    CHECK(rvs_state(&sensor.s) == RVS_BROKEN);
    CHECK(rvs_error(&sensor.s) == 32);
    CHECK(sensor.last(RVS_EVENT_ALIAS).error == 32);
    rvs_disconnected(&sensor.s);
    CHECK(rvs_error(&sensor.s) == 32);
    FakeBroker good;
    start(sensor, good);
    CHECK(values(good) == std::vector<std::string>{"1"});

    FakeSensor eager({.eager = 1});
    REQUIRE(eager.add("temps") == 0);
    REQUIRE(eager.put("1") == RVS_OK);
    FakeBroker other;
    other.alias_error = Error::unknown_topic_or_partition;
    rvs_open(&eager.s, 0);
    talk(eager, other);
    CHECK(rvs_state(&eager.s) == RVS_OPENED);
    CHECK(eager.last(RVS_EVENT_ALIAS).error == 32);
    other.ack(0, 0, {1, 1, Error::unknown_topic_or_partition});
    talk(eager, other);
    CHECK(eager.last(RVS_EVENT_REFUSED).error == 32);
    CHECK(rvs_waiting(&eager.s) == 0);
}

TEST_CASE("sensor: an alias added on an open connection is made known and waited for") {
    FakeSensor sensor;
    FakeBroker broker;
    start(sensor, broker);
    broker.automatic = false;
    REQUIRE(sensor.add("events") == 1);
    REQUIRE(sensor.put("e", RVS_UNSTAMPED, 1) == RVS_OK);
    flush(sensor, broker);
    CHECK(broker.kinds.back() == Kind::alias);
    CHECK(broker.got.empty());
    broker.answer_alias(1);
    talk(sensor, broker);
    REQUIRE(broker.got.size() == 1);
    CHECK(broker.got[0].alias == 1);
}

TEST_CASE("sensor: without credit nothing is sent, the connection stays alive, and credit sets it going") {
    FakeSensor sensor({.ring_bytes = 4096});
    FakeBroker broker;
    broker.credit = 0;
    start(sensor, broker);
    for (int i = 0; i < 60; ++i) REQUIRE(sensor.put(std::string(50, 'x')) == RVS_OK);
    flush(sensor, broker);
    const std::size_t first = broker.got.size();
    CHECK(first < 20);
    for (std::uint32_t now = 0; now < 100'000; now += 500) {
        REQUIRE(rvs_poll(&sensor.s, now) == RVS_OPENED);
        talk(sensor, broker, now);
    }
    CHECK(broker.frames_of(Kind::ping) > 10);
    CHECK(broker.got.size() == first);
    while (rvs_waiting(&sensor.s) != 0) {
        broker.ack(300);
        talk(sensor, broker, 100'000);
    }
    CHECK(broker.got.size() == 60);
}

TEST_CASE("sensor: it answers PING, asks when idle, and gives up a silent broker") {
    FakeSensor sensor;
    FakeBroker broker;
    start(sensor, broker, 1000);
    broker.encode([](Writer& w) { frames::encode_ping(w, {as_bytes("0123456789abcdef")}); });
    talk(sensor, broker, 1000);
    CHECK(broker.kinds.back() == Kind::pong);
    CHECK(std::string(broker.bodies.back().begin(), broker.bodies.back().end()) == "0123456789abcdef");
    rvs_poll(&sensor.s, 30'900);
    CHECK(sensor.wire.empty());
    rvs_poll(&sensor.s, 31'100);  // half of the broker's patience
    broker.feed(sensor.take());
    CHECK(broker.kinds.back() == Kind::ping);
    const Buffer pong = broker.answers();
    CHECK(rvs_poll(&sensor.s, 41'000) == RVS_OPENED);
    rvs_receive(&sensor.s, pong.data(), pong.size(), 41'000);
    CHECK(rvs_poll(&sensor.s, 61'000) == RVS_OPENED);
    rvs_poll(&sensor.s, 72'000);
    CHECK(!sensor.wire.empty());
    CHECK(rvs_poll(&sensor.s, 81'900) == RVS_OPENED);
    CHECK(rvs_poll(&sensor.s, 82'100) == RVS_BROKEN);
    CHECK(rvs_error(&sensor.s) == RVS_ERROR_TIMED_OUT);
}

TEST_CASE("sensor: no acknowledgement, no answer to OPEN, a transport that takes nothing: each ends in time") {
    FakeSensor unanswered;
    rvs_open(&unanswered.s, 0);
    CHECK(rvs_poll(&unanswered.s, 9'900) == RVS_OPENING);
    CHECK(rvs_poll(&unanswered.s, 10'000) == RVS_BROKEN);

    FakeSensor sensor;
    FakeBroker broker;
    start(sensor, broker);
    REQUIRE(sensor.put("x") == RVS_OK);
    rvs_flush(&sensor.s, 20'000);
    broker.feed(sensor.take());
    CHECK(rvs_poll(&sensor.s, 24'900) == RVS_OPENED);
    CHECK(sensor.wire.empty());
    rvs_poll(&sensor.s, 25'000);  // asks: a broker that holds back acknowledgements would answer
    CHECK(sensor.wire.size() == 2);
    CHECK(rvs_poll(&sensor.s, 35'000) == RVS_BROKEN);

    FakeSensor stuck;
    FakeBroker other;
    start(stuck, other);
    stuck.piece = 0;
    REQUIRE(stuck.put("x") == RVS_OK);
    rvs_flush(&stuck.s, 50'000);
    CHECK(rvs_poll(&stuck.s, 59'900) == RVS_OPENED);
    CHECK(rvs_poll(&stuck.s, 60'000) == RVS_BROKEN);

    FakeSensor cut;
    FakeBroker third;
    start(cut, third);
    cut.lost = true;
    REQUIRE(cut.put("x") == RVS_OK);
    rvs_flush(&cut.s, 0);
    CHECK(rvs_state(&cut.s) == RVS_BROKEN);
    CHECK(rvs_error(&cut.s) == RVS_ERROR_CONNECTION);
    CHECK(rvs_waiting(&cut.s) == 1);
}

TEST_CASE("sensor: a call without bytes has heard nothing") {
    FakeSensor sensor;
    FakeBroker broker;
    start(sensor, broker);
    REQUIRE(sensor.put("x") == RVS_OK);
    rvs_flush(&sensor.s, 0);
    std::uint32_t now = 0;
    for (; now < 20'000 && rvs_poll(&sensor.s, now) == RVS_OPENED; now += 1000) rvs_receive(&sensor.s, nullptr, 0, now);
    CHECK(now == 15'000);  // half of the timeout until it asks, and the whole until it gives up
    CHECK(rvs_error(&sensor.s) == RVS_ERROR_TIMED_OUT);
}

TEST_CASE("sensor: a clock that goes back is no silence") {
    FakeSensor sensor;
    FakeBroker broker;
    rvs_open(&sensor.s, 1000);
    CHECK(rvs_poll(&sensor.s, 999) == RVS_OPENING);
    sensor.take();
    start(sensor, broker, 1000);
    sensor.piece = 0;
    REQUIRE(sensor.put("x") == RVS_OK);
    rvs_flush(&sensor.s, 1000);
    CHECK(rvs_poll(&sensor.s, 999) == RVS_OPENED);
    sensor.piece = SIZE_MAX;
    CHECK(rvs_poll(&sensor.s, 998) == RVS_OPENED);
    broker.feed(sensor.take());
    CHECK(broker.frames_of(Kind::ping) == 0);
    CHECK(rvs_poll(&sensor.s, 0xffffffff) == RVS_OPENED);  // a second back and past the wrap
    CHECK(sensor.wire.empty());
    CHECK(rvs_poll(&sensor.s, 6'000) == RVS_OPENED);
    CHECK(sensor.wire.size() == 2);
    CHECK(rvs_poll(&sensor.s, 16'000) == RVS_BROKEN);
}

TEST_CASE("sensor: the broker's CLOSE and ERROR break the connection, its own close ends it") {
    FakeSensor sensor;
    FakeBroker broker;
    start(sensor, broker);
    broker.encode([](Writer& w) { frames::encode_close(w, {Error::shutting_down}); });
    talk(sensor, broker);
    CHECK(rvs_state(&sensor.s) == RVS_BROKEN);
    CHECK(rvs_error(&sensor.s) == 54);
    rvs_disconnected(&sensor.s);
    FakeBroker busy;
    busy.automatic = false;
    rvs_open(&sensor.s, 0);
    busy.encode([](Writer& w) { frames::encode_error(w, {Error::too_many_sessions, 0}, "too many sessions, and a text that is longer than what the sensor keeps of it"); });
    talk(sensor, busy);
    CHECK(rvs_state(&sensor.s) == RVS_BROKEN);
    CHECK(rvs_error(&sensor.s) == 51);
    rvs_disconnected(&sensor.s);
    FakeBroker good;
    start(sensor, good);
    REQUIRE(sensor.put("last") == RVS_OK);
    rvs_close(&sensor.s, 0);
    CHECK(rvs_state(&sensor.s) == RVS_CLOSING);
    REQUIRE(sensor.put("later") == RVS_OK);
    rvs_flush(&sensor.s, 0);
    good.automatic = false;
    good.feed(sensor.take());
    CHECK(good.kinds.back() == Kind::close);
    CHECK(values(good) == std::vector<std::string>{"last"});
    good.ack();
    good.encode([](Writer& w) { frames::encode_close(w, {Error::none}); });
    talk(sensor, good);
    CHECK(rvs_state(&sensor.s) == RVS_IDLE);
    CHECK(rvs_waiting(&sensor.s) == 1);
}

TEST_CASE("sensor: a session that was forgotten is told, if it had sent anything") {
    FakeSensor sensor;
    FakeBroker broker;
    broker.session_state = frames::SessionState::forgotten;
    start(sensor, broker);
    CHECK(sensor.count(RVS_EVENT_FORGOTTEN) == 0);
    REQUIRE(sensor.put("x") == RVS_OK);
    rvs_flush(&sensor.s, 0);
    sensor.take();
    rvs_disconnected(&sensor.s);
    FakeBroker again;
    again.session_state = frames::SessionState::forgotten;
    start(sensor, again);
    CHECK(sensor.count(RVS_EVENT_FORGOTTEN) == 1);
}

TEST_CASE("sensor: a long name of the broker is skipped") {
    FakeSensor sensor;
    FakeBroker broker;
    broker.software = std::string(64, 's');
    broker.credit = 1ULL << 40;
    broker.time = (std::int64_t(1) << 47);
    start(sensor, broker);
    CHECK(rvs_time(&sensor.s, 5) == (std::uint64_t(1) << 47) + 5);
}

TEST_CASE("sensor: a flipped bit in any frame with a check breaks the connection") {
    std::size_t flipped = 0;
    for (std::size_t at = 0; at < 200; ++at) {
        FakeSensor sensor;
        REQUIRE(sensor.add("temps") == 0);
        REQUIRE(sensor.put("x") == RVS_OK);
        FakeBroker broker;
        rvs_open(&sensor.s, 0);
        std::size_t position = 0;
        for (int round = 0; round < 4; ++round) {
            if (!sensor.wire.empty() && broker.error == Error::none) broker.feed(sensor.take());
            if (round == 2) broker.ack(5);
            Buffer answers = broker.answers();
            if (at >= position && at < position + answers.size()) {
                answers[at - position] ^= 0x10;
                ++flipped;
            }
            position += answers.size();
            rvs_receive(&sensor.s, answers.data(), answers.size(), 0);
        }
        if (at >= position) {
            CHECK(rvs_waiting(&sensor.s) == 0);
            break;
        }
        // A length that grew waits for bytes that do not come; all else is noticed. The reading stays in either case.
        CHECK(rvs_waiting(&sensor.s) == 1);
        if (rvs_state(&sensor.s) != RVS_BROKEN) CHECK(rvs_poll(&sensor.s, 1'000'000) != RVS_IDLE);
    }
    CHECK(flipped > 50);
}

TEST_CASE("sensor: malformed frames are answered with ERROR") {
    const auto fresh = [](auto check) {
        FakeSensor sensor;
        FakeBroker broker;
        start(sensor, broker);
        check(sensor, broker);
    };
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x00}) == Error::malformed); });               // length 0
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x83, 0x00}) == Error::malformed); });         // not minimal
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x80, 0x02}) == Error::frame_too_large); });
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0xff, 0x01, 0x06}) == Error::frame_too_large); });  // 257 bytes
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x01, 0x05}) == Error::malformed); });         // no room for a check
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x01, 0x00}) == Error::malformed); });         // kind 0, which has a check too
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x01, 0x26}) == Error::malformed); });         // a flag that PING has not
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x02, 0x0c, 0x00}) == Error::out_of_order); });  // an answer to nothing
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x01, 0x1f}) == Error::out_of_order); });
    fresh([](auto& s, auto& b) {
        Buffer ping{0x12, 0x06};
        ping.resize(19);
        CHECK(answer_to(s, b, ping) == Error::malformed);  // 17 bytes
    });
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x02, 0x09, 0x80}) == Error::malformed); });        // ends early
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x03, 0x09, 0x00, 0x00}) == Error::malformed); });  // goes on
    fresh([](auto& s, auto& b) { CHECK(answer_to(s, b, {0x04, 0x08, 0x08, 0x00, 0x01}) == Error::malformed); });
    const auto framed = [](FakeBroker& b, Kind kind, std::uint8_t flags, const Buffer& body) {
        b.encode([&](Writer& w) {
            frames::FrameEncoder frame(w, kind, flags);
            frame.body().bytes(Bytes(body));
            frame.finish(b.sum);
        });
        return b.answers();
    };
    fresh([&](auto& s, auto& b) { CHECK(answer_to(s, b, framed(b, Kind::open, 0, {1})) == Error::out_of_order); });
    fresh([&](auto& s, auto& b) { CHECK(answer_to(s, b, framed(b, Kind::put, 0, {1})) == Error::out_of_order); });
    fresh([&](auto& s, auto& b) { CHECK(answer_to(s, b, framed(b, Kind::ack, 0, {1, 0})) == Error::malformed); });  // of nothing sent
    fresh([&](auto& s, auto& b) { CHECK(answer_to(s, b, framed(b, Kind::ack, 0, {0})) == Error::malformed); });
    fresh([&](auto& s, auto& b) { CHECK(answer_to(s, b, framed(b, Kind::ack, 0, {0, 0, 0})) == Error::malformed); });
    fresh([&](auto& s, auto& b) { CHECK(answer_to(s, b, framed(b, Kind::alias, 0, {1, 0, 6, 9})) == Error::malformed); });  // never sent
    fresh([&](auto& s, auto& b) {
        Buffer body(11, 0xff);
        CHECK(answer_to(s, b, framed(b, Kind::ack, 0, body)) == Error::malformed);
    });
    for (const Buffer& refusal : {Buffer{0, 0, 0, 1, 18}, Buffer{0, 0, 4, 1, 18}, Buffer{0, 0, 1, 0, 18}, Buffer{0, 0, 2, 3, 18}, Buffer{0, 0, 3, 2, 18}})
        fresh([&](auto& s, auto& b) {
            for (int i = 0; i < 3; ++i) REQUIRE(s.put("x") == RVS_OK);
            flush(s, b);
            CHECK(answer_to(s, b, framed(b, Kind::ack, 1, refusal)) == Error::malformed);
            CHECK(s.count(RVS_EVENT_REFUSED) == 0);
            CHECK(rvs_waiting(&s.s) == 3);
        });
    FakeSensor early;
    FakeBroker broker;
    rvs_open(&early.s, 0);
    broker.automatic = false;
    broker.feed(early.take());
    CHECK(answer_to(early, broker, framed(broker, Kind::ack, 0, {0, 0})) == Error::out_of_order);
}

TEST_CASE("sensor: a broker that pings and does not read cannot overrun the buffer") {
    FakeSensor sensor({.out_bytes = 128});
    FakeBroker broker;
    start(sensor, broker);
    sensor.piece = 0;
    for (int i = 0; i < 100; ++i) {
        broker.encode([](Writer& w) { frames::encode_ping(w, {as_bytes("0123456789abcdef")}); });
        const Buffer ping = broker.answers();
        rvs_receive(&sensor.s, ping.data(), ping.size(), 0);
        sensor.put("x");
        rvs_flush(&sensor.s, 0);
        rvs_close(&sensor.s, 0);
    }
    CHECK(sensor.s.c.out_used <= 128);
}
