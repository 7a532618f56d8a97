#include "store/reader.h"

#include <algorithm>

namespace rivulet::store {

using record::batch_header_bytes;
using Verdict = ViewBuilder::Verdict;

namespace {

constexpr std::uint64_t lookup_charge = 64;
constexpr std::uint64_t batch_charge = 64;

// A batch below what was asked for is passed by.
Verdict pass(Verdict verdict) { return verdict == Verdict::skip ? Verdict::take : verdict; }

void clear(ReadView& view) {
    view.piece_count = view.bytes = view.batches = view.header_count = 0;
    view.more_bytes = 0;
}

}  // namespace

Reader::Reader(env::Env& env, Arena& arena, State& state)
    : env_(env),
      state_(state),
      ram_(state),
      positions_(arena, state.options),
      windows_(env, arena, state, positions_, *this),
      loader_(env, arena, state, *this) {}

std::size_t Reader::memory_bytes(const StoreOptions& options) {
    return WindowSet::memory_bytes(options) + IndexLoader::memory_bytes(options) + ReaderPositions::memory_bytes(options) + 64;
}

ReadOutcome Reader::read(Log& log, Offset from, Offset limit, std::size_t bytes_max, ReadView& view, ReadWaiter& waiter, bool waits) {
    RIVULET_CHECK(!waiter.linked() && !view.linked() && view.window < 0 && view.pinned_count == 0);
    clear(view);
    env_.charge(lookup_charge);
    if (from < log.start || from > log.end) return ReadOutcome::out_of_range;
    if (from >= limit) return ReadOutcome::end;
    const Wish wish{log, from, limit, bytes_max, waits};
    positions_.came(log.id, from);
    return from >= log.ram_start ? read_ram(wish, view) : read_flash(wish, view, waiter);
}

void Reader::release(ReadView& view) {
    ram_.release(view);
    if (view.window >= 0) windows_.unpin(std::exchange(view.window, -1));
    clear(view);
}

void Reader::cancel(ReadWaiter& waiter) {
    if (waiter.linked()) List<ReadWaiter>::remove(waiter);
}

ReadOutcome Reader::read_ram(const Wish& wish, ReadView& view) {
    const std::size_t looked_at = ram_.read(wish.log, wish.from, wish.limit, wish.bytes_max, view);
    env_.charge(looked_at * batch_charge);
    return view.empty() ? ReadOutcome::end : ReadOutcome::data;
}

// ---- flash ----

// Window after window from where the offset may lie, as far as they are loaded.
ReadOutcome Reader::read_flash(const Wish& wish, ReadView& view, ReadWaiter& waiter) {
    Lsn at = place(wish, waiter);
    waiter.log = wish.log.id;
    waiter.from = wish.from;
    waiter.wanted = at;
    if (at == Lsn(0)) {
        if (wish.waits) index_waiters_.push_back(waiter);
        return ReadOutcome::pending;
    }
    at = std::max(at, state_.geometry.first_group(state_.head.first_live));
    const Lsn begun = at;
    while (at < state_.head.durable) {
        env_.charge(lookup_charge);
        Window* const window = windows_.covering(at);
        if (!window) {
            waiter.wanted = at;
            if (wish.waits) windows_.wait(waiter);
            if (at != begun) {
                // What was looked through in vain is not looked through again, whoever asks; but nobody is to be held up for it.
                positions_.left(wish.log.id, wish.from, at, env_.now());
                positions_.came(wish.log.id, wish.from);
            }
            return ReadOutcome::pending;
        }
        const Served served = serve(*window, wish, view);
        if (served != Served::nothing) return served == Served::some ? ReadOutcome::data : ReadOutcome::end;
        at = behind(wish.log, *window);
    }
    // Nothing at or beyond the offset is on flash: if there were records, they are lost, and RAM has what comes next.
    positions_.left(wish.log.id, wish.from, at, env_.now());
    const ReadOutcome outcome = read_ram(wish, view);
    const Offset found = outcome == ReadOutcome::data ? view.first : std::min(wish.limit, wish.log.durable_end);
    if (found > wish.from && !wish.log.clean_part) report_gap(wish.log, wish.from, found);
    return outcome;
}

// LSN at or before the group with the offset, or with what follows it; Lsn(0): the index does not know yet.
Lsn Reader::place(const Wish& wish, ReadWaiter& waiter) const {
    const Log& log = wish.log;
    if (waiter.log == log.id && waiter.from == wish.from && waiter.wanted != Lsn(0)) return waiter.wanted;
    const Lsn known = positions_.find(log.id, wish.from);
    waiter.goes_on = known != Lsn(0);
    if (waiter.goes_on) return known;
    if (const Lsn lsn = windows_.holding(log, wish.from); lsn != Lsn(0)) return lsn;
    if (const Lsn lsn = state_.index.find(log, wish.from, state_.geometry, head_sequence()); lsn != Lsn(0)) return lsn;
    if (!loader_.complete()) return Lsn(0);
    return onward(log, state_.geometry.first_group(state_.head.first_live));
}

Lsn Reader::whereabouts(const Log& log, Offset from) const {
    if (from >= log.ram_start) return Lsn(0);
    const Lsn known = positions_.find(log.id, from);
    return known != Lsn(0) ? known : state_.index.find(log, from, state_.geometry, head_sequence());
}

Lsn Reader::behind(const Log& log, const Window& window) const {
    const Lsn end = window.end();
    return state_.geometry.sequence(end) == window.sequence() ? end : onward(log, end);
}

// At the beginning of a segment the index may know that this one and the next have nothing. What it does not know yet is not written yet, or not durable.
Lsn Reader::onward(const Log& log, Lsn lsn) const {
    if (state_.geometry.sequence(lsn) < state_.index_loaded_from) return lsn;
    return std::min(state_.head.durable, state_.index.onward(log, lsn, state_.geometry, head_sequence()));
}

Reader::Served Reader::serve(Window& window, const Wish& wish, ReadView& view) {
    const Log& log = wish.log;
    ViewBuilder builder(view, wish.from, wish.limit, wish.bytes_max);
    Window::EntryIndex last = Window::no_entry;
    Lsn resume{0};
    Verdict verdict = Verdict::take;
    for (auto i = window.find(log.id, wish.from); i != Window::no_entry; i = window.next(i)) {
        const Window::Entry& entry = window.entry(i);
        window.prefetch(entry.next);
        if (entry.bad || entry.stale || entry.last_offset() < view.next) continue;
        const Lsn lsn = window.lsn(entry);
        const Offset voided = state_.truncations.void_from(log.id, lsn);
        if (entry.first_offset() >= voided) continue;
        const Offset expected = view.next;
        verdict = entry.first_offset() >= wish.limit ? Verdict::beyond : add_extent(log, window, i, voided, builder);
        if (view.next != expected) {
            last = i;
            // Gaps of compaction are no damage.
            const bool sparse = (entry.flags & (extent_relocated | extent_compacted)) != 0;
            if (entry.first_offset() > expected && !sparse) report_gap(log, expected, entry.first_offset());
        }
        if (verdict == Verdict::take) continue;
        resume = lsn;
        break;
    }
    if (view.batches == 0 && verdict != Verdict::beyond) return Served::nothing;
    positions_.left(log.id, view.next, resume != Lsn(0) ? resume : behind(log, window), env_.now());
    if (view.batches == 0) return Served::beyond;
    window.set_cursor(last);
    windows_.pin(window);
    view.window = window.number;
    env_.charge(view.batches * batch_charge);
    statistics_.bytes_served += view.bytes;
    windows_.read_ahead(window);
    return Served::some;
}

// take: went through to the end of the extent, or of what is not void.
Verdict Reader::add_extent(const Log& log, Window& window, Window::EntryIndex index, Offset voided, ViewBuilder& builder) {
    const Window::Entry& entry = window.entry(index);
    Bytes bytes = window.bytes(entry);
    if (entry.plain) {
        const BatchSpan batch(entry.first_offset(), entry.last_offset(), entry.bytes);
        if (batch.last >= voided) return Verdict::take;
        if (entry.epoch() >= log.epoch_at(batch.first)) return pass(builder.offer(batch, bytes));
        window.set_stale(index);
        return Verdict::take;
    }
    while (!bytes.empty()) {
        const bool whole = bytes.size() >= batch_header_bytes;
        const record::BatchHeader header = whole ? record::decode_header(bytes) : record::BatchHeader{};
        const std::size_t n = header.total_bytes();
        if (!whole || n < batch_header_bytes || n > bytes.size() || header.last_offset() < header.base_offset) {
            // The CRC holds and yet these are no batches: nothing that we wrote.
            window.set_bad(index);
            report_extent(window, entry);
            return Verdict::take;
        }
        // A truncation cuts at the base of a batch: one that lies across it was given up by a recovery. What comes before it in the extent counts.
        if (header.last_offset() >= voided) return Verdict::take;
        // Of an older run than wrote the log there: a discarded group in the place of a lost write, which the window could not tell.
        if (header.leader_epoch < log.epoch_at(header.base_offset)) {
            window.set_stale(index);
            return Verdict::take;
        }
        const Verdict verdict = pass(header.clock_untrusted() ? builder.offer_untrusted(header, bytes.first(n), state_.boots, entry.boot) : builder.offer(header, bytes.first(n)));
        if (verdict != Verdict::take) return verdict;
        bytes = bytes.subspan(n);
    }
    return Verdict::take;
}

// ---- the index ----

void Reader::load_index(IndexListener& listener) {
    listener_ = &listener;
    recovered_from_ = state_.geometry.segment_start(state_.geometry.sequence(state_.checkpoint_lsn));
    loader_.start();
}

void Reader::on_segment_indexed() {
    statistics_.footers_rebuilt = loader_.footers_rebuilt();
    List<ReadWaiter> ready;
    for (ReadWaiter* waiter = index_waiters_.front(); waiter;) {
        ReadWaiter* const next = index_waiters_.next(*waiter);
        env_.charge(lookup_charge);
        const Log* const log = state_.logs.find(waiter->log);
        const Sample* const oldest = log ? state_.index.first(*log) : nullptr;
        if (!log || loader_.complete() || (oldest && oldest->first() <= waiter->from)) {
            List<ReadWaiter>::remove(*waiter);
            ready.push_back(*waiter);
        }
        waiter = next;
    }
    while (ReadWaiter* const waiter = ready.pop_front()) waiter->on_read_ready();
    listener_->on_index_loaded();
}

}  // namespace rivulet::store
