#include "store/offline/log_ends.h"

#include <algorithm>

namespace rivulet::store {

LogEnds::LogEnds(MutableBytes scratch) {
    const auto address = reinterpret_cast<std::uintptr_t>(scratch.data());
    const std::size_t skip = (alignof(Entry) - address % alignof(Entry)) % alignof(Entry);
    RIVULET_CHECK(scratch.size() >= skip);
    const MutableBytes aligned = scratch.subspan(skip);
    entries_ = {reinterpret_cast<Entry*>(aligned.data()), aligned.size() / sizeof(Entry)};
}

std::size_t LogEnds::lower_bound(LogId log) const {
    const auto known = entries_.first(count_);
    const auto at = std::lower_bound(known.begin(), known.end(), log, [](const Entry& e, LogId id) { return e.log < id; });
    return static_cast<std::size_t>(at - known.begin());
}

LogEnds::Entry* LogEnds::find(LogId log) {
    const std::size_t at = lower_bound(log);
    return at < count_ && entries_[at].log == log ? &entries_[at] : nullptr;
}

LogEnds::Entry* LogEnds::find_or_add(LogId log, bool& added) {
    added = false;
    if (Entry* known = find(log)) return known;
    if (count_ == entries_.size()) {
        ++not_followed_;
        return nullptr;
    }
    const std::size_t at = lower_bound(log);
    std::memmove(static_cast<void*>(entries_.data() + at + 1), entries_.data() + at, (count_ - at) * sizeof(Entry));
    ++count_;
    added = true;
    return ::new (static_cast<void*>(entries_.data() + at)) Entry{log, {}, {}, {}};
}

void LogEnds::move_end(LogId log, Offset end) {
    bool added = false;
    if (Entry* entry = find_or_add(log, added)) entry->next = end;
}

// A log of which nothing is known yet says where it is with its first extent.
void LogEnds::raise_end(LogId log, Offset end) {
    if (Entry* entry = find(log); entry && entry->next < end) entry->next = end;
}

void LogEnds::remove(LogId first, std::uint32_t count) {
    const std::size_t from = lower_bound(first);
    const std::size_t to = lower_bound(first + count);
    std::memmove(static_cast<void*>(entries_.data() + from), entries_.data() + to, (count_ - to) * sizeof(Entry));
    count_ -= to - from;
}

void LogEnds::apply(const JournalRecord& record) {
    switch (record.type) {
        case RecordType::log_create:
            for (std::uint32_t i = 0; i < record.log_create.count && count_ < entries_.size(); ++i) move_end(record.log_create.first + i, Offset(0));
            return;
        case RecordType::log_delete: return remove(record.log_delete.first, record.log_delete.count);
        case RecordType::log_start: return raise_end(record.log_start.log, record.log_start.start);
        case RecordType::truncate: return move_end(record.truncate.log, record.truncate.end);
        case RecordType::jump: return move_end(record.jump.log, record.jump.to);
        case RecordType::ceiling:
            if (Entry* entry = find(record.ceiling.log)) entry->ceiling = std::max(entry->ceiling, record.ceiling.ceiling);
            return;
        case RecordType::retire: {
            RetireReader retired(record.retire);
            for (LogStartRecord entry; retired.next(entry);) raise_end(entry.log, entry.start);
            return;
        }
        case RecordType::fence:
            if (Entry* entry = find(record.fence.log); entry && record.fence.from <= entry->next) raise_end(record.fence.log, record.fence.to);
            return;
        default: return;
    }
}

LogEnds::Order LogEnds::append(const Extent& extent, Lsn group, Offset& gap_from, Lsn& gap_lsn) {
    // Relocated extents lie anywhere and move no end.
    if ((extent.flags & extent_relocated) != 0) return Order::follows;
    bool added = false;
    Entry* const entry = find_or_add(extent.log, added);
    if (!entry) return Order::follows;
    gap_from = entry->next;
    gap_lsn = entry->last_extent;
    // A memory log resumes at its ceiling after an unclean stop.
    const bool follows = added || extent.base == entry->next || (extent.base > entry->next && extent.base == entry->ceiling);
    const Order order = follows ? Order::follows : extent.base > entry->next ? Order::gap : Order::overlaps;
    entry->next = std::max(entry->next, extent.last() + 1);
    entry->last_extent = group;
    return order;
}

}  // namespace rivulet::store
