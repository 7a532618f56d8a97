#include "sensor/rivulet_sensor.hpp"

#include "unit/sensor/fake.h"

using namespace rivulet;
using sensor_test::Buffer;
using sensor_test::FakeBroker;

namespace {

struct Wire final : SensorTransport {
    int write(const std::uint8_t* bytes, std::size_t n) override {
        sent.insert(sent.end(), bytes, bytes + n);
        return static_cast<int>(n);
    }
    void on_event(const rvs_event& event) override { settled += event.kind == RVS_EVENT_SETTLED ? event.count : 0; }
    Buffer sent;
    std::uint32_t settled = 0;
};

}  // namespace

TEST_CASE("sensor: the C++ wrapper puts, settles and closes") {
    Wire wire;
    FakeBroker broker;
    SensorTopic temps = SensorTopic::partition("temps", 2), events = SensorTopic::by_key("events"), logs = SensorTopic::default_key("logs", "boiler");
    logs.acks(RVS_ACKS_ALL);
    {
        Sensor<512> sensor({.session = 9, .incarnation = 1, .name = "boiler"}, wire);
        REQUIRE(sensor.ok());
        CHECK(sensor.add(temps) == 0);
        CHECK(sensor.add(events) == 1);
        CHECK(sensor.add(logs) == 2);
        const std::string long_key(256, 'k');
        SensorTopic too_long = SensorTopic::default_key("logs", long_key);
        CHECK(sensor.add(too_long) == RVS_INVALID);
        struct { std::uint16_t a, b; } const pair{0x0201, 0x0403};
        CHECK(sensor.put(0, "21.5", 1'700'000'000'000) == Put::ok);
        CHECK(sensor.put(1, "", "empty key") == Put::ok);
        CHECK(sensor.put(1, "k", "v") == Put::ok);
        CHECK(sensor.put(0, std::string_view()) == Put::ok);
        CHECK(sensor.put(1, "k", std::string_view()) == Put::ok);
        CHECK(sensor.erase(1, "k") == Put::ok);
        CHECK(sensor.put_bytes(2, pair) == Put::ok);
        CHECK(sensor.put(3, "x") == Put::invalid);
        CHECK(sensor.put(-1, "x") == Put::invalid);
        CHECK(sensor.put(0, std::string(480, 'x')) == Put::invalid);
        CHECK(sensor.put(0, std::string(465, 'x')) == Put::full);
        sensor.open(0);
        for (int i = 0; i < 3; ++i) {
            broker.feed(std::exchange(wire.sent, {}));
            if (i == 2) broker.ack();
            const Buffer answers = broker.answers();
            sensor.receive(answers.data(), answers.size(), 1);
        }
        CHECK(sensor.state() == RVS_OPENED);
        CHECK(sensor.waiting() == 0);
        CHECK(wire.settled == 7);
        CHECK(sensor.statistics().settled == 7);
        REQUIRE(broker.got.size() == 7);
        CHECK((broker.got[0].value == "21.5" && broker.got[0].time == 1'700'000'000'000 && broker.got[0].alias == 0));
        CHECK((broker.got[1].key == "" && broker.got[1].value == "empty key"));
        CHECK((broker.got[3].value == "" && !broker.got[3].key));
        CHECK((broker.got[4].value == "" && broker.got[4].key == "k"));
        CHECK((broker.got[5].key == "k" && !broker.got[5].value));
        CHECK(broker.got[6].value->size() == 4);
    }
    broker.feed(std::exchange(wire.sent, {}));
    CHECK(broker.kinds.back() == wire::compact::Kind::close);
    Sensor<64, 128> nameless({.name = "a name that is longer than sixty-four bytes is none that a broker takes"}, wire);
    CHECK_FALSE(nameless.ok());
}
