#include "crash/suite.h"

#include <algorithm>
#include <cstdio>

namespace rivulet::crash {

namespace {

constexpr std::uint64_t failures_printed = 40;
constexpr std::uint64_t states_promised = 100'000;

// What a moment gets of each kind: all plans up to so many, else as many of them, evenly spread.
std::size_t states_per_moment(sim::Fault fault) {
    switch (fault) {
        case sim::Fault::subset: return 400;
        case sim::Fault::tear: return 200;
        case sim::Fault::garbage_page: return 60;
        case sim::Fault::garbage_neighbour: return 24;
        case sim::Fault::misdirected: return 40;
        case sim::Fault::lying_flush: return 60;
        default: return 0;
    }
}

FaultClass class_of(sim::Fault fault) {
    if (fault == sim::Fault::lying_flush) return FaultClass::d;
    return fault == sim::Fault::garbage_neighbour || fault == sim::Fault::misdirected ? FaultClass::b : FaultClass::a;
}

// What the crash left that is not what the store had written.
void describe(std::size_t index, const Moment& moment, const sim::CrashPlan& plan) {
    std::printf("moment %zu, before %s; durable ticket %llu\n", index, moment.call.c_str(), static_cast<unsigned long long>(moment.history.durable_ticket));
    const sim::Disk before(moment.disk, 1);
    sim::Disk after(moment.disk, 1);
    after.crash_with(plan);
    for (const std::string& path : after.paths()) {
        const auto was = before.contents(path);
        const auto is = after.contents(path);
        for (std::size_t at = 0; at < is.size(); at += sim::page_bytes) {
            const std::size_t n = std::min(sim::page_bytes, is.size() - at);
            if (at + n > was.size() || !equal(Bytes(was).subspan(at, n), Bytes(is).subspan(at, n))) std::printf("  %s: page %zu changed\n", path.c_str(), at / sim::page_bytes);
        }
    }
}

std::string dashed(std::string_view text) {
    std::string out(text);
    std::replace(out.begin(), out.end(), ' ', '-');
    return out;
}

}  // namespace

void Suite::count(sim::Fault fault, const std::string& name, const std::string& call, const std::string& wrong, std::uint64_t states) {
    counts_.add(fault, states);
    if (wrong.empty()) return;
    ++failed_;
    if (++printed_ <= failures_printed)
        std::printf("FAILED %s (before %s): %s\n  again: crash_run --verbose --scale %llu --only %s\n", name.c_str(), call.c_str(), wrong.c_str(),
                    static_cast<unsigned long long>(scale), name.c_str());
}

void Suite::run(const Workload& workload) {
    if (!only.empty() && !only.starts_with(std::string(workload.name) + '/')) return;
    Recorder recorder(workload.options);
    try {
        workload.run(recorder);
    } catch (const WorkloadFailed& failure) {
        std::printf("FAILED workload %s: %s\n", workload.name, failure.text.c_str());
        print_log(recorder.harness);
        ++failed_;
        return;
    }
    cuts(workload, recorder);
    recoveries(workload, recorder);
    damages(workload, recorder);
}

void Suite::cuts(const Workload& workload, const Recorder& recorder) {
    for (const sim::Fault fault : {sim::Fault::subset, sim::Fault::tear, sim::Fault::garbage_page, sim::Fault::garbage_neighbour, sim::Fault::misdirected,
                                   sim::Fault::lying_flush}) {
        const std::string prefix = std::string(workload.name) + '/' + dashed(sim::name_of(fault));
        if (!wanted_kind(prefix) || (fault == sim::Fault::lying_flush && !workload.lies)) continue;
        std::uint64_t number = 0;
        for (std::size_t i = 0; i < recorder.moments.size(); ++i) {
            const Moment& moment = recorder.moments[i];
            const sim::Disk disk(moment.disk, 1);
            sim::EnumerateOptions options;
            options.sample = 12;
            const auto plans = sim::every_plan(disk, fault, options, sim::Random(7).split(workload.name, i));
            const std::size_t most = std::max<std::size_t>(1, states_per_moment(fault) * scale / 100);
            const std::size_t n = std::min(plans.size(), most);
            for (std::size_t k = 0; k < n; ++k, ++number) {
                const std::string name = prefix + ':' + std::to_string(number);
                if (!wanted(name)) continue;
                if (verbose) describe(i, moment, plans[k * plans.size() / n]);
                // A disk that lied about a sync: where the journal ends is not what the store knew.
                const Unproved unproved = fault == sim::Fault::lying_flush ? Unproved() : moment.unproved;
                const State state{workload.options, moment.disk, moment.history, plans[k * plans.size() / n], unproved, class_of(fault), number + 1, verbose};
                count(fault, name, moment.call, run_state(state, salvages_));
            }
        }
    }
}

void Suite::recoveries(const Workload& workload, const Recorder& recorder) {
    const std::string prefix = std::string(workload.name) + "/crash-in-recovery";
    if (!wanted_kind(prefix)) return;
    std::uint64_t number = 0;
    const std::size_t step = std::max<std::size_t>(1, recorder.moments.size() / 120);
    for (std::size_t i = 0; i < recorder.moments.size(); i += step, ++number) {
        const Moment& moment = recorder.moments[i];
        const std::string name = prefix + ':' + std::to_string(number);
        if (!wanted(name)) continue;
        const sim::Disk disk(moment.disk, 1);
        sim::Random random = sim::Random(8).split(workload.name, i);
        State state{workload.options, moment.disk, moment.history, sim::random_plan(disk, random, {}), {}, FaultClass::a, number + 1, verbose};
        std::uint64_t states = 0;
        const std::string wrong = run_recovery_crashes(state, states);
        count(sim::Fault::crash_in_recovery, name, moment.call, wrong, states);
    }
}

int Suite::report() {
    bool all_kinds = true;
    for (std::size_t i = 0; i < sim::fault_kinds; ++i) {
        const auto fault = static_cast<sim::Fault>(i);
        std::printf("%10llu %s\n", static_cast<unsigned long long>(counts_.of(fault)), std::string(sim::name_of(fault)).c_str());
        all_kinds &= counts_.of(fault) != 0;
    }
    std::printf("%10llu of them with a bad extent under a good header, counted and logged by the start\n", static_cast<unsigned long long>(salvages_));
    all_kinds &= salvages_ != 0;
    if (only.empty() && !all_kinds) {
        std::printf("FAILED: a kind of fault was not tried\n");
        ++failed_;
    }
    const std::uint64_t total = counts_.total();
    if (only.empty() && scale >= 100 && total < states_promised) {
        std::printf("FAILED: fewer than %llu states\n", static_cast<unsigned long long>(states_promised));
        ++failed_;
    }
    std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(total - std::min(total, failed_)), static_cast<unsigned long long>(failed_));
    return failed_ == 0 ? 0 : 1;
}

}  // namespace rivulet::crash
