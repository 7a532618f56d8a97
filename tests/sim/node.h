// One simulated machine: a disk, clocks, and at most one process with its environment.
// Owns:     the disk (it outlives power cuts), the running process: its NodeEnv and its Program.
// Guarantee: boot() begins a process with a fresh NodeEnv; power_cut() and kill() end it at once, without a word to its peers (power)
//           or as the kernel does it (kill: resets and clean ends). Jobs that were running may have reached the disk in part.
// Bounds:   as NodeOptions. The Program is destroyed after its environment is dead: calls it then makes do nothing.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "env/env.h"
#include "sim/disk.h"

namespace rivulet::sim {

class World;
class NodeEnv;
enum class EventKind : std::uint8_t;

struct NodeOptions {
    std::size_t timers_max = 4096;
    std::size_t connections_max = 256;
    std::size_t listeners_max = 16;
    bool clock_battery = false;        // the wall clock is right at boot; else it starts in 1970
    std::int64_t clock_set_after_ns = -1;  // it is set right and synchronised this long after each boot; -1 = never
    env::LogLevel log_level = env::LogLevel::info;
    CrashFaults crash_faults{};        // what power_cut() without a plan may do
};

// What runs in a node: it gets the environment when it is made and is destroyed when the process ends.
class Program {
public:
    virtual ~Program() = default;
};

class Node final : public DiskHost {
public:
    Node(World& world, std::size_t index, std::string_view name, const NodeOptions& options);
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    const std::string& name() const { return name_; }
    std::size_t index() const { return index_; }
    env::Address address(std::uint16_t port) const;  // 10.0.x.y
    World& world() { return world_; }
    const NodeOptions& options() const { return options_; }

    // Called by boot(), in the place of main().
    std::function<std::unique_ptr<Program>(NodeEnv&)> program;

    // Starts a process, after powering the machine on if need be. Must not be running.
    NodeEnv& boot();
    // From the seed by options.crash_faults, or by a plan (then running jobs have done nothing yet).
    void power_cut();
    void power_cut(const CrashPlan& plan);
    void kill();
    bool powered() const { return powered_; }
    bool running() const { return env_ != nullptr; }
    bool stopped() const { return stopped_; }  // the last process ended by Env::stop()
    // Called at the end of each process, before its Program is destroyed.
    std::function<void(Node&)> on_end;
    // Called when a disk call of the running process meets Disk::cut_power_at(): power_cut() must follow when the event is over. A machine that ran on would take the
    // cut for a disk that fails.
    std::function<void(Node&)> on_power_failing;
    NodeEnv* env() { return env_.get(); }
    Program* running_program() { return program_.get(); }
    Disk& disk() { return disk_; }

    // The process does not run for so long, the kernel does.
    void pause(std::int64_t ns);
    std::int64_t paused_until() const { return paused_until_; }

    // ---- the wall clock ----
    Timestamp wall() const;
    void set_wall(Timestamp wall);
    void shift_wall(std::int64_t ms) { set_wall(wall() + ms); }
    void set_wall_synchronised(bool on) { wall_synchronised_ = on; }
    bool wall_synchronised() const { return wall_synchronised_; }
    Uuid boot_id() const { return boot_id_; }
    std::int64_t monotonic_offset() const { return monotonic_offset_; }  // world time + this = the machine's monotonic clock

    // DiskHost
    void on_disk_call(const DiskCall& call) override;
    void on_violation(std::string_view text) override;
    void on_disk_power_cut() override;

    // For NodeEnv: Env::stop() at the end of a turn.
    void exit_process();

private:
    void power_on();
    void power_off(const CrashPlan* plan);
    // Jobs that were under way get to some point of their own, from the seed.
    void run_jobs_in_part();
    void end_process(bool power);

    World& world_;
    std::size_t index_;
    std::string name_;
    NodeOptions options_;
    Random random_;
    Disk disk_;
    std::unique_ptr<NodeEnv> env_;
    std::unique_ptr<Program> program_;
    bool powered_ = false;
    bool stopped_ = false;
    std::uint64_t boots_ = 0;      // of the machine
    std::uint64_t processes_ = 0;
    std::int64_t paused_until_ = 0;
    Uuid boot_id_;
    std::int64_t monotonic_offset_ = 0;
    std::int64_t wall_base_ms_ = 0;
    std::int64_t wall_set_at_ = 0;
    bool wall_synchronised_ = false;
};

}  // namespace rivulet::sim
