#include "crash/recording.h"

namespace rivulet::crash {

Recorder::Recorder(const store::StoreOptions& options) : harness(11, options), driver(harness) {
    harness.disk().observer = [this](const sim::DiskCall& call, std::uint64_t) {
        if (recording_) take(std::string(sim::name_of(call.op)) + ' ' + std::string(call.path) + " at " + std::to_string(call.position));
    };
}

void Recorder::take(std::string call) {
    // While a start is under way what was acknowledged before it holds.
    Unproved unproved;
    if (harness.node.running_program()) {
        driver.note_now();
        const store::State& state = harness.store().state();
        unproved = {state.head.durable, state.head.next, state.head.salt, state.geometry};
    }
    moments.push_back({harness.disk().snapshot(), driver.history, std::move(call), opened_once_, unproved});
}

void Recorder::finish() {
    if (recording_) take("nothing more");
    recording_ = false;
}

void Recorder::must(bool done, const char* what) {
    if (!done) throw WorkloadFailed{std::string(what) + " failed: " + error_info(driver.last_error).name + ' ' + harness.failure()};
}

void Recorder::boot() {
    const auto opened = harness.boot();
    if (!opened) throw WorkloadFailed{std::string("the store does not start: ") + error_info(opened.error()).name};
    opened_once_ = true;
    History history = driver.history;
    const History before = history;
    const std::string wrong = verify(harness, history, FaultClass::a);
    if (!wrong.empty()) throw WorkloadFailed{"after a restart within the workload: " + wrong};
    const store::Head& head = harness.store().state().head;
    if (head.proven < head.run_start) {
        for (auto& [id, log] : history.logs) {
            const auto& old = before.logs.at(id).entries;
            for (std::size_t i = 0; i < log.entries.size() && i < old.size(); ++i) log.entries[i].late = old[i].ticket > before.proved_ticket || old[i].late;
        }
    }
    driver.resume(history);
}

void Recorder::stop() {
    driver.note_now();
    must(harness.stop(), "stop");
    // All that was sent is durable by a clean stop.
    driver.history.durable_ticket = UINT64_MAX - 1;
    driver.history.proved_ticket = UINT64_MAX - 1;
}

void Recorder::cut(const sim::CrashPlan& plan) {
    driver.note_now();
    harness.cut(plan);
}

void Recorder::settle() {
    must(harness.settle(), "commit");
}

}  // namespace rivulet::crash
