#include "sim/run/scenario.h"

#include <cstdio>

#include "sim/run/fleet.h"

namespace rivulet::sim {

namespace {

// Invariant 10: after healing something is settled or read in each such time until all is. Longer than the longest chain of time limits: a connection that is half open until
// its retransmissions end (15 s), a buffer that is held by somebody else (10 s), the log offline until a restart (6 s), a stop that takes its time.
constexpr std::int64_t progress_ns_max = 60 * ns_per_s;
constexpr std::int64_t full_ns_max = 330 * ns_per_s;  // while half-open connections take all of limits.connections: they are closed when they were silent for 300 s
constexpr std::int64_t all_ns_max = 3600 * ns_per_s;
constexpr std::int64_t quiet_ns = 4 * ns_per_s;  // longer than any commit.interval.ms and pack.ms
constexpr std::size_t log_lines_shown = 30;

class Scenario {
public:
    Scenario(const Plan& plan, const BrokerSetup& setup)
        : plan_(plan), world_(plan.world), history_(world_, plan), host_(world_, plan, setup, history_), fleet_(world_, plan, history_), random_(world_.random("scenario")) {}

    SeedResult run();

private:
    void plan_fault();
    void strike(FaultKind kind);
    bool heal();
    bool end();
    bool wait_for(const std::function<bool()>& condition, const char* what);

    const Plan& plan_;
    World world_;
    History history_;
    BrokerHost host_;
    Fleet fleet_;
    Random random_;
    Totals totals_;
    bool healed_ = false;
};

void Scenario::plan_fault() {
    if (plan_.faults.empty()) return;
    const auto gap = static_cast<std::uint64_t>(plan_.fault_gap_ns);
    world_.after(static_cast<std::int64_t>(random_.between(gap / 4, gap * 7 / 4)), [this] {
        if (healed_) return;
        strike(plan_.faults[random_.below(plan_.faults.size())]);
        plan_fault();
    });
}

void Scenario::strike(FaultKind kind) {
    Network& network = world_.network();
    const auto later = [&](std::int64_t ns_max, std::function<void()> what) { world_.after(static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(ns_max))), std::move(what)); };
    bool done = true;
    switch (kind) {
        case FaultKind::power_cut: done = host_.power_cut(false); break;
        case FaultKind::recovery_cut: done = host_.power_cut(true); break;
        case FaultKind::kill: done = host_.kill(); break;
        case FaultKind::restart: done = host_.restart(); break;
        case FaultKind::sync_error: done = host_.sync_error(); break;
        case FaultKind::write_error: done = host_.write_error(Error::io); break;
        case FaultKind::no_space: done = host_.write_error(Error::no_space); break;
        case FaultKind::pause: done = host_.pause(static_cast<std::int64_t>(random_.below(5 * ns_per_s))); break;
        case FaultKind::clock_jump: host_.jump_clock(); break;
        case FaultKind::reload: done = host_.reload(); break;
        case FaultKind::connection_reset: network.reset_connections(host_.node(), fleet_.any_node()); break;
        case FaultKind::one_way_link: {
            Node& node = fleet_.any_node();
            const bool to_broker = random_.chance(1, 2);
            Node& from = to_broker ? node : host_.node();
            Node& to = to_broker ? host_.node() : node;
            network.set_link(from, to, false);
            later(20 * ns_per_s, [&network, &from, &to] { network.set_link(from, to, true); });
            break;
        }
        case FaultKind::partition: {
            network.partition({&host_.node()});
            later(10 * ns_per_s, [&network] { network.heal(); });
            break;
        }
        case FaultKind::slow_link: network.set_delay(host_.node(), fleet_.any_node(), 50 * ns_per_ms, 2 * ns_per_s); break;
        case FaultKind::client_power_cut: fleet_.end_one(true); break;
        case FaultKind::client_kill: fleet_.end_one(false); break;
        case FaultKind::rebalance_cut:
        case FaultKind::commit_cut:
        case FaultKind::rewrite_cut:
        case FaultKind::loading_cut: done = host_.cut_at(kind); break;
        case FaultKind::damage: done = host_.damage(); break;
        case FaultKind::tail_damage: done = host_.tail_damage(); break;
        case FaultKind::lying_flush: done = host_.lying_flush(); break;
    }
    if (done) ++totals_.faults[static_cast<std::size_t>(kind)];
}

bool Scenario::wait_for(const std::function<bool()>& condition, const char* what) {
    const std::int64_t end = world_.now() + all_ns_max;
    for (;;) {
        const auto progress = [this] { return history_.settled_count() + history_.read_count() + history_.kafka().progress(); };
        const std::uint64_t before = progress();
        if (world_.run_until(condition, world_.now() + progress_ns_max)) return true;
        if (host_.full() && world_.run_until(condition, world_.now() + (full_ns_max - progress_ns_max))) return true;
        if (world_.failed()) return false;
        if (progress() != before && world_.now() < end) continue;
        world_.fail("no progress after healing (" + std::string(what) + "): " + host_.state() + fleet_.state());
        return false;
    }
}

bool Scenario::heal() {
    healed_ = true;
    world_.network().heal();
    host_.heal();
    fleet_.finish();
    return wait_for([this] { return host_.up() && fleet_.done(host_.refusing()); }, "readings");
}

bool Scenario::end() {
    switch (random_.below(5)) {
        case 0: host_.kill(); break;
        case 1: host_.power_cut(false); break;
        case 2: host_.restart(); break;
        default: break;
    }
    if (!wait_for([this] { return host_.up(); }, "broker") || !world_.run_for(quiet_ns)) return false;
    fleet_.start_verifier();
    return wait_for([this] { return fleet_.verified(); }, "reading everything") && history_.check_all_found(host_.passes_resumed());
}

SeedResult Scenario::run() {
    host_.begin();
    fleet_.begin();
    plan_fault();
    SeedResult result;
    if (world_.run_until(plan_.duration_ns) && heal()) end();
    result.seed = plan_.seed;
    result.hash = world_.trace_hash();
    result.failure = world_.failure();
    totals_.virtual_ns = static_cast<std::uint64_t>(world_.now());
    totals_.events = world_.events();
    totals_.readings = history_.reading_count();
    totals_.acknowledged = history_.settled_count();
    totals_.records_read = history_.read_count();
    totals_.alterations = history_.altered_count();
    totals_.searches = history_.times_checked();
    totals_.kafka_records = history_.kafka().records_acknowledged();
    totals_.generations = history_.kafka().generations();
    totals_.commits = history_.kafka().commits();
    totals_.compressed = history_.kafka().compressed_batches();
    totals_.refused = history_.refused_count();
    totals_.fenced = history_.kafka().fenced();
    totals_.host = host_.counts();
    result.totals = totals_;
    if (result.failure.empty()) return result;
    const auto& lines = world_.recent_log();
    for (std::size_t i = lines.size() > log_lines_shown ? lines.size() - log_lines_shown : 0; i < lines.size(); ++i) result.log += "  " + lines[i] + "\n";
    return result;
}

}  // namespace

void Totals::add(const Totals& other) {
    virtual_ns += other.virtual_ns;
    events += other.events;
    readings += other.readings;
    acknowledged += other.acknowledged;
    records_read += other.records_read;
    alterations += other.alterations;
    searches += other.searches;
    kafka_records += other.kafka_records;
    generations += other.generations;
    commits += other.commits;
    compressed += other.compressed;
    refused += other.refused;
    fenced += other.fenced;
    replays += other.replays;
    host.add(other.host);
    for (std::size_t i = 0; i < faults.size(); ++i) faults[i] += other.faults[i];
}

SeedResult run_seed(std::uint64_t seed, const SeedOptions& options) {
    Plan plan = make_plan(seed);
    plan.world.print_trace = options.print_trace;
    plan.world.print_log = options.print_log;
    if (options.print_plan) std::fprintf(stderr, "%s\n", plan.text().c_str());
    const BrokerSetup setup(plan);
    if (!setup.problem().empty()) {
        SeedResult result;
        result.seed = seed;
        result.failure = "the configuration of this seed is wrong: " + setup.problem();
        return result;
    }
    return Scenario(plan, setup).run();
}

}  // namespace rivulet::sim
