// Replay of the store's own records (FORMAT.md, section 7).
#include "env/log.h"
#include "store/replay.h"

namespace rivulet::store {

Status Replay::apply_records(JournalWalk& walk, const Extent& extent, bool proved) {
    RIVULET_TRY_ASSIGN(const bool holds, walk.extent_holds(extent));
    if (!holds) {
        ++(proved ? state_.damage.corrupt_extents : state_.damage.unproved_extents_lost);
        unproved_lost_ |= !proved;
        if (proved) doubt_making();
        else cut_making();
        env::LogLine(env_, env::LogLevel::error) << "journal: records of the group at LSN " << walk.header().lsn.value << " are damaged";
        return {};
    }
    RIVULET_TRY_ASSIGN(const Bytes payload, walk.payload());
    RecordsReader records(payload.subspan(extent.position, extent.bytes));
    for (JournalRecord record; records.next(record);) RIVULET_TRY(judge(apply_record(record, walk.header().lsn).error(), walk.header().lsn));
    return judge(records.error(), walk.header().lsn);
}

Status Replay::apply_record(const JournalRecord& record, Lsn lsn) {
    switch (record.type) {
        case RecordType::run_start:
            return apply_run_start(record.run_start);
        case RecordType::log_create:
            return apply_create(record.log_create, lsn);
        case RecordType::log_delete:
            for (std::uint32_t i = 0; i < record.log_delete.count; ++i)
                if (Log* log = state_.logs.find(record.log_delete.first + i)) state_.remove_log(*log);
            return listener_.on_record(record.type, record.log_delete.first, record.log_delete.count, {});
        case RecordType::log_start:
            if (Log* log = state_.logs.find(record.log_start.log); log && log->start < record.log_start.start) {
                log->start = record.log_start.start;
                state_.fences.raise_start(log->id, log->start);
                if (log->start >= log->clean_end) state_.put_clean(*log, nullptr, log->clean_end);
            }
            return {};
        case RecordType::truncate:
            apply_truncate(record.truncate, lsn);
            return {};
        case RecordType::ceiling:
            if (Log* log = state_.logs.find(record.ceiling.log); log && log->ceiling < record.ceiling.ceiling) log->ceiling = record.ceiling.ceiling;
            return {};
        case RecordType::retire:
            return apply_retire(record.retire);
        case RecordType::clock:
            state_.boots.fix(record.clock.boot, record.clock.offset_ms);
            return {};
        case RecordType::fence:
            if (record.fence.log == control_log || state_.logs.find(record.fence.log)) state_.fences.add(record.fence.log, record.fence.from, record.fence.to, record.fence.cause);
            return {};
        case RecordType::epoch:
            if (Log* log = state_.logs.find(record.epoch.log)) log->note_epoch(record.epoch.epoch, record.epoch.start);
            return {};
        case RecordType::jump:
            apply_jump(record.jump, lsn);
            return {};
        case RecordType::log_cleaned:
            return apply_cleaned(record.log_cleaned, lsn);
        default:
            return listener_.on_record(record.type, LogId(0), 0, record.passed);
    }
}

Status Replay::apply_run_start(const RunStartRecord& record) {
    state_.head.run = record.run;
    state_.boots.restore({record.boot, record.boot_id, false, 0});
    return {};
}

Status Replay::apply_create(const LogCreateRecord& record, Lsn lsn) {
    if (state_.next_log_id < record.first + record.count) state_.next_log_id = record.first + record.count;
    // First: the name may prove that logs were deleted whose place is needed.
    const Status told = listener_.on_record(RecordType::log_create, record.first, record.count, record.catalogue);
    if (const Status room = make_room(record); !room) {
        RIVULET_TRY(listener_.on_record(RecordType::log_delete, record.first, record.count, {}));
        return room;
    }
    for (std::uint32_t i = 0; i < record.count; ++i) {
        const LogId id = record.first + i;
        Log* log = state_.logs.find(id);
        if (log && log->clean_part) return fail(Error::corrupt);
        if (!log) {
            RIVULET_TRY_ASSIGN(log, state_.logs.create(id, record.memory));
        }
        log->orphan = false;
        if (log->last_extent < lsn) log->last_extent = lsn;
    }
    return told;
}

// Orphans go, which may be logs whose deletion comes later. limit_reached: the deletion of others is lost, or the options are wrong.
Status Replay::make_room(const LogCreateRecord& record) {
    const LogId end = record.first + record.count;
    const std::uint32_t known = state_.logs.rank_from(end) - state_.logs.rank_from(record.first);
    const std::uint64_t missing = record.count - known;
    for (std::uint32_t rank = 0; state_.logs.count() + missing > state_.logs.capacity();) {
        if (rank == state_.logs.count()) {
            if (state_.making.value != 0) {
                // Whether it is named is not known yet, but its log would be there with it: it was deleted.
                state_.drop_making();
                rank = 0;
                continue;
            }
            env::LogLine(env_, env::LogLevel::error) << "limits.partitions = " << state_.logs.capacity() << " is less than this store has: at least "
                                                     << state_.logs.count() + missing << " is needed";
            return fail(Error::limit_reached);
        }
        Log& log = state_.logs.at(rank);
        if (!log.orphan || (record.first <= log.id && log.id < end)) {
            ++rank;
            continue;
        }
        env::LogLine(env_, env::LogLevel::error) << "log " << log.id.value << " has records but no topic, and its place is needed: they are not served";
        RIVULET_TRY(listener_.on_record(RecordType::log_delete, log.id, 1, {}));
        state_.remove_log(log);
    }
    return {};
}

void Replay::apply_truncate(const TruncateRecord& record, Lsn lsn) {
    Log* log = state_.logs.find(record.log);
    if (!log) return;
    if (log->clean_part) {
        apply_clean_end(*log, record.end, lsn);
    } else if (record.end >= log->end) {
        // A recovery went on there. What it knew below may have been lost since, as if between others; else its FENCE record says the same.
        log->lost_records |= !log->memory && record.end > log->end;
        state_.fences.add(log->id, log->end, record.end, log->memory ? FenceCause::restart : FenceCause::lost_group);
        // Beyond the end is what producers may have had; at the end, what a checkpoint saw of them before the log was cut.
        state_.producers.truncate(log->id, record.end > log->end ? Offset(0) : record.end);
        log->end = record.end;
    } else {
        // The first walk had no room for this mark, so trailers of what is void here were counted.
        note_cut(*log, record.end, lsn);
        state_.sessions.forget_log(*log);
        state_.producers.truncate(log->id, record.end);
        state_.fences.truncate(log->id, record.end);
        if (const Log* const made = state_.made_of(*log); made && made->end > record.end) state_.drop_making();
    }
    state_.truncations.drop_proposed(log->id, lsn);
    if (log->last_extent < lsn) log->last_extent = lsn;
}

// So far it has come, said a recovery that knew what was missing behind it. If it is not as far now, or damage was met before the last of it, that may have been some of it.
void Replay::apply_clean_end(Log& log, Offset end, Lsn lsn) {
    if (end < log.end) return note_cut(log, end, lsn);
    if (log.id != state_.making) return;
    if (end > log.end) doubt_making();
    else if (making_doubted_at_ == end) making_doubted_at_.reset();
}

void Replay::note_cut(Log& log, Offset end, Lsn lsn) {
    if (!state_.truncations.add(log.id, end, lsn)) env::LogLine(env_, env::LogLevel::error) << "no room to remember that log " << log.id.value << " was cut at " << end.value;
    log.end = end;
    log.truncate_epochs(end);
}

void Replay::apply_jump(const JumpRecord& record, Lsn lsn) {
    Log* log = state_.logs.find(record.log);
    if (!log) return;
    const Offset from = log->end < record.from ? log->end : record.from;
    state_.fences.add(log->id, from, record.to, FenceCause::lost_group);
    if (log->end < record.to) log->end = record.to;
    // What had been given up may have been met again, and counted.
    state_.sessions.forget_log(*log);
    state_.producers.remove_log(log->id);
    if (log->last_extent < lsn) log->last_extent = lsn;
}

// A pass begins to write it. A checkpoint may know it, or what has become of it.
Status Replay::apply_clean_begun(const LogCleanedRecord& record) {
    if (const Log* const of = state_.logs.find(record.log); of && (of->clean_part || of->memory)) return fail(Error::corrupt);
    Log* clean = state_.logs.find(record.clean);
    if (clean && (!clean->clean_part || (clean->clean_of.value != 0 && clean->clean_of != record.log))) return fail(Error::corrupt);
    if (!clean && record.clean >= state_.recovered_log_id) {
        if (state_.next_log_id <= record.clean) state_.next_log_id = record.clean + 1;
        clean = make_clean_log(record.clean, Offset(0));
    }
    if (clean) clean->clean_of = record.log;
    return {};
}

Status Replay::apply_cleaned(const LogCleanedRecord& record, Lsn lsn) {
    if (record.end == Offset(0)) return apply_clean_begun(record);
    Log* const clean = state_.logs.find(record.clean);
    // It was synced by then: what is not known of it any more has been replaced since by what a later record names, as the checkpoint has seen.
    if (!clean) return {};
    if (!clean->clean_part) return fail(Error::corrupt);
    Log* log = state_.logs.find(record.log);
    if (!log && record.log >= state_.recovered_log_id) {
        // Its LOG_CREATE is lost, and none of its own extents is left.
        RIVULET_TRY_ASSIGN(log, make_orphan(record.log, Offset(0), lsn));
    }
    if (!log) return {};
    if (log->clean_part || log->memory || (clean->clean_of.value != 0 && clean->clean_of != log->id)) return fail(Error::corrupt);
    const bool whole = state_.making == clean->id && clean->clean_of == log->id && !making_doubted_at_;
    if (state_.making == clean->id) making_doubted_at_.reset();
    state_.put_clean(*log, clean, record.end);
    if (!whole && last_hole_ != Lsn(0)) state_.fence_clean(*clean);
    if (log->last_extent < lsn) log->last_extent = lsn;
    if (log->end >= record.end) return {};
    // It had come as far: what is missing of it was kept, or is in a group that is lost.
    log->lost_records = true;
    state_.producers.remove_log(log->id);
    log->end = record.end;
    return {};
}

Status Replay::apply_retire(const RetireRecord& record) {
    if (state_.head.first_live < record.first_live) state_.head.first_live = record.first_live;
    state_.fences.retire_unproved(state_.geometry.segment_start(record.first_live));
    RetireReader entries(record);
    for (LogStartRecord entry; entries.next(entry);) {
        Log* log = state_.logs.find(entry.log);
        if (!log) continue;
        Offset& begin = log->clean.value != 0 ? log->clean_end : log->start;
        if (begin < entry.start) {
            begin = entry.start;
            state_.fences.raise_start(log->id, log->start);
        }
        // Also where a checkpoint has seen the clean log's new start: it captured the log before.
        state_.follow_start(*log);
    }
    return entries.ok() ? Status() : Status(fail(Error::corrupt));
}

}  // namespace rivulet::store
