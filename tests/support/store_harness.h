// A store in a world of its own, driven from outside: boot, call, wait, read back, cut the power.
// Owns:     the world with its one node; the disk outlives the process.
// Guarantee: same seed and calls, same run. A violation that the world saw shows in failure().
#pragma once

#include <string>

#include "record/batch.h"
#include "sim/world.h"
#include "support/store_program.h"

namespace rivulet::test {

// 64 KiB segments, 16 of them; pools so small that every limit is near.
store::StoreOptions small_store();

struct ServedBatch {
    record::BatchHeader header;
    Buffer bytes;
};

class StoreHarness {
public:
    explicit StoreHarness(std::uint64_t seed = 1, const store::StoreOptions& options = small_store());

    sim::World world;
    sim::Node& node;
    sim::Disk& disk() { return node.disk(); }

    // Starts the process; the store is open and serving if this is good.
    Result<store::OpenReport> boot();
    bool running() const { return node.running(); }
    StoreProgram& program() { return static_cast<StoreProgram&>(*node.running_program()); }
    store::Store& store() { return program().store(); }
    store::Log& log(LogId id);

    // A call into the process, as one turn of its loop.
    template <class Call>
    auto act(Call call) {
        using Value = decltype(call());
        sim::NodeEnv& env = *node.env();
        if constexpr (std::is_void_v<Value>) {
            env.turn(sim::EventKind::harness, [&] { env.call(call); });
        } else {
            std::optional<Value> value;
            env.turn(sim::EventKind::harness, [&] { env.call([&] { value.emplace(call()); }); });
            return std::move(*value);
        }
    }
    // Until the ticket is durable; false: offline, or not within a minute.
    bool settle(std::uint64_t ticket);
    bool settle() { return settle(store().open_ticket() - (nothing_waits() ? 1 : 0)); }
    bool run_until(const std::function<bool()>& condition, std::int64_t ns = 60 * ns_per_s) { return world.run_until(condition, world.now() + ns); }
    void run_for(std::int64_t ns) { world.run_for(ns); }
    // Clean stop, as SIGTERM: true when the store says that it is closed. The process has ended then.
    bool stop();
    void kill() { node.kill(); }
    void cut(const sim::CrashPlan& plan) { node.power_cut(plan); }
    // What is not synced is lost.
    void cut() { node.power_cut(sim::CrashPlan::all_lost()); }

    // Batches from `from` on, until the end: through flash and RAM.
    std::vector<ServedBatch> read(LogId id, Offset from, std::size_t bytes_max = 64 * 1024);
    std::vector<ServedBatch> read(LogId id) { return read(id, log(id).start); }
    // The last read: how it ended, and how often it had to wait.
    store::ReadOutcome last_outcome = store::ReadOutcome::end;
    std::size_t waits = 0;

    std::string failure() const;
    const store::StoreOptions& options() const { return options_; }

private:
    struct Waiter final : store::ReadWaiter {
        void on_read_ready() override { ready = true; }
        bool ready = false;
    };
    bool nothing_waits();

    store::StoreOptions options_;
    std::string read_failure_;
};

}  // namespace rivulet::test
