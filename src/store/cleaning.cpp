// Logs of two parts: what is kept of the older one, and the log itself behind it.
#include <algorithm>

#include "store/store.h"
#include "store/stretch.h"

namespace rivulet::store {

Result<const Log*> Store::begin_clean(Log& log) {
    RIVULET_TRY(writable(log));
    RIVULET_CHECK(!log.clean_part);
    if (log.memory) return fail(Error::unsupported);
    // Of which the ring has taken all, that is as good as not begun.
    if (const Log* const made = state_.made_of(log); made && (made->end == Offset(0) || made->start < made->end)) return made;
    Log* const given_up = state_.made();
    if (!given_up && state_.logs.count() == state_.logs.capacity()) return fail(Error::limit_reached);
    RIVULET_TRY_ASSIGN(Writer * records, committer_.records(64));
    if (given_up) delete_log(*given_up);
    const Result<Log*> made = state_.logs.create(state_.next_log_id, false);
    RIVULET_CHECK(made.ok());
    (*made)->clean_part = true;
    (*made)->clean_of = log.id;
    state_.making = (*made)->id;
    state_.next_log_id = state_.making + 1;
    // Before the first of it, so that a start knows whose it is and goes on with it.
    encode(LogCleanedRecord{log.id, state_.making, Offset(0)}, *records);
    committer_.note_records(ns_per_s);
    return *made;
}

void Store::give_up_clean(Log& log) {
    if (Log* const made = state_.made_of(log)) delete_log(*made);
}

Result<std::uint64_t> Store::relocate(Stage& stage) {
    Log* const found = state_.made();
    RIVULET_CHECK(found && stage.active() && stage.room() == 0);
    Log& log = *found;
    RIVULET_TRY(writable(log));
    const record::BatchHeader header = record::decode_header(stage.header());
    if (header.base_offset < log.end || header.last_offset_delta < 0) return fail(Error::corrupt);
    if (Status status = room_to_wait(stage.size()); !status) return busy(status.failure());
    const Offset end = log.end;
    const Epoch epoch = log.epoch;
    if (log.first_block == no_block && log.first_sample == no_sample) log.start = header.base_offset;
    log.end = log.closed_end = header.base_offset;
    log.epoch = header.leader_epoch;
    env_.charge(stage.size());
    if (Status status = ring_.append(log, stage); !status) {
        log.end = log.closed_end = end;
        log.epoch = epoch;
        return busy(status.failure());
    }
    committer_.note_append(log);
    return committer_.open_ticket();
}

// With the group that comes next: a segment that is entered before it could give up what is still needed if the power goes.
Result<std::uint64_t> Store::finish_clean(Log& log, Offset end, std::uint64_t own_bytes) {
    RIVULET_TRY(writable(log));
    Log* const made = state_.made();
    RIVULET_CHECK(made && made->clean_of == log.id && end >= made->end && end <= log.durable_end);
    if (made->start >= made->end) return fail(Error::offset_out_of_range, made->end.value);
    if (made->durable_end < made->end || !committer_.idle()) return fail(Error::busy);
    RIVULET_TRY_ASSIGN(Writer * records, committer_.records(64));
    const std::uint64_t own_before = state_.own_bytes_of(log);
    const std::uint64_t alive = own_before > own_bytes ? own_before - own_bytes : 0;
    encode(LogCleanedRecord{log.id, made->id, end}, *records);
    if (Log* const replaced = state_.clean_of(log)) delete_log(*replaced);
    log.clean = LogId(0);
    state_.put_clean(log, made, end);
    // Samples of what is dead now go, but for that of the segment where it ends.
    const std::uint64_t head = state_.geometry.sequence(state_.head.previous_end - 1);
    std::uint64_t keep = 0;
    for (const Sample* sample = state_.index.first(log); sample && sample->first() <= end; sample = state_.index.next(*sample)) keep = SegmentIndex::sequence_of(*sample, head);
    if (keep != 0 && state_.index_loaded_from <= state_.head.first_live) state_.index.retire(log, state_.geometry, keep, head);
    log.dead_bytes = 0;
    const std::uint64_t most = state_.own_bytes_of(log);
    log.dead_bytes = most > alive ? most - alive : 0;
    committer_.note_records(0);
    return committer_.open_ticket();
}

Store::Parts Store::parts_of(const Log& log) {
    Parts parts;
    const std::uint64_t head = state_.geometry.sequence(state_.head.previous_end - 1);
    Lsn oldest{0};
    if (const Log* const clean = state_.clean_of(log)) {
        parts.clean_bytes = clean_bytes(state_, log);
        const Offset alive = std::max(log.start, clean->start);
        if (alive < log.clean_end && alive < clean->durable_end) oldest = state_.index.find(*clean, alive, state_.geometry, head);
    }
    parts.own_bytes = state_.own_bytes_of(log);
    if (log.own_start() < log.durable_end) {
        // A pass that ended early has left some that is older than what it wrote.
        const Lsn own = state_.index.find(log, log.own_start(), state_.geometry, head);
        if (oldest == Lsn(0) || (own != Lsn(0) && own < oldest)) oldest = own;
    }
    if (oldest == Lsn(0)) return parts;
    // As many segments will be entered before the ring takes it; on its first lap that is more than lie behind it.
    const std::uint64_t taken_with = state_.geometry.sequence(oldest) + state_.geometry.segment_count;
    parts.segments_left = taken_with > head + 2 ? taken_with - (head + 2) : 0;
    return parts;
}

std::uint64_t Store::alive_bytes(const Log& log) { return store::alive_bytes(state_, log); }

Store::Front Store::front_of(const Log& log) {
    Front front;
    visit_stretches(state_, log, [&](const Stretch& stretch) {
        front = {stretch.bytes, stretch.last ? log.start : stretch.to};
        return false;
    });
    return front;
}

std::uint64_t Store::bytes_of(const Log& log) {
    const Log* const clean = state_.clean_of(log);
    return log.bytes + (clean ? clean->bytes : 0);
}

ReadOutcome Store::read(Log& log, Offset from, std::size_t bytes_max, ReadView& view, ReadWaiter& waiter, bool waits) {
    Log* const clean = from >= log.start && from < log.clean_end ? state_.clean_of(log) : nullptr;
    if (clean && from < clean->durable_end) {
        const ReadOutcome outcome = reader_.read(*clean, std::max(from, clean->start), clean->durable_end, bytes_max, view, waiter, waits);
        if (outcome != ReadOutcome::end) return outcome;
    }
    if (from >= log.start && from < log.clean_end) from = log.clean_end;
    return reader_.read(log, from, log.high_watermark(), bytes_max, view, waiter, waits);
}

Lsn Store::whereabouts(const Log& log, Offset from) {
    const Log* const clean = from < log.clean_end ? state_.clean_of(log) : nullptr;
    return clean && from < clean->durable_end ? reader_.whereabouts(*clean, std::max(from, clean->start)) : reader_.whereabouts(log, std::max(from, log.own_start()));
}

// Offset(-1): the index knows of none that late.
Offset Store::find_time(const Log& log, std::uint32_t seconds) {
    const Log* const clean = state_.clean_of(log);
    const Offset hint = clean ? state_.index.find_time(*clean, seconds) : Offset(-1);
    return hint.value >= 0 ? hint : state_.index.find_time(log, seconds);
}

Offset Store::time_hint(const Log& log, Timestamp at) {
    if (state_.index_loaded_from > state_.head.first_live) return log.start;
    const std::int64_t seconds = at.value / 1000;
    // What is not in a group yet, the index does not know.
    Offset hint = find_time(log, static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 0, time_unknown - 1)));
    if (hint.value < 0) hint = log.durable_end;
    return hint < log.start ? log.start : hint;
}

Offset Store::newest_hint(const Log& log) {
    if (state_.index_loaded_from > state_.head.first_live) return log.start;
    std::uint32_t newest = 0;
    const auto look = [&](const Log& part) {
        for (const Sample* sample = state_.index.first(part); sample; sample = state_.index.next(*sample))
            if (sample->max_time != time_unknown && sample->max_time > newest) newest = sample->max_time;
    };
    look(log);
    if (const Log* const clean = state_.clean_of(log)) look(*clean);
    const Offset hint = find_time(log, newest);
    return hint < log.start ? log.start : hint;
}

}  // namespace rivulet::store
