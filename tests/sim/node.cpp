#include "sim/node.h"

#include <algorithm>

#include "sim/node_env.h"
#include "sim/world.h"

namespace rivulet::sim {

Node::Node(World& world, std::size_t index, std::string_view name, const NodeOptions& options)
    : world_(world), index_(index), name_(name), options_(options), random_(world.random("node", index)),
      disk_(random_.split("disk").seed()) {
    disk_.set_host(this);
}

Node::~Node() {
    if (env_) end_process(true);
}

env::Address Node::address(std::uint16_t port) const {
    const std::size_t number = index_ + 1;
    return {false, {10, 0, static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)}, port};
}

void Node::power_on() {
    powered_ = true;
    Random random = random_.split("boot", ++boots_);
    std::array<std::uint8_t, 16> id;
    random.fill(id);
    boot_id_ = uuid_from_random(id);
    // The monotonic clock counts from the boot of this machine, give or take what the boot took.
    monotonic_offset_ = static_cast<std::int64_t>(random.below(30 * ns_per_s)) - world_.now();
    wall_synchronised_ = false;
    if (options_.clock_battery) set_wall(world_.true_wall() + static_cast<std::int64_t>(random.below(4000)) - 2000);
    else set_wall(Timestamp(static_cast<std::int64_t>(random.below(60'000))));
    if (options_.clock_set_after_ns >= 0) {
        world_.after(options_.clock_set_after_ns, [this, boot = boots_] {
            if (!powered_ || boots_ != boot) return;
            set_wall(world_.true_wall());
            wall_synchronised_ = true;
        });
    }
}

NodeEnv& Node::boot() {
    RIVULET_CHECK(!env_);
    if (!powered_) power_on();
    stopped_ = false;
    world_.trace(EventKind::boot, this, name_);
    env_ = std::make_unique<NodeEnv>(*this, random_.split("process", ++processes_));
    if (program) {
        env_->turn(EventKind::start, [this] { env_->call([this] { program_ = program(*env_); }); });
    }
    return *env_;
}

void Node::run_jobs_in_part() {
    if (!env_->alive()) return;
    for (env::Job* job : env_->jobs_begun()) {
        if (random_.chance(1, 2)) continue;
        disk_.cut_power_at(disk_.ops() + random_.below(6));
        env_->run_job_now(*job);
    }
}

void Node::end_process(bool power) {
    RIVULET_CHECK(!env_->in_turn());
    env_->die();
    disk_.cut_power_now();  // nothing that a destructor does reaches the disk
    env_->sockets().process_ended(power);
    if (on_end) on_end(*this);
    program_.reset();
    world_.bury(std::move(env_));
    paused_until_ = 0;
}

void Node::power_off(const CrashPlan* plan) {
    RIVULET_CHECK(powered_);
    world_.trace(EventKind::power_cut, this, name_);
    if (env_) {
        if (!plan) run_jobs_in_part();
        end_process(true);
    }
    world_.network().machine_lost_power(*this);
    disk_.crash_with(plan ? *plan : random_plan(disk_, random_, options_.crash_faults));
    powered_ = false;
}

void Node::power_cut() { power_off(nullptr); }
void Node::power_cut(const CrashPlan& plan) { power_off(&plan); }

void Node::kill() {
    RIVULET_CHECK(env_ != nullptr);
    world_.trace(EventKind::kill, this, name_);
    run_jobs_in_part();
    end_process(false);
    disk_.end_process();
}

void Node::exit_process() {
    if (!env_) return;
    end_process(false);
    disk_.end_process();
    stopped_ = true;
}

void Node::pause(std::int64_t ns) { paused_until_ = std::max(paused_until_, world_.now() + ns); }

Timestamp Node::wall() const { return Timestamp(wall_base_ms_ + (world_.now() - wall_set_at_) / ns_per_ms); }

void Node::set_wall(Timestamp wall) {
    wall_base_ms_ = wall.value;
    wall_set_at_ = world_.now();
}

void Node::on_disk_call(const DiskCall& call) {
    world_.trace(EventKind::disk, this, call.path);
    world_.trace(EventKind::disk, this, name_of(call.op));
    std::uint8_t numbers[16];
    store_le(numbers, call.position);
    store_le(numbers + 8, call.bytes);
    world_.trace(EventKind::disk, this, Bytes(numbers));
    for (const Bytes buffer : call.buffers) world_.trace(EventKind::disk, this, buffer);
    if (env_ && env_->alive() && env_->is_serving() && env_->in_turn() && !env_->in_job()) {
        on_violation("disk call on the loop: " + std::string(name_of(call.op)) + " " + std::string(call.path));
    }
}

void Node::on_disk_power_cut() {
    if (on_power_failing) on_power_failing(*this);
}

void Node::on_violation(std::string_view text) { world_.fail(name_ + ": " + std::string(text)); }

}  // namespace rivulet::sim
