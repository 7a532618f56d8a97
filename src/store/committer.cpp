#include "store/committer.h"

#include <algorithm>
#include <utility>

namespace rivulet::store {

namespace {

// Records of one turn, beside the creation of the largest topic: some ceilings, starts, truncations.
constexpr std::size_t records_base_bytes = 16 * 1024;
// Longest wait for those that were just acknowledged: a round trip on a local network.
constexpr std::int64_t gather_ns_max = ns_per_ms;

// A RETIRE that recovery left due and one for the next segment must always find room.
std::size_t records_kept(const StoreOptions& options) { return 2 * GroupWriter::retire_bytes_max(options.logs_max); }

}  // namespace

std::size_t Committer::records_bytes(const StoreOptions& options) {
    const std::size_t most = options.group_bytes_max() - group_header_bytes - extent_entry_bytes_max;
    const std::size_t wanted = records_base_bytes + records_bytes_min(options);
    return wanted < most ? wanted : most;
}

std::size_t Committer::records_bytes_min(const StoreOptions& options) {
    return records_kept(options) + create_bytes(catalogue_bytes_max, options.logs_max);
}

std::size_t Committer::memory_bytes(const StoreOptions& options) {
    return options.logs_max * sizeof(Log*) + GroupWriter::pieces_max(options) * (sizeof(BlockIndex) + sizeof(Bytes)) + options.table_bytes_max() +
           2 * records_bytes(options) + 128;
}

Committer::Committer(env::Env& env, Arena& arena, State& state, GroupWriter& writer, Ring& ring)
    : Job(env::JobKind::commit),
      env_(env),
      state_(state),
      writer_(writer),
      ring_(ring),
      order_(arena.make_array<Log*>(state.options.logs_max)),
      pinned_(arena.make_array<BlockIndex>(GroupWriter::pieces_max(state.options))),
      slices_(arena.make_array<Bytes>(GroupWriter::pieces_max(state.options))),
      trailer_(arena.take_bytes(state.options.table_bytes_max())),
      record_buffers_{Writer(arena.take_bytes(records_bytes(state.options))), Writer(arena.take_bytes(records_bytes(state.options)))} {}

void Committer::start(CommitListener& listener) {
    listener_ = &listener;
    data_end_ = state_.head.previous_end;
    env_.arm(mark_timer_, env_.now() + state_.options.mark_idle_ns);
}

void Committer::due_at(Instant at) {
    if (!commit_timer_.armed() || at < commit_timer_.due()) env_.arm(commit_timer_, at);
}

void Committer::note_append(Log& log) {
    if (!log.dirty()) dirty_.push_back(log);
    ++appends_;
    const bool may_wait = log.commit_interval_ns != 0 && !pressed();
    due_at(may_wait ? env_.now() + log.commit_interval_ns : next_begin());
}

bool Committer::pressed() const {
    return state_.unflushed_bytes >= state_.options.commit_bytes || ring_.available() < state_.blocks.count() / 4;
}

// Who was acknowledged by the last commit sends again, mostly, and soon. A sync for the first of them alone would make all others wait for it and cost the flash another
// group: so it waits until as many are back as there were, at most as long as that commit took. One client by itself never waits here.
Instant Committer::next_begin() const {
    const Instant now = env_.now();
    const bool gathers = appends_ < appends_expected_ && now < gather_until_ && accumulating_->size() == 0 && !pressed();
    return gathers ? gather_until_ : now;
}

Result<Writer*> Committer::records(std::size_t bytes) {
    if (state_.offline) return fail(Error::store_offline);
    if (closed_) return fail(Error::shutting_down);
    const std::size_t kept = records_kept(state_.options);
    if (accumulating_->buffer().size() < bytes + kept) return fail(Error::limit_reached);
    if (accumulating_->room() < bytes + kept) {
        request();
        return fail(Error::busy);
    }
    return accumulating_;
}

void Committer::note_records(std::int64_t due_in_ns) { due_at(env_.now() + due_in_ns); }

void Committer::request() { due_at(env_.now()); }

void Committer::retry() {
    if (phase_ == Phase::blocked) return next_group();
    if (phase_ != Phase::held) return;
    phase_ = Phase::idle;
    on_due();
}

void Committer::close() {
    RIVULET_CHECK(settled());
    closed_ = true;
    env_.disarm(commit_timer_);
    env_.disarm(mark_timer_);
}

void Committer::on_due() {
    if (phase_ != Phase::idle || state_.offline || closed_) return;  // complete() looks again
    if (dirty_.empty() && accumulating_->size() == 0) return;
    if (!listener_->may_commit()) {
        phase_ = Phase::held;
        return;
    }
    begin_commit(false);
}

void Committer::on_mark_due() {
    env_.arm(mark_timer_, env_.now() + state_.options.mark_idle_ns);
    if (phase_ != Phase::idle || state_.offline || commit_timer_.armed()) return;
    if (state_.head.proven < data_end_) begin_commit(true);
}

void Committer::begin_commit(bool mark) {
    env_.disarm(commit_timer_);
    mark_ = mark;
    first_group_ = true;
    closing_ticket_ = open_ticket_++;
    begun_ = env_.now();
    appends_closing_ = appends_;
    appends_ = appends_expected_ = 0;
    std::swap(accumulating_, writing_);
    accumulating_->rewind(0);
    order_count_ = order_next_ = 0;
    for (Log* log = dirty_.front(); log; log = dirty_.next(*log)) {
        ring_.close_pack(*log);
        order_[order_count_++] = log;
    }
    std::sort(order_.data(), order_.data() + order_count_, [](const Log* a, const Log* b) { return a->id < b->id; });
    env_.charge(order_count_ * 256);
    // Closed packs of memory logs are readable now, before the write.
    for (std::size_t i = 0; i < order_count_; ++i)
        if (order_[i] && order_[i]->memory) listener_->on_readable(*order_[i]);
    next_group();
}

bool Committer::begin_group() {
    const Bytes records = first_group_ ? writing_->written() : Bytes();
    return writer_.begin(env_.wall(), records, false, mark_);
}

void Committer::next_group() {
    phase_ = Phase::writing;
    if (first_group_) writer_.retire(*writing_);
    pinned_count_ = 0;
    bool begun = begin_group();
    if (begun) {
        while (order_next_ < order_count_ && (!order_[order_next_] || gather(*order_[order_next_]))) ++order_next_;
        // A segment with no room for the first of what waits is full.
        begun = order_next_ == order_count_ || writer_.extent_count() != 0;
    }
    if (!begun) {
        if (writer_.next_segment_must_wait()) {
            phase_ = Phase::blocked;
            return;
        }
        if (!first_group_) writing_->rewind(0);
        // Records alone may fill what a first group has; a batch that fits no fresh segment would eat the ring.
        ++barren_segments_;
        RIVULET_CHECK(barren_segments_ < 3);
        writer_.enter_next_segment(*writing_);
        first_group_ = true;
        ++statistics_.segments;
        RIVULET_CHECK(begin_group());
        while (order_next_ < order_count_ && (!order_[order_next_] || gather(*order_[order_next_]))) ++order_next_;
    }
    if (order_next_ == order_count_ || writer_.payload_bytes() > (first_group_ ? writing_->size() : 0)) barren_segments_ = 0;
    const GroupHeader header = writer_.finish();
    first_group_ = false;
    last_group_ = order_next_ == order_count_;
    if (header.extent_count != 0) data_end_ = header.end();
    statistics_.groups += 1;
    statistics_.payload_bytes += header.payload_bytes;
    statistics_.written_bytes += header.total_bytes;
    env_.submit(*this);
}

void Committer::run(env::Disk& disk) {
    job_status_ = writer_.seal_and_write(disk);
    if (job_status_ && last_group_) job_status_ = disk.sync(*state_.journal);
}

void Committer::done() {
    for (std::size_t i = 0; i < pinned_count_; ++i) state_.blocks.unpin(pinned_[i]);
    pinned_count_ = 0;
    if (!job_status_ || state_.offline) {
        phase_ = Phase::idle;
        return go_offline(job_status_ ? Failure{Error::io, 0} : job_status_.failure());
    }
    if (!last_group_) return next_group();
    complete();
}

void Committer::complete() {
    Head& head = state_.head;
    // The group's own durable_lsn is proven now that it is synced.
    head.proven = head.durable;
    if (mark_) ++statistics_.marks;
    head.durable = head.previous_end;
    durable_ticket_ = closing_ticket_;
    state_.committing_bytes = 0;
    ++statistics_.commits;
    state_.sessions.commit_done();
    writer_.synced();
    phase_ = Phase::idle;
    while (Log* log = committing_.pop_front()) {
        finish_log(*log);
        listener_->on_readable(*log);
    }
    env_.arm(mark_timer_, env_.now() + state_.options.mark_idle_ns);
    // All that came meanwhile went along: nothing is left that would bring its ticket about.
    if (appends_ != 0 && dirty_.empty() && accumulating_->size() == 0) {
        durable_ticket_ = open_ticket_++;
        appends_closing_ += std::exchange(appends_, 0);
        env_.disarm(commit_timer_);
    }
    appends_expected_ = appends_ + appends_closing_;
    gather_until_ = env_.now() + std::min(env_.now() - begun_, gather_ns_max);
    // A deadline that passed meanwhile found the commit under way.
    if ((!dirty_.empty() || accumulating_->size() != 0) && !commit_timer_.armed()) due_at(next_begin());
    listener_->on_commit();
}

// What the commit took of a log is durable: its blocks may be evicted.
void Committer::finish_log(Log& log) {
    if (log.durable_end < log.commit_end) log.durable_end = log.commit_end;
    const BlockIndex stop = log.has_unflushed() ? log.flush_from.block : no_block;
    BlockIndex i = log.commit_from == no_block ? log.first_block : log.commit_from;
    for (; i != stop && i != no_block; i = state_.blocks[i].next) state_.blocks.make_evictable(i);
}

void Committer::go_offline(Failure failure) {
    if (state_.offline) return;
    state_.offline = true;
    if (phase_ != Phase::writing) phase_ = Phase::idle;
    env_.disarm(commit_timer_);
    env_.disarm(mark_timer_);
    listener_->on_offline(failure);
}

void Committer::forget(Log& log) {
    if (log.dirty()) List<Log, DirtyTag>::remove(log);
    if (log.in_commit()) List<Log, CommitTag>::remove(log);
    for (std::size_t i = order_next_; i < order_count_; ++i)
        if (order_[i] == &log) order_[i] = nullptr;
}

void Committer::note_truncated(Log& log) {
    log.gather_from_ticket = open_ticket_;
    if (log.commit_end > log.end) log.commit_end = log.end;
    log.commit_from = no_block;
    if (!log.has_unflushed() && log.dirty()) List<Log, DirtyTag>::remove(log);
}

}  // namespace rivulet::store
