// Reads an analog input each second and pushes it to the topic "temps", exactly once: readings wait in RAM while the network or the broker is
// away, and the oldest go when that is full. The board has no clock: the broker's time stamps the readings, those from before the first contact
// included. For boards with WiFi.h (ESP32, UNO R4, MKR with their own header); any other Client will do, as EthernetClient.
#include <WiFi.h>
#include <rivulet_sensor.h>

const char *const network = "your network";
const char *const password = "its password";
const char *const broker = "192.168.7.10";
const uint16_t port = 9192;

const uint32_t period_ms = 1000;

WiFiClient client;
uint8_t ring[2048]; // about 100 readings of 10 bytes
uint8_t out[256];
rvs_sensor sensor;
rvs_alias temps;
uint32_t read_at, tried_at, pause_ms = 1000;

int on_write(void *, const uint8_t *bytes, size_t count) {
    if (!client.connected()) return -1;
    return (int)client.write(bytes, count);
}

void on_event(void *, const rvs_event *event) {
    if (event->kind == RVS_EVENT_SETTLED) pause_ms = 1000;
    if (event->kind == RVS_EVENT_ALIAS && event->error != 0) Serial.println("is the topic created?");
    if (event->kind == RVS_EVENT_REFUSED) Serial.println("a reading was refused");
    if (event->kind == RVS_EVENT_DROPPED) Serial.println("the ring is full: the oldest reading is dropped");
}

void setup() {
    Serial.begin(115200);
    WiFi.begin(network, password);

    uint8_t mac[6];
    WiFi.macAddress(mac);
    rvs_config config = {};
    for (int i = 0; i < 6; ++i) config.session = config.session << 8 | mac[i];
    randomSeed(analogRead(A1) ^ micros());
    config.incarnation = (uint32_t)random(0x7fffffff) ^ micros(); // new at each start: the ring is empty, counting begins anew
    config.name = "arduino";
    config.ring = ring;
    config.ring_bytes = sizeof ring;
    config.out = out;
    config.out_bytes = sizeof out;
    config.write = on_write;
    config.event = on_event;
    config.clock = RVS_CLOCK_BROKER;
    config.when_full = RVS_DROP_OLDEST;
    temps.topic = "temps";
    temps.placement = RVS_BY_KEY; // without keys: one partition, fixed for this session
    temps.acks = RVS_ACKS_LEADER;
    if (rvs_init(&sensor, &config) != RVS_OK || rvs_add_alias(&sensor, &temps) < 0) Serial.println("the buffers are too small");
}

void loop() {
    const uint32_t now = millis();

    if (now - read_at >= period_ms) {
        read_at = now;
        char text[8];
        const int n = snprintf(text, sizeof text, "%d", analogRead(A0));
        rvs_put(&sensor, 0, NULL, 0, text, (size_t)n, now);
        rvs_flush(&sensor, now); // leave it out, and readings go out by the dozen, which saves bytes and current
    }

    if (rvs_state(&sensor) == RVS_IDLE) {
        if (rvs_error(&sensor) == RVS_ERROR_SESSION_MOVED) return; // another board has this session: see to that first
        if (WiFi.status() == WL_CONNECTED && now - tried_at >= pause_ms) {
            tried_at = now;
            pause_ms = pause_ms < 30000 ? pause_ms * 2 : 60000;
            if (client.connect(broker, port)) rvs_open(&sensor, now);
        }
        return;
    }
    uint8_t bytes[64];
    while (client.available() > 0) {
        const int n = client.read(bytes, sizeof bytes);
        if (n <= 0) break;
        rvs_receive(&sensor, bytes, (size_t)n, now);
    }
    if (rvs_poll(&sensor, now) == RVS_BROKEN || !client.connected()) {
        client.stop();
        rvs_disconnected(&sensor);
        tried_at = now;
    }
}
