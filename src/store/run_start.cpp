#include "store/run_start.h"

#include "env/log.h"
#include "store/store_files.h"

namespace rivulet::store {

namespace {

// The longest record of begin_run but RETIRE.
constexpr std::size_t record_bytes_max = 96;
constexpr std::int64_t ceiling_step = 64 * 1024;

// Writes records in as many groups as they need; the first is the RUN_START group.
class RunStartWriter {
public:
    RunStartWriter(env::Env& env, State& state, GroupWriter& writer, MutableBytes buffer) : env_(env), state_(state), writer_(writer), records_(buffer) {}

    Writer& records() { return records_; }
    // After each record: makes room for the next.
    Status next() {
        const std::size_t kept = record_bytes_max + 2 * GroupWriter::retire_bytes_max(state_.options.logs_max);
        const bool full = records_.room() < kept || records_.size() + kept > state_.options.group_payload_max();
        return full ? flush() : Status();
    }
    Status flush() {
        if (records_.size() == 0) return {};
        if (!writer_.begin(env_.wall(), records_.written(), first_, false)) {
            writer_.enter_next_segment(records_);
            RIVULET_CHECK(writer_.begin(env_.wall(), records_.written(), first_, false));
        }
        writer_.finish();
        first_ = false;
        records_.rewind(0);
        return writer_.seal_and_write(env_.disk());
    }

private:
    env::Env& env_;
    State& state_;
    GroupWriter& writer_;
    Writer records_;
    bool first_ = true;
};

Offset resume_offset(const Log& log) { return log.resumes_at > log.end ? log.resumes_at : log.end; }

Status write_ends(State& state, RunStartWriter& out, bool all) {
    for (std::uint32_t rank = 0; rank < state.logs.count(); ++rank) {
        Log& log = state.logs.at(rank);
        const Epoch epoch(static_cast<std::int32_t>(state.head.run));
        if (log.cut_by_recovery) {
            encode(TruncateRecord{log.id, log.end, epoch}, out.records());
            RIVULET_TRY(state.truncations.add(log.id, log.end, state.head.run_start));
            RIVULET_TRY(out.next());
        }
        if (log.resumes_at > log.end) {
            encode(TruncateRecord{log.id, log.resumes_at, epoch}, out.records());
            RIVULET_TRY(out.next());
        } else if (all && !log.cut_by_recovery) {
            encode(TruncateRecord{log.id, log.end, epoch}, out.records());
            RIVULET_TRY(out.next());
        }
        if (log.memory) {
            log.ceiling = log.ceiling_asked = resume_offset(log) + ceiling_step;
            encode(CeilingRecord{log.id, log.ceiling}, out.records());
            RIVULET_TRY(out.next());
        }
    }
    for (std::size_t i = 0; i < state.fences.count(); ++i) {
        encode(state.fences.at(i), out.records());
        RIVULET_TRY(out.next());
    }
    return {};
}

// Offsets below the ceiling may have been seen by consumers, though their records are lost: none is given out twice.
void resume_memory_logs(env::Env& env, State& state) {
    for (std::uint32_t rank = 0; rank < state.logs.count(); ++rank) {
        Log& log = state.logs.at(rank);
        if (!log.memory || log.ceiling <= resume_offset(log)) continue;
        state.fences.add(log.id, log.end, log.ceiling, FenceCause::restart);
        env::LogLine(env, env::LogLevel::info) << "memory log " << log.id.value << " goes on at offset " << log.ceiling.value << " after an unclean stop";
        log.resumes_at = log.ceiling;
    }
}

void settle_logs(State& state) {
    for (std::uint32_t rank = 0; rank < state.logs.count(); ++rank) {
        Log& log = state.logs.at(rank);
        log.end = resume_offset(log);
        log.resumes_at = Offset(0);
        if (log.start > log.end) log.end = log.start;
        log.closed_end = log.durable_end = log.ram_start = log.flush_offset = log.end;
        log.epoch = Epoch(static_cast<std::int32_t>(state.head.run));
        log.cut_by_recovery = false;
    }
}

}  // namespace

Status begin_run(env::Env& env, State& state, GroupWriter& writer, const ReplayReport& found, bool was_clean, MutableBytes records) {
    env::Disk& disk = env.disk();
    // What was accepted becomes durable before it is served: its sync may never have happened.
    RIVULET_TRY(disk.sync(*state.journal));
    if (!was_clean) resume_memory_logs(env, state);
    Head& head = state.head;
    head.next = head.previous_end = head.run_start = found.end;
    // If something unproved was lost, nothing may prove what is beside it before the TRUNCATE records of this start are durable.
    head.durable = head.proven = found.durable;
    ++head.run;
    std::uint8_t salt[8];
    do {
        env.entropy(salt);
        head.salt = load_le<std::uint64_t>(salt);
    } while (head.salt == 0);
    const RunStartRecord record{head.run, found.salt, found.end, env.boot_id(), state.boot = state.boots.index_of(env.boot_id()), was_clean};
    RunStartWriter out(env, state, writer, records);
    encode(record, out.records());
    RIVULET_TRY(write_super(disk, state, {state.geometry, 0, false, head.run, head.salt, head.run_start, found.durable}));
    RIVULET_TRY(write_ends(state, out, found.ends_uncertain));
    RIVULET_TRY(out.flush());
    RIVULET_TRY(disk.sync(*state.journal));
    settle_logs(state);
    head.durable = head.previous_end;
    return {};
}

}  // namespace rivulet::store
