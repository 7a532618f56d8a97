// Bytes handed to the disk per payload byte: the store of the product over a simulated disk, in virtual time and with the default geometry.
// usage: bench_store_bytes [HOURS]     one JSON object a line; a shape's figure does not depend on the machine
#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "support/store_harness.h"

namespace rivulet::bench {
namespace {

constexpr std::uint32_t partitions = 64;

struct Shape {
    const char* name;
    std::size_t value_bytes;
    std::uint32_t readings;  // of one partition, each second
    std::uint32_t sessions;  // of one partition
    bool burst;              // all at the start of the second, not each at a time of its own
    bool first_lap;          // of a new store of 64M, to its end: segments are zeroed before their first use
};
constexpr Shape shapes[] = {
    {"64 x 200 B", 200, 1, 1, false, false},
    {"64 x 200 B, all at once", 200, 1, 1, true, false},
    {"64 x 4 x 50 B, one session", 50, 4, 1, false, false},
    {"64 x 4 x 50 B, four sessions", 50, 4, 4, false, false},
    {"64 x 200 B, first lap", 200, 1, 1, false, true},
};

struct Sensor {
    std::uint64_t session = 0;
    std::uint64_t sequence = 0;
    LogId log{0};
    std::int64_t phase = 0;  // ns within the second
};

class Run {
public:
    Run(const Shape& shape, std::uint64_t seconds)
        : shape_(shape), seconds_(seconds), harness_(7, options(shape)), random_(harness_.world.random("sensors")), value_(shape.value_bytes) {}

    bool measure() {
        if (!harness_.boot()) return failed("does not open");
        if (!harness_.act([&] { return harness_.store().create_logs(partitions, false, as_bytes("bench")); })) return failed("does not create logs");
        harness_.settle(harness_.store().open_ticket());
        for (std::uint32_t i = 0; i < partitions; ++i) harness_.log(log_id(i)).commit_interval_ns = ns_per_s;
        if (!shape_.first_lap && !fill_ring()) return failed("does not fill");
        make_sensors();
        if (!shape_.first_lap && !run(20)) return failed("stalls while warming up");
        const sim::DiskStats before = harness_.disk().stats();
        const std::uint64_t segments = harness_.store().commit_statistics().segments;
        const std::uint64_t commits = harness_.store().commit_statistics().commits;
        const std::uint64_t checkpoint = harness_.store().checkpoint_bytes();
        payload_ = 0;
        if (!run(seconds_)) return failed("stalls");
        const sim::DiskStats after = harness_.disk().stats();
        std::printf("{\"name\": \"%s\", \"ratio\": %.3f, \"payload\": %llu, \"written\": %llu, \"syncs\": %llu, \"commits\": %llu, \"segments\": %llu, "
                    "\"checkpoint_bytes\": %llu}\n",
                    shape_.name, static_cast<double>(after.bytes_written - before.bytes_written) / static_cast<double>(payload_), number(payload_),
                    number(after.bytes_written - before.bytes_written), number(after.syncs - before.syncs),
                    number(harness_.store().commit_statistics().commits - commits), number(harness_.store().commit_statistics().segments - segments),
                    number(harness_.store().checkpoint_bytes() - checkpoint));
        return true;
    }

private:
    static unsigned long long number(std::uint64_t n) { return n; }
    // As the defaults of the configuration.
    static store::StoreOptions options(const Shape& shape) {
        store::StoreOptions options;
        options.dir = "store";
        if (shape.first_lap) options.size = 64U << 20;
        return options;
    }
    bool lap_ended() {
        const store::State& state = harness_.store().state();
        return state.head.next >= state.geometry.segment_start(state.geometry.segment_count + 1);
    }
    LogId log_id(std::uint32_t partition) const { return LogId(store::first_user_log.value + partition); }

    bool failed(const char* why) {
        std::fprintf(stderr, "bench_store_bytes: %s: %s %s\n", shape_.name, why, harness_.failure().c_str());
        return false;
    }

    // The whole ring once, so that every segment was written before.
    bool fill_ring() {
        const std::vector<std::uint8_t> big(256 * 1024);
        record::Reading reading;
        reading.value = big;
        for (std::uint32_t i = 0; !lap_ended(); ++i) {
            store::Log& log = harness_.log(log_id(i % partitions));
            const Result<store::Appended> appended = harness_.act([&] { return harness_.store().append(log, reading, false, {}); });
            if (!appended) harness_.run_for(10 * ns_per_ms);
            if (!harness_.failure().empty()) return false;
        }
        return harness_.settle() && (harness_.run_for(60 * ns_per_s), harness_.failure().empty());
    }

    void make_sensors() {
        for (std::uint32_t p = 0; p < partitions; ++p) {
            std::uint64_t session = 0;
            for (std::uint32_t i = 0; i < shape_.readings; ++i) {
                if (i < shape_.sessions) session = random_.next();
                const std::int64_t phase = shape_.burst ? 0 : static_cast<std::int64_t>(random_.below(ns_per_s / ns_per_ms)) * ns_per_ms;
                sensors_.push_back({session, 0, log_id(p), phase});
            }
        }
        std::sort(sensors_.begin(), sensors_.end(), [](const Sensor& a, const Sensor& b) { return a.phase < b.phase; });
    }

    bool run(std::uint64_t seconds) {
        const std::int64_t begin = harness_.world.now() / ns_per_s * ns_per_s + ns_per_s;
        for (std::uint64_t second = 0; shape_.first_lap ? !lap_ended() : second < seconds; ++second) {
            for (Sensor& sensor : sensors_) {
                const std::int64_t jitter = shape_.burst ? 0 : static_cast<std::int64_t>(random_.below(20 * ns_per_ms));
                harness_.world.run_until(begin + static_cast<std::int64_t>(second) * ns_per_s + sensor.phase + jitter);
                if (!put(sensor)) return false;
            }
        }
        return harness_.failure().empty();
    }

    bool put(Sensor& sensor) {
        record::Reading reading;
        // A sensor's own clock, some milliseconds off the second.
        reading.timestamp = harness_.world.true_wall() + static_cast<std::int64_t>(random_.below(5));
        for (std::uint8_t& byte : value_) byte = static_cast<std::uint8_t>(random_.next());
        reading.value = value_;
        // Sensors of one session share its count.
        std::uint64_t& sequence = shape_.sessions == shape_.readings ? sensor.sequence : sequences_[sensor.session];
        const store::SessionReading session{sensor.session, 0x5eed0001, ++sequence};
        store::Log& log = harness_.log(sensor.log);
        const Result<store::Appended> appended = harness_.act([&] { return harness_.store().append(log, reading, false, session); });
        payload_ += value_.size();
        return appended.ok() && appended.value().base.value >= 0;
    }

    const Shape& shape_;
    std::uint64_t seconds_;
    test::StoreHarness harness_;
    sim::Random random_;
    std::vector<std::uint8_t> value_;
    std::vector<Sensor> sensors_;
    std::map<std::uint64_t, std::uint64_t> sequences_;
    std::uint64_t payload_ = 0;
};

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
    const double hours = argc > 1 ? std::strtod(argv[1], nullptr) : 2;
    bool good = true;
    for (const rivulet::bench::Shape& shape : rivulet::bench::shapes) good = rivulet::bench::Run(shape, static_cast<std::uint64_t>(hours * 3600)).measure() && good;
    return good ? 0 : 1;
}
