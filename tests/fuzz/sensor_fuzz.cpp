// Any bytes as what the sensor library receives. The first byte chooses: bit 0 whether what follows is raw, or frames to which the right check
// is added (else few get past it); bits 1-3 clock, full ring, eagerness; bits 4-7 how many bytes the transport takes at once.
// As frames: a byte of what the program does (low 3 bits), a byte of kind and flags, a byte of length, the body. What must hold besides no crash:
//   - the counts of the state agree with each other and with the buffers;
//   - what the sensor sends, the broker's codec takes, whatever the broker said.
#include <cstdlib>
#include <vector>

#include "sensor/rivulet_sensor.h"
#include "wire/compact/frame_reader.h"
#include "wire/compact/put_state.h"

using namespace rivulet;
using namespace rivulet::wire::compact;

namespace {

using Buffer = std::vector<std::uint8_t>;

void require(bool condition) {
    if (!condition) std::abort();
}

// The broker's ear: a new one for each connection.
struct Ear {
    FrameReader reader{Side::client};
    PutState puts;
    Buffer waiting;

    void hear(Bytes bytes) {
        waiting.insert(waiting.end(), bytes.begin(), bytes.end());
        for (;;) {
            const auto step = reader.next(Bytes(waiting));
            require(step.outcome != FrameReader::Outcome::failed);
            if (step.outcome == FrameReader::Outcome::need_more) return;
            take(step.frame);
            waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(step.bytes));
        }
    }
    void take(const FrameView& frame) {
        if (frame.kind == Kind::open) {
            const auto open = decode_open(frame.body);
            require(open.ok());
            puts = PutState(*open);
            reader.set_frame_bytes_max(1024);
        } else if (frame.kind == Kind::alias) {
            require(decode_alias(frame.body, frame.flags).ok());
        } else if (frame.kind == Kind::put || frame.kind == Kind::put_packed) {
            puts.grant(frame.raw.size());  // what it may send, the fuzzed broker said
            const auto batch = decode_puts(frame, puts);
            require(batch.ok());
            for (const Reading& reading : batch->readings) require(reading.value.size() <= 1003);
        } else if (frame.kind == Kind::error) {
            require(decode_error(frame.body).ok());
        }
    }
};

struct World {
    rvs_sensor s;
    std::uint8_t ring[300];
    std::uint8_t out[160];
    rvs_alias aliases[2];
    Ear ear;
    std::size_t piece = 1;
    std::uint32_t now = 0;
    std::uint32_t sum = 0;  // of the broker's frames
    std::uint8_t value = 0;

    explicit World(std::uint8_t choice) : aliases{} {
        piece = 1U + (choice >> 4) * 11U;
        rvs_config config{};
        config.ring = ring;
        config.ring_bytes = sizeof ring;
        config.out = out;
        config.out_bytes = sizeof out;
        config.write = [](void* me, const std::uint8_t* bytes, std::size_t n) {
            World& world = *static_cast<World*>(me);
            n = n < world.piece ? n : world.piece;
            world.ear.hear({bytes, n});
            return static_cast<int>(n);
        };
        config.event = [](void* me, const rvs_event* event) {
            if (event->kind == RVS_EVENT_SETTLED || event->kind == RVS_EVENT_REFUSED) require(event->count <= static_cast<World*>(me)->s.c.unsettled);
        };
        config.context = this;
        config.session = 5;
        config.clock = (choice >> 1) & 1U;
        config.when_full = (choice >> 2) & 1U;
        config.eager = (choice >> 3) & 1U;
        require(rvs_init(&s, &config) == RVS_OK);
        aliases[0].topic = "temps";
        aliases[1].topic = "events";
        aliases[1].placement = RVS_PARTITION;
        for (rvs_alias& alias : aliases) require(rvs_add_alias(&s, &alias) >= 0);
        put();
        open();
    }
    void open() {
        rvs_disconnected(&s);
        ear = Ear();
        sum = 0;
        rvs_open(&s, now);
    }
    void put() {
        ++value;
        const std::uint8_t bytes[40] = {value};
        const std::uint64_t time = value % 5U == 0 ? RVS_UNSTAMPED : std::uint64_t(value) * value * 1000;
        const bool keyed = value % 7U == 0;
        rvs_put(&s, value % 6U == 0, keyed ? bytes : nullptr, keyed ? value % 20U : 0, value % 14U == 0 ? nullptr : bytes, value % 40U, time);
    }
    void act(std::uint8_t what) {
        switch (what & 7U) {
        case 0: put(); break;
        case 1: put(); put(); put(); rvs_flush(&s, now); break;
        case 2: now += 100; rvs_poll(&s, now); break;
        case 3: now += 6000; rvs_poll(&s, now); break;
        case 4: now += 0x40000000; rvs_poll(&s, now); break;
        case 5: rvs_close(&s, now); break;
        case 6: if (rvs_state(&s) == RVS_BROKEN || rvs_state(&s) == RVS_IDLE) open(); break;
        default: open(); break;
        }
        check();
    }
    void receive(Bytes bytes) {
        const Buffer exact(bytes.begin(), bytes.end());  // so that a sanitizer sees a read beyond it
        rvs_receive(&s, exact.data(), exact.size(), now);
        check();
    }
    void check() const {
        require(s.used <= sizeof ring && s.tail < sizeof ring && s.c.cursor <= s.used && s.c.out_used <= sizeof out);
        require(s.c.sent <= s.numbered && s.numbered <= s.count && s.c.sent <= s.c.unsettled);
        require((s.used == 0) == (s.count == 0));
        require(s.statistics.put - s.statistics.dropped >= s.count);
    }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    World world(data[0]);
    const std::uint8_t* at = data + 1;
    const std::uint8_t* const end = data + size;
    if ((data[0] & 1U) == 0) {
        for (const std::uint8_t* to; at != end; at = to) {
            to = at + (end - at < 37 ? end - at : 37);
            world.receive({at, static_cast<std::size_t>(to - at)});
        }
        return 0;
    }
    while (end - at >= 3) {
        world.act(*at++);
        const std::uint8_t kind = *at++;
        std::size_t length = *at++ % 64U;
        if (length > static_cast<std::size_t>(end - at)) length = static_cast<std::size_t>(end - at);
        const bool checked = (kind & 31U) <= 5;
        Buffer frame{static_cast<std::uint8_t>(1 + length + (checked ? 2U : 0U)), kind};
        frame.insert(frame.end(), at, at + length);
        at += length;
        if (checked) {
            world.sum = crc32c(Bytes(frame), world.sum);
            frame.push_back(static_cast<std::uint8_t>(world.sum));
            frame.push_back(static_cast<std::uint8_t>(world.sum >> 8));
        }
        world.receive(Bytes(frame));
    }
    return 0;
}
