#include "store/replay.h"

#include <utility>

#include "env/log.h"

namespace rivulet::store {

using env::LogLevel;
using env::LogLine;

Result<ReplayReport> Replay::run() {
    RIVULET_TRY(find_durable());
    if (!start_.have_checkpoint && state_.head.first_live > 1) state_.sessions.note_forgotten();
    WalkStart from = start_.walk;
    from.durable = durable_;
    from.known_end = known_end_;
    JournalWalk walk(env_.disk(), *state_.journal, state_.geometry, window_, from, start_.super);
    for (;;) {
        switch (walk.next()) {
            case JournalWalk::Step::group:
                RIVULET_TRY(apply_group(walk));
                break;
            case JournalWalk::Step::hole:
                hole(walk.hole_from(), walk.hole_to());
                break;
            case JournalWalk::Step::table_lost:
                // Below D it is part of a hole.
                if (walk.header().lsn < durable_ || walk.header().lsn >= known_end_) break;
                cut_making();
                state_.fences.add_unproved(walk.header().lsn, walk.header().end());
                count_lost_tables(1, walk.header().extent_count);
                break;
            case JournalWalk::Step::failed:
                return walk.failure();
            case JournalWalk::Step::end:
                settle_making();
                settle_holes();
                fence_clean_logs();
                free_clean_logs();
                forget_lost();
                count_lost_tables(groups_beyond_, extents_beyond_);
                enter_segment(state_.geometry.sequence(walk.position() - 1));
                state_.truncations.drop_proposed();
                report_.end = walk.position();
                report_.salt = walk.salt();
                report_.run_start = walk.run_start();
                report_.durable = unproved_lost_ && durable_ < report_.end ? durable_ : report_.end;
                report_.bytes_read += walk.bytes_read();
                report_.run = state_.head.run;
                report_.super_outdated = walk.super_outdated();
                return report_;
        }
    }
}

// The first walk: D, the highest durable_lsn of any valid group, what earlier starts found missing, and what TRUNCATE records make void, so that the second walk takes nothing that an
// earlier recovery gave up (its readings would count in the sessions).
Status Replay::find_durable() {
    JournalWalk walk(env_.disk(), *state_.journal, state_.geometry, window_, start_.walk, start_.super);
    Lsn last_lost;  // group without its table
    for (;;) {
        const JournalWalk::Step step = walk.next();
        if (step == JournalWalk::Step::failed) return walk.failure();
        if (step == JournalWalk::Step::end) break;
        if (step == JournalWalk::Step::table_lost) {
            ++groups_beyond_;
            extents_beyond_ += walk.header().extent_count;
            last_lost = walk.header().lsn;
        } else if (last_lost < walk.position()) {
            groups_beyond_ = extents_beyond_ = 0;
        }
        if (step == JournalWalk::Step::group && walk.header().lsn >= start_.walk.position) RIVULET_TRY(find_truncations(walk));
    }
    durable_ = walk.highest_durable();
    known_end_ = walk.position();
    lost_tail_ = walk.lost_tail();
    report_.bytes_read += walk.bytes_read();
    return {};
}

Status Replay::find_truncations(JournalWalk& walk) {
    Extent extent;
    TableReader table(walk.header(), walk.table());
    if (!table.next(extent) || extent.log != control_log) return {};
    RIVULET_TRY_ASSIGN(const bool holds, walk.extent_holds(extent));
    if (!holds) return {};
    RIVULET_TRY_ASSIGN(const Bytes payload, walk.payload());
    RecordsReader records(payload.subspan(extent.position, extent.bytes));
    for (JournalRecord record; records.next(record);) {
        if (record.type == RecordType::fence && record.fence.log == control_log) state_.fences.add(control_log, record.fence.from, record.fence.to, record.fence.cause);
        if (record.type == RecordType::truncate) state_.truncations.propose(record.truncate.log, record.truncate.end, walk.header().lsn);
    }
    return {};
}

void Replay::enter_segment(std::uint64_t sequence) {
    if (sequence == segment_) return;
    segment_ = sequence;
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) state_.logs.at(rank).in_head = {};
    state_.logs_in_head = 0;
    state_.deleted_in_head = false;
}

void Replay::note(Log& log, const Extent& extent, Lsn group) {
    const Lsn last = log.last_extent;
    state_.note_extent(log, extent, group);
    if (last > log.last_extent) log.last_extent = last;
}

Status Replay::apply_group(JournalWalk& walk) {
    const Lsn lsn = walk.header().lsn;
    const bool proved = lsn < durable_;
    const bool before_checkpoint = lsn < start_.walk.position;
    ++report_.groups;
    enter_segment(state_.geometry.sequence(lsn));
    unit_log_ = LogId(0);
    Extent extent;
    TableReader table(walk.header(), walk.table());
    while (table.next(extent)) {
        if (before_checkpoint) {
            if (Log* log = extent.log == control_log ? nullptr : state_.logs.find(extent.log)) note(*log, extent, lsn);
        } else if (extent.log == control_log) {
            RIVULET_TRY(apply_records(walk, extent, proved));
        } else {
            bool holds = true;
            if (!proved) {
                if (extent.log != unit_log_) {
                    RIVULET_TRY_ASSIGN(unit_holds_, unit_holds(walk, extent));
                    unit_log_ = extent.log;
                }
                holds = unit_holds_;
                if (!holds) {
                    // Not packed: extent by extent.
                    RIVULET_TRY_ASSIGN(holds, unit_packed_ ? Result<bool>(false) : walk.extent_holds(extent));
                }
            }
            RIVULET_TRY(apply_extent(walk, extent, proved, holds));
        }
    }
    return judge(table.error(), lsn);
}

// An error in what its CRC proves: a newer version wrote it, or it was damaged before it was sealed, which does not keep the rest from being served.
Status Replay::judge(Error error, Lsn lsn) {
    if (error == Error::none) return {};
    // More than the options allow, and no damage to blame: they are wrong.
    const bool refused = error == Error::store_newer || (error == Error::limit_reached && !damaged());
    if (refused) return fail(error, error == Error::limit_reached ? 0 : static_cast<std::int64_t>(lsn.value));
    ++state_.damage.corrupt_groups;
    doubt_making();
    LogLine(env_, LogLevel::error) << "journal: the group at LSN " << lsn.value << " says what cannot be (" << error_info(error).text << "): skipped";
    return {};
}

// The trailer of the last extent counts the readings of all extents of its log in the group: they stand or fall together.
Result<bool> Replay::unit_holds(JournalWalk& walk, const Extent& first) {
    unit_packed_ = false;
    bool all = true;
    Extent extent;
    for (TableReader table(walk.header(), walk.table()); table.next(extent);) {
        if (extent.log != first.log) continue;
        unit_packed_ |= (extent.flags & extent_packed) != 0;
        RIVULET_TRY_ASSIGN(const bool holds, walk.extent_holds(extent));
        all &= holds;
    }
    return all;
}

// An extent of a log that is not known: its LOG_CREATE was lost, or its LOG_DELETE came before the checkpoint.
Result<Log*> Replay::log_of(const Extent& extent, Lsn lsn) {
    if (Log* log = state_.logs.find(extent.log)) return log;
    if (extent.log < state_.recovered_log_id) return nullptr;
    if (state_.next_log_id <= extent.log) state_.next_log_id = extent.log + 1;
    if ((extent.flags & extent_relocated) != 0) return make_clean_log(extent.log, extent.base);
    // What came before the oldest segment is gone.
    return make_orphan(extent.log, extent.base, lsn);
}

// One is written at a time: another that no LOG_CLEANED named was given up.
Log* Replay::make_clean_log(LogId id, Offset start) {
    state_.drop_making();
    making_doubted_at_.reset();
    const Result<Log*> created = state_.logs.create(id, false);
    if (!created) {
        ++state_.damage.corrupt_extents;
        if (!std::exchange(turned_away_, true)) LogLine(env_, LogLevel::error) << "log " << id.value << ", of cleaned records, finds no room: limits.partitions is too low for what this store has";
        return nullptr;
    }
    Log& log = **created;
    log.clean_part = true;
    log.start = log.end = start;
    state_.making = id;
    return &log;
}

Result<Log*> Replay::make_orphan(LogId id, Offset start, Lsn lsn) {
    if (state_.next_log_id <= id) state_.next_log_id = id + 1;
    const Result<Log*> created = state_.logs.create(id, false);
    if (!created) {
        ++state_.damage.corrupt_extents;
        if (!std::exchange(turned_away_, true)) LogLine(env_, LogLevel::error) << "log " << id.value << " has records but no topic, and there is no room for one more log: they are not served";
        return nullptr;
    }
    Log& log = **created;
    log.orphan = true;
    log.start = log.end = start;
    ++report_.orphans;
    if (const Status told = listener_.on_orphan(log); !told) {
        state_.remove_log(log);
        RIVULET_TRY(judge(told.error(), lsn));
        return nullptr;
    }
    if (!log.orphan) {
        --report_.orphans;  // its topic is known
        return &log;
    }
    LogLine(env_, LogLevel::warning) << "log " << id.value << " has records but no topic: it comes back as a topic of its own";
    return &log;
}

void Replay::drop(Log& log, const Extent& extent) {
    unproved_lost_ = true;
    ++state_.damage.unproved_extents_lost;
    state_.damage.lost_bytes += extent.bytes;
    log.cut_by_recovery = true;
    if (log.given_up <= extent.last()) log.given_up = extent.last() + 1;
    LogLine(env_, LogLevel::warning) << "log " << log.id.value << ": offsets " << extent.base.value << " to " << extent.last().value
                                     << " of the last, unproved commit are lost; it ends at " << log.end.value;
}

Status Replay::apply_extent(JournalWalk& walk, const Extent& extent, bool proved, bool holds) {
    const Lsn lsn = walk.header().lsn;
    RIVULET_TRY_ASSIGN(Log * log, log_of(extent, lsn));
    if (!log) return {};
    if ((extent.flags & extent_relocated) != 0 || log->clean_part) return apply_relocated(*log, extent, lsn, holds);
    const Offset void_from = state_.truncations.void_at(extent.log, lsn, extent.last());
    if (extent.base >= void_from) return {};
    // What is missing before an unproved extent, or the TRUNCATE that moved its log back, may lie in a hole.
    const bool after_hole = last_hole_ > log->last_extent;
    if (!proved && (!holds || log->cut_by_recovery || (extent.base != log->end && !after_hole))) {
        drop(*log, extent);
        return {};
    }
    // Newer than all that is known of the log and yet not behind it: the log was cut here, and the TRUNCATE is lost.
    if (extent.base < log->end && lsn > log->last_extent) {
        LogLine(env_, LogLevel::error) << "log " << log->id.value << " was truncated at " << extent.base.value << ", though the record of it is damaged";
        apply_truncate({log->id, extent.base, extent.epoch}, lsn);
    }
    if (extent.last() < log->end) {
        note(*log, extent, lsn);
    } else {
        if (extent.base > log->end) {
            state_.fences.add(log->id, log->end, extent.base, FenceCause::lost_group);
            log->lost_records = true;
            state_.producers.remove_log(log->id);
            LogLine(env_, LogLevel::error) << "log " << log->id.value << ": offsets " << log->end.value << " to " << extent.base.value - 1
                                           << " are damaged and will not be served";
        }
        note(*log, extent, lsn);
        log->note_epoch(extent.epoch, extent.base);
        log->end = extent.last() + 1;
    }
    if (extent.flags & extent_producers) RIVULET_TRY(apply_producers(walk, *log, extent, !proved));
    if (extent.last() >= void_from) {
        // Cut within the extent: what its sessions had beyond is not known.
        log->end = void_from;
        state_.producers.truncate(log->id, void_from);
        state_.sessions.forget_log(*log);
        return {};
    }
    if (extent.flags & extent_packed) {
        // A full table of sessions forgets the oldest.
        RIVULET_TRY(judge(state_.sessions.apply_trailer(extent.trailer, log->id).error(), lsn));
    }
    return {};
}

// Of a log that counts only once all of it was synced: before that it ends where something is missing, and is written on from there.
Status Replay::apply_relocated(Log& log, const Extent& extent, Lsn lsn, bool holds) {
    if (!log.clean_part || (extent.flags & extent_relocated) == 0) return judge(Error::corrupt, lsn);
    if (extent.base >= state_.truncations.void_at(extent.log, lsn, extent.last())) return {};
    if (!holds || log.cut_by_recovery) {
        ++state_.damage.unproved_extents_lost;
        state_.damage.lost_bytes += extent.bytes;
        unproved_lost_ = log.cut_by_recovery = true;
        LogLine(env_, LogLevel::warning) << "log " << log.id.value << ": cleaned records of the last, unproved commit are lost; they are cleaned again";
        return {};
    }
    // The first, or the ring has taken what came before.
    if (log.start >= log.end && extent.base >= log.end) log.start = log.end = extent.base;
    note(log, extent, lsn);
    if (extent.last() < log.end) return {};
    log.note_epoch(extent.epoch, extent.base);
    log.end = extent.last() + 1;
    return {};
}

// The table does not say what producers have: the headers of the batches do. What is damaged may have had their last batches.
Status Replay::apply_producers(JournalWalk& walk, Log& log, const Extent& extent, bool checked) {
    const Lsn lsn = walk.header().lsn;
    RIVULET_TRY_ASSIGN(const bool holds, checked ? Result<bool>(true) : walk.extent_holds(extent));
    if (!holds) {
        LogLine(env_, LogLevel::error) << "log " << log.id.value << ": offsets " << extent.base.value << " to " << extent.last().value
                                       << " are damaged: what its producers had is forgotten";
        state_.producers.remove_log(log.id);
        return {};
    }
    RIVULET_TRY_ASSIGN(const Bytes payload, walk.payload());
    Bytes left = payload.subspan(extent.position, extent.bytes);
    while (left.size() >= record::batch_header_bytes) {
        const record::BatchHeader header = record::decode_header(left);
        if (!record::check_header(header, left.size(), left.size()) || header.base_offset < extent.base || header.last_offset() > extent.last()) break;
        const bool idempotent = header.producer_id >= 0 && header.producer_epoch >= 0 && header.base_sequence >= 0;
        if (idempotent) state_.producers.replay(header, log.id);
        left = left.subspan(header.total_bytes());
    }
    return judge(left.empty() ? Error::none : Error::corrupt, lsn);
}

// The last sequence of a session in a log says nothing of those before that were in a lost group.
void Replay::forget_lost() {
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) {
        Log& log = state_.logs.at(rank);
        if (std::exchange(log.lost_records, false)) state_.sessions.forget_log(log);
    }
}

void Replay::count_lost_tables(std::uint64_t groups, std::uint64_t extents) {
    if (groups == 0) return;
    LogLine(env_, LogLevel::warning) << "journal: an unproved commit has lost its table: " << groups << " groups, " << extents << " extents";
    state_.damage.unproved_extents_lost += extents;
    unproved_lost_ = true;
}

void Replay::hole(Lsn from, Lsn to) {
    // An earlier start knew of it, and said what became of every log.
    if (from < durable_ && state_.fences.covers_unproved(from, to)) return;
    const std::uint64_t bytes = to - from;
    // What cannot be read at the end may have been acknowledged, though nothing there says so.
    const bool lost_tail = lost_tail_ != Lsn(0) && to > lost_tail_;
    if (from >= durable_ && !lost_tail) {
        unproved_lost_ = report_.ends_uncertain = true;
        cut_making();
        state_.fences.add_unproved(from, to);
        LogLine(env_, LogLevel::warning) << "journal: " << bytes << " bytes of the last, unproved commit are missing at LSN " << from.value;
        state_.damage.lost_bytes += bytes;
        return;
    }
    ++state_.damage.corrupt_groups;
    state_.damage.lost_bytes += bytes;
    doubt_making();
    LogLine(env_, LogLevel::error) << (lost_tail ? "journal: it cannot be read to its end, LSN " : "journal: synced bytes are damaged, LSN ") << from.value << " to " << to.value;
    if (from < start_.walk.position) {
        // The checkpoint knows what its groups said. Of clean logs, whose offsets have gaps, nothing else shows that something is missing.
        if (known_hole_from_ == Lsn(0)) known_hole_from_ = from;
        known_hole_to_ = to;
    }
    if (to <= start_.walk.position) return;
    last_hole_ = to;
    hole_bytes_ += bytes;
}

// What a lost group had last of a log cannot be known: it goes on beyond all that it can have been.
void Replay::settle_holes() {
    if (hole_bytes_ == 0) return;
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) {
        Log& log = state_.logs.at(rank);
        if (log.last_extent >= last_hole_ || log.clean_part) continue;
        log.resumes_at = log.end + static_cast<std::int64_t>(hole_bytes_) * record::compressed_records_per_byte_max + 1;
        state_.fences.add(log.id, log.end, log.resumes_at, FenceCause::lost_group);
        state_.producers.remove_log(log.id);
        LogLine(env_, LogLevel::error) << "log " << log.id.value << ": may have lost offsets from " << log.end.value << " on; it goes on at "
                                       << log.resumes_at.value;
    }
    hole_bytes_ = 0;
}

// Those that may have had something in a hole that lies before the checkpoint.
void Replay::fence_clean_logs() {
    if (known_hole_to_ == Lsn(0)) return;
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) {
        const Log& log = state_.logs.at(rank);
        if (!log.clean_part || log.last_extent < known_hole_from_) continue;
        if (state_.index.find(log, log.start, state_.geometry, segment_) < known_hole_to_) state_.fence_clean(log);
    }
}

// What comes of it behind something that is missing cannot be taken: its offsets have gaps, so nothing else would show what is not there.
void Replay::cut_making() {
    if (Log* const made = state_.made()) made->cut_by_recovery = true;
}

void Replay::doubt_making() {
    if (const Log* const made = state_.made(); made && !making_doubted_at_) making_doubted_at_ = made->end;
}

// It goes on where it ends, unless something of it may be missing, or that of which it is, or all of it is deleted.
void Replay::settle_making() {
    const Log* const made = state_.made();
    if (!made) return;
    const Log* const of = state_.logs.find(made->clean_of);
    const bool deleted = of && made->end > Offset(0) && made->end <= of->start;
    if (of && !deleted && !making_doubted_at_ && made->end <= of->end) return;
    report_.clean_given_up = made->id;
    state_.drop_making();
}

// Of which the ring has taken all.
void Replay::free_clean_logs() {
    for (std::uint32_t rank = 0; rank < state_.logs.count(); ++rank) {
        Log& log = state_.logs.at(rank);
        if (const Log* const clean = state_.clean_of(log); clean && clean->start >= clean->end && log.start >= log.clean_end) state_.put_clean(log, nullptr, log.clean_end);
    }
}

}  // namespace rivulet::store
