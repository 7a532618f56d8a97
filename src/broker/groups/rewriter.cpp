#include "broker/groups/rewriter.h"

#include "env/log.h"

namespace rivulet::broker {

namespace {

constexpr std::uint64_t slice_bytes = 16U << 10;
constexpr std::uint64_t slice_entries = 512;
constexpr std::uint64_t rewrite_ratio = 4;
// Of what an entry takes in the log beside its texts: batch header and varints, keys, fixed fields.
constexpr std::uint64_t entry_bytes = 80;

}  // namespace

void Rewriter::wait_for_load() {
    phase_ = Phase::loading;
    watch();
    hold();
}

void Rewriter::start() {
    phase_ = Phase::idle;
    look();
    hold();
}

void Rewriter::stop() {
    phase_ = Phase::idle;
    broker_.cancel(static_cast<CommitWaiter&>(*this));
    broker_.cancel(static_cast<RoomWaiter&>(*this));
    broker_.env().disarm(*this);
    hold();
}

// For the commit that comes next, whosever it is.
void Rewriter::watch() {
    if (broker_.offline()) return;
    ticket = broker_.store().open_ticket();
    broker_.wait_for_commit(*this);
}

void Rewriter::on_committed(Error error) {
    if (error != Error::none) return stop();
    watch();
    if (phase_ == Phase::durable) finish();
    if (phase_ == Phase::idle) look();
    hold();
}

store::Log* Rewriter::log_of(std::uint32_t partition) const {
    const Topic* const topic = source_.topic();
    return topic ? broker_.partition(*topic, partition) : nullptr;
}

void Rewriter::look() {
    if (broker_.env().now() < again_at_) return;
    const Topic* const topic = source_.topic();
    const std::uint32_t partitions = topic ? std::min(topic->partitions, offsets_partitions_max) : 0;
    for (std::uint32_t partition = 0; partition < partitions; ++partition) {
        const store::Log* const log = log_of(partition);
        if (!log || log->start >= log->end) continue;
        if (near_the_end(*log, partition) || grown(partition)) return begin(partition, *log);
    }
}

bool Rewriter::grown(std::uint32_t partition) {
    Partition& entry = partitions_[partition];
    if (entry.bytes <= bytes_min_ || entry.bytes <= entry.due_bytes) return false;
    std::uint64_t live = 0;
    for (Group& group : groups_.groups()) {
        if (!group.coordinator || !source_.in_partition(group, partition)) continue;
        live += entry_bytes + group.id.size + std::uint64_t{group.offset_count} * (entry_bytes + group.id.size);
        for (Member* member = group.members.front(); member; member = group.members.next(*member))
            live += entry_bytes + member->id.size + member->client_id.size + member->client_host.size + member->protocols.size + member->assignment.size;
    }
    broker_.env().charge(groups_.groups().size() * 64);
    entry.due_bytes = std::max(bytes_min_, rewrite_ratio * live);
    return entry.bytes > entry.due_bytes;
}

// A quarter of the ring before its oldest record would go: a commit takes a sixteenth at most.
bool Rewriter::near_the_end(const store::Log& log, std::uint32_t partition) const {
    const store::State& state = broker_.store().state();
    const std::uint64_t head = state.geometry.sequence(state.head.previous_end - 1);
    const std::uint64_t segments = state.geometry.segment_count;
    // The index may know an older place than the true one: not again at once.
    if (partitions_[partition].begun_at != 0 && head < partitions_[partition].begun_at + segments / 2) return false;
    return segments_left(log) < std::max<std::uint64_t>(2, segments / 4);
}

std::uint64_t Rewriter::segments_left(const store::Log& log) const {
    const store::State& state = broker_.store().state();
    if (state.index_loaded_from > state.head.first_live || log.start >= log.durable_end) return UINT64_MAX;
    return broker_.store().parts_of(log).segments_left;
}

// What it writes itself goes on, and so ends this.
void Rewriter::hold() {
    std::uint64_t left = UINT64_MAX;
    std::uint64_t bytes = 0;
    const Topic* const topic = source_.topic();
    for (std::uint32_t partition = 0; phase_ != Phase::idle && topic && partition < std::min(topic->partitions, offsets_partitions_max); ++partition) {
        bytes += partitions_[partition].bytes;
        if (const store::Log* const log = log_of(partition)) left = std::min(left, segments_left(*log));
    }
    const std::uint64_t needed = broker_.margin() + 1 + bytes / broker_.store().state().geometry.segment_bytes;
    broker_.hold_appends(Broker::Holder::groups, left < needed);
}

void Rewriter::begin(std::uint32_t partition, const store::Log& log) {
    const store::State& state = broker_.store().state();
    phase_ = Phase::groups;
    partition_ = partition;
    cursor_ = 0;
    appended_ = 0;
    start_ = log.end;
    head_ = state.geometry.sequence(state.head.previous_end - 1);
    broker_.env().arm(*this, broker_.env().now());
}

void Rewriter::on_room() {
    if (!armed()) broker_.env().arm(*this, broker_.env().now());
}

// One slice.
void Rewriter::on_timer() {
    const std::uint64_t before = appended_;
    std::uint64_t looked = 0;
    for (; (phase_ == Phase::groups || phase_ == Phase::offsets) && appended_ - before < slice_bytes && looked < slice_entries; ++looked) {
        const Result<std::uint64_t> bytes = rewrite_next();
        if (bytes) {
            appended_ += *bytes;
            continue;
        }
        if (bytes.error() != Error::busy) {
            // Begun again later, not at each commit: the log keeps all that it had.
            phase_ = Phase::idle;
            again_at_ = broker_.env().now() + again_ns;
            return hold();
        }
        if (!static_cast<RoomWaiter&>(*this).linked()) broker_.wait_for_room(*this);
        broker_.env().charge(looked * 32);
        return;
    }
    broker_.env().charge(looked * 32);
    if (phase_ != Phase::durable) return broker_.env().arm(*this, broker_.env().now());
    finish();
    hold();
}

// What comes next, if it is of this partition: the bytes that it took.
Result<std::uint64_t> Rewriter::rewrite_next() {
    Result<std::uint64_t> bytes = std::uint64_t{0};
    if (phase_ == Phase::groups) {
        if (cursor_ == groups_.groups().size()) {
            phase_ = Phase::offsets;
            cursor_ = 0;
            return bytes;
        }
        Group& group = groups_.groups()[cursor_];
        if (group.coordinator && group.stored && source_.in_partition(group, partition_)) bytes = source_.rewrite_group(group);
    } else {
        if (cursor_ == offsets_.all().size()) {
            const store::Log* const log = log_of(partition_);
            end_ = log ? log->end : Offset(0);
            phase_ = Phase::durable;
            return bytes;
        }
        const CommittedOffset& offset = offsets_.all()[cursor_];
        if (offset.log.value != 0 && source_.in_partition(groups_.groups()[offset.group], partition_)) bytes = source_.rewrite_offset(offset);
    }
    if (bytes) ++cursor_;
    return bytes;
}

void Rewriter::finish() {
    store::Log* const log = log_of(partition_);
    if (!log) {
        phase_ = Phase::idle;
        return;
    }
    if (log->durable_end < end_ || log->durable_end < start_) return;
    // Without room for that record it is tried again at the next commit.
    if (!broker_.store().set_start(*log, start_)) return;
    env::LogLine(broker_.env(), env::LogLevel::debug) << "groups: partition " << partition_ << " begins at offset " << start_.value << " now, with " << appended_ << " bytes";
    Partition& entry = partitions_[partition_];
    entry.bytes = appended_;
    entry.due_bytes = 0;
    entry.begun_at = head_;
    ++rewrites_;
    phase_ = Phase::idle;
}

}  // namespace rivulet::broker
