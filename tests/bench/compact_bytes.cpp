// Bytes that cleaning writes anew: a topic of last known values in the product's broker over a simulated disk, beside one that nobody compacts.
// usage: bench_compact_bytes [LAPS]     of the ring; one JSON object a line; figures do not depend on the machine
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "broker/broker.h"
#include "sim/node_env.h"
#include "sim/world.h"
#include "unit/record/batches.h"

namespace rivulet::bench {
namespace {

constexpr std::size_t value_bytes = 200;
constexpr std::uint32_t batch_records = 20;
constexpr std::uint64_t batches_per_second = 50;

struct Shape {
    const char* name;
    std::uint32_t keys;
};
constexpr Shape shapes[] = {{"1000 keys", 1000}, {"a tenth of the ring alive", 14'000}};

broker::BrokerOptions options_for(const Shape& shape) {
    broker::BrokerOptions options;
    options.store.dir = "store";
    options.store.size = 32U << 20;
    options.store.segment_bytes = 512U << 10;
    options.store.batch_bytes_max = 64U << 10;
    options.store.logs_max = 8;
    options.store.blocks = 512;
    options.defaults.config.max_message_bytes = 64U << 10;
    options.topics_max = 4;
    options.compact_keys = shape.keys + shape.keys / 4;
    options.clock_trust = config::ClockTrust::always;
    return options;
}

class Program final : public sim::Program, private broker::BrokerListener {
public:
    Program(sim::NodeEnv& env, const broker::BrokerOptions& options) : memory_(broker::Broker::memory_bytes(options) + 4096), arena_(MutableBytes(memory_)), broker(arena_.make<broker::Broker>(env, arena_, options)) {
        arena_.seal();
        if (!broker.open()) return;
        opened = true;
        env.serving();
        broker.serve(*this);
    }

private:
    void on_offline(Failure) override {}
    void on_stopped(Status) override {}
    std::vector<std::uint8_t> memory_;
    Arena arena_;

public:
    broker::Broker& broker;
    bool opened = false;
};

class Run {
public:
    Run(const Shape& shape, const char* policy) : shape_(shape), policy_(policy), options_(options_for(shape)), world_(world_options()), node_(world_.add_node("a", {})), random_(7) {
        node_.program = [this](sim::NodeEnv& env) { return std::make_unique<Program>(env, options_); };
    }

    bool measure(double laps) {
        node_.boot();
        if (!program().opened) return failed("does not open");
        world_.run_for(ns_per_s);
        char buffer[200];
        Text why(buffer);
        broker::Broker::TopicRequest request;
        request.name = "state";
        request.partitions = 1;
        request.config = broker().default_config();
        if (!config::set(request.config, "cleanup.policy", policy_, why)) return failed("has no such policy");
        if (!act([&] { return broker().create_topic(request, why).ok(); })) return failed("does not create the topic");
        // Each key once, and the ring.
        for (std::uint32_t key = 0; key < shape_.keys; key += batch_records)
            if (!append(key)) return failed("stalls");
        if (!write(1.2)) return failed("stalls while warming up");
        const sim::DiskStats before = node_.disk().stats();
        const std::uint64_t relocated = broker().cleaner().statistics().written_bytes;
        appended_ = 0;
        if (!write(laps)) return failed("stalls");
        std::printf("{\"name\": \"%s\", \"policy\": \"%s\", \"appended\": %llu, \"written\": %llu, \"relocated\": %llu, \"cleaner_bytes\": %llu, \"keys\": %u}\n", shape_.name, policy_, number(appended_),
                    number(node_.disk().stats().bytes_written - before.bytes_written), number(broker().cleaner().statistics().written_bytes - relocated),
                    number(broker::Cleaner::memory_bytes(options_.compact_keys)), options_.compact_keys);
        return true;
    }

private:
    static unsigned long long number(std::uint64_t n) { return n; }
    static sim::WorldOptions world_options() {
        sim::WorldOptions options;
        options.seed = 7;
        return options;
    }
    Program& program() { return static_cast<Program&>(*node_.running_program()); }
    broker::Broker& broker() { return program().broker; }
    template <class Call>
    bool act(Call call) {
        bool good = false;
        node_.env()->turn(sim::EventKind::harness, [&] { node_.env()->call([&] { good = call(); }); });
        return good;
    }
    bool failed(const char* why) {
        std::fprintf(stderr, "bench_compact_bytes: %s, %s: %s %s\n", shape_.name, policy_, why, world_.failure().c_str());
        return false;
    }
    std::uint64_t position() { return broker().store().state().head.next.value; }
    // So many times the ring.
    bool write(double laps) {
        const std::uint64_t end = position() + static_cast<std::uint64_t>(laps * static_cast<double>(options_.store.size));
        while (position() < end)
            if (!append(shape_.keys)) return false;
        return true;
    }
    // Of these keys in a row, or of any.
    bool append(std::uint32_t first) {
        std::vector<std::string> keys;
        std::vector<record::Reading> readings;
        const std::string value(value_bytes, 'v');
        for (std::uint32_t i = 0; i < batch_records; ++i) keys.push_back("device-" + std::to_string(first < shape_.keys ? first + i : random_.below(shape_.keys)));
        for (const std::string& key : keys) readings.push_back(test::reading(world_.true_wall().value, key, value));
        const test::Buffer batch = test::pack(readings);
        for (int tries = 0; tries < 1000; ++tries) {
            world_.run_for(ns_per_s / static_cast<std::int64_t>(batches_per_second));
            if (!act([&] { return broker().append(*broker().partition(*broker().find_topic("state"), 0), batch).ok(); })) continue;
            appended_ += batch.size();
            return true;
        }
        return false;
    }

    const Shape& shape_;
    const char* policy_;
    broker::BrokerOptions options_;
    sim::World world_;
    sim::Node& node_;
    test::Random random_;
    std::uint64_t appended_ = 0;
};

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
    const double laps = argc > 1 ? std::strtod(argv[1], nullptr) : 4;
    bool good = true;
    for (const rivulet::bench::Shape& shape : rivulet::bench::shapes)
        for (const char* const policy : {"delete", "compact"}) good = rivulet::bench::Run(shape, policy).measure(laps) && good;
    return good ? 0 : 1;
}
