#include "store/run_start.h"

#include <algorithm>

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

Status write_truncate(const State& state, const Log& log, Offset end, RunStartWriter& out) {
    encode(TruncateRecord{log.id, end, Epoch(static_cast<std::int32_t>(state.head.run))}, out.records());
    return out.next();
}

// Where the log ends; what was given up of it is marked void. Without room for the mark its offsets are never given out again, so that nothing can be taken for what
// has its place.
Status write_end(State& state, Log& log, RunStartWriter& out, bool all) {
    const bool cut = log.cut_by_recovery;
    if (!cut || state.truncations.add(log.id, log.end, state.head.run_start)) {
        if (cut) RIVULET_TRY(write_truncate(state, log, log.end, out));
        if (log.resumes_at > log.end) return write_truncate(state, log, log.resumes_at, out);
        return all && !cut ? write_truncate(state, log, log.end, out) : Status();
    }
    if (log.resumes_at < log.given_up) log.resumes_at = log.given_up;
    if (log.resumes_at <= log.end) return write_truncate(state, log, log.end, out);
    state.fences.add(log.id, log.end, log.resumes_at, FenceCause::lost_group);
    encode(JumpRecord{log.id, log.end, log.resumes_at}, out.records());
    return out.next();
}

Status write_ends(State& state, RunStartWriter& out, bool all) {
    for (std::uint32_t rank = 0; rank < state.logs.count(); ++rank) {
        Log& log = state.logs.at(rank);
        if (log.clean_part) {
            // It is given no offsets.
            if (log.cut_by_recovery || (all && log.id == state.making)) RIVULET_TRY(write_truncate(state, log, log.end, out));
            continue;
        }
        RIVULET_TRY(write_end(state, log, out, all));
        if (log.memory) {
            log.ceiling = log.ceiling_asked = resume_offset(log) + ceiling_step;
            encode(CeilingRecord{log.id, log.ceiling}, out.records());
            RIVULET_TRY(out.next());
        }
    }
    for (std::size_t i = 0; i < state.fences.count(); ++i) {
        encode(state.fences.at(i), out.records());
        // A segment that is entered ends the first of them.
        const std::size_t before = state.fences.count();
        RIVULET_TRY(out.next());
        i -= std::min(i, before - state.fences.count());
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
        // What they were acknowledged from RAM is lost, and no gap to them.
        state.producers.remove_log(log.id);
    }
}

// What was given up of a clean log that is being written is marked void; without room for the mark all of it is given up. Returns what was, 0 if nothing.
LogId void_rest_of_made(State& state, LogId given_up) {
    const Log* const made = state.made();
    if (!made || !made->cut_by_recovery || state.truncations.add(made->id, made->end, state.head.run_start)) return given_up;
    given_up = made->id;
    state.drop_making();
    return given_up;
}

// Whether the records of this start may need a segment for which the tail passes the replay point.
bool needs_checkpoint(const State& state) {
    const std::uint64_t records = 2 * std::uint64_t{state.logs.count()} + state.fences.count() + 1;
    const std::uint64_t segments = 1 + records * record_bytes_max / (state.geometry.segment_bytes / 2);
    const std::uint64_t head = state.geometry.sequence(state.head.previous_end - 1);
    return state.geometry.first_live(head + segments) > state.geometry.sequence(state.checkpoint_lsn);
}

// Starts that end before their first commit get no other checkpoint. It holds what this start has decided, as its records will say it again.
Status write_checkpoint(env::Env& env, State& state, Checkpointer& checkpointer, const ReplayReport& found) {
    for (std::uint32_t rank = 0; rank < state.logs.count(); ++rank) {
        Log& log = state.logs.at(rank);
        if (!log.cut_by_recovery || log.clean_part || state.truncations.add(log.id, log.end, state.head.run_start)) continue;
        if (log.resumes_at < log.given_up) log.resumes_at = log.given_up;
        state.fences.add(log.id, log.end, log.resumes_at, FenceCause::lost_group);
    }
    env::LogLine(env, env::LogLevel::info) << "the ring's tail has come to the last checkpoint: another one is written before this run begins";
    return checkpointer.write_at_start(env.disk(), found.end, found.salt, found.run_start);
}

void settle_logs(State& state) {
    for (std::uint32_t rank = 0; rank < state.logs.count(); ++rank) {
        Log& log = state.logs.at(rank);
        log.end = resume_offset(log);
        log.resumes_at = Offset(0);
        // What damage has made of the log: what comes next lies behind all that is known of its producers.
        state.producers.truncate(log.id, log.end);
        if (log.start > log.end) log.end = log.start;
        log.closed_end = log.durable_end = log.ram_start = log.flush_offset = log.end;
        if (!log.clean_part) log.epoch = Epoch(static_cast<std::int32_t>(state.head.run));
        log.cut_by_recovery = false;
        log.given_up = Offset(0);
    }
}

}  // namespace

Status begin_run(env::Env& env, State& state, GroupWriter& writer, Checkpointer& checkpointer, const ReplayReport& found, bool was_clean, MutableBytes records) {
    env::Disk& disk = env.disk();
    // What was accepted becomes durable before it is served: its sync may never have happened.
    RIVULET_TRY(disk.sync(*state.journal));
    // Where a log begins of which a new segment's RETIRE leaves nothing.
    for (std::uint32_t rank = 0; rank < state.logs.count(); ++rank) state.logs.at(rank).durable_end = state.logs.at(rank).end;
    if (!was_clean) resume_memory_logs(env, state);
    Head& head = state.head;
    head.next = head.previous_end = head.run_start = found.end;
    // If something unproved was lost, nothing may prove what is beside it before the TRUNCATE records of this start are durable.
    head.durable = head.proven = found.durable;
    const LogId given_up = void_rest_of_made(state, found.clean_given_up);
    if (needs_checkpoint(state)) RIVULET_TRY(write_checkpoint(env, state, checkpointer, found));
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
    RIVULET_TRY_ASSIGN(const std::uint64_t size, disk.size(*state.journal));
    if (size < state.geometry.journal_bytes()) RIVULET_TRY(disk.allocate(*state.journal, state.geometry.journal_bytes()));
    if (given_up.value != 0) {
        encode(LogDeleteRecord{given_up, 1}, out.records());
        RIVULET_TRY(out.next());
    }
    RIVULET_TRY(write_ends(state, out, found.ends_uncertain));
    RIVULET_TRY(out.flush());
    RIVULET_TRY(disk.sync(*state.journal));
    settle_logs(state);
    head.durable = head.previous_end;
    return {};
}

}  // namespace rivulet::store
