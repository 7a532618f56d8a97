// The sensor library for C++17 without exceptions: an object that holds its buffers, on top of rivulet_sensor.h, whose words hold here too.
// Owns:     one rvs_sensor, RingBytes of readings, OutBytes of frames; no heap. The transport is the caller's, and outlives it.
// Bounds:   sizes are checked when it is compiled.
// Errors:   Put says what put() did; broken() and error() what ended a connection.
// Guarantee: neither copied nor moved, as the C library keeps its address. Destroyed while open, it says CLOSE, if the transport takes that.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "rivulet_sensor.h"

namespace rivulet {

// What a Sensor needs of the world. Its calls must not call the Sensor back.
class SensorTransport {
public:
    // As rvs_config.write.
    virtual int write(const std::uint8_t* bytes, std::size_t count) = 0;
    // As rvs_config.event.
    virtual void on_event(const rvs_event&) {}

protected:
    ~SensorTransport() = default;
};

struct SensorOptions {
    std::uint64_t session = 0;
    std::uint32_t incarnation = 0;
    std::uint32_t timeout_ms = 0;
    const char* name = nullptr;  // at most 64 bytes
    bool broker_clock = false;
    bool drop_oldest = false;
    bool eager = false;
};

enum class Put { ok = RVS_OK, full = RVS_FULL, invalid = RVS_INVALID };

// One topic and a place in it; it must live as long as the Sensor that it is added to.
class SensorTopic {
public:
    static SensorTopic by_key(const char* topic) { return {topic, RVS_BY_KEY}; }
    static SensorTopic partition(const char* topic, std::uint32_t number) {
        SensorTopic made(topic, RVS_PARTITION);
        made.alias_.partition = number;
        return made;
    }
    static SensorTopic default_key(const char* topic, std::string_view key) {  // not copied; above 255 bytes add() says RVS_INVALID, above 192 the broker
        SensorTopic made(topic, RVS_DEFAULT_KEY);
        made.valid_ = key.size() <= 255;
        made.alias_.key = reinterpret_cast<const std::uint8_t*>(key.data());
        made.alias_.key_bytes = static_cast<std::uint8_t>(key.size());
        return made;
    }
    SensorTopic& acks(int level) {
        alias_.acks = static_cast<std::uint8_t>(level);
        return *this;
    }

private:
    template <std::size_t, std::size_t>
    friend class Sensor;
    SensorTopic(const char* topic, std::uint8_t placement) : alias_{topic, nullptr, 0, 0, placement, RVS_ACKS_LEADER, nullptr} {}
    rvs_alias alias_;
    bool valid_ = true;
};

template <std::size_t RingBytes, std::size_t OutBytes = 512>
class Sensor {
    static_assert(RingBytes >= 16 && OutBytes >= 128 && OutBytes <= 0x7fff, "see rvs_config");

public:
    static constexpr std::uint64_t unstamped = RVS_UNSTAMPED;

    Sensor(const SensorOptions& options, SensorTransport& transport) {
        rvs_config config{};
        config.session = options.session;
        config.incarnation = options.incarnation;
        config.timeout_ms = options.timeout_ms;
        config.name = options.name;
        config.ring = ring_;
        config.ring_bytes = RingBytes;
        config.out = out_;
        config.out_bytes = OutBytes;
        config.write = [](void* context, const std::uint8_t* bytes, std::size_t count) { return static_cast<SensorTransport*>(context)->write(bytes, count); };
        config.event = [](void* context, const rvs_event* event) { static_cast<SensorTransport*>(context)->on_event(*event); };
        config.context = &transport;
        config.clock = options.broker_clock ? RVS_CLOCK_BROKER : RVS_CLOCK_OWN;
        config.when_full = options.drop_oldest ? RVS_DROP_OLDEST : RVS_REFUSE_NEWEST;
        config.eager = options.eager ? 1 : 0;
        ok_ = rvs_init(&sensor_, &config) == RVS_OK;
    }
    ~Sensor() { rvs_close(&sensor_, sensor_.now); }
    Sensor(const Sensor&) = delete;
    Sensor& operator=(const Sensor&) = delete;

    // False: the name is too long, and nothing else may be called.
    bool ok() const { return ok_; }

    // The number for put(), or RVS_INVALID.
    int add(SensorTopic& topic) { return topic.valid_ ? rvs_add_alias(&sensor_, &topic.alias_) : static_cast<int>(RVS_INVALID); }

    Put put(int topic, std::string_view value, std::uint64_t time = unstamped) { return put(topic, nullptr, 0, text(value), value.size(), time); }
    Put put(int topic, std::string_view key, std::string_view value, std::uint64_t time = unstamped) {
        return put(topic, text(key), key.size(), text(value), value.size(), time);
    }
    Put erase(int topic, std::string_view key, std::uint64_t time = unstamped) { return put(topic, text(key), key.size(), nullptr, 0, time); }
    // Of a struct without padding or pointers, as its bytes.
    template <class Value>
    Put put_bytes(int topic, const Value& value, std::uint64_t time = unstamped) {
        return put(topic, nullptr, 0, &value, sizeof value, time);
    }

    void open(std::uint32_t now_ms) { rvs_open(&sensor_, now_ms); }
    void flush(std::uint32_t now_ms) { rvs_flush(&sensor_, now_ms); }
    void receive(const void* bytes, std::size_t count, std::uint32_t now_ms) { rvs_receive(&sensor_, bytes, count, now_ms); }
    int poll(std::uint32_t now_ms) { return rvs_poll(&sensor_, now_ms); }
    void close(std::uint32_t now_ms) { rvs_close(&sensor_, now_ms); }
    void disconnected() { rvs_disconnected(&sensor_); }

    int state() const { return rvs_state(&sensor_); }
    bool broken() const { return state() == RVS_BROKEN; }
    int error() const { return rvs_error(&sensor_); }
    std::uint32_t waiting() const { return rvs_waiting(&sensor_); }
    std::uint64_t time(std::uint32_t now_ms) const { return rvs_time(&sensor_, now_ms); }
    const rvs_statistics& statistics() const { return *rvs_get_statistics(&sensor_); }

private:
    // An empty key is a key, an empty value a value.
    static const char* text(std::string_view view) { return view.data() ? view.data() : ""; }
    Put put(int topic, const void* key, std::size_t key_bytes, const void* value, std::size_t value_bytes, std::uint64_t time) {
        if (topic < 0 || topic > 255) return Put::invalid;
        return static_cast<Put>(rvs_put(&sensor_, static_cast<std::uint8_t>(topic), key, key_bytes, value, value_bytes, time));
    }

    rvs_sensor sensor_;
    bool ok_ = false;
    std::uint8_t ring_[RingBytes];
    std::uint8_t out_[OutBytes];
};

}  // namespace rivulet
