#include "sim/world.h"

#include <doctest/doctest.h>

#include "sim/node_env.h"

using namespace rivulet;
using sim::CrashPlan;
using sim::Node;
using sim::NodeEnv;
using sim::Program;
using sim::World;

namespace {

struct Ticker final : env::Timer {
    explicit Ticker(NodeEnv& e) : env(e) { fired.reserve(100); }
    void on_timer() override {
        fired.push_back(env.now());
        if (body) body();
    }
    NodeEnv& env;
    std::vector<Instant> fired;
    std::function<void()> body;
};

// Writes one page and syncs it, off the loop.
struct PageJob final : env::Job {
    PageJob(NodeEnv& e, env::File& f) : Job(env::JobKind::commit), env(e), file(f) {}
    void run(env::Disk& disk) override {
        std::array<std::uint8_t, 4096> page;
        page.fill(static_cast<std::uint8_t>(done_times + 1));
        ok = disk.write(file, 0, Bytes(page)).ok() && disk.sync(file).ok();
    }
    void done() override {
        ++done_times;
        if (again) env.submit(*this);
    }
    NodeEnv& env;
    env::File& file;
    bool ok = false;
    bool again = false;
    int done_times = 0;
};

env::File& page_file(env::Disk& disk) {
    if (*disk.exists("f")) return **disk.open("f", env::OpenMode::read_write);
    env::File& file = **disk.open("f", env::OpenMode::create);
    REQUIRE(disk.allocate(file, 4096));
    REQUIRE(disk.sync(file));
    REQUIRE(disk.sync_directory("."));
    return file;
}

struct Holder final : Program {
    explicit Holder(std::function<void()> at_end) : at_end_(std::move(at_end)) {}
    ~Holder() override { at_end_(); }
    std::function<void()> at_end_;
};

}  // namespace

TEST_CASE("timers fire in the order of their instants, never early") {
    World world({.seed = 3});
    NodeEnv& env = world.add_node("a").boot();
    Ticker late(env);
    Ticker soon(env);
    Ticker off(env);
    const Instant start = env.now();
    env.arm(late, start + 20 * ns_per_ms);
    env.arm(soon, start + 5 * ns_per_ms);
    env.arm(off, start + 6 * ns_per_ms);
    env.disarm(off);
    CHECK(env.timers_armed() == 2);
    CHECK(world.run_for(ns_per_s));
    REQUIRE(soon.fired.size() == 1);
    REQUIRE(late.fired.size() == 1);
    CHECK(off.fired.empty());
    CHECK(soon.fired[0] - start >= 5 * ns_per_ms);
    CHECK(soon.fired[0] - start <= 6 * ns_per_ms);
    CHECK(late.fired[0] > soon.fired[0]);
}

TEST_CASE("a paused process runs later; a dead one never") {
    World world({.seed = 3});
    Node& node = world.add_node("a");
    NodeEnv& env = node.boot();
    Ticker tick(env);
    const Instant start = env.now();
    env.arm(tick, start + ns_per_ms);
    node.pause(3 * ns_per_s);
    world.run_for(2 * ns_per_s);
    CHECK(tick.fired.empty());
    world.run_for(2 * ns_per_s);
    REQUIRE(tick.fired.size() == 1);
    CHECK(tick.fired[0] - start == 3 * ns_per_s);
    env.arm(tick, env.now() + ns_per_ms);
    node.kill();
    world.run_for(ns_per_s);
    CHECK(tick.fired.size() == 1);
    CHECK_FALSE(node.running());
    CHECK_FALSE(world.failed());
}

TEST_CASE("clocks: 1970 until set, a boot id per boot, not per process") {
    World world({.seed = 5});
    Node& node = world.add_node("a", {.clock_set_after_ns = 10 * ns_per_s});
    NodeEnv& first = node.boot();
    const Uuid id = first.boot_id();
    CHECK(first.wall().value < 70'000);
    CHECK_FALSE(first.wall_synchronised());
    world.run_for(11 * ns_per_s);
    CHECK(first.wall() == world.true_wall());
    CHECK(first.wall_synchronised());
    node.shift_wall(-5000);
    CHECK(first.wall() == world.true_wall() - 5000);
    node.kill();
    CHECK(node.boot().boot_id() == id);
    node.power_cut();
    CHECK_FALSE(node.boot().boot_id() == id);
    CHECK(node.env()->wall().value < 70'000);
}

TEST_CASE("jobs wait for the slot of their kind and finish on later turns") {
    World world({.seed = 8});
    Node& node = world.add_node("a");
    NodeEnv& env = node.boot();
    env::File& file = page_file(env.disk());
    PageJob one(env, file);
    PageJob two(env, file);
    env.submit(one);
    env.submit(two);
    CHECK(one.done_times == 0);
    CHECK(env.jobs_running() == 1);
    CHECK(env.jobs_waiting() == 1);
    CHECK(world.run_until([&] { return two.done_times == 1; }, 10 * ns_per_s));
    CHECK(one.done_times == 1);
    CHECK(one.ok);
    env.submit(one);
    env.submit(one);
    CHECK(world.failure().find("submitted already") != std::string::npos);
}

TEST_CASE("a fixed latency is kept to") {
    World world({.seed = 8, .latency = {.fixed_ns = {7 * ns_per_ms, 0, 0}}});
    NodeEnv& env = world.add_node("a").boot();
    PageJob job(env, page_file(env.disk()));
    env.submit(job);
    world.run_until(7 * ns_per_ms - 1);
    CHECK(job.done_times == 0);
    world.run_until(7 * ns_per_ms);
    CHECK(job.done_times == 1);
}

TEST_CASE("power cuts: what was done is on the disk, whatever ran then") {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        World world({.seed = seed});
        Node& node = world.add_node("a");
        for (int round = 0; round < 3; ++round) {
            NodeEnv& env = node.boot();
            PageJob job(env, page_file(env.disk()));
            job.again = true;
            env.submit(job);
            world.run_for(static_cast<std::int64_t>(world.random("cut", seed).below(30 * ns_per_ms)));
            const int done = job.done_times;
            if (round == 1) node.kill();
            else node.power_cut();
            const std::vector<std::uint8_t> bytes = node.disk().contents("f");
            REQUIRE(bytes.size() == 4096);
            // The next write was under way, or had not begun: any of its states may stand there, noise too.
            if (round == 1 && done > 0) CHECK((bytes[0] == done || bytes[0] == done + 1));
        }
        REQUIRE_FALSE(world.failed());
    }
}

TEST_CASE("a power cut at a disk call takes the machine with it: no program sees the dead disk") {
    for (std::uint64_t cut = 0; cut < 6; ++cut) {
        World world({.seed = cut});
        Node& node = world.add_node("a");
        int failing = 0;
        node.on_power_failing = [&](Node& n) {
            ++failing;
            world.after(0, [&] { n.power_cut(CrashPlan::all_lost()); });
        };
        NodeEnv& env = node.boot();
        PageJob job(env, page_file(env.disk()));
        job.again = job.ok = true;
        node.disk().cut_power_at(node.disk().ops() + cut);
        env.submit(job);
        world.run_for(ns_per_s);
        CHECK(failing == 1);
        CHECK_FALSE(node.powered());
        // Each round is a write and a sync; the round that was cut is not heard of any more.
        CHECK(job.done_times == static_cast<int>(cut / 2));
        CHECK(node.disk().contents("f")[0] == job.done_times);
        REQUIRE_FALSE(world.failed());
    }
}

TEST_CASE("contracts: no disk call on a loop that serves, no endless turn, no clock in a job") {
    SUBCASE("disk") {
        World world({.seed = 1});
        NodeEnv& env = world.add_node("a").boot();
        env.serving();
        Ticker tick(env);
        tick.body = [&] { (void)env.disk().exists("x").ok(); };
        env.arm(tick, env.now());
        CHECK_FALSE(world.run_for(ns_per_s));
        CHECK(world.failure().find("disk call on the loop") != std::string::npos);
    }
    SUBCASE("work") {
        World world({.seed = 1, .turn_work_max = 10'000});
        NodeEnv& env = world.add_node("board").boot();
        env.serving();
        Ticker tick(env);
        tick.body = [&] { env.charge(tick.fired.size() == 1 ? 9'000 : 9'800); };
        env.arm(tick, env.now());
        CHECK(world.run_for(ns_per_s));
        CHECK(env.turn_work_seen() == 9'256);
        env.arm(tick, env.now());
        CHECK_FALSE(world.run_for(ns_per_s));
        CHECK(world.failure().find("board") != std::string::npos);
        CHECK(world.failure().find("on_timer") != std::string::npos);
    }
    SUBCASE("job") {
        struct Nosy final : env::Job {
            explicit Nosy(NodeEnv& e) : Job(env::JobKind::compute), env(e) {}
            void run(env::Disk&) override { (void)env.now(); }
            void done() override {}
            NodeEnv& env;
        };
        World world({.seed = 1});
        NodeEnv& env = world.add_node("a").boot();
        Nosy job(env);
        env.submit(job);
        CHECK_FALSE(world.run_for(ns_per_s));
    }
}

TEST_CASE("an allocation by broker code that serves fails the run, one by the simulator does not") {
    if (!sim::AllocationGuard::available()) return;  // not linked in, or a sanitizer's allocator
    World world({.seed = 1});
    NodeEnv& env = world.add_node("a").boot();
    Ticker tick(env);
    std::unique_ptr<int> kept;
    bool allocate = true;
    tick.body = [&] {
        if (allocate) kept = std::make_unique<int>(7);
        env.log(env::LogLevel::error, "the simulator keeps this line");
    };
    env.arm(tick, env.now());
    CHECK(world.run_for(ns_per_s));
    env.serving();
    allocate = false;
    env.arm(tick, env.now());
    CHECK(world.run_for(ns_per_s));
    allocate = true;
    env.arm(tick, env.now());
    CHECK_FALSE(world.run_for(ns_per_s));
    CHECK(world.failure().find("allocation of 4 bytes while serving, in on_timer") != std::string::npos);
}

TEST_CASE("a program lives from boot to the end of its process") {
    World world({.seed = 1});
    Node& node = world.add_node("a");
    int ended = 0;
    NodeEnv* seen = nullptr;
    node.program = [&](NodeEnv& env) -> std::unique_ptr<Program> {
        seen = &env;
        return std::make_unique<Holder>([&] {
            ++ended;
            env.stop();  // to the dead: nothing
            Ticker tick(env);
            env.arm(tick, env.now());
        });
    };
    node.boot();
    CHECK(seen == node.env());
    node.power_cut();
    CHECK(ended == 1);
    node.boot();
    node.env()->stop();
    world.run_for(ns_per_s);
    CHECK(node.stopped());
    CHECK(ended == 2);
    CHECK_FALSE(world.failed());
}

TEST_CASE("one seed, one trace") {
    const auto run = [](std::uint64_t seed, bool other_draws) {
        World world({.seed = seed});
        Node& node = world.add_node("a");
        for (int round = 0; round < 4; ++round) {
            NodeEnv& env = node.boot();
            PageJob job(env, page_file(env.disk()));
            job.again = true;
            env.submit(job);
            Ticker tick(env);
            std::uint8_t bytes[8];
            env.entropy(bytes);
            env.arm(tick, env.now() + bytes[0] * ns_per_ms);
            if (other_draws) (void)world.random("elsewhere").next();
            world.run_for(100 * ns_per_ms);
            node.power_cut();
        }
        return world.trace_hash();
    };
    CHECK(run(1, false) == run(1, true));
    CHECK(run(1, false) != run(2, false));
}
