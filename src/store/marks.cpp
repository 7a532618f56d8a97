#include "store/marks.h"

#include <algorithm>
#include <limits>

namespace rivulet::store {

namespace {

// Room for one entry at `at`; the caller knows that there is some.
template <class T>
void insert_at(T* entries, std::size_t& count, std::size_t at, const T& entry) {
    std::move_backward(entries + at, entries + count, entries + count + 1);
    entries[at] = entry;
    ++count;
}

template <class T>
void erase_range(T* entries, std::size_t& count, std::size_t from, std::size_t to) {
    std::move(entries + to, entries + count, entries + from);
    count -= to - from;
}

}  // namespace

// ---- truncations ----
// Of two marks of a log the one with the higher LSN has the higher offset: otherwise it would cover the other. So the first mark above an LSN
// is also the one that voids most there.

std::size_t Truncations::first_above(LogId log, Lsn lsn) const {
    const auto before = [&](const Entry& e) { return e.mark.log < log || (e.mark.log == log && e.mark.lsn <= lsn); };
    return static_cast<std::size_t>(std::partition_point(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(count_), before) - entries_.begin());
}

Status Truncations::add(LogId log, Offset offset, Lsn lsn) { return put(log, offset, lsn, false); }

void Truncations::propose(LogId log, Offset offset, Lsn lsn) { (void)put(log, offset, lsn, true); }

Status Truncations::put(LogId log, Offset offset, Lsn lsn, bool proposed) {
    if (lsn == Lsn(0)) return {};
    const std::size_t older = first_above(log, lsn - 1);
    if (older < count_ && entries_[older].mark.log == log && entries_[older].mark.offset <= offset) {  // says as much
        entries_[older].proposed &= proposed;
        return {};
    }
    const std::size_t end = first_above(log, lsn);
    std::size_t from = end;
    for (; from > 0 && entries_[from - 1].mark.log == log && entries_[from - 1].mark.offset >= offset; --from) proposed &= entries_[from - 1].proposed;
    erase_range(entries_.data(), count_, from, end);
    if (count_ == entries_.size()) {
        const auto spare = std::find_if(entries_.begin(), entries_.end(), [](const Entry& e) { return e.proposed; });
        if (proposed || spare == entries_.end()) return fail(Error::limit_reached);
        const auto index = static_cast<std::size_t>(spare - entries_.begin());
        erase_range(entries_.data(), count_, index, index + 1);
        if (index < from) --from;
    }
    insert_at(entries_.data(), count_, from, {{log, offset, lsn}, proposed});
    return {};
}

Offset Truncations::void_from(LogId log, Lsn lsn) const {
    const std::size_t i = first_above(log, lsn);
    return i < count_ && entries_[i].mark.log == log ? entries_[i].mark.offset : Offset(std::numeric_limits<std::int64_t>::max());
}

Offset Truncations::void_at(LogId log, Lsn lsn, Offset last) {
    const std::size_t i = first_above(log, lsn);
    if (i < count_ && entries_[i].mark.log == log && entries_[i].mark.offset <= last) entries_[i].proposed = false;
    return void_from(log, lsn);
}

template <class Gone>
void Truncations::drop(Gone gone) {
    const auto last = entries_.begin() + static_cast<std::ptrdiff_t>(count_);
    count_ = static_cast<std::size_t>(std::remove_if(entries_.begin(), last, gone) - entries_.begin());
}

void Truncations::drop_proposed(LogId log, Lsn lsn) {
    drop([&](const Entry& e) { return e.proposed && e.mark.log == log && e.mark.lsn == lsn; });
}

void Truncations::drop_proposed() {
    drop([](const Entry& e) { return e.proposed; });
}

void Truncations::retire(Lsn first_live) {
    drop([&](const Entry& e) { return e.mark.lsn <= first_live; });
}

void Truncations::remove_log(LogId log) {
    drop([&](const Entry& e) { return e.mark.log == log; });
}

// ---- fences ----
// Entries are disjoint.

std::size_t Fences::first_of(LogId log, Offset offset) const {
    const auto before = [&](const Entry& e) { return e.fence.log < log || (e.fence.log == log && e.fence.to <= offset); };
    return static_cast<std::size_t>(std::partition_point(entries_, entries_ + count_, before) - entries_);
}

void Fences::add(LogId log, Offset from, Offset to, FenceCause cause) {
    if (to <= from) return;
    FenceImage fence{log, from, to, cause};
    std::size_t at = first_of(log, from);
    // Those that overlap become one with it, under the cause of the widest.
    std::int64_t widest = to - from;
    std::size_t end = at;
    for (; end < count_ && entries_[end].fence.log == log && entries_[end].fence.from < to; ++end) {
        const FenceImage& other = entries_[end].fence;
        if (other.to - other.from >= widest) {
            widest = other.to - other.from;
            fence.cause = other.cause;
        }
        fence.from = std::min(fence.from, other.from);
        fence.to = std::max(fence.to, other.to);
    }
    // So do neighbours of the same cause.
    if (at > 0 && touches(entries_[at - 1].fence, fence)) fence.from = entries_[--at].fence.from;
    if (end < count_ && touches(fence, entries_[end].fence)) fence.to = entries_[end++].fence.to;
    erase_range(entries_, count_, at, end);
    if (count_ < capacity) {
        insert_at(entries_, count_, at, {fence, ++age_});
    } else if (!widen_nearest(at, fence)) {
        make_room();
        insert_at(entries_, count_, first_of(log, fence.from), {fence, ++age_});
    }
}

bool Fences::touches(const FenceImage& left, const FenceImage& right) {
    return left.log == right.log && left.to == right.from && left.cause == right.cause;
}

// Full: the nearest fence of the same log grows over what lies between, if there is one. Not where that would hide damage.
bool Fences::widen_nearest(std::size_t at, const FenceImage& fence) {
    if (fence.cause == FenceCause::unproved) return false;
    Entry* const left = at > 0 && entries_[at - 1].fence.log == fence.log ? &entries_[at - 1] : nullptr;
    Entry* const right = at < count_ && entries_[at].fence.log == fence.log ? &entries_[at] : nullptr;
    if (!left && !right) return false;
    if (!right || (left && fence.from - left->fence.to <= right->fence.from - fence.to)) {
        left->fence.to = fence.to;
    } else {
        right->fence.from = fence.from;
    }
    return true;
}

void Fences::make_room() {
    const auto oldest = std::min_element(entries_, entries_ + count_, [](const Entry& a, const Entry& b) { return a.age < b.age; });
    const auto index = static_cast<std::size_t>(oldest - entries_);
    erase_range(entries_, count_, index, index + 1);
    ++forgotten_;
}

void Fences::add_unproved(Lsn from, Lsn to) {
    // The first of them leaves the ring next.
    if (count(control_log) == unproved_max) erase_range(entries_, count_, 0, 1);
    add(control_log, Offset(static_cast<std::int64_t>(from.value)), Offset(static_cast<std::int64_t>(to.value)), FenceCause::unproved);
}

bool Fences::covers_unproved(Lsn from, Lsn to) const { return covers(control_log, Offset(static_cast<std::int64_t>(from.value)), Offset(static_cast<std::int64_t>(to.value))); }

void Fences::retire_unproved(Lsn first_live) { raise_start(control_log, Offset(static_cast<std::int64_t>(first_live.value))); }

bool Fences::covers(LogId log, Offset from, Offset to) const {
    const std::size_t i = first_of(log, from);
    return i < count_ && entries_[i].fence.log == log && entries_[i].fence.from <= from && to <= entries_[i].fence.to;
}

void Fences::raise_start(LogId log, Offset start) {
    const std::size_t from = first_of(log, Offset(std::numeric_limits<std::int64_t>::min()));
    const std::size_t to = first_of(log, start);
    erase_range(entries_, count_, from, to);
    if (from < count_ && entries_[from].fence.log == log) entries_[from].fence.from = std::max(entries_[from].fence.from, start);
}

void Fences::truncate(LogId log, Offset end) {
    std::size_t from = first_of(log, end);
    if (from < count_ && entries_[from].fence.log == log && entries_[from].fence.from < end) entries_[from++].fence.to = end;
    std::size_t to = from;
    while (to < count_ && entries_[to].fence.log == log) ++to;
    erase_range(entries_, count_, from, to);
}

void Fences::remove_log(LogId log) { truncate(log, Offset(std::numeric_limits<std::int64_t>::min())); }

std::size_t Fences::count(LogId log) const {
    const std::size_t from = first_of(log, Offset(std::numeric_limits<std::int64_t>::min()));
    std::size_t to = from;
    while (to < count_ && entries_[to].fence.log == log) ++to;
    return to - from;
}

// ---- boots ----

std::uint32_t Boots::index_of(const Uuid& boot_id) {
    for (std::size_t i = count_; i-- > 0;)
        if (entries_[i].boot_id == boot_id) return entries_[i].index;
    const BootImage boot{next_, boot_id, false, 0};
    restore(boot);
    return boot.index;
}

void Boots::restore(const BootImage& image) {
    const auto before = [&](const BootImage& e) { return e.index < image.index; };
    auto at = static_cast<std::size_t>(std::partition_point(entries_, entries_ + count_, before) - entries_);
    next_ = std::max(next_, image.index + 1);
    if (at < count_ && entries_[at].index == image.index) {
        // The same boot again, as its every run says: what is known of its clock stays.
        const bool known = entries_[at].boot_id == image.boot_id && entries_[at].fixed;
        if (!known) entries_[at] = image;
        return;
    }
    if (count_ == capacity) {
        if (at == 0) return;  // older than all that there is room for
        erase_range(entries_, count_, 0, 1);
        --at;
    }
    insert_at(entries_, count_, at, image);
}

bool Boots::fix(std::uint32_t index, std::int64_t offset_ms) {
    for (std::size_t i = 0; i < count_; ++i) {
        BootImage& boot = entries_[i];
        if (boot.index != index) continue;
        if (boot.fixed) return false;
        boot.fixed = true;
        boot.offset_ms = offset_ms;
        return true;
    }
    return false;
}

const BootImage* Boots::find(std::uint32_t index) const {
    const auto before = [&](const BootImage& e) { return e.index < index; };
    const BootImage* const boot = std::partition_point(entries_, entries_ + count_, before);
    return boot != entries_ + count_ && boot->index == index ? boot : nullptr;
}

}  // namespace rivulet::store
