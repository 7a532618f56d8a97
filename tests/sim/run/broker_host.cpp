#include "sim/run/broker_host.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace rivulet::sim {

namespace {

constexpr std::int64_t stop_ns_max = 20 * ns_per_s;  // beside broker.drain_timeout
constexpr int failures_in_a_row_max = 8;
constexpr std::string_view journal = "store/journal";
constexpr std::string_view damage_words[] = {"damage", "lost", "missing", "rebuilt", "no checkpoint", "fenced", "comes back"};

}  // namespace

void HostCounts::add(const HostCounts& other) {
    power_cuts += other.power_cuts;
    starts += other.starts;
    failed_starts += other.failed_starts;
    clean_stops += other.clean_stops;
    times_offline += other.times_offline;
    commits += other.commits;
    segments += other.segments;
    windows += other.windows;
    repeats += other.repeats;
    rewrites += other.rewrites;
    cleanings += other.cleanings;
    cleanings_resumed += other.cleanings_resumed;
    records_cleaned += other.records_cleaned;
    bytes_dropped += other.bytes_dropped;
    refused += other.refused;
    silent += other.silent;
    turn_work_max = std::max(turn_work_max, other.turn_work_max);
}

BrokerHost::BrokerHost(World& world, const Plan& plan, const BrokerSetup& setup, History& history)
    : world_(world), plan_(plan), setup_(setup), history_(history), random_(world.random("host")), node_(world.add_node("broker", plan.broker)) {
    node_.program = [this](NodeEnv& env) { return std::make_unique<BrokerProgram>(env, setup_, plan_.noise_in_memory); };
    node_.on_end = [this](Node&) { on_end(); };
    node_.on_power_failing = [this](Node&) {
        if (power_failing_) power_off_after(0);
    };
    world.on_log = [this](Node& node, env::LogLevel level, std::string_view line) {
        if (&node == &node_) on_log(level, line);
    };
    history.kafka().on_moment = [this](Moment moment) { on_moment(moment); };
    node_.disk().observer = [this](const DiskCall& call, std::uint64_t) {
        if (plan_.world.print_trace) {
            std::fprintf(stderr, "%.9f broker: disk %s %s at %llu, %llu bytes\n", static_cast<double>(world_.now()) / 1e9, std::string(name_of(call.op)).c_str(),
                         std::string(call.path).c_str(), static_cast<unsigned long long>(call.position), static_cast<unsigned long long>(call.bytes));
        }
        if (call.op != DiskOp::write || call.path != journal) return;
        last_write_ = call.position;
        last_write_bytes_ = call.bytes;
    };
}

BrokerHost::~BrokerHost() {
    node_.on_end = nullptr;
    node_.on_power_failing = nullptr;
    node_.disk().observer = nullptr;
    world_.on_log = nullptr;
}

std::string BrokerHost::state() {
    const std::string inside = node_.running() && program()->started() ? program()->state() : std::string();
    return std::string("broker: ") + (node_.running() ? "runs" : "down") + (stopping_ ? ", stopping" : "") + (offline_ ? ", offline" : "") + inside;
}

void BrokerHost::begin() {
    if (plan_.full_at_creation) {
        node_.disk().set_capacity(random_.below(setup_.config().storage.journal_bytes()));
        errors_planned_ = true;
    }
    boot();
}

// ---- start ----

void BrokerHost::boot_later() {
    if (boot_planned_) return;
    boot_planned_ = true;
    world_.after(static_cast<std::int64_t>(random_.between(1, 2000)) * ns_per_ms, [this] {
        boot_planned_ = false;
        if (!node_.running()) boot();
    });
}

void BrokerHost::boot() {
    ++boot_number_;
    stopping_ = offline_ = false;
    Disk& disk = node_.disk();
    power_failing_ = std::exchange(cut_in_recovery_, false);
    if (power_failing_) disk.cut_power_at(disk.ops() + random_.below(12));
    booting_ = true;
    node_.boot();
    booting_ = false;
    ++counts_.starts;
    const bool failed = !program()->started();
    const Failure why = program()->start_failure();
    if (power_failing_) {
        // If the disk does not get to where it goes, it goes a little later.
        power_off_after(failed ? 0 : static_cast<std::int64_t>(random_.below(300 * ns_per_ms)));
        return;
    }
    failures_in_a_row_ = failed ? failures_in_a_row_ + 1 : 0;
    if (!failed) return;
    ++counts_.failed_starts;
    // Each planned fault fails one start.
    if (!errors_planned_ || failures_in_a_row_ > failures_in_a_row_max) {
        world_.fail("the broker did not start: " + std::string(error_info(why.error).name) + ", detail " + std::to_string(why.detail));
        return;
    }
    node_.disk().set_capacity(UINT64_MAX);
    boot_later();
}

void BrokerHost::power_off_after(std::int64_t ns) {
    world_.after(ns, [this, number = boot_number_] {
        if (number == boot_number_) power_off(nullptr);
    });
}

// Newcomers are refused.
bool BrokerHost::full() {
    if (!node_.running() || !program() || !program()->started()) return false;
    return program()->hub().connections() >= program()->hub().options().connections || (plan_.kafka.on && program()->kafka().connections() >= program()->kafka().options().connections);
}

bool BrokerHost::refusing() {
    if (!node_.running() || !program() || !program()->started()) return false;
    broker::Broker& broker = program()->broker();
    return std::any_of(plan_.topics.begin(), plan_.topics.end(), [&](const TopicPlan& plan) {
        const broker::Topic* const topic = plan.refuses() ? broker.find_topic(plan.name) : nullptr;
        const store::Log* const log = topic ? broker.partition(*topic, 0) : nullptr;
        return log && log->intake == store::Log::Intake::refused;
    });
}

// ---- ends ----

bool BrokerHost::passes_resumed() {
    const bool now = node_.running() && program()->started() && program()->broker().cleaner().statistics().passes_resumed != 0;
    return now || counts_.cleanings_resumed != 0;
}

// The process has ended, for whatever reason; its program is still there.
void BrokerHost::on_end() {
    if (program() && program()->started()) {
        const store::Store& store = program()->store();
        counts_.commits += store.commit_statistics().commits;
        counts_.segments += store.commit_statistics().segments;
        counts_.windows += store.read_statistics().windows_loaded;
        counts_.repeats += program()->kafka().statistics().duplicates;
        counts_.rewrites += program()->journal().rewriter().rewrites();
        counts_.cleanings += program()->broker().cleaner().statistics().passes;
        counts_.cleanings_resumed += program()->broker().cleaner().statistics().passes_resumed;
        counts_.records_cleaned += program()->broker().cleaner().statistics().records_dropped;
        counts_.bytes_dropped += program()->broker().cleaner().statistics().dropped_bytes;
        counts_.refused += program()->hub().connection_statistics().connections_refused;
        counts_.silent += program()->hub().connection_statistics().unopened_dropped;
        counts_.turn_work_max = std::max(counts_.turn_work_max, node_.env()->turn_work_seen());
    }
    history_.kafka().broker_ended();
    const bool clean = stopping_ && program() && program()->stopped_clean();
    if (clean) ++counts_.clean_stops;
    else history_.unclean_stop();
}

void BrokerHost::power_off(const CrashPlan* plan) {
    if (!node_.powered()) return;
    ++counts_.power_cuts;
    power_failing_ = false;
    if (plan) node_.power_cut(*plan);
    else node_.power_cut();
    stopping_ = offline_ = false;
    boot_later();
}

bool BrokerHost::power_cut(bool again_in_recovery) {
    if (!node_.powered()) return false;
    power_off(nullptr);
    cut_in_recovery_ = again_in_recovery;
    return true;
}

bool BrokerHost::kill() {
    if (!node_.running()) return false;
    node_.kill();
    stopping_ = offline_ = false;
    boot_later();
    return true;
}

bool BrokerHost::restart() {
    if (!node_.running() || stopping_) return false;
    stopping_ = true;
    program()->stop();
    watch_stop(boot_number_, world_.now() + setup_.config().broker.drain_timeout_ms * ns_per_ms + stop_ns_max);
    return true;
}

void BrokerHost::watch_stop(std::uint64_t number, std::int64_t deadline) {
    if (number != boot_number_ || !stopping_) return;
    if (!node_.running()) {
        stopping_ = false;
        return boot_later();
    }
    deadline = std::max(deadline, node_.paused_until() + stop_ns_max);
    if (world_.now() > deadline) return world_.fail("the broker does not stop");
    world_.after(50 * ns_per_ms, [this, number, deadline] { watch_stop(number, deadline); });
}

// ---- the power at a chosen moment ----

bool BrokerHost::cut_at(FaultKind kind) {
    if (!up() || awaited_ != FaultKind::power_cut) return false;
    awaited_ = kind;
    const std::int64_t until = world_.now() + 8 * ns_per_s;
    if (kind == FaultKind::loading_cut) (void)power_cut(false);
    if (kind == FaultKind::loading_cut || kind == FaultKind::rewrite_cut) watch_journal(kind, until);
    else world_.at(until, [this, kind] { if (awaited_ == kind) awaited_ = FaultKind::power_cut; });
    return true;
}

void BrokerHost::on_moment(Moment moment) {
    const FaultKind kind = moment == Moment::committing ? FaultKind::commit_cut : FaultKind::rebalance_cut;
    if (awaited_ != kind || !up() || random_.chance(1, 2)) return;
    cut_soon();
}

// At one of the disk calls that come next, or after a time in which a request arrives and is committed.
void BrokerHost::cut_soon() {
    awaited_ = FaultKind::power_cut;
    if (random_.chance(1, 2)) return power_off_after(static_cast<std::int64_t>(random_.below(60 * ns_per_ms)));
    power_failing_ = true;
    node_.disk().cut_power_at(node_.disk().ops() + 1 + random_.below(8));
    power_off_after(2 * ns_per_s);
}

void BrokerHost::watch_journal(FaultKind kind, std::int64_t until) {
    if (awaited_ != kind) return;
    if (world_.now() > until) {
        awaited_ = FaultKind::power_cut;
        return;
    }
    const bool runs = up() && program() && program()->started();
    const bool now = runs && (kind == FaultKind::loading_cut ? program()->journal().loading() : program()->journal().rewriter().busy());
    if (now && random_.chance(1, 3)) {
        if (kind == FaultKind::rewrite_cut) return cut_soon();
        awaited_ = FaultKind::power_cut;
        return power_off(nullptr);
    }
    world_.after(runs ? static_cast<std::int64_t>(random_.between(200, 4000)) * 1000 : 20 * ns_per_ms, [this, kind, until] { watch_journal(kind, until); });
}

// ---- disk ----

bool BrokerHost::sync_error() {
    if (!up()) return false;
    errors_planned_ = true;
    node_.disk().fail_nth(DiskOp::sync, random_.between(1, 4), Error::io, random_.chance(1, 2));
    return true;
}

bool BrokerHost::write_error(Error error) {
    if (!up()) return false;
    errors_planned_ = true;
    node_.disk().fail_nth(DiskOp::write, random_.between(1, 6), error);
    return true;
}

void BrokerHost::on_log(env::LogLevel level, std::string_view line) {
    if (level > env::LogLevel::warning) return;
    const auto says = [&](std::string_view word) { return line.find(word) != std::string_view::npos; };
    if (std::any_of(std::begin(damage_words), std::end(damage_words), says)) history_.damage_reported();
    if (!says("log offline") || booting_ || offline_) return;
    if (!errors_planned_ && history_.strict()) world_.fail("the log went offline without a disk error");
    offline_ = true;
    ++counts_.times_offline;
    // It serves reads for a while, then somebody starts it anew.
    world_.after(static_cast<std::int64_t>(random_.between(500, 6000)) * ns_per_ms, [this, number = boot_number_] {
        if (number == boot_number_) go_on_after_offline();
    });
}

void BrokerHost::go_on_after_offline() {
    if (!node_.running() || stopping_) return;
    const std::uint64_t dice = random_.below(3);
    if (dice == 0) (void)restart();
    else if (dice == 1) (void)kill();
    else (void)power_cut(false);
}

// ---- damage beyond class A ----

void BrokerHost::noise(std::string_view path, std::uint64_t position, std::size_t bytes) {
    if (!node_.disk().has(path) || position >= node_.disk().size_of(path)) return;
    std::vector<std::uint8_t> garbage(std::min<std::uint64_t>(bytes, node_.disk().size_of(path) - position));
    random_.fill(garbage);
    node_.disk().overwrite(path, position, garbage);
}

bool BrokerHost::damage() {
    if (!node_.powered() || !node_.disk().has(journal)) return false;
    const std::vector<std::uint64_t> unproved = unproved_pages();
    bool silent = !node_.running();
    const auto hit = [&](std::uint64_t page) { silent |= std::find(unproved.begin(), unproved.end(), page) != unproved.end(); };
    const std::uint64_t dice = random_.below(5);
    if (dice < 2) {
        CrashFaults faults;
        faults.garbage_neighbours = faults.misdirected = true;
        const CrashPlan plan = random_plan(node_.disk(), random_, faults);
        const std::vector<PendingPage> near = node_.disk().neighbours();
        for (const std::size_t i : plan.garbage_neighbours)
            if (i < near.size()) hit(near[i].page);
        for (const PageFate& fate : plan.pages)
            if (fate.kind == PageFate::misdirected) hit(fate.to_page);
        power_off(&plan);
    } else {
        power_off(nullptr);
        const std::uint64_t page = random_.below(node_.disk().size_of(journal) / 4096) * 4096;
        if (dice < 4) hit(page / 4096);
        if (dice == 2) noise(journal, page, 4096);
        if (dice == 3) node_.disk().flip_bit(journal, page + random_.below(4096), static_cast<unsigned>(random_.below(8)));
        if (dice == 4) noise(random_.chance(1, 2) ? "store/super" : random_.chance(1, 2) ? "store/checkpoint.0" : "store/checkpoint.1", random_.below(2) * 4096, 4096);
    }
    history_.damaged(FaultKind::damage, silent);
    return true;
}

// Of the journal, with the last commit: nothing that is durable says that it was there.
std::vector<std::uint64_t> BrokerHost::unproved_pages() {
    std::vector<std::uint64_t> pages;
    if (!node_.running() || !program() || !program()->started()) return pages;
    const store::State& state = program()->store().state();
    for (Lsn at = state.head.proven; at < state.head.durable; at = at + 4096) pages.push_back(state.geometry.file_position(at) / 4096);
    return pages;
}

bool BrokerHost::tail_damage() {
    if (!node_.powered() || last_write_bytes_ == 0) return false;
    power_off(nullptr);
    const std::uint64_t from = last_write_ + random_.below(last_write_bytes_);
    if (random_.chance(1, 2)) noise(journal, from / 4096 * 4096, 4096);
    else node_.disk().flip_bit(journal, from, static_cast<unsigned>(random_.below(8)));
    // Without its header nobody knows that there was a group.
    history_.damaged(FaultKind::tail_damage, from < last_write_ + 4096);
    return true;
}

bool BrokerHost::lying_flush() {
    if (!node_.powered() || node_.disk().syncs_revocable() == 0) return false;
    CrashFaults faults;
    faults.lying_syncs_max = 4;
    CrashPlan plan;
    do plan = random_plan(node_.disk(), random_, faults);
    while (plan.lying_syncs == 0);
    power_off(&plan);
    history_.damaged(FaultKind::lying_flush, true);
    return true;
}

// ---- the rest ----

bool BrokerHost::pause(std::int64_t ns) {
    if (!node_.running()) return false;
    node_.pause(ns);
    return true;
}

bool BrokerHost::reload() {
    if (!up()) return false;
    program()->reload(random_.between(100, 20'000));
    return true;
}

void BrokerHost::jump_clock() {
    if (!node_.powered()) return;
    switch (random_.below(4)) {
        case 0: node_.shift_wall(static_cast<std::int64_t>(random_.below(86'400'000))); break;
        case 1: node_.set_wall(Timestamp(std::max<std::int64_t>(0, node_.wall().value - static_cast<std::int64_t>(random_.below(86'400'000))))); break;
        case 2:
            node_.set_wall(world_.true_wall());
            node_.set_wall_synchronised(true);
            break;
        default: node_.set_wall_synchronised(!node_.wall_synchronised()); break;
    }
}

void BrokerHost::heal() {
    cut_in_recovery_ = false;
    awaited_ = FaultKind::power_cut;
    node_.disk().rates = {};
    node_.disk().set_capacity(UINT64_MAX);
    if (!node_.running()) boot_later();
}

}  // namespace rivulet::sim
